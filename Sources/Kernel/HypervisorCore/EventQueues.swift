/// What the hypervisor keeps of a domain that uses queued event channels (Xen: the FIFO ABI, public
/// `event_channel.h`). The queues themselves are lists through words in the guest's memory; only
/// their tails are here, where the guest cannot reach them.
///
/// - Invariant: *(own memory)* `words` and each control block are frames that the domain owns.
struct EventQueues: BitwiseCopyable {
    /// How many priorities there are (`EVTCHN_FIFO_MAX_QUEUES`).
    static var priorityCount: Int { 16 }
    /// The priority of a port until it gets another (`EVTCHN_FIFO_PRIORITY_DEFAULT`).
    static var usualPriority: UInt8 { 7 }
    /// The bits of a link (`EVTCHN_FIFO_LINK_BITS`).
    static var linkBits: UInt8 { 17 }
    /// The bytes of `struct evtchn_fifo_control_block`.
    static var controlBlockSize: UInt32 { 72 }
    /// How often a word is tried that the guest is changing.
    static var retryLimit: Int { 16 }

    /// Whether the domain uses queues at all.
    var isActive = false
    /// The frame of the event words; nil: the guest has given none. One holds 1,024, more than a
    /// domain has ports.
    var words: MachineFrame?
    /// The queues of each processor.
    var processors = InlineArray<8, ProcessorQueues>(repeating: ProcessorQueues())
    /// Where each port was linked last.
    var lastQueues = InlineArray<64, QueueName>(repeating: QueueName())
    /// The priority of each port.
    var priorities = InlineArray<64, UInt8>(repeating: 7)
    /// Ports that were rung before there was a word for them: one bit for each.
    var early: UInt64 = 0
}

/// The queues of one virtual processor.
struct ProcessorQueues: BitwiseCopyable {
    /// The frame of its control block; nil: the guest has given none.
    var control: MachineFrame?
    /// Where in that frame, in bytes; a multiple of 8.
    var offset = 0
    /// The last port of each queue; 0: none.
    var tails = InlineArray<16, UInt32>(repeating: 0)
}

/// A queue: of which processor, and its priority.
struct QueueName: BitwiseCopyable {
    var cpu: UInt8 = 0
    var priority: UInt8 = 7
}

/// An event word.
///
/// - Layout: link in bits 0 to 16; busy 28, linked 29, masked 30, pending 31 (`EVTCHN_FIFO_…`).
/// - Trust: the guest changes it at any moment.
enum EventWord {
    static var linkMask: UInt32 { 0x1_ffff }
    static var busy: Int { 28 }
    static var linked: Int { 29 }
    static var masked: Int { 30 }
    static var pending: Int { 31 }
}
