import HypervisorCore
import TestSupport
import Testing

/// The scheduler alone, with processors and virtual processors that are a few numbers. Time moves
/// from one event to the next; a processor that was told to go on until a time does, unless its
/// virtual processor blocks first.
struct ScheduleSimulation: ~Copyable {
    /// How one virtual processor behaves.
    struct Behaviour {
        /// How long it runs before it blocks, and how long it then sleeps; nil: it never blocks.
        var blocks: (afterNanoseconds: UInt64, forNanoseconds: UInt64)?
    }

    /// One stay of a virtual processor on a processor.
    struct Stay {
        let processor: Int
        let place: Scheduler.Place
        let start: UInt64
        let end: UInt64
    }

    var scheduler: Scheduler
    let behaviours: [[Behaviour]]
    var stays: [Stay] = []
    /// Idle times of processors while somebody waited who could have run.
    var wasted: UInt64 = 0
    private(set) var now: UInt64
    private var blockedUntil: [[UInt64?]]
    private var ran: [[UInt64]]
    private var current: [(place: Scheduler.Place?, start: UInt64, end: UInt64)]

    init(_ plan: SchedulePlan, processors: Int, _ behaviours: [[Behaviour]], start: UInt64 = 1_000)
    {
        scheduler = Scheduler(plan: plan, processorCount: processors, now: start)
        self.behaviours = behaviours
        now = start
        blockedUntil = behaviours.map { $0.map { _ in nil } }
        ran = behaviours.map { $0.map { _ in 0 } }
        current = Array(repeating: (nil, start, start), count: processors)
    }

    private var runnable: InlineArray<32, UInt8> {
        var sets = InlineArray<32, UInt8>(repeating: 0)
        for (domain, numbers) in blockedUntil.enumerated() {
            for (number, until) in numbers.enumerated() where until == nil {
                sets[domain] |= 1 << UInt8(number)
            }
        }
        return sets
    }

    /// When the virtual processor that runs on `processor` will block by itself.
    private func blockTime(_ processor: Int) -> UInt64 {
        guard let place = current[processor].place,
            let blocks = behaviours[place.domain][place.number].blocks
        else { return .max }
        return current[processor].start + blocks.afterNanoseconds - ran[place.domain][place.number]
    }

    private mutating func stop(_ processor: Int) {
        guard let place = current[processor].place else { return }
        let start = current[processor].start
        stays.append(Stay(processor: processor, place: place, start: start, end: now))
        ran[place.domain][place.number] += now - start
        if let blocks = behaviours[place.domain][place.number].blocks,
            ran[place.domain][place.number] >= blocks.afterNanoseconds
        {
            ran[place.domain][place.number] = 0
            blockedUntil[place.domain][place.number] = now + blocks.forNanoseconds
        }
        scheduler.release(processor, at: now)
        current[processor].place = nil
    }

    private mutating func choose(_ processor: Int) {
        let assignment = scheduler.choose(on: processor, at: now, among: runnable)
        current[processor] = (assignment.runs, now, assignment.end)
    }

    /// Runs until `end`.
    mutating func run(until end: UInt64) {
        for processor in current.indices { choose(processor) }
        while now < end {
            var next = end
            for processor in current.indices {
                next = min(next, current[processor].end, blockTime(processor))
            }
            for numbers in blockedUntil { for until in numbers { next = min(next, until ?? next) } }
            now = max(now, next)
            step()
        }
        for processor in current.indices { stop(processor) }
    }

    private mutating func step() {
        var again = Set(
            current.indices.filter { now >= current[$0].end || now >= blockTime($0) })
        for processor in again { stop(processor) }
        for domain in blockedUntil.indices {
            for number in blockedUntil[domain].indices {
                guard let until = blockedUntil[domain][number], until <= now else { continue }
                blockedUntil[domain][number] = nil
                let woken = scheduler.wake(
                    Scheduler.Place(domain: domain, number: number), at: now,
                    runnable: runnable[domain])
                if let woken { again.insert(woken) }
            }
        }
        for processor in again.sorted() {
            stop(processor)
            choose(processor)
        }
    }

    /// What a domain used between two times.
    func used(_ domain: Int, from start: UInt64 = 0, to end: UInt64 = .max) -> UInt64 {
        stays.filter { $0.place.domain == domain }.reduce(0) {
            let (low, high) = (max($1.start, start), min($1.end, end))
            return $0 + (high > low ? high - low : 0)
        }
    }

    /// Two stays that put one virtual processor on two processors at once.
    func overlap() -> (Stay, Stay)? {
        let sorted = stays.sorted { $0.start < $1.start }
        for place in Set(sorted.map { [$0.place.domain, $0.place.number] }) {
            let own = sorted.filter { [$0.place.domain, $0.place.number] == place }
            for (one, two) in zip(own, own.dropFirst()) where two.start < one.end {
                return (one, two)
            }
        }
        return nil
    }
}

private typealias Behaviour = ScheduleSimulation.Behaviour
private let second: UInt64 = 1_000_000_000
private let millisecond: UInt64 = 1_000_000

private func plan(
    _ kind: SchedulePlan.Kind, _ shares: [SchedulePlan.Share]
) -> SchedulePlan {
    var plan = SchedulePlan(kind: kind, domainCount: shares.count)
    for (index, share) in shares.enumerated() { plan.shares[index] = share }
    return plan
}

@Suite struct FairSchedulerTests {
    @Test("who always wants to run gets its weight's part, within two slices")
    func weights() {
        for weights: [UInt64] in [
            [1, 1], [1, 2], [256, 512, 1024], [1, 65_535], [3, 5, 7, 11],
        ] {
            let shares = weights.map { SchedulePlan.Share(weight: $0) }
            var simulation = ScheduleSimulation(
                plan(.fair, shares), processors: 1, weights.map { _ in [Behaviour()] })
            simulation.run(until: 10 * second)
            let total = weights.reduce(0, +)
            for (domain, weight) in weights.enumerated() {
                let due = 10 * second / total * weight
                let got = simulation.used(domain)
                let bound = 2 * Scheduler.slice + millisecond
                #expect(got + bound >= due && got <= due + bound, "\(weights): \(domain)")
            }
        }
    }

    @Test("a spinning neighbour leaves whoever sleeps now and then its share")
    func spinningNeighbour() {
        // Wants half the processor: 1 ms of every 2. The neighbour spins on two.
        let busy = Behaviour(blocks: (millisecond, millisecond))
        var simulation = ScheduleSimulation(
            plan(.fair, [.init(), .init()]), processors: 1, [[busy], [Behaviour(), Behaviour()]])
        simulation.run(until: 10 * second)
        #expect(simulation.used(0) >= 10 * second / 2 * 9 / 10)
    }

    @Test("nobody is idle while somebody waits, unless a cap says so")
    func workConserving() {
        var simulation = ScheduleSimulation(
            plan(.fair, [.init(weight: 1), .init(weight: 1000)]), processors: 2,
            [[Behaviour()], [Behaviour(), Behaviour()]])
        simulation.run(until: second)
        #expect(simulation.used(0) + simulation.used(1) == 2 * (simulation.now - 1_000))
    }

    @Test("in no period does a domain use more than its cap")
    func caps() {
        for cap: UInt64 in [1, 10, 50, 100, 150] {
            var simulation = ScheduleSimulation(
                plan(.fair, [.init(cap: cap), .init()]), processors: 2,
                [[Behaviour(), Behaviour()], [Behaviour()]])
            simulation.run(until: 2 * second)
            for period in 0..<19 {
                let start = 1_000 + UInt64(period) * Scheduler.period
                let used = simulation.used(0, from: start, to: start + Scheduler.period)
                #expect(used <= cap * Scheduler.period / 100, "cap \(cap), period \(period)")
            }
            // The other domain takes one of the processors: this one gets what it may of its own.
            let whole = simulation.used(0, from: 1_000, to: 1_000 + 10 * Scheduler.period)
            #expect(whole >= min(cap, 100) * Scheduler.period / 10 * 98 / 100, "cap \(cap)")
        }
    }

    @Test("whoever wants to run does before long, whatever the others do")
    func noStarvation() {
        var generator = SeededGenerator(seed: 20)
        for _ in 0..<40 {
            let domains = 2 + Int(generator.next() % 5)
            var shares: [SchedulePlan.Share] = []
            var behaviours: [[Behaviour]] = []
            for _ in 0..<domains {
                shares.append(.init(weight: 128 + generator.next() % 512))
                behaviours.append(
                    (0...Int(generator.next() % 3)).map { _ in
                        generator.next() % 2 == 0
                            ? Behaviour()
                            : Behaviour(
                                blocks: (
                                    50_000 + generator.next() % (20 * millisecond),
                                    50_000 + generator.next() % (20 * millisecond)
                                ))
                    })
            }
            let processors = 1 + Int(generator.next() % 3)
            var simulation = ScheduleSimulation(
                plan(.fair, shares), processors: processors, behaviours)
            simulation.run(until: 3 * second)
            #expect(simulation.overlap() == nil)
            for (domain, numbers) in behaviours.enumerated() {
                for (number, behaviour) in numbers.enumerated() where behaviour.blocks == nil {
                    let own = simulation.stays.filter {
                        $0.place == Scheduler.Place(domain: domain, number: number)
                    }
                    let starts = [1_000] + own.map(\.end)
                    let ends = own.map(\.start) + [simulation.now]
                    let longest = zip(starts, ends).map { $1 - min($0, $1) }.max() ?? 0
                    #expect(longest < second, "domain \(domain), processor \(number)")
                }
            }
        }
    }

    @Test("who slept long has no claim on what it missed")
    func sleeper() {
        // Sleeps for 5 s, then wants everything; the other always does.
        let late = Behaviour(blocks: (1, 5 * second))
        var simulation = ScheduleSimulation(
            plan(.fair, [.init(), .init()]), processors: 1,
            [[late, late, Behaviour(blocks: (10 * second, 1))], [Behaviour()]])
        simulation.run(until: 10 * second)
        let half = simulation.used(1, from: 5 * second, to: 10 * second)
        #expect(half + 3 * Scheduler.slice >= 5 * second / 2)
    }
}

@Suite struct FixedSchedulerTests {
    private let slots: [UInt64] = [2 * millisecond, 100_000, 5 * millisecond]

    private var fixed: SchedulePlan { plan(.fixed, slots.map { .init(slot: $0) }) }

    @Test("every domain runs in its own time of every frame, to the nanosecond, and in no other")
    func exact() {
        var simulation = ScheduleSimulation(
            fixed, processors: 2,
            [[Behaviour(), Behaviour(), Behaviour()], [Behaviour()], [Behaviour(), Behaviour()]])
        simulation.run(until: 1_000 + 100 * fixed.frameLength)
        for stay in simulation.stays {
            let offset = (stay.start - 1_000) % fixed.frameLength
            let slot = fixed.slot(at: offset)
            #expect(slot.domain == stay.place.domain)
            #expect(offset + (stay.end - stay.start) <= slot.end)
        }
        // Domain 0 is busy on both processors, domain 1 on one, domain 2 on both.
        #expect(simulation.used(0) == 100 * 2 * slots[0])
        #expect(simulation.used(1) == 100 * slots[1])
        #expect(simulation.used(2) == 100 * 2 * slots[2])
        #expect(simulation.overlap() == nil)
    }

    @Test("what a domain does not use nobody gets")
    func idleIsKept() {
        let sleepy = Behaviour(blocks: (10_000, 50 * millisecond))
        var simulation = ScheduleSimulation(
            fixed, processors: 1, [[sleepy], [sleepy], [Behaviour()]])
        simulation.run(until: 1_000 + 100 * fixed.frameLength)
        #expect(simulation.used(2) == 100 * slots[2])
        #expect(simulation.used(0) < 100 * slots[0] / 10)
    }

    @Test("when one domain runs does not depend on what another does")
    func noninterference() {
        func stays(_ high: [Behaviour]) -> [[UInt64]] {
            let low = Behaviour(blocks: (300_000, 700_000))
            var simulation = ScheduleSimulation(
                fixed, processors: 2, [high, [low], [low, Behaviour()]])
            simulation.run(until: second)
            return simulation.stays.filter { $0.place.domain != 0 }.map {
                [UInt64($0.processor), $0.start, $0.end, UInt64($0.place.number)]
            }
        }
        var generator = SeededGenerator(seed: 21)
        let quiet = stays([])
        #expect(quiet.count > 100)
        for _ in 0..<20 {
            let high = (0...Int(generator.next() % 7)).map { _ in
                Behaviour(
                    blocks: (
                        1 + generator.next() % millisecond, 1 + generator.next() % millisecond
                    ))
            }
            #expect(Set(stays(high)) == Set(quiet))
        }
    }
}
