/// What the system's schedule promises each domain.
public struct SchedulePlan: BitwiseCopyable {
    /// How processors are shared.
    public enum Kind: BitwiseCopyable, Equatable {
        /// Each domain runs at its own time of a frame that repeats for ever, and at no other; what
        /// it does not use of its time nobody gets.
        case fixed
        /// Whoever wants to run does, by weight, up to a cap.
        case fair
    }

    /// What one domain is promised.
    public struct Share: BitwiseCopyable, Equatable {
        /// Its part under `.fair`, relative to the others'; 1 to 65,535.
        public var weight: UInt64
        /// The most that it gets of one processor under `.fair`; nil: no limit.
        /// - Units: percent, 1 to 800.
        public var cap: UInt64?
        /// How long its time of the frame is under `.fixed`.
        /// - Units: nanoseconds, 100,000 to 1,000,000,000.
        public var slot: UInt64

        /// Makes a share.
        public init(weight: UInt64 = 256, cap: UInt64? = nil, slot: UInt64 = 10_000_000) {
            self.weight = min(max(weight, 1), 65_535)
            self.cap = cap.map { min(max($0, 1), 800) }
            self.slot = min(max(slot, 100_000), 1_000_000_000)
        }
    }

    /// How processors are shared.
    public let kind: Kind
    /// The domains' shares, by index, of which the first `domainCount` count.
    public var shares = InlineArray<32, Share>(repeating: Share())
    /// How many domains there are, 1 to 32.
    public let domainCount: Int

    /// A plan in which all domains have equal shares.
    public init(kind: Kind, domainCount: Int) {
        precondition(domainCount >= 1 && domainCount <= 32, "a plan is for 1 to 32 domains")
        self.kind = kind
        self.domainCount = domainCount
    }

    /// How long the frame is: all domains' slots, one after the other, in the order of the domains.
    /// - Units: nanoseconds.
    public var frameLength: UInt64 {
        var length: UInt64 = 0
        for index in 0..<domainCount { length += shares[index].slot }
        return length
    }

    /// Whose time it is at `offset` into the frame, and at what offset it ends.
    public func slot(at offset: UInt64) -> (domain: Int, end: UInt64) {
        var end: UInt64 = 0
        for index in 0..<domainCount {
            end += shares[index].slot
            if offset < end { return (index, end) }
        }
        return (domainCount - 1, end)
    }
}
