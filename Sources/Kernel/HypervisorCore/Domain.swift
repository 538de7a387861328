public import ReferenceMonitor

/// What the hypervisor keeps of a running compartment, besides its memory and registers.
///
/// - Invariant: *(joined)* if port p of a is `.interdomain(b, q)` then port q of b is
///   `.interdomain(a, p)`.
public struct Domain: BitwiseCopyable {
    /// Ports of one domain, port 0 (never used) included. 2-level event channels allow 4,096; a
    /// closed system needs few, and a table of fixed size needs no heap.
    public static var portCount: Int { 64 }

    /// The console's port, bound before the guest starts.
    public static var consolePort: EventChannelPort { EventChannelPort(number: 1) }

    /// Grant-table frames that a domain may map; each holds 512 version 1 entries.
    public static var grantFrameCount: Int { 4 }

    /// Its number.
    public let id: DomainID
    /// Its label, as source and, for itself, as target.
    public let label: SecurityID
    /// The page of `struct shared_info`.
    public let sharedInfo: MachineFrame
    /// The first of `grantFrameCount` adjacent frames of the grant table.
    public let grantFrames: MachineFrame
    /// The console ring (`struct xencons_interface`), in the guest's memory map and ours.
    public let consoleRing: MachineFrame
    /// Where the guest finds the console ring.
    public let consoleGuestFrame: GuestFrame

    /// Whether it runs, or why it stopped.
    public internal(set) var life: Life
    /// Its event channels, by port.
    public internal(set) var channels: InlineArray<64, EventChannel>
    /// Its virtual processors, of which the first `cpuCount` exist.
    public internal(set) var cpus: InlineArray<8, VirtualCPU>
    /// How many virtual processors it has, 1 to 8.
    public let cpuCount: Int
    /// The vector that events are delivered by, to each processor (`HVM_PARAM_CALLBACK_IRQ`); 0
    /// none.
    public internal(set) var callbackVector: UInt8

    /// Whether a domain runs.
    public enum Life: BitwiseCopyable, Equatable {
        /// It may be scheduled.
        case running
        /// It asked to stop, with a reason of `SCHEDOP_shutdown`.
        case shutDown(reason: UInt32)
        /// The hypervisor stopped it, because its state was unusable.
        case crashed
    }

    /// Makes a running domain with nothing bound but its console, and only its first processor up.
    public init(
        id: DomainID, label: SecurityID, consoleLabel: SecurityID, sharedInfo: MachineFrame,
        grantFrames: MachineFrame, consoleRing: MachineFrame, consoleGuestFrame: GuestFrame,
        cpuCount: Int
    ) {
        precondition(cpuCount >= 1 && cpuCount <= 8, "a domain has 1 to 8 processors")
        self.id = id
        self.label = label
        self.sharedInfo = sharedInfo
        self.grantFrames = grantFrames
        self.consoleRing = consoleRing
        self.consoleGuestFrame = consoleGuestFrame
        life = .running
        channels = InlineArray(repeating: .free)
        channels[Int(Domain.consolePort.number)] = EventChannel(
            binding: .console, label: consoleLabel)
        cpus = InlineArray { VirtualCPU(infoFrame: sharedInfo, number: $0) }
        self.cpuCount = cpuCount
        callbackVector = 0
    }
}

/// The virtual processor's state that guests see through shared memory, and what it waits for.
public struct VirtualCPU: BitwiseCopyable {
    /// The frame that holds its `struct vcpu_info`.
    public internal(set) var infoFrame: MachineFrame
    /// Where in that frame, in bytes; a multiple of 8, at most 4,096 − 64.
    public internal(set) var infoOffset: Int
    /// Whether the guest has moved its `vcpu_info` out of the shared page.
    public internal(set) var infoIsRegistered: Bool
    /// Whether it has been started; a processor that is not up neither runs nor waits.
    public internal(set) var isUp: Bool
    /// When its one-shot timer rings; nil: not set.
    /// - Units: nanoseconds of system time.
    public internal(set) var timerDeadline: UInt64?
    /// Whether it waits for an event.
    public internal(set) var isBlocked: Bool
    /// Whether it can run now.
    public var isRunnable: Bool { isUp && !isBlocked }
    /// When a wait ends without an event; nil: never.
    /// - Units: nanoseconds of system time.
    public internal(set) var pollDeadline: UInt64?
    /// Where the guest wants `struct vcpu_runstate_info`; nil: nowhere.
    public internal(set) var runstateAddress: GuestVirtualAddress?
    /// Time spent running, runnable, blocked and offline.
    /// - Units: nanoseconds.
    public internal(set) var runstateTimes: InlineArray<4, UInt64>
    /// The state of `RUNSTATE_…` it is in, and since when.
    public internal(set) var runstate: UInt32
    /// When it came into that state.
    /// - Units: nanoseconds of system time.
    public internal(set) var runstateSince: UInt64

    /// Its record is where the shared page has room for it, until the guest moves it.
    init(infoFrame: MachineFrame, number: Int) {
        self.infoFrame = infoFrame
        infoOffset = number * 64
        infoIsRegistered = false
        isUp = number == 0
        timerDeadline = nil
        isBlocked = false
        pollDeadline = nil
        runstateAddress = nil
        runstateTimes = InlineArray(repeating: 0)
        runstate = number == 0 ? 1 : 3
        runstateSince = 0
    }
}
