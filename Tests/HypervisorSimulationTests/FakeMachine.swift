import HypervisorCore

/// A machine of arrays. Every domain has 64 KiB of memory, where virtual, guest-physical and
/// machine addresses differ by constants only, and its shared pages behind it.
final class FakeMemory {
    /// Bytes by machine frame.
    var frames: [UInt64: [UInt8]] = [:]
    /// Denials, in order.
    var denials: [Denial] = []
    /// What each domain wrote to its console.
    var output: [UInt16: [UInt8]] = [:]
    /// System time, in nanoseconds.
    var now: UInt64 = 1_000

    func byte(_ frame: UInt64, _ offset: Int) -> UInt8 { frames[frame]?[offset] ?? 0 }

    func setByte(_ frame: UInt64, _ offset: Int, _ value: UInt8) {
        frames[frame, default: Array(repeating: 0, count: 4096)][offset] = value
    }

    func number(_ frame: UInt64, _ offset: Int, _ size: Int) -> UInt64 {
        (0..<size).reduce(0) { $0 | UInt64(byte(frame, offset + $1)) << UInt64(8 * $1) }
    }

    func setNumber(_ frame: UInt64, _ offset: Int, _ size: Int, _ value: UInt64) {
        for index in 0..<size {
            setByte(frame, offset + index, UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
        }
    }
}

struct FakeMachine: Machine, ~Copyable {
    /// Frames of memory that a domain owns.
    static let frameCount: UInt64 = 16
    /// The first frame of a domain's memory; its shared pages come after 1,000 more.
    static func firstFrame(_ domain: DomainID) -> UInt64 { UInt64(domain.number) * 10_000 }

    let memory: FakeMemory

    private func translate(_ domain: DomainID, _ address: UInt64) -> (UInt64, Int)? {
        guard address >> 12 < FakeMachine.frameCount else { return nil }
        return (FakeMachine.firstFrame(domain) + address >> 12, Int(address & 0xfff))
    }

    func copyFromGuest(
        _ domain: DomainID, at address: GuestVirtualAddress, count: Int
    ) -> GuestBytes? {
        guard count <= GuestBytes.capacity else { return nil }
        var bytes = GuestBytes(count: count)
        for index in 0..<count {
            let (place, overflow) = address.value.addingReportingOverflow(UInt64(index))
            guard !overflow, let (frame, offset) = translate(domain, place) else { return nil }
            bytes[index] = memory.byte(frame, offset)
        }
        return bytes
    }

    func copyToGuest(
        _ domain: DomainID, at address: GuestVirtualAddress, _ bytes: GuestBytes
    ) -> Bool {
        for index in 0..<bytes.count {
            let (place, overflow) = address.value.addingReportingOverflow(UInt64(index))
            guard !overflow, let (frame, offset) = translate(domain, place) else { return false }
            memory.setByte(frame, offset, bytes[index])
        }
        return true
    }

    func ownedFrame(of domain: DomainID, at frame: GuestFrame) -> MachineFrame? {
        guard frame.number < FakeMachine.frameCount else { return nil }
        return MachineFrame(number: FakeMachine.firstFrame(domain) + frame.number)
    }

    func canMap(_ domain: DomainID, at frame: GuestFrame) -> Bool { frame.number < 1 << 20 }

    mutating func map(_ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame) {}

    func load64(_ frame: MachineFrame, offset: Int) -> UInt64 {
        memory.number(frame.number, offset, 8)
    }

    func load32(_ frame: MachineFrame, offset: Int) -> UInt32 {
        UInt32(memory.number(frame.number, offset, 4))
    }

    func load8(_ frame: MachineFrame, offset: Int) -> UInt8 { memory.byte(frame.number, offset) }

    func store64(_ frame: MachineFrame, offset: Int, _ value: UInt64) {
        memory.setNumber(frame.number, offset, 8, value)
    }

    func store32(_ frame: MachineFrame, offset: Int, _ value: UInt32) {
        memory.setNumber(frame.number, offset, 4, UInt64(value))
    }

    func store8(_ frame: MachineFrame, offset: Int, _ value: UInt8) {
        memory.setByte(frame.number, offset, value)
    }

    func testAndSetBit(_ frame: MachineFrame, offset: Int, bit: Int) -> Bool {
        let word = load64(frame, offset: offset)
        store64(frame, offset: offset, word | 1 << UInt64(bit))
        return word >> UInt64(bit) & 1 == 1
    }

    func testAndClearBit(_ frame: MachineFrame, offset: Int, bit: Int) -> Bool {
        let word = load64(frame, offset: offset)
        store64(frame, offset: offset, word & ~(1 << UInt64(bit)))
        return word >> UInt64(bit) & 1 == 1
    }

    func systemTimeInNanoseconds() -> UInt64 { memory.now }

    func timeRecord() -> TimeRecord {
        TimeRecord(
            tscTimestamp: memory.now, systemTime: memory.now, tscToSystemMultiplier: 1 << 31,
            tscShift: 1)
    }

    mutating func consoleOutput(_ domain: DomainID, _ byte: UInt8) {
        memory.output[domain.number, default: []].append(byte)
    }

    mutating func audit(_ denial: Denial) { memory.denials.append(denial) }
}
