public import PolicyDatabase

/// What a service asks of the hypervisor, and of the pages that it shares with those it serves. In
/// a compartment this is `GuestMachine`; in tests it is a few arrays. It decides nothing.
///
/// - Trust: what is read from a shared page is its other owner's allegation. It may be another one
///   at the next read, so whatever is checked is read once.
public protocol ServiceMachine: ~Copyable {
    /// Maps a page that `domain` has granted, for reading and writing.
    ///
    /// - Returns: nil when the hypervisor refuses, or there is no place for it.
    mutating func map(_ reference: UInt32, of domain: UInt16) -> SharedPage?

    /// Gives a mapped page back. Nothing reads or writes it afterwards.
    mutating func unmap(_ page: SharedPage)

    /// Joins a new port of the service to the port of `domain` that waits for it.
    ///
    /// - Returns: the service's port; nil when the hypervisor refuses.
    mutating func bind(_ remotePort: UInt32, of domain: UInt16) -> UInt32?

    /// Gives a port of the service back.
    mutating func close(_ port: UInt32)

    /// Rings the far end of a port.
    mutating func signal(_ port: UInt32)

    /// Takes the signal of a port: the far end rang since the last time it was taken.
    mutating func takeSignal(of port: UInt32) -> Bool

    /// What the policy permits `subject` to do to objects of a class that are labelled `object`;
    /// nothing when the hypervisor does not answer.
    ///
    /// - Parameters: the labels are the numbers that the hypervisor gives them, from 0.
    mutating func accessVector(
        subject: Int, object: Int, class objectClass: ObjectClass
    ) -> AccessVector

    /// Tells the hypervisor that `subject` asked for a permission on objects labelled `object` that
    /// the policy does not give, so that it is recorded like a denial of its own.
    ///
    /// - Parameters: the labels are the numbers that the hypervisor gives them, from 0.
    mutating func reportDenial(subject: Int, object: Int, _ permission: Permission)

    /// Which policy is in force, as the hypervisor last said: it is asked when it has rung.
    func policySequence() -> UInt32

    /// A part of the manifest in force, from a byte on.
    ///
    /// - Returns: nil when the hypervisor does not answer; what it is doing may take a moment.
    mutating func manifestPart(at offset: Int) -> ManifestPart?

    /// Microseconds of a clock that does not go back.
    func now() -> UInt64

    /// Whether a domain runs, and which of those that had its number.
    func life(of domain: UInt16) -> DomainLife

    /// Reads a byte of a shared page.
    func load8(_ page: SharedPage, offset: Int) -> UInt8

    /// Reads the aligned 32-bit word at `offset` of a shared page.
    func load32(_ page: SharedPage, offset: Int) -> UInt32

    /// Writes a byte of a shared page.
    mutating func store8(_ page: SharedPage, offset: Int, _ value: UInt8)

    /// Writes the aligned 32-bit word at `offset` of a shared page.
    mutating func store32(_ page: SharedPage, offset: Int, _ value: UInt32)
}

/// What the console asks beside: the hypervisor's terminal, and what was typed there.
public protocol ConsoleMachine: ServiceMachine, ~Copyable {
    /// Writes one byte to the terminal, at the latest when `flushConsole` is called.
    mutating func writeConsole(_ byte: UInt8)

    /// Passes on what was written.
    mutating func flushConsole()

    /// Takes the next byte that was typed; nil when there is none.
    mutating func readConsole() -> UInt8?
}

/// A page that a service has mapped.
public struct SharedPage: Equatable, BitwiseCopyable, Sendable {
    /// The machine's number for it.
    public let number: Int

    /// Names a mapped page.
    public init(number: Int) { self.number = number }
}

/// What the hypervisor says about the life of a domain.
public struct DomainLife: Equatable, BitwiseCopyable, Sendable {
    /// Rises with each domain that is given the number; 0 before the first.
    public let generation: UInt32
    /// Whether that domain runs.
    public let isRunning: Bool

    /// Makes a record.
    public init(generation: UInt32, isRunning: Bool) {
        self.generation = generation
        self.isRunning = isRunning
    }
}

/// A part of the manifest in force.
public struct ManifestPart: BitwiseCopyable {
    /// The most bytes of one part.
    public static var capacity: Int { 96 }
    /// The bytes, of which the first `count` are some.
    public var bytes = InlineArray<96, UInt8>(repeating: 0)
    /// How many bytes there are.
    public let count: Int
    /// The size of the whole manifest, in bytes.
    public let total: Int
    /// Which policy it belongs to.
    public let sequence: UInt32

    /// Makes a part of zeros.
    public init(count: Int, total: Int, sequence: UInt32) {
        self.count = min(max(count, 0), ManifestPart.capacity)
        self.total = total
        self.sequence = sequence
    }
}
