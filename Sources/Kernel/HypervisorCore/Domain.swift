public import ReferenceMonitor
public import SystemManifest

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

    /// The store's port, bound before the guest starts when a compartment serves the store.
    public static var storePort: EventChannelPort { EventChannelPort(number: 2) }

    /// Grant-table frames that a domain may map; each holds 512 version 1 entries.
    public static var grantFrameCount: Int { 4 }

    /// Its number.
    public let id: DomainID
    /// Its label, as source and, for itself, as target.
    public internal(set) var label: SecurityID
    /// The page of `struct shared_info`.
    public let sharedInfo: MachineFrame
    /// The first of `grantFrameCount` adjacent frames of the grant table.
    public let grantFrames: MachineFrame
    /// The console ring (`struct xencons_interface`), in the guest's memory map and ours.
    public let consoleRing: MachineFrame
    /// Where the guest finds the console ring.
    public let consoleGuestFrame: GuestFrame

    /// The store ring (`struct xenstore_domain_interface`), in the guest's memory map and ours.
    public let storeRing: MachineFrame
    /// Where the guest finds the store ring.
    public let storeGuestFrame: GuestFrame
    /// A page of its own that takes the place of a foreign frame that was taken from it.
    public let blank: MachineFrame

    /// Where the guest sees the frames of its grant table; nil: nowhere.
    public internal(set) var grantGuestFrames = InlineArray<4, GuestFrame?>(repeating: nil)
    /// The first port for each remote domain, by index, of a list through `EventChannel.next`; 0:
    /// none. What a pair of domains has in common is found without looking at what it has not.
    package var firstPorts = InlineArray<32, UInt8>(repeating: 0)
    /// The port on which its store is served; nil: no compartment serves it.
    public internal(set) var storePort: EventChannelPort?
    /// Whether it runs, or why it does not.
    public internal(set) var life: Life
    /// What the system says about its life.
    public let plan: LifePlan
    /// How often it was started again since it was last started on purpose.
    public internal(set) var restartCount: UInt32 = 0
    /// Whether one of its processors has waited for an event: it has done what it does at first.
    public internal(set) var hasWaited = false
    /// Which of the domains that had its number it is, from 1.
    public internal(set) var generation: UInt32 = 1
    /// Its event channels, by port.
    public internal(set) var channels = InlineArray<64, EventChannel>(repeating: .free)
    /// Its event queues, if it uses them.
    var queues = EventQueues()
    /// Its virtual processors, of which the first `cpuCount` exist.
    public internal(set) var cpus: InlineArray<8, VirtualCPU>
    /// How many virtual processors it has, 1 to 8.
    public let cpuCount: Int
    /// The processors that were woken, or have something new to see, since the scheduler was last
    /// told: one bit for each.
    var woken: UInt8 = 0
    /// The vector that events are delivered by, to each processor (`HVM_PARAM_CALLBACK_IRQ`); 0
    /// none.
    public internal(set) var callbackVector: UInt8 = 0

    /// Whether a domain runs, or what is there instead.
    ///
    /// | from | to | when |
    /// |---|---|---|
    /// | `waiting` | `running` | all who start before it are there (`takeStartable`) |
    /// | `running` | `shutDown`, `crashed` | it asked to, or its state was unusable |
    /// | `running` | `destroyed` | whoever may has ordered it |
    /// | `shutDown`, `crashed` | `clearing(.restart)` | it failed, and its limit is not used up |
    /// | `destroyed` | `clearing(.nothing)` | always |
    /// | `absent` | `clearing(.deploy)` | whoever may has ordered it |
    /// | `clearing` | `running` | its memory was cleared, checked and loaded |
    /// | `clearing` | `absent`, `crashed` | nothing was to follow; what was to follow is wrong |
    public enum Life: BitwiseCopyable, Equatable {
        /// It is built, and its turn to start has not come.
        case waiting
        /// It may be scheduled.
        case running
        /// It asked to stop, with a reason of `SCHEDOP_shutdown`.
        case shutDown(reason: UInt32)
        /// The hypervisor stopped it, because its state was unusable.
        case crashed
        /// It was stopped by who may.
        case destroyed
        /// Nothing of it is there, and nothing starts it but who may.
        case absent
        /// Its memory is being cleared and, perhaps, loaded.
        case clearing(Sequel)
    }

    /// What comes after a domain's memory was cleared.
    public enum Sequel: UInt32, BitwiseCopyable, Equatable {
        /// It starts again, because it failed.
        case restart = 1
        /// It starts, because who may has ordered it.
        case deploy = 2
        /// It stays away.
        case nothing = 3
    }

    /// Makes a domain with nothing bound but its console, and only its first processor up. It runs
    /// at once if its plan has nobody start before it.
    public init(
        id: DomainID, label: SecurityID, pages: SharedPages, cpuCount: Int,
        plan: LifePlan = LifePlan()
    ) {
        precondition(cpuCount >= 1 && cpuCount <= 8, "a domain has 1 to 8 processors")
        self.id = id
        self.label = label
        sharedInfo = pages.sharedInfo
        grantFrames = pages.grantFrames
        consoleRing = pages.consoleRing
        consoleGuestFrame = GuestFrame(number: GuestFirmware.consoleAddress >> 12)
        storeRing = pages.storeRing
        storeGuestFrame = GuestFrame(number: GuestFirmware.storeAddress >> 12)
        blank = pages.blank
        life = plan.startsByItself ? (plan.startRank == 0 ? .running : .waiting) : .absent
        self.plan = plan
        if plan.hasConsole {
            channels[Int(Domain.consolePort.number)] = EventChannel(binding: .console)
        }
        cpus = InlineArray { VirtualCPU(infoFrame: pages.sharedInfo, number: $0) }
        self.cpuCount = cpuCount
    }
}

/// What the system says about a domain's life.
public struct LifePlan: BitwiseCopyable, Equatable {
    /// Whether it starts with the machine.
    public var startsByItself = true
    /// It starts after all of lower rank that start with the machine.
    public var startRank: UInt32 = 0
    /// Whether those of higher rank wait until it serves: it is the store or the console.
    public var isAwaited = false
    /// How often it is started again after it failed.
    public var restartLimit: UInt32 = 0
    /// Whether it has a console.
    public var hasConsole = true
    /// Whether what was refused to it is told to the audit service.
    public var isAudited = false

    /// The plan of a domain that starts with the machine, once, with a console.
    public init() {}

    /// What the manifest says about a compartment's life.
    public init(_ compartment: borrowing CompartmentRecord) {
        startsByItself = compartment.startsAutomatically
        startRank = UInt32(truncatingIfNeeded: compartment.startRank)
        isAwaited = compartment.service == .store || compartment.service == .console
        restartLimit = UInt32(truncatingIfNeeded: compartment.restartLimit)
        hasConsole = compartment.hasConsole
        isAudited = compartment.uses(.audit)
    }
}

/// The pages that the hypervisor shares with a guest, adjacent in the machine's memory and outside
/// the guest's own.
public struct SharedPages: BitwiseCopyable {
    /// The first.
    public let first: MachineFrame

    /// How many there are.
    public static var count: Int { 4 + Domain.grantFrameCount }

    /// Takes `count` adjacent frames.
    public init(first: MachineFrame) { self.first = first }

    private func page(_ index: UInt64) -> MachineFrame {
        MachineFrame(number: first.number + index)
    }

    /// `struct shared_info`.
    public var sharedInfo: MachineFrame { page(0) }
    /// The console ring.
    public var consoleRing: MachineFrame { page(1) }
    /// The store ring.
    public var storeRing: MachineFrame { page(2) }
    /// The blank page.
    public var blank: MachineFrame { page(3) }
    /// The first frame of the grant table.
    public var grantFrames: MachineFrame { page(4) }
}

/// The virtual processor's state that guests see through shared memory, and what it waits for.
public struct VirtualCPU: BitwiseCopyable {
    /// The frame that holds its `struct vcpu_info`.
    public internal(set) var infoFrame: MachineFrame
    /// Where in that frame, in bytes; a multiple of 8, at most 4,096 − 64.
    public internal(set) var infoOffset: Int
    /// Whether the guest has moved its `vcpu_info` out of the shared page.
    public internal(set) var infoIsRegistered = false
    /// Whether it has been started; a processor that is not up neither runs nor waits.
    public internal(set) var isUp: Bool
    /// When its one-shot timer rings; nil: not set.
    /// - Units: nanoseconds of system time.
    public internal(set) var timerDeadline: UInt64?
    /// Whether it waits for an event.
    public internal(set) var isBlocked = false
    /// Whether it can run now.
    public var isRunnable: Bool { isUp && !isBlocked && heldUntil == nil }
    /// Until when it pays for the events that it sent, whatever comes for it; nil: it need not.
    /// - Units: nanoseconds of system time.
    public internal(set) var heldUntil: UInt64?
    /// When a wait ends without an event; nil: never.
    /// - Units: nanoseconds of system time.
    public internal(set) var pollDeadline: UInt64?
    /// The one port that it waits for; nil: for several, or none.
    public internal(set) var polledPort: EventChannelPort?
    /// Where the guest wants `struct vcpu_runstate_info`; nil: nowhere.
    public internal(set) var runstateAddress: GuestVirtualAddress?
    /// Time spent running, runnable, blocked and offline.
    /// - Units: nanoseconds.
    public internal(set) var runstateTimes = InlineArray<4, UInt64>(repeating: 0)
    /// The state of `RUNSTATE_…` it is in, and since when.
    public internal(set) var runstate: UInt32
    /// When it came into that state.
    /// - Units: nanoseconds of system time.
    public internal(set) var runstateSince: UInt64 = 0
    /// The physical processor that watches its deadlines, by number: the one it ran on last.
    public internal(set) var home = 0

    /// Its record is where the shared page has room for it, until the guest moves it.
    init(infoFrame: MachineFrame, number: Int) {
        self.infoFrame = infoFrame
        infoOffset = number * 64
        isUp = number == 0
        runstate = number == 0 ? 1 : 3
    }
}
