/// The agent of the control compartment: what it answers, and in which order it decides.
///
/// For: the program `casemate-agent`. Not for: how bytes come and hypercalls are made; that is the
/// machine's. It trusts the key that it was given and what the hypervisor answers, and nothing that
/// comes by the line. Invariants:
/// - nothing changes before a request was decoded and its signature verified;
/// - a signature is good for one place in one session;
/// - what it holds is bounded by the longest frame, and one command of the TPM;
/// - the TPM's response goes to the session that asked, and to no other.
public import ControlFrames

/// What the agent needs of the machine that it runs on.
public protocol ControlledMachine {
    /// Returns 32 random bytes; nil when there are none.
    mutating func challenge() -> [UInt8]?
    /// `XEN_DOMCTL_getdomaininfo`.
    mutating func state(of domain: UInt16) -> ControlDomainState
    /// `XEN_DOMCTL_unpausedomain` and `_destroydomain`.
    ///
    /// - Returns: an `errno`, 0 for success.
    mutating func order(_ order: MachineOrder, _ domain: UInt16) -> UInt32
    /// `FLASK_LOAD`: 0, or an `errno` with the hypervisor's reason; 0 when it gave none.
    mutating func load(_ archive: [UInt8]) -> (error: UInt32, reason: UInt32)
    /// `CASEMATE_REVOKED`: what the last load took away; nil when it cannot be read.
    mutating func revoked() -> RevocationList?
    /// `XEN_SYSCTL_readconsole`.
    mutating func records() -> Result<[UInt8], MachineError>
    /// `CASEMATE_LOG`: at most 16 KiB of the event log from an offset on, and how long it is.
    mutating func eventLog(from offset: UInt32) -> Result<EventLogPart, MachineError>
    /// Sends bytes to the host; what it does not take is lost.
    mutating func send(_ bytes: [UInt8])
    /// Writes one line to the compartment's console.
    mutating func say(_ text: String)
    /// Waits for 100 milliseconds.
    mutating func pause()
    /// The time since some moment.
    /// - Units: milliseconds.
    var milliseconds: UInt64 { get }
    /// Gives the compartment's TPM a command, and does not wait for the response.
    ///
    /// - Returns: an `errno`, 0 for success: `ENOENT` when there is no TPM, `EBUSY` when somebody
    ///   else has it.
    mutating func beginTPMCommand(_ command: [UInt8]) -> UInt32
    /// Takes the response to the command that was begun, once; nil as long as it runs.
    mutating func takeTPMResponse() -> Result<[UInt8], MachineError>?
}

/// An order about a domain's life.
public enum MachineOrder: Sendable {
    /// Starts it.
    case start
    /// Ends it.
    case end
}

/// What the hypervisor, or Linux, answered when it refused.
public struct MachineError: Error, Equatable {
    /// The `errno`.
    public let number: UInt32

    /// Makes an error.
    public init(number: UInt32) { self.number = number }
}

/// A part of the event log.
public struct EventLogPart: Equatable, Sendable {
    /// How long the whole log is, in bytes.
    public let total: UInt32
    /// The part.
    public let bytes: [UInt8]

    /// Makes a part.
    public init(total: UInt32, bytes: [UInt8]) {
        self.total = total
        self.bytes = bytes
    }
}

/// What a load took away.
public struct RevocationList: Equatable, Sendable {
    /// Which policy is in force, from 1.
    public let sequence: UInt32
    /// How much was taken away.
    public let total: UInt32
    /// Of that, what the hypervisor names.
    public let revocations: [ControlRevocation]

    /// Makes a list.
    public init(sequence: UInt32, total: UInt32, revocations: [ControlRevocation]) {
        self.sequence = sequence
        self.total = total
        self.revocations = revocations
    }
}
