import BootArena
import HypervisorCore
import TestSupport

/// What low domains do. What it is does not depend on anything that they cannot see.
extension LevelWorld {
    /// Takes the events that there are, and makes one hypercall.
    mutating func lowStep(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        seeTime(cpu)
        takeEvents(cpu)
        if cpu.number == 0 { readConsole(cpu) }
        let port = UInt32(4 + random(12, of: domain))
        switch random(16, of: domain) {
        case 0, 1: reserve(cpu, port)
        case 2, 3: send(cpu, port)
        case 4: change(cpu, port)
        case 5: look(cpu, port)
        case 6, 7: map(cpu, port)
        case 8: unmap(cpu, port)
        case 9: copy(cpu, port)
        case 10: giveGrant(cpu, port)
        case 11: wait(cpu)
        case 12: writeConsole(cpu)
        case 13, 14: useLowLine(cpu)
        default: rare(cpu)
        }
    }

    private mutating func seeTime(_ cpu: VirtualCPUID) {
        let memory = simulation.memory
        let (page, place) = (FakeMachine.firstFrame(cpu.domain) + 16, cpu.number * 64 + 32)
        let record = TimeRecord(memory, page, place)
        let time = record.time(at: memory.now + memory.lateness)
        see(.clock, cpu, [Int64(memory.number(page, place, 4)), Int64(time)])
        let times = simulation.core.domains[Int(cpu.domain.number) - 1].cpus[cpu.number]
            .runstateTimes
        see(.times, cpu, (0..<4).map { Int64(times[$0]) })
    }

    /// The pending ports, in the order of the bits, which are then clear; or those of its queues.
    private mutating func takeEvents(_ cpu: VirtualCPUID) {
        let told: Int64 = simulation.isTold(cpu.domain, cpu: cpu.number) ? 1 : 0
        guard cpu.domain.number != LevelWorld.queued else {
            let before = queueGuest.handled.count
            queueGuest.handle(simulation)
            let handled = queueGuest.handled[before...].map { Int64($0) }
            if handled.count > 1 { count("low order") }
            return see(.order, cpu, [told] + handled)
        }
        let page = FakeMachine.firstFrame(cpu.domain) + 16
        let pending = simulation.memory.number(page, 2048, 8)
        if pending != 0 { count("low event") }
        simulation.memory.setNumber(page, 2048, 8, 0)
        simulation.memory.setByte(page, cpu.number * 64, 0)
        simulation.memory.setNumber(page, cpu.number * 64 + 8, 8, 0)
        see(.events, cpu, [told, Int64(bitPattern: pending)])
    }

    /// What was typed, which is then taken, and how far its output was.
    private mutating func readConsole(_ cpu: VirtualCPUID) {
        let ring = FakeMachine.firstFrame(cpu.domain) + 17
        let memory = simulation.memory
        let (taken, typed) = (memory.number(ring, 3072, 4), memory.number(ring, 3076, 4))
        let bytes = (taken..<max(taken, typed)).map { Int64(memory.byte(ring, Int($0 & 1023))) }
        memory.setNumber(ring, 3072, 4, typed)
        if !bytes.isEmpty { count("low console") }
        see(.console, cpu, [Int64(memory.number(ring, 3080, 4))] + bytes)
    }

    mutating func note(_ cpu: VirtualCPUID, _ kind: Sight.Kind, _ values: [Int64]) {
        if values.first == 0 { count("low \(kind)") }
        see(kind, cpu, values + [simulation.core.isRunnable(cpu) ? 1 : 0])
    }

    /// Another domain of the low level, or any, if that is what is tried.
    private mutating func remote(_ domain: UInt16, orHigh: Bool) -> UInt16 {
        2 + UInt16(random(orHigh ? 5 : 3, of: domain))
    }

    private mutating func reserve(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        switch random(4, of: domain) {
        case 0:
            let other = remote(domain, orHigh: true)
            let result = simulation.allocate(domain, remote: other)
            note(cpu, .reserve, [result.result, Int64(result.port)])
        case 1:
            let result = simulation.call(32, 7, from: domain, [UInt32(cpu.number), 0])
            note(cpu, .reserve, [result, Int64(simulation.answer(1, of: domain))])
        default:
            let other = remote(domain, orHigh: lifted == .bindInterdomain)
            let result = simulation.bind(domain, remote: other, port: port)
            note(cpu, .reserve, [result.result, Int64(result.port)])
        }
    }

    private mutating func send(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        // Under this one it sends to high domains as often as it can.
        let ports = lifted == .budget ? (4..<20).filter { isForHigh(domain, $0) } : [port]
        for port in ports {
            note(cpu, .send, [simulation.call(32, 4, from: domain, [port], cpu: cpu.number)])
        }
    }

    private mutating func change(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        switch random(5, of: domain) {
        case 0:
            // Channels to the high ones stay longer, so that there is something to see.
            let stays = lifted == .budget || random(4, of: domain) != 0
            guard !stays || !isForHigh(domain, port) else { return }
            note(cpu, .change, [simulation.call(32, 3, from: domain, [port])])
        case 1: note(cpu, .change, [simulation.call(32, 9, from: domain, [port])])
        case 2:
            note(cpu, .change, [simulation.call(32, 13, from: domain, [port, port % 3 * 5])])
        case 3 where domain != LevelWorld.queued:
            let page = FakeMachine.firstFrame(cpu.domain) + 16
            simulation.memory.setNumber(page, 2560, 8, 1 << UInt64(port))
        default:
            let other = domain == LevelWorld.queued ? 0 : port % 2
            note(cpu, .change, [simulation.call(32, 8, from: domain, [port, other])])
        }
    }

    /// Whether a port is for a high domain, which its owner knows.
    private func isForHigh(_ domain: UInt16, _ port: UInt32) -> Bool {
        switch simulation.binding(domain, port: port) {
        case .unbound(let remote), .interdomain(let remote, _), .revoked(let remote):
            LevelWorld.high.contains(remote.number)
        default: false
        }
    }

    private mutating func look(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        if isForHigh(domain, port), lifted != .status { return }
        let result = simulation.call(32, 5, from: domain, [0x7ff0, port, 0, 0, 0, 0])
        note(cpu, .status, [result] + (2..<6).map { Int64(simulation.answer($0, of: domain)) })
    }

    /// Also of a high domain: that is denied, whatever is there.
    private mutating func map(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        var (other, reference) = (remote(domain, orHigh: true), 8 + port % 4)
        if lifted == .regrant { (other, reference) = (3, 8) }
        let result = simulation.map(
            domain, of: other, reference, at: UInt64(32 + port % 12), readOnly: port % 3 == 0)
        note(cpu, .map, [Int64(result.status?.rawValue ?? 1), Int64(result.handle)])
    }

    private mutating func unmap(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        let handle = UInt32(random(8, of: domain))
        guard let mapped = simulation.core.grants.sight(Int(domain) - 1, handle) else {
            return see(.unmap, cpu)
        }
        let found = simulation.access(domain, mapped.place.number, processor: cpu.number)
        see(.reach, cpu, [Int64(found ?? 0)])
        let status = simulation.unmap(domain, handle, at: mapped.place.number)
        note(cpu, .unmap, [Int64(status?.rawValue ?? 1)])
    }

    private mutating func copy(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        let isReading = random(2, of: domain) == 0
        let other = remote(domain, orHigh: isReading || lifted == .copy)
        let granted = Simulation.CopyEnd.granted(by: other, 8 + port % 4)
        let own = Simulation.CopyEnd.own(frame: 3)
        let status = simulation.copy(
            domain, from: isReading ? granted : own, to: isReading ? own : granted,
            offset: 64 * port, count: 8)
        note(cpu, .copy, [Int64(status?.rawValue ?? 1)])
    }

    /// Entries 8 to 11 are for low domains, 12 to 15 for high ones.
    private mutating func giveGrant(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        let isForHigh = random(2, of: domain) == 0
        let other = isForHigh ? 5 + UInt16(port % 2) : remote(domain, orHigh: false)
        let first: UInt32 = isForHigh && lifted != .regrant ? 12 : 8
        let reference = lifted == .regrant ? 8 : first + port % 4
        // What its program has there.
        simulation.memory.setNumber(
            FakeMachine.firstFrame(cpu.domain) + 3, Int(port) * 64, 8, simulation.memory.now)
        simulation.grant(domain, reference, to: other, frame: 4 + port % 4)
    }

    private mutating func wait(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        let until = simulation.memory.now + UInt64(random(2_000_000, of: domain))
        let halves = [UInt32(truncatingIfNeeded: until), UInt32(until >> 32)]
        if random(2, of: domain) == 0 {
            let timer = simulation.call(
                24, 8, from: domain, halves + [1, 0], cpu: cpu.number, second: UInt64(cpu.number))
            note(cpu, .timer, [timer])
            return note(cpu, .wait, [simulation.call(29, 1, from: domain, cpu: cpu.number)])
        }
        let page = FakeMachine.firstFrame(cpu.domain) + 1
        simulation.memory.setNumber(page, 0x800, 4, UInt64(2 + random(12, of: domain)))
        let result = simulation.call(
            29, 3, from: domain, [0x1800, 0, 1, 0] + halves, cpu: cpu.number)
        note(cpu, .wait, [result])
    }

    /// Some bytes by its ring, and by a hypercall.
    private mutating func writeConsole(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        let bytes = 1 + random(20, of: domain)
        writeRing(domain, count: bytes)
        note(cpu, .ask, [simulation.send(domain, port: 1)])
        note(cpu, .ask, [simulation.call(18, 0, from: domain, second: UInt64(bytes))])
    }

    /// Puts bytes into a console's ring.
    func writeRing(_ domain: UInt16, count: Int) {
        let ring = FakeMachine.firstFrame(DomainID(number: domain)) + 17
        let start = simulation.memory.number(ring, 3084, 4)
        for number in 0..<UInt64(count) {
            let place = 1024 + Int((start + number) & 2047)
            simulation.memory.setByte(ring, place, UInt8(65 + number))
        }
        simulation.memory.setNumber(ring, 3084, 4, start + UInt64(count))
    }

    private mutating func rare(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        guard random(30, of: domain) != 0 else {
            simulation.crash(domain)
            let isNew = simulation.renew(domain)
            prepare(domain)
            return note(cpu, .life, [isNew ? 0 : 1])
        }
        let shown = simulation.call(17, 0, from: domain)
        let up = simulation.call(24, 3, from: domain, cpu: cpu.number, second: 1)
        note(cpu, .ask, [simulation.call(29, 0, from: domain, cpu: cpu.number), shown, up])
    }
}

extension TimeRecord {
    /// Reads `struct vcpu_time_info` from a page.
    init(_ memory: FakeMemory, _ frame: UInt64, _ place: Int) {
        self.init(
            tscTimestamp: memory.number(frame, place + 8, 8),
            systemTime: memory.number(frame, place + 16, 8),
            tscToSystemMultiplier: UInt32(memory.number(frame, place + 24, 4)),
            tscShift: Int8(truncatingIfNeeded: memory.number(frame, place + 28, 1)))
    }
}
