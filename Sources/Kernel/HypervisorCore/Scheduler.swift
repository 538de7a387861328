import BootArena

/// Decides which virtual processor runs on which processor, and for how long. It knows neither time
/// nor the machine: whoever runs it says what time it is and who could run.
///
/// Under `.fixed` there is one frame for the whole machine: at any moment all processors serve the
/// same domain, or nobody. Neither what another domain does nor how many there are of its virtual
/// processors moves a slot, and no two domains share caches at the same time.
///
/// Under `.fair` each domain has a virtual time that advances with what it uses, divided by its
/// weight; of those that want to run, the one that is furthest behind is next. It is charged for
/// its slice in advance, so that processors that choose at the same time choose differently, and
/// gets back what it does not use. Who slept does not come back with a claim on the time that it
/// missed.
///
/// - Invariant: *(once)* no virtual processor is on two processors.
/// - Invariant: *(cap)* what a domain was given in a period, less what it gave back, is at most its
///   cap, but for how late the timer was.
/// - Units: nanoseconds of system time.
public struct Scheduler: ~Copyable {
    private let inPlace = InPlace()
    /// How long a virtual processor runs before another may.
    public static var slice: UInt64 { 10_000_000 }
    /// How long caps count.
    public static var period: UInt64 { 100_000_000 }
    /// The least that is worth a switch.
    static var granularity: UInt64 { 100_000 }
    /// How far behind one must be to end another's slice early.
    static var preemptionLead: UInt64 { 1_000_000 }
    /// How much earlier than those who wait one may be that did not run here last.
    static var affinity: UInt64 { 20_000_000 }

    /// What a processor is to do.
    public struct Assignment: BitwiseCopyable, Equatable {
        /// Whom to run, by index of its domain and by its number; nil: nobody.
        public let runs: Place?
        /// When to ask again; .max: when somebody is woken.
        public let end: UInt64
    }

    /// A virtual processor, by the index of its domain and its number.
    public struct Place: BitwiseCopyable, Equatable {
        /// The index of its domain.
        public let domain: Int
        /// Its number in the domain.
        public let number: Int

        /// Names a virtual processor.
        public init(domain: Int, number: Int) {
            self.domain = domain
            self.number = number
        }
    }

    /// What a processor does.
    private struct Run: BitwiseCopyable {
        var place: Place?
        /// Since when, and for how long it was charged.
        var start: UInt64 = 0
        var length: UInt64 = 0
        /// Whether it waits, and nobody has claimed it.
        var isIdle = false
    }

    /// The plan.
    public let plan: SchedulePlan
    /// How many processors there are, 1 to 32.
    public let processorCount: Int
    /// When the first frame and the first period began.
    private let origin: UInt64
    private var periodStart: UInt64
    private var runs = InlineArray<32, Run>(repeating: Run())
    /// Which virtual processors are on a processor, by domain: one bit for each.
    private var running = InlineArray<32, UInt8>(repeating: 0)
    private var virtualTimes = InlineArray<32, UInt64>(repeating: 0)
    /// The virtual time of whoever was chosen last: nobody who waits is much behind it.
    private var floor: UInt64 = 0
    private var spent = InlineArray<32, UInt64>(repeating: 0)
    /// Domains whose cap is used up, by index.
    private var capped: UInt32 = 0
    /// When virtual processors last left a processor, and which that was.
    private var leftAt = InlineArray<256, UInt64>(repeating: 0)
    private var homes = InlineArray<256, UInt8>(repeating: 0)

    /// Starts at `now`.
    public init(plan: SchedulePlan, processorCount: Int, now: UInt64) {
        precondition(
            processorCount >= 1 && processorCount <= 32, "there are 1 to 32 processors")
        self.plan = plan
        self.processorCount = processorCount
        origin = now
        periodStart = now
    }

    // MARK: Asking

    /// The domain whose time it is, by index; nil under `.fair`.
    public func domainInTurn(at now: UInt64) -> Int? {
        plan.kind == .fixed ? plan.slot(at: (now - origin) % plan.frameLength).domain : nil
    }

    /// The processor that a virtual processor is on.
    public func processor(of place: Place) -> Int? {
        guard running[place.domain] >> UInt8(place.number) & 1 == 1 else { return nil }
        for number in 0..<processorCount where runs[number].place == place { return number }
        return nil
    }

    // MARK: Choosing

    /// Chooses what a processor that does nothing is to do.
    ///
    /// - Parameter runnable: who could run, by domain: one bit for each virtual processor.
    /// - Precondition: what the processor ran before was released.
    public mutating func choose(
        on processor: Int, at now: UInt64, among runnable: InlineArray<32, UInt8>
    ) -> Assignment {
        precondition(runs[processor].place == nil, "a processor is to do two things")
        let assignment =
            plan.kind == .fixed
            ? chooseFixed(processor, now, runnable) : chooseFair(processor, now, runnable)
        runs[processor].isIdle = assignment.runs == nil
        guard let place = assignment.runs else { return assignment }
        runs[processor].place = place
        runs[processor].start = now
        running[place.domain] |= 1 << UInt8(place.number)
        homes[place.domain * 8 + place.number] = UInt8(processor)
        return assignment
    }

    /// Takes back what a processor did, and charges for the time that it really took.
    public mutating func release(_ processor: Int, at now: UInt64) {
        guard let place = runs[processor].place else { return }
        let run = runs[processor]
        let used = now > run.start ? now - run.start : 0
        running[place.domain] &= ~(1 << UInt8(place.number))
        leftAt[place.domain * 8 + place.number] = now
        if plan.kind == .fair {
            virtualTimes[place.domain] -= cost(run.length, place.domain)
            virtualTimes[place.domain] += cost(used, place.domain)
            if run.start >= periodStart {
                spent[place.domain] = spent[place.domain] - run.length + used
            } else {
                // The slice was paid for in a period that is over; what is owed is the rest.
                spent[place.domain] += used > run.length ? used - run.length : 0
            }
        }
        runs[processor] = Run()
    }

    /// Tells of a virtual processor that can run from now on.
    ///
    /// - Parameter runnable: which of its domain's could run, itself included: one bit for each.
    /// - Returns: the processor that should choose again, if one should: one that is idle, or whose
    ///   domain is ahead.
    public mutating func wake(_ place: Place, at now: UInt64, runnable: UInt8) -> Int? {
        let bit: UInt8 = 1 << UInt8(place.number)
        guard running[place.domain] & bit == 0 else { return nil }
        if plan.kind == .fixed {
            let processor = place.number % processorCount
            guard domainInTurn(at: now) == place.domain, runs[processor].isIdle else { return nil }
            runs[processor].isIdle = false
            return processor
        }
        startPeriod(now)
        if (running[place.domain] | runnable) & ~bit == 0 { catchUp(place.domain) }
        guard budget(place.domain) >= Scheduler.granularity else { return nil }
        let home = Int(homes[place.domain * 8 + place.number])
        if runs[home].isIdle {
            runs[home].isIdle = false
            return home
        }
        for processor in 0..<processorCount where runs[processor].isIdle {
            runs[processor].isIdle = false
            return processor
        }
        return processorAhead(of: place.domain, now)
    }

    // MARK: The fixed frame

    private func chooseFixed(
        _ processor: Int, _ now: UInt64, _ runnable: InlineArray<32, UInt8>
    ) -> Assignment {
        let offset = (now - origin) % plan.frameLength
        let slot = plan.slot(at: offset)
        let end = now + (slot.end - offset)
        // A virtual processor stays where its number says: it meets no other domain's traces there
        // than those of the frame.
        var mine: UInt8 = 0
        for number in 0..<8 where number % processorCount == processor {
            mine |= 1 << UInt8(number)
        }
        let candidates = runnable[slot.domain] & ~running[slot.domain] & mine
        guard candidates != 0 else { return Assignment(runs: nil, end: end) }
        let number = longestWaiting(slot.domain, candidates, processor)
        let isAlone = candidates & (candidates - 1) == 0
        return Assignment(
            runs: Place(domain: slot.domain, number: number),
            end: isAlone ? end : min(end, now + Scheduler.slice))
    }

    // MARK: Fair shares

    private mutating func chooseFair(
        _ processor: Int, _ now: UInt64, _ runnable: InlineArray<32, UInt8>
    ) -> Assignment {
        startPeriod(now)
        var best: Int?
        for domain in 0..<plan.domainCount where runnable[domain] & ~running[domain] != 0 {
            guard budget(domain) >= Scheduler.granularity else {
                capped |= 1 << UInt32(domain)
                continue
            }
            if let other = best, virtualTimes[other] <= virtualTimes[domain] { continue }
            best = domain
        }
        guard let domain = best else {
            return Assignment(
                runs: nil, end: capped == 0 ? .max : periodStart + Scheduler.period)
        }
        floor = max(floor, virtualTimes[domain])
        var length = Scheduler.slice
        if plan.shares[domain].cap != nil {
            length = min(length, min(budget(domain), periodStart + Scheduler.period - now))
        }
        virtualTimes[domain] += cost(length, domain)
        spent[domain] += length
        runs[processor].length = length
        let number = longestWaiting(domain, runnable[domain] & ~running[domain], processor)
        return Assignment(runs: Place(domain: domain, number: number), end: now + length)
    }

    /// What a time costs a domain, in virtual time.
    private func cost(_ time: UInt64, _ domain: Int) -> UInt64 {
        time * 1024 / plan.shares[domain].weight
    }

    /// What a domain may still use in this period.
    private func budget(_ domain: Int) -> UInt64 {
        guard let cap = plan.shares[domain].cap else { return .max }
        let whole = Scheduler.period / 100 * cap
        return whole > spent[domain] ? whole - spent[domain] : 0
    }

    /// Starts a new period when the last one is over. What was used beyond the cap, because the
    /// timer was late, is owed; nothing is saved.
    private mutating func startPeriod(_ now: UInt64) {
        guard now >= periodStart + Scheduler.period else { return }
        periodStart = now - (now - origin) % Scheduler.period
        for domain in 0..<plan.domainCount {
            let cap = plan.shares[domain].cap ?? .max / Scheduler.period
            let whole = Scheduler.period / 100 * cap
            spent[domain] = spent[domain] > whole ? spent[domain] - whole : 0
            if capped >> UInt32(domain) & 1 == 1 { catchUp(domain) }
        }
        capped = 0
    }

    /// Takes the claim from a domain on time that it did not want, but for half a slice.
    private mutating func catchUp(_ domain: Int) {
        let credit = cost(Scheduler.slice / 2, domain)
        virtualTimes[domain] = max(virtualTimes[domain], floor > credit ? floor - credit : 0)
    }

    /// The processor whose domain is furthest ahead of `domain`, if one is ahead by enough.
    private func processorAhead(of domain: Int, _ now: UInt64) -> Int? {
        var latest = virtualTimes[domain] + cost(Scheduler.preemptionLead, domain)
        var found: Int?
        for processor in 0..<processorCount {
            guard let place = runs[processor].place, place.domain != domain else { continue }
            let used = now > runs[processor].start ? now - runs[processor].start : 0
            let tag =
                virtualTimes[place.domain] - cost(runs[processor].length, place.domain)
                + cost(used, place.domain)
            if tag > latest {
                latest = tag
                found = processor
            }
        }
        return found
    }

    /// Of a domain's virtual processors the one that has waited longest; one that ran here last
    /// counts as if it had waited longer.
    private func longestWaiting(_ domain: Int, _ candidates: UInt8, _ processor: Int) -> Int {
        var best = candidates.trailingZeroBitCount
        var earliest: UInt64 = .max
        for number in 0..<8 where candidates >> UInt8(number) & 1 == 1 {
            let place = domain * 8 + number
            let isHere = Int(homes[place]) == processor
            let key = leftAt[place] + (isHere ? 0 : Scheduler.affinity)
            if key < earliest {
                earliest = key
                best = number
            }
        }
        return best
    }
}
