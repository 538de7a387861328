import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import Testing

/// When domains start, what happens when they stop, and how one comes to run again.
@Suite struct LifeTests {
    private static func compartment(_ name: String, _ fields: String...) -> String {
        let kind = name == "store" ? "service" : "compartment"
        return "\(kind) \(name) at low {\n    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
            + fields.map { "    \($0)\n" }.joined() + "}\n"
    }

    private static func system(_ compartments: String...) throws -> TestSystem {
        try TestSystem(
            "system lives version 1\ntarget casemate\n\nlevels low\n\n"
                + compartments.joined(separator: "\n"))
    }

    private func life(_ domain: UInt16, _ simulation: borrowing Simulation) -> Domain.Life {
        simulation.core.domains[Int(domain) - 1].life
    }

    /// Starts everybody whose turn has come, and says who.
    private func start(_ simulation: inout Simulation) -> [UInt16] {
        var started: [UInt16] = []
        while let domain = simulation.core.takeStartable() {
            simulation.core.launch(domain, &simulation.machine)
            started.append(domain.number)
        }
        return started
    }

    /// Deals with everybody who has stopped, as the run loop does.
    private func settle(_ simulation: inout Simulation) -> [UInt16] {
        var ended: [UInt16] = []
        while let domain = simulation.core.takeStopped() {
            simulation.core.retire(domain, &simulation.machine)
            ended.append(domain.number)
        }
        return ended
    }

    // MARK: Starting

    @Test("who starts after the store starts when the store waits for its first event")
    func afterStore() throws {
        var simulation = try Simulation(
            LifeTests.system(
                LifeTests.compartment("store"),
                LifeTests.compartment("first", "start auto after store", "uses store"),
                LifeTests.compartment("second", "start auto after first"),
                LifeTests.compartment("third")))
        let before = [1, 2, 3, 4].map { life($0, simulation) }
        #expect(before == [.running, .waiting, .waiting, .running])
        let early = start(&simulation)
        #expect(early.isEmpty)
        let mask = simulation.core.runnableProcessors()
        #expect(mask[1] == 0 && mask[2] == 0)
        // Any compartment but a service is there when it was started.
        _ = simulation.call(29, 1, from: 4)
        let stillEarly = start(&simulation)
        #expect(stillEarly.isEmpty)
        _ = simulation.call(29, 1, from: 1)
        let started = start(&simulation)
        #expect(started == [2, 3])
        let after = [2, 3].map { life($0, simulation) }
        #expect(after == [.running, .running])
        let again = start(&simulation)
        #expect(again.isEmpty)
    }

    @Test("a store that stops before it serves keeps nobody from starting")
    func deadStore() throws {
        var simulation = try Simulation(
            LifeTests.system(
                LifeTests.compartment("store"),
                LifeTests.compartment("first", "start auto after store", "uses store")))
        let early = start(&simulation)
        #expect(early.isEmpty)
        simulation.core.crash(DomainID(number: 1))
        _ = settle(&simulation)
        let started = start(&simulation)
        #expect(started == [2])
    }

    @Test("a compartment without a console is told of none, and is typed nothing")
    func console() throws {
        var simulation = try Simulation(
            LifeTests.system(
                LifeTests.compartment("quiet", "console none"), LifeTests.compartment("loud")))
        for (domain, wanted) in [(UInt16(1), UInt32(0)), (2, 1)] {
            let result = simulation.call(34, 1, from: domain, [0x7ff0, 18, 0, 0])
            #expect(result == 0)
            let port = simulation.answer(2, of: domain)
            #expect(port == wanted)
            let sent = simulation.send(domain, port: 1)
            #expect(sent == (wanted == 0 ? -22 : 0))
            let isTaken = simulation.core.consoleInput(
                65, to: DomainID(number: domain), machine: &simulation.machine)
            #expect(isTaken == (wanted == 1))
        }
    }

    // MARK: Failing

    @Test("who fails starts again as often as it may, each time with nothing of what it was")
    func restart() throws {
        var simulation = try Simulation(
            LifeTests.system(LifeTests.compartment("one", "restart 2 times"))
        ) { _ in }
        let first = FakeMachine.firstFrame(DomainID(number: 1))
        let one = DomainID(number: 1)
        for attempt in UInt32(1)...2 {
            simulation.memory.setNumber(first + 3, 0, 8, 0x5ec2e7)
            let shut = simulation.call(29, 2, from: 1, [3])
            #expect(shut == 0)
            let ended = settle(&simulation)
            #expect(ended == [1])
            let hasFailed = simulation.core.hasFailed(one)
            let left = simulation.core.restartsLeft(one)
            #expect(hasFailed && left == 3 - attempt)
            // It uses its own time for what is done to its memory, and is not there for others.
            let isBegun = simulation.core.beginAnew(one, .restart, &simulation.machine)
            #expect(isBegun)
            let cleaning = life(1, simulation)
            let mask = simulation.core.runnableProcessors()
            #expect(cleaning == .clearing(.restart) && mask[0] == 1)
            while !simulation.core.clearSome(one, &simulation.machine) {}
            let rest = simulation.memory.number(first + 3, 0, 8)
            #expect(rest == 0)
            simulation.core.launch(one, &simulation.machine)
            let now = life(1, simulation)
            #expect(now == .running)
            let generation = simulation.core.domains[0].generation
            #expect(generation == attempt + 1)
        }
        _ = simulation.call(29, 2, from: 1, [3])
        _ = settle(&simulation)
        let left = simulation.core.restartsLeft(one)
        let isBegun = simulation.core.beginAnew(one, .restart, &simulation.machine)
        #expect(left == 0 && !isBegun)
        let end = life(1, simulation)
        #expect(end == .shutDown(reason: 3))
    }

    @Test("a crash, a reboot and a watchdog are failures; a power-off is none")
    func failures() throws {
        for (reason, fails) in [(UInt32(0), false), (1, true), (2, false), (3, true), (4, true)] {
            var simulation = try Simulation(TestSystem.minimal())
            _ = simulation.call(29, 2, from: 1, [reason])
            let hasFailed = simulation.core.hasFailed(DomainID(number: 1))
            #expect(hasFailed == fails, "reason \(reason)")
        }
        var simulation = try Simulation(TestSystem.minimal())
        simulation.core.crash(DomainID(number: 1))
        let hasFailed = simulation.core.hasFailed(DomainID(number: 1))
        #expect(hasFailed)
    }

    @Test("without the scrub, a successor would find its predecessor's memory: it is noticed")
    func scrub() throws {
        var simulation = try Simulation(TestSystem.minimal())
        simulation.memory.fault = .scrubMemory
        let first = FakeMachine.firstFrame(DomainID(number: 1))
        simulation.memory.setNumber(first + 3, 0, 8, 0x5ec2e7)
        simulation.crash(1)
        let renewed = simulation.renew(1)
        let rest = simulation.memory.number(first + 3, 0, 8)
        #expect(renewed && rest == 0x5ec2e7)
    }

    @Test("what is not right is left down: a restart that is abandoned stays crashed")
    func abandoned() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let one = DomainID(number: 1)
        simulation.crash(1)
        let isBegun = simulation.core.beginAnew(one, .restart, &simulation.machine)
        #expect(isBegun)
        simulation.core.abandon(one, &simulation.machine)
        let end = life(1, simulation)
        #expect(end == .crashed)
        let isRunning = simulation.core.isRunnable(VirtualCPUID(domain: one, number: 0))
        #expect(!isRunning)
    }
}

/// What `control` orders, and what `audit` reads.
@Suite struct ControlTests {
    /// Domain 1 is control, 2 is manual and uses it, 3 is manual and does not, 4 uses audit, 5 is
    /// audit.
    private static func system() throws -> TestSystem {
        let fields = "    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
        let parts = [
            "service control at low {\n\(fields)}",
            "compartment guest at low {\n\(fields)    start manual\n    uses control, audit\n}",
            "compartment other at low {\n\(fields)    start manual\n}",
            "compartment seen at low {\n\(fields)    uses control, audit\n}",
            "service audit at low {\n\(fields)}",
        ]
        return try TestSystem(
            "system orders version 1\ntarget casemate\n\nlevels low\n\n"
                + parts.joined(separator: "\n\n"))
    }

    private let destroy: UInt32 = 2
    private let deploy: UInt32 = 4

    private func life(_ domain: UInt16, _ simulation: borrowing Simulation) -> Domain.Life {
        simulation.core.domains[Int(domain) - 1].life
    }

    /// `domctl`, with what the run loop does of an order afterwards.
    private func order(
        _ command: UInt32, _ domain: UInt32, from caller: UInt16, _ simulation: inout Simulation
    ) -> Int64 {
        let result = simulation.call(36, 0x1000, from: caller, [command, 0x15, domain, 0])
        if let order = simulation.core.takeOrder() {
            simulation.core.commit(order, &simulation.machine)
        }
        return result
    }

    @Test("control deploys and ends a manual compartment that uses it, and nobody else does")
    func orders() throws {
        var simulation = try Simulation(ControlTests.system())
        let before = [2, 3].map { life($0, simulation) }
        #expect(before == [.absent, .absent])
        // Who may not is told nothing, also of a domain that does not exist.
        for caller in UInt16(2)...5 {
            for subject: UInt32 in [1, 2, 3, 4, 5, 6, 99] {
                for command in [destroy, deploy] {
                    let result = order(command, subject, from: caller, &simulation)
                    #expect(result == -1)
                }
            }
        }
        for subject: UInt32 in [1, 3, 4, 5, 6] {
            let result = order(deploy, subject, from: 1, &simulation)
            let end = order(destroy, subject, from: 1, &simulation)
            #expect(result == -1 && end == -1)
        }
        let early = order(destroy, 2, from: 1, &simulation)
        #expect(early == -22)
        let deployed = order(deploy, 2, from: 1, &simulation)
        #expect(deployed == 0)
        let clearing = life(2, simulation)
        #expect(clearing == .clearing(.deploy))
        let twice = order(deploy, 2, from: 1, &simulation)
        #expect(twice == -22)
        let two = DomainID(number: 2)
        while !simulation.core.clearSome(two, &simulation.machine) {}
        simulation.core.launch(two, &simulation.machine)
        let asked = simulation.call(36, 0x1000, from: 1, [5, 0x15, 2])
        let flags = simulation.answer(5, of: 1)
        #expect(asked == 0 && flags == 0x22)
        // Its end leaves nothing in its memory, before anything else comes there.
        let first = FakeMachine.firstFrame(two)
        simulation.memory.setNumber(first + 3, 0, 8, 0x5ec2e7)
        let ended = order(destroy, 2, from: 1, &simulation)
        #expect(ended == 0)
        let stopped = simulation.core.takeStopped()
        #expect(stopped == two)
        simulation.core.retire(two, &simulation.machine)
        let isBegun = simulation.core.beginAnew(two, .nothing, &simulation.machine)
        #expect(isBegun)
        while !simulation.core.clearSome(two, &simulation.machine) {}
        let rest = simulation.memory.number(first + 3, 0, 8)
        #expect(rest == 0)
        simulation.core.abandon(two, &simulation.machine)
        let gone = life(2, simulation)
        #expect(gone == .absent)
        let again = order(deploy, 2, from: 1, &simulation)
        #expect(again == 0)
    }

    /// `XEN_SYSCTL_readconsole` into frame 2 of the caller.
    private func read(
        _ domain: UInt16, after index: UInt32? = nil, count: UInt32 = 4096,
        _ simulation: inout Simulation
    ) -> (result: Int64, text: String, index: UInt32) {
        let flags: UInt32 = index == nil ? 0 : 1 << 8
        let result = simulation.call(
            35, 0x1000, from: domain, [1, 0x15, flags, index ?? 0, 0x2000, 0, count, 0])
        let size = Int(simulation.answer(6, of: domain))
        let frame = FakeMachine.firstFrame(DomainID(number: domain)) + 2
        let bytes = (0..<size).map { simulation.memory.byte(frame, $0) }
        return (
            result, result == 0 ? String(decoding: bytes, as: UTF8.self) : "",
            simulation.answer(3, of: domain)
        )
    }

    private func note(_ text: String, _ domain: UInt16, _ simulation: inout Simulation) {
        simulation.core.recordLine(
            Array(text.utf8).span, about: DomainID(number: domain), &simulation.machine)
    }

    @Test("audit reads the records of those who use it, in order, and is rung for each")
    func records() throws {
        var simulation = try Simulation(ControlTests.system())
        let bound = simulation.call(32, 1, from: 5, [8, 0, 0])
        let port = simulation.answer(2, of: 5)
        #expect(bound == 0)
        note("one", 4, &simulation)
        let isRung = simulation.isPending(5, port: port)
        #expect(isRung)
        note("of somebody else", 1, &simulation)
        note("two", 2, &simulation)
        let all = read(5, &simulation)
        #expect(all.text == "audit 1: one\naudit 2: two\n")
        // What was not acknowledged is kept.
        let again = read(5, count: 9, &simulation)
        #expect(again.text == "audit 1: ")
        let rest = read(5, after: 13, &simulation)
        #expect(rest.text == "audit 2: two\n" && rest.index == 26)
        let none = read(5, after: rest.index, &simulation)
        #expect(none.result == 0 && none.text.isEmpty)
        for domain in UInt16(1)...4 {
            let refused = read(domain, &simulation)
            let unbound = simulation.call(32, 1, from: domain, [8, 0, 0])
            #expect(refused.result == -1 && unbound == -1)
        }
    }

    @Test("a record that finds no room is dropped and counted, and the count is told")
    func loss() throws {
        var simulation = try Simulation(ControlTests.system())
        let text = String(repeating: "x", count: 180)
        for _ in 0..<200 { note(text, 4, &simulation) }
        var seen: [Int] = []
        var lost = 0
        var index: UInt32 = 0
        for round in 0..<20 {
            let part = read(5, after: index, &simulation)
            #expect(part.result == 0)
            index = part.index
            for line in part.text.split(separator: "\n") where line.hasPrefix("audit") {
                let words = line.split(separator: " ")
                if words[0] == "audit:" {
                    lost += Int(words[1]) ?? 0
                } else {
                    seen.append(Int(words[1].dropLast()) ?? 0)
                }
            }
            if round == 18 { note("the last", 4, &simulation) }
        }
        for line in seen.indices.dropFirst() where seen[line] <= seen[line - 1] {
            Issue.record("the order of records")
        }
        #expect(seen.last == 201)
        #expect(lost > 0 && seen.count + lost == 201)
    }

    @Test("a position out of range forgets nothing, and a wild buffer is refused")
    func wildReads() throws {
        var simulation = try Simulation(ControlTests.system())
        note("one", 4, &simulation)
        for index: UInt32 in [14, 4096, .max, 1 << 31] {
            let part = read(5, after: index, &simulation)
            #expect(part.text == "audit 1: one\n" && part.index == 13)
        }
        let wild = simulation.call(
            35, 0x1000, from: 5, [1, 0x15, 0, 0, 0xffff_f000, 0xffff_ffff, 64, 0])
        #expect(wild == -14)
        let clear = simulation.call(35, 0x1000, from: 5, [1, 0x15, 1, 0, 0x2000, 0, 64, 0])
        let other = simulation.call(35, 0x1000, from: 5, [2, 0x15, 0, 0, 0x2000, 0, 64, 0])
        #expect(clear == -22 && other == -38)
    }
}
