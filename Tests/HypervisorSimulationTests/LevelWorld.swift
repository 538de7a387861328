import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import TestSupport

/// Low and high domains with channels from low to high, on two processors whose time is divided
/// as `fixed` says: domains 2 to 4 are low, 5 and 6 high. Domain 1 replaces the policy and starts
/// high domains again: what it does belongs to what high does.
///
/// Hypercalls take no time here, unless it is said how much; guests do, between them. `turn` goes
/// the way of the run loop.
struct LevelWorld: ~Copyable {
    /// What a processor does.
    private struct Work {
        var runs: VirtualCPUID?
        var end: UInt64 = 0
        var call: UInt64 = .max
        var next: UInt64
        var mustChoose = false
    }

    static let low: ClosedRange<UInt16> = 2...4
    static let high: ClosedRange<UInt16> = 5...6
    /// The low domain whose events come in queues, and that has one processor.
    static let queued: UInt16 = 3

    private static let links = [
        ReloadSystem.Link(from: 2, to: 5),
        ReloadSystem.Link(from: 2, to: 3, pages: 3, isTwoWay: true),
        ReloadSystem.Link(from: 3, to: 5, pages: 2),
        ReloadSystem.Link(from: 4, to: 6, pages: 2),
        ReloadSystem.Link(from: 3, to: 4, pages: 4, isTwoWay: true),
    ]
    private static let highLinks = [
        ReloadSystem.Link(from: 5, to: 6, isTwoWay: true),
        ReloadSystem.Link(from: 6, to: 5, pages: 3, isTwoWay: true),
    ]

    var simulation: Simulation
    var generators: [SeededGenerator]
    let lifted: Residual?
    let leak: Leak?
    /// Whether high domains do anything.
    let isBusy: Bool
    /// All that low domains were told, in order.
    var sights: [Sight] = []
    /// How often each kind of thing came to something.
    var counts: [String: Int] = [:]
    /// The one that handles its queues.
    var queueGuest = QueueGuest(LevelWorld.queued)
    private var scheduler: Scheduler
    private var works: [Work]
    private let systems: [ReloadSystem]
    private var manifest: [UInt8]
    private var version: UInt64 = 1
    private var isLoading = false
    var devices: Devices
    /// What hypercalls take; nil: no time.
    var costs: Costs?
    /// When the first frame began.
    let origin: UInt64

    /// - Parameters:
    ///   - highSeed: what high domains do; nil: nothing.
    ///   - costs: what hypercalls take; nil: no time.
    init(
        seed: UInt64, highSeed: UInt64?, lifting lifted: Residual? = nil, leak: Leak? = nil,
        costs: Costs? = nil
    ) throws {
        self.costs = costs
        var links = LevelWorld.links
        // Domains of one frame never run at the same time: what is usual they do not reach.
        if lifted == .budget { links[0].rate = 10 }
        let lowLinks = leak == .revokesLow ? links.dropLast() : links[...]
        let systems = try [
            ReloadSystem(links + LevelWorld.highLinks, devices: Devices.statements),
            ReloadSystem(Array(lowLinks), devices: Devices.statements),
        ]
        let policy = leak == .lives ? try LevelWorld.policyTellingOfLives(systems[0]) : nil
        let first = try Simulation(systems[0].compiled, policy: policy)
        let now = first.memory.now
        origin = now
        self.systems = systems
        manifest = systems[0].compiled.compiled.manifest
        (self.lifted, self.leak, isBusy) = (lifted, leak, highSeed != nil)
        generators = (0...6).map { domain in
            let isLow = LevelWorld.low.contains(UInt16(domain))
            return SeededGenerator(seed: (isLow ? seed : highSeed ?? 0) &+ UInt64(domain))
        }
        var plan = SchedulePlan(kind: leak == .fairTime ? .fair : .fixed, domainCount: 6)
        for index in 0..<6 { plan.shares[index].slot = 150_000 + UInt64(index) * 50_000 }
        scheduler = Scheduler(plan: plan, processorCount: 2, now: now)
        works = [Work(next: now), Work(next: now)]
        devices = Devices(seed: seed &+ 100, now: now)
        simulation = first
        simulation.memory.fault = leak?.fault
        for domain in UInt16(1)...6 { prepare(domain) }
        // The channels that the policy declares, before anything differs.
        for link in LevelWorld.links {
            let far = simulation.allocate(link.to, remote: link.from)
            _ = simulation.bind(link.from, remote: link.to, port: far.port)
        }
    }

    /// The policy of a system, and domain 2 may know whose life changes.
    private static func policyTellingOfLives(_ system: ReloadSystem) throws -> [UInt8] {
        let lowered = LoweredPolicy(system.compiled.proved.policy)
        var database = lowered.database
        if let xen = database.initialContexts[InitialSID.xen.rawValue] {
            database.allow(lowered.labels[1].type, xen.type, [HypercallPermission.virq])
        }
        return try database.encoded()
    }

    /// The length of the frame.
    var frameLength: UInt64 { scheduler.plan.frameLength }

    /// What a domain does when it starts: its processors, its clock, the ports of its timers, and
    /// where it reads how its time was spent.
    mutating func prepare(_ domain: UInt16) {
        let id = DomainID(number: domain)
        simulation.core.start(id, wallClockSeconds: 0, simulation.machine)
        if domain == LevelWorld.queued {
            queueGuest = QueueGuest(domain)
            _ = queueGuest.start(&simulation)
            for port in UInt32(1)..<64 { queueGuest.setWord(simulation, port, 0) }
        } else {
            _ = simulation.core.bringUp(VirtualCPUID(domain: id, number: 1))
        }
        for cpu in 0..<2 {
            _ = simulation.call(32, 1, from: domain, [0, UInt32(cpu), 0])
            _ = simulation.call(
                24, 5, from: domain, [0x1900 + UInt32(cpu) * 64, 0], second: UInt64(cpu))
        }
        // `VIRQ_DOM_EXC`, which it may not have.
        if domain == 2 { _ = simulation.call(32, 1, from: domain, [3, 0, 0]) }
    }

    mutating func random(_ bound: Int, of domain: UInt16) -> Int {
        Int.random(in: 0..<bound, using: &generators[Int(domain)])
    }

    mutating func count(_ kind: String) { counts[kind, default: 0] += 1 }

    mutating func see(_ kind: Sight.Kind, _ cpu: VirtualCPUID, _ values: [Int64] = []) {
        guard LevelWorld.low.contains(cpu.domain.number) else { return }
        sights.append(
            Sight(
                time: simulation.memory.now, domain: cpu.domain.number, cpu: cpu.number,
                kind: kind, values: values))
    }

    /// Everything that low domains can read, without the marks, and what they wrote to their
    /// consoles.
    mutating func seeMemory() {
        for domain in LevelWorld.low {
            let cpu = VirtualCPUID(domain: DomainID(number: domain), number: 0)
            see(.console, cpu, [Int64(simulation.memory.output[domain]?.count ?? 0)])
            see(.memory, cpu, digests(of: domain))
        }
    }

    /// A number for each page.
    private func digests(of domain: UInt16) -> [Int64] {
        var bytes = simulation.view(of: domain)
        for reference in 8..<16 where lifted != .marks {
            let place = 20 * 4096 + reference * 8
            if LevelWorld.high.contains(UInt16(bytes[place + 2])) { bytes[place] &= ~0x18 }
        }
        if costs != nil { Costs.blank(&bytes) }
        return stride(from: 0, to: bytes.count, by: 4096).map { start in
            var digest: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in bytes[start..<start + 4096] {
                digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3
            }
            return Int64(bitPattern: digest)
        }
    }
}

/// Time.
extension LevelWorld {
    /// Runs a number of frames.
    mutating func run(frames: Int) {
        for domain in LevelWorld.low { type(domain) }
        let end = simulation.memory.now + UInt64(frames) * frameLength
        while simulation.memory.now < end {
            let processor = works[0].next <= works[1].next ? 0 : 1
            // An interrupt waits for the kernel's lock, too.
            let asks = max(devices.wants, costs?.lockedUntil ?? 0)
            if devices.wants < end, asks <= works[processor].next {
                simulation.memory.now = max(simulation.memory.now, asks)
                lowDeviceAsks()
                works[0].next = min(works[0].next, simulation.memory.now)
                continue
            }
            // Nobody waits for anything.
            guard works[processor].next < .max else { break }
            simulation.memory.now = max(simulation.memory.now, works[processor].next)
            turn(processor)
        }
        seeMemory()
    }

    /// Without a schedule: low domains make their steps in an order of their own, and between any
    /// two of them high ones make as many as they like.
    mutating func run(steps: Int) {
        for domain in LevelWorld.low { type(domain) }
        for _ in 0..<steps {
            simulation.memory.now += 2_000 + UInt64(random(20_000, of: 2))
            simulation.core.expireTimers(&simulation.machine)
            if devices.wants <= simulation.memory.now { lowDeviceAsks() }
            let low = cpu(2 + UInt16(random(3, of: 2)), random(2, of: 2))
            if simulation.core.isRunnable(low) { step(low) }
            for _ in 0..<random(8, of: 1) {
                let high = cpu([1, 5, 6, 5, 6][random(5, of: 1)], random(2, of: 1))
                if simulation.core.isRunnable(high) { step(high) }
            }
        }
        seeMemory()
    }

    private func cpu(_ domain: UInt16, _ number: Int) -> VirtualCPUID {
        VirtualCPUID(domain: DomainID(number: domain), number: number)
    }

    /// Somebody types.
    mutating func type(_ domain: UInt16) {
        _ = simulation.core.consoleInput(
            UInt8(97 + random(26, of: domain)), to: DomainID(number: domain),
            machine: &simulation.machine)
    }

    private mutating func turn(_ processor: Int) {
        // Who has the kernel's lock goes on to the end of what was asked, whatever time it is.
        if let end = costs?.lockedUntil, simulation.memory.now < end {
            works[processor].next = end
            return
        }
        if let runs = works[processor].runs, works[processor].call <= simulation.memory.now,
            simulation.memory.now < works[processor].end
        {
            step(runs)
            works[processor].call = nextCall(runs)
            if let end = lock(runs, slotEnd: works[processor].end) {
                works[processor].next = end
                return
            }
        }
        look(processor)
        var next = works[processor].end
        if works[processor].runs != nil { next = min(next, works[processor].call) }
        let deadline = simulation.core.nextDeadline(home: processor, domain: watched) ?? .max
        works[processor].next = max(min(next, deadline), simulation.memory.now + 1)
    }

    mutating func pause(_ cpu: VirtualCPUID) -> UInt64 {
        5_000 + UInt64(random(30_000, of: cpu.domain.number))
    }

    private mutating func step(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        guard simulation.core.domains[Int(domain) - 1].life == .running else { return }
        if LevelWorld.low.contains(domain) {
            lowStep(cpu)
            return ringLow()
        }
        guard isBusy else { return }
        if domain == 1 { loaderStep() } else { highStep(cpu) }
        ringHigh()
        tellOfHigh(cpu)
        while let stopped = simulation.core.takeStopped() {
            simulation.core.retire(stopped, &simulation.machine)
        }
    }

    /// The scheduler's time, which is the clock's.
    private var scheduled: UInt64 { simulation.memory.now - (costs?.slipped ?? 0) }

    /// Whose deadlines are looked at: those of the domain whose time it is.
    private var watched: Int? {
        mutating get {
            leak == .foreignTimers ? nil : scheduler.domainInTurn(at: scheduled)
        }
    }

    /// What the run loop does between two stays of guests (`Kernel.look`).
    private mutating func look(_ processor: Int) {
        let now = simulation.memory.now
        simulation.core.expireTimers(home: processor, domain: watched, &simulation.machine)
        passOnWakes(processor)
        if let runs = works[processor].runs {
            let goesOn =
                now < works[processor].end && !works[processor].mustChoose
                && simulation.core.isRunnable(runs)
            if goesOn { return }
            scheduler.release(processor, at: scheduled)
            works[processor].runs = nil
            let cpu = simulation.core.domains[Int(runs.domain.number) - 1].cpus[runs.number]
            simulation.core.enter(
                cpu.isBlocked ? .blocked : .runnable, runs, simulation.machine)
            see(.leaves, runs, [Int64(processor)])
        }
        works[processor].mustChoose = false
        // Whose time it is may have changed: their deadlines come before the choice.
        simulation.core.expireTimers(home: processor, domain: watched, &simulation.machine)
        passOnWakes(processor)
        let assignment = scheduler.choose(
            on: processor, at: scheduled, among: simulation.core.runnableProcessors())
        works[processor].end =
            assignment.end == .max ? .max : assignment.end + (costs?.slipped ?? 0)
        guard let place = assignment.runs else { return }
        let chosen = VirtualCPUID(
            domain: simulation.core.domains[place.domain].id, number: place.number)
        works[processor].runs = chosen
        works[processor].call = nextCall(chosen)
        simulation.core.setHome(processor, of: chosen)
        simulation.core.enter(.running, chosen, simulation.machine)
        see(.runs, chosen, [Int64(processor)])
    }

    private mutating func passOnWakes(_ processor: Int) {
        let now = simulation.memory.now
        while let woken = simulation.core.takeWoken() {
            if leak == .foreignTimers, !LevelWorld.low.contains(woken.domain.number),
                let runs = works[processor].runs, LevelWorld.low.contains(runs.domain.number)
            {
                works[processor].call += 700
            }
            let place = Scheduler.Place(domain: Int(woken.domain.number) - 1, number: woken.number)
            guard scheduler.processor(of: place) == nil, simulation.core.isRunnable(woken)
            else { continue }
            simulation.core.note(.runnable, woken, simulation.machine)
            let runnable = simulation.core.runnableProcessors()[place.domain]
            guard let chosen = scheduler.wake(place, at: scheduled, runnable: runnable) else {
                continue
            }
            works[chosen].mustChoose = true
            works[chosen].next = now
        }
    }
}

/// The domain that replaces the policy.
extension LevelWorld {
    private mutating func loaderStep() {
        for domain in LevelWorld.high where random(6, of: 1) == 0 {
            guard simulation.core.domains[Int(domain) - 1].life.hasEnded else { continue }
            guard simulation.renew(domain) else { continue }
            prepare(domain)
            count("restart")
        }
        if random(8, of: 1) == 0 { type(5 + UInt16(random(2, of: 1))) }
        // A new policy would take the right to know of lives back.
        guard leak != .lives else { return }
        if !isLoading {
            guard random(8, of: 1) == 0 else { return }
            beginLoad()
        }
        let result = simulation.part(27, 0x1000, from: 1)
        simulation.examine()
        guard let result else { return }
        if result == 0 { version += 1 }
        count(result == 0 ? "reload" : "refused reload")
        isLoading = false
    }

    /// Puts an archive, good or bad, into the loader's memory. The systems differ in what is high.
    private mutating func beginLoad() {
        let system = systems[version % 2 == 1 ? 1 : 0]
        let isBad = random(6, of: 1) == 0
        let isMeasured = random(6, of: 1) != 0
        let next = system.manifest(version: version + 1, replacing: isBad ? [1] : manifest)
        if !isBad && isMeasured { manifest = next }
        simulation.memory.tpmFails = !isMeasured
        let archive = system.archive(next)
        simulation.store(archive, of: 1)
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
        for (index, word) in Simulation.loadRequest(size: archive.count).enumerated() {
            simulation.memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
        isLoading = true
    }
}

extension Domain.Life {
    /// Whether it ran and does no longer.
    var hasEnded: Bool {
        switch self {
        case .shutDown, .crashed: true
        default: false
        }
    }
}
