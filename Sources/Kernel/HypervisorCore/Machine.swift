/// What the core asks of the machine beneath it. On the bare machine this is AMD-V with nested
/// paging; in tests it is a few arrays. A machine decides nothing about policy.
public protocol Machine: ~Copyable {
    /// Copies `count` bytes (at most `GuestBytes.capacity`) of the caller's virtual memory, once.
    ///
    /// - Throws: `.badAddress` when any is not mapped, or lies outside memory that the domain owns.
    func copyFromGuest(
        _ domain: DomainID, at address: GuestVirtualAddress, count: Int
    ) throws(XenError) -> GuestBytes

    /// Copies `bytes` to the caller's virtual memory.
    ///
    /// - Throws: `.badAddress` when any is not mapped for writing, or lies outside memory that the
    ///   domain owns; some bytes may then have been written, all within the domain's own memory.
    func copyToGuest(
        _ domain: DomainID, at address: GuestVirtualAddress, _ bytes: borrowing GuestBytes
    ) throws(XenError)

    /// The size of the domain's memory, in bytes.
    func memorySize(of domain: DomainID) -> UInt64

    /// The machine frame behind `frame`, if it is memory that the domain owns and has mapped.
    func ownedFrame(of domain: DomainID, at frame: GuestFrame) -> MachineFrame?

    /// Whether `frame` may be mapped by `map`: nothing but the domain's memory or shared pages, or
    /// nothing, is there, and the tables have room. A frame of another domain is never replaced.
    func canMap(_ domain: DomainID, at frame: GuestFrame) -> Bool

    /// Maps `machineFrame`, which the domain owns, at `frame`, in place of what was there.
    ///
    /// - Precondition: `canMap` said so, and nothing was mapped since.
    mutating func map(_ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame)

    /// Whether `frame` may be mapped by `mapForeign`: nothing is there, and the tables have room.
    func canMapForeign(_ domain: DomainID, at frame: GuestFrame) -> Bool

    /// Maps a frame of another domain where nothing is.
    ///
    /// - Precondition: `canMapForeign` said so, and nothing was mapped since.
    mutating func mapForeign(
        _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame, writable: Bool)

    /// Maps `machineFrame`, which is the domain's own, for writing, in place of a foreign frame, in
    /// one step: no access of the guest finds nothing there. Processors may go on using the old
    /// translation until `flushTranslations`.
    mutating func remapForeign(
        _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame)

    /// Takes a foreign frame out of the page tables; nothing is there afterwards. Processors may go
    /// on using the old translation until `flushTranslations`.
    mutating func unmapForeign(_ domain: DomainID, at frame: GuestFrame)

    /// Has every processor forget the domain's translations. When it returns, none uses one that
    /// the page tables no longer hold, nor will.
    mutating func flushTranslations(of domain: DomainID)

    /// Lets the owner of a device's range use its I/O ports or memory directly, or no longer; other
    /// ports read as nothing there, and other memory ends who touches it. A processor that runs the
    /// domain may go on until `flushTranslations`.
    mutating func setDevice(_ device: DeviceRange, isPermitted: Bool)

    /// Lets an interrupt line ring, once.
    mutating func openLine(_ line: Int)

    /// Copies bytes between two frames, or within one, as `memmove` does.
    ///
    /// - Precondition: `offset + count` is at most 4,096, for both.
    mutating func copy(
        from source: MachineFrame, offset: Int, to target: MachineFrame, offset targetOffset: Int,
        count: Int)

    /// Fills a frame with zeros.
    mutating func scrub(_ frame: MachineFrame)

    /// Stores `value` into an aligned 32-bit word if the word is `expected`, atomically.
    ///
    /// - Returns: what the word was.
    func compareExchange32(
        _ frame: MachineFrame, offset: Int, expected: UInt32, _ value: UInt32
    ) -> UInt32

    /// Whether a simulation leaves this step out. A real machine never does.
    func omits(_ point: FaultPoint) -> Bool

    /// The aligned word at `offset` bytes into a frame that the hypervisor shares with a guest.
    func load64(_ frame: MachineFrame, offset: Int) -> UInt64

    /// The byte at `offset` into a shared frame.
    func load8(_ frame: MachineFrame, offset: Int) -> UInt8

    /// The aligned 32-bit word at `offset` bytes into a shared frame.
    func load32(_ frame: MachineFrame, offset: Int) -> UInt32

    /// Stores an aligned 32-bit word into a shared frame.
    func store32(_ frame: MachineFrame, offset: Int, _ value: UInt32)

    /// Stores an aligned word into a shared frame.
    func store64(_ frame: MachineFrame, offset: Int, _ value: UInt64)

    /// Stores a byte into a shared frame.
    func store8(_ frame: MachineFrame, offset: Int, _ value: UInt8)

    /// Sets bit `bit` (0 to 63) of the aligned word at `offset`, atomically.
    ///
    /// - Returns: whether it was set before.
    func testAndSetBit(_ frame: MachineFrame, offset: Int, bit: Int) -> Bool

    /// Clears bit `bit` (0 to 63) of the aligned word at `offset`, atomically.
    ///
    /// - Returns: whether it was set before.
    func testAndClearBit(_ frame: MachineFrame, offset: Int, bit: Int) -> Bool

    /// The size of something that is kept, in bytes.
    func size(of file: KeptFile) -> Int

    /// A byte of something that is kept.
    ///
    /// - Precondition: `offset` is below `size(of:)`.
    func byte(of file: KeptFile, at offset: Int) -> UInt8

    /// Nanoseconds since the machine started; never goes back.
    func systemTimeInNanoseconds() -> UInt64

    /// How a guest computes system time from its time-stamp counter.
    func timeRecord() -> TimeRecord

    /// Passes one byte that a domain wrote to its console.
    mutating func consoleOutput(_ domain: DomainID, _ byte: UInt8)

    /// Records that the policy refused something.
    mutating func audit(_ denial: Denial)
}

extension Machine where Self: ~Copyable {
    /// No step is left out.
    @inline(__always)
    public func omits(_ point: FaultPoint) -> Bool { false }
}

/// What the hypervisor keeps for services to read: the manifest in force, and what was measured.
public enum KeptFile { case manifest, eventLog }

/// Any machine: what most functions of the core take.
public typealias Hardware = Machine & ~Copyable

/// The clock of a guest (`struct pvclock_vcpu_time_info` without its version): system time =
/// `systemTime` + (((tsc − `tscTimestamp`) shifted left by `tscShift`) × `tscToSystemMultiplier`
/// / 2³²).
///
/// - Units: `systemTime` nanoseconds, `tscTimestamp` TSC ticks.
public struct TimeRecord: BitwiseCopyable {
    /// The counter at the moment the record was taken.
    public let tscTimestamp: UInt64
    /// System time at that moment.
    public let systemTime: UInt64
    /// Nanoseconds for 2³² shifted ticks.
    public let tscToSystemMultiplier: UInt32
    /// Binary logarithm of the shift, −31 to 31.
    public let tscShift: Int8

    /// Makes a record.
    public init(
        tscTimestamp: UInt64, systemTime: UInt64, tscToSystemMultiplier: UInt32, tscShift: Int8
    ) {
        self.tscTimestamp = tscTimestamp
        self.systemTime = systemTime
        self.tscToSystemMultiplier = tscToSystemMultiplier
        self.tscShift = tscShift
    }
}
