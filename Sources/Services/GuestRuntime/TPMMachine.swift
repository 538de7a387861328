/// What the TPM's service asks beside: the TPM, for one user at a time, and a ring of its own.
public protocol TPMMachine: ServiceMachine, ~Copyable {
    /// Finds the ring by which the service itself uses the store.
    ///
    /// - Returns: nil when it uses none.
    mutating func openStore() -> StoreEnd?

    /// Has the TPM begin with a command of a user.
    mutating func submit(_ command: Span<UInt8>, of domain: UInt16) -> CommandOutcome

    /// Takes the response.
    ///
    /// - Returns: its length, 0 when the command was cancelled or the TPM has failed; nil as long
    ///   as the command runs.
    mutating func collectResponse(of domain: UInt16) -> Int?

    /// A byte of the response that was taken last, below its length.
    func responseByte(at index: Int) -> UInt8

    /// Asks the TPM to end a user's command, if it runs.
    mutating func cancelCommand(of domain: UInt16)
}

/// A domain's own end of its store ring, as a page and a port of its own.
public struct StoreEnd: BitwiseCopyable, Sendable {
    /// The page with the ring.
    public let page: SharedPage
    /// The port that the store rings.
    public let port: UInt32

    /// Names an end.
    public init(page: SharedPage, port: UInt32) {
        self.page = page
        self.port = port
    }
}

/// What became of a command.
public enum CommandOutcome: BitwiseCopyable, Sendable {
    /// The TPM works on it.
    case begun
    /// The TPM works on another.
    case busy
    /// The policy does not permit it; the hypervisor has recorded that.
    case refused
    /// It is no command of this TPM's family.
    case malformed
    /// The TPM has failed.
    case failed
}
