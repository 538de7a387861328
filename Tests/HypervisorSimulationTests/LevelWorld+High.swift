import BootArena
import HypervisorCore
import TestSupport

/// What high domains do: anything.
extension LevelWorld {
    mutating func highStep(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        let port = UInt32(2 + random(20, of: domain))
        let other = UInt16(1 + random(6, of: domain))
        switch random(18, of: domain) {
        case 0: if simulation.allocate(domain, remote: other).result == 0 { count("port") }
        case 1: join(domain)
        case 2:
            for port in UInt32(2)..<22 where simulation.send(domain, port: port) == 0 {
                count("send")
            }
        case 3: if simulation.call(32, 3, from: domain, [port]) == 0 { count("close") }
        case 4, 5: mapSomething(domain, port, other)
        case 6: unmapSomething(domain, port)
        case 7: touch(cpu, port)
        case 8: copySomething(domain, port, other)
        case 9: simulation.grant(domain, 8 + port % 8, to: other, frame: 4 + port % 4)
        case 10: takePending(cpu)
        case 11: wait(cpu, port)
        case 12: writeConsole(domain, Int(port))
        case 13 where random(20, of: domain) == 0: die(domain, port)
        case 14, 15: useHighLine(domain)
        default: randomCall(cpu)
        }
    }

    /// Binds all ports that wait for it: it tries every number.
    private mutating func join(_ domain: UInt16) {
        for other in UInt16(2)...6 {
            for port in UInt32(4)..<24
            where simulation.bind(domain, remote: other, port: port).result == 0 { count("bind") }
        }
    }

    private mutating func mapSomething(_ domain: UInt16, _ port: UInt32, _ other: UInt16) {
        let (grantor, reference) = lifted == .regrant ? (3, 8) : (other, 8 + port % 8)
        let result = simulation.map(
            domain, of: grantor, reference, at: UInt64(32 + port % 16), readOnly: port % 5 != 0)
        guard result.status == .okay else { return }
        count(LevelWorld.low.contains(other) ? "map of low" : "map of high")
    }

    private mutating func unmapSomething(_ domain: UInt16, _ port: UInt32) {
        for handle in UInt32(0)..<8 {
            guard let mapped = simulation.core.grants.sight(Int(domain) - 1, handle) else {
                continue
            }
            guard random(3, of: domain) == 0 else { continue }
            if simulation.unmap(domain, handle, at: mapped.place.number) == .okay {
                count("unmap")
            }
        }
    }

    /// Writes wherever it can write.
    private mutating func touch(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        for place in UInt64(32)..<48 {
            let frame = simulation.access(domain, place, processor: cpu.number, writing: true)
            guard let frame else { continue }
            count("write to another's")
            simulation.memory.setNumber(frame, Int(port) * 8, 8, simulation.memory.now)
        }
    }

    /// From one that has granted something, or to one.
    private mutating func copySomething(_ domain: UInt16, _ port: UInt32, _ other: UInt16) {
        let granted = Simulation.CopyEnd.granted(by: other, 8 + port % 8)
        let own = Simulation.CopyEnd.own(frame: 3)
        let isReading = random(2, of: domain) == 0
        let status = simulation.copy(
            domain, from: isReading ? granted : own, to: isReading ? own : granted,
            offset: 64 * port, count: 64)
        if status == .okay { count("copy") }
    }

    private mutating func takePending(_ cpu: VirtualCPUID) {
        let page = FakeMachine.firstFrame(cpu.domain) + 16
        if simulation.memory.number(page, 2048, 8) != 0 { count("event") }
        simulation.memory.setNumber(page, 2048, 8, 0)
        simulation.memory.setByte(page, cpu.number * 64, 0)
        simulation.memory.setNumber(page, cpu.number * 64 + 8, 8, 0)
    }

    private mutating func wait(_ cpu: VirtualCPUID, _ port: UInt32) {
        let domain = cpu.domain.number
        let until = simulation.memory.now + UInt64(random(4_000_000, of: domain))
        let halves = [UInt32(truncatingIfNeeded: until), UInt32(until >> 32)]
        let timer = simulation.call(
            24, 8, from: domain, halves + [0, 0], cpu: cpu.number, second: UInt64(cpu.number))
        if timer == 0 { count("timer") }
        if port % 2 == 0 {
            let page = FakeMachine.firstFrame(cpu.domain) + 1
            simulation.memory.setNumber(page, 0x800, 4, UInt64(port))
            _ = simulation.call(29, 3, from: domain, [0x1800, 0, 1, 0] + halves, cpu: cpu.number)
        }
    }

    private mutating func writeConsole(_ domain: UInt16, _ bytes: Int) {
        let before = simulation.memory.output[domain]?.count ?? 0
        writeRing(domain, count: bytes)
        _ = simulation.send(domain, port: 1)
        _ = simulation.call(18, 0, from: domain, second: UInt64(bytes))
        if simulation.memory.output[domain]?.count ?? 0 > before { count("console") }
    }

    private mutating func die(_ domain: UInt16, _ port: UInt32) {
        if port % 2 == 0 {
            simulation.crash(domain)
            count("crash")
        } else if simulation.call(29, 2, from: domain, [port % 3 == 0 ? 3 : 1]) == 0 {
            count("shutdown")
        }
    }

    private mutating func randomCall(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        let calls: [UInt64] = [12, 15, 17, 18, 20, 21, 24, 27, 32, 32, 32, 33, 34, 35, 36]
        let number = calls[random(calls.count, of: domain)]
        let words = (0..<6).map { _ in
            let bound = [4, 8, 70, 1 << 31][random(4, of: domain)]
            return UInt32(random(bound, of: domain)) | (bound == 8 ? 0x7ff0 : 0)
        }
        let operation = UInt64(random(16, of: domain))
        _ = simulation.call(number, operation, from: domain, words, cpu: cpu.number)
        count("random call")
    }
}
