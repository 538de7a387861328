import Digests
import HypervisorCore

/// A machine of arrays. Every domain has 64 KiB of memory, where virtual, guest-physical and
/// machine addresses differ by constants only, and its shared pages behind it.
final class FakeMemory {
    /// The bytes of all frames.
    private var bytes = [UInt8](repeating: 0, count: 34 * Int(FakeMachine.window) * 4096)
    /// Denials, in order.
    var denials: [Denial] = []
    /// What each domain wrote to its console.
    var output: [UInt16: [UInt8]] = [:]
    /// System time, in nanoseconds.
    var now: UInt64 = 1_000
    /// What the clock that guests are told is late by, in nanoseconds: 0, or it is broken.
    var lateness: UInt64 = 0
    /// The processors' counters, if time is told by them.
    var counters: FakeCounters?
    /// Looks at every word that is stored, as another processor could.
    var onStore: ((FakeMemory) -> Void)?
    /// Whether a word of 32 bits that is odd is lost, where a version is.
    var losesOddVersions = false
    /// The step that is left out.
    var fault: FaultPoint?
    /// The page tables, and what the processors remember of them.
    let translations = FakeTranslations()
    /// Words that somebody else changes at every look: how often they were tried.
    var hostileTries = 0
    /// The frame of the hostile word, if there is one.
    var hostileFrame: UInt64?
    /// How often a mark was taken off an entry while somebody could still reach a foreign frame.
    var earlyReleases = 0
    /// What was measured into PCR 15, in order.
    var measured: [Measured] = []
    /// Whether the TPM fails.
    var tpmFails = false
    /// Bytes that every domain can read beyond its memory, from `windowAddress`.
    var window: [UInt8] = []
    static let windowAddress: UInt64 = 0x100_0000
    /// How many copies from and to guests succeed before one fails; nil: all do.
    var copiesBeforeFailure: Int?

    /// Whether a copy is the one to fail.
    func failsCopy() -> Bool {
        guard let left = copiesBeforeFailure else { return false }
        copiesBeforeFailure = left - 1
        return left == 0
    }

    /// How many bits of shared pages were cleared.
    var clearedBits = 0
    /// The manifest in force.
    var manifest: [UInt8] = []
    /// What was measured, as a machine with a TPM has it.
    var eventLog: [UInt8] = []

    func kept(_ file: KeptFile) -> [UInt8] { file == .eventLog ? eventLog : manifest }

    /// What a device has that a domain can use directly.
    enum Register: Hashable {
        case port(UInt64)
        case frame(UInt64)
    }

    /// The I/O ports and memory of devices that each domain can use, of those that were ever given
    /// or taken; and those that a processor which runs it can still use.
    private var registers: [Int: (permitted: Set<Register>, stale: Set<Register>)] = [:]
    /// The interrupt lines that were opened, in order.
    var openedLines: [Int] = []

    func setDevice(_ device: DeviceRange, isPermitted: Bool) {
        let ports = device.ports.map { $0.map { Register.port($0) } } ?? []
        let frames = device.frames.map { $0.map { Register.frame($0) } } ?? []
        for register in ports + frames {
            if isPermitted {
                registers[device.owner, default: ([], [])].permitted.insert(register)
            } else {
                registers[device.owner, default: ([], [])].permitted.remove(register)
                registers[device.owner, default: ([], [])].stale.insert(register)
            }
        }
    }

    /// Whether a domain reaches a device, on a processor that has not left it since it could.
    func reaches(_ register: Register, _ domain: UInt16) -> Bool {
        registers[Int(domain) - 1].map {
            $0.permitted.contains(register) || $0.stale.contains(register)
        } ?? false
    }

    /// Whether a domain reaches an I/O port.
    func reaches(_ port: UInt16, _ domain: UInt16) -> Bool { reaches(.port(UInt64(port)), domain) }

    func forgetDevices(_ domain: DomainID) { registers[Int(domain.number) - 1]?.stale = [] }

    /// How many translations were flushed, of all domains.
    var flushes = 0

    /// A policy that was about to take effect.
    struct Measured: Equatable {
        let policy: Digest384
        let manifest: Digest384
        let version: UInt64
    }
    /// Whether to look for that.
    var watchesReleases = false

    private func place(_ frame: UInt64, _ offset: Int) -> Int { Int(frame) * 4096 + offset }

    func byte(_ frame: UInt64, _ offset: Int) -> UInt8 { bytes[place(frame, offset)] }

    func setByte(_ frame: UInt64, _ offset: Int, _ value: UInt8) {
        bytes[place(frame, offset)] = value
    }

    func number(_ frame: UInt64, _ offset: Int, _ size: Int) -> UInt64 {
        let start = place(frame, offset)
        var value: UInt64 = 0
        for index in 0..<size { value |= UInt64(bytes[start + index]) << UInt64(8 * index) }
        return value
    }

    func setNumber(_ frame: UInt64, _ offset: Int, _ size: Int, _ value: UInt64) {
        let start = place(frame, offset)
        for index in 0..<size {
            bytes[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }

    func copy(_ source: UInt64, _ offset: Int, _ target: UInt64, _ at: Int, _ count: Int) {
        let moved = Array(bytes[place(source, offset)..<place(source, offset) + count])
        bytes.replaceSubrange(place(target, at)..<place(target, at) + count, with: moved)
    }

    /// Everything in a domain's window.
    func view(_ domain: DomainID) -> [UInt8] {
        let start = place(FakeMachine.firstFrame(domain), 0)
        return Array(bytes[start..<start + Int(FakeMachine.window) * 4096])
    }
}

struct FakeMachine: Machine, ~Copyable {
    /// Frames of memory that a domain owns.
    static let frameCount: UInt64 = 16
    /// Frames from one domain's memory to the next one's.
    static let window: UInt64 = 32
    /// Where foreign frames can be mapped.
    static let places: Range<UInt64> = 32..<48
    /// The first frame of a domain's memory; its shared pages come after 16 more.
    static func firstFrame(_ domain: DomainID) -> UInt64 { UInt64(domain.number) * window }

    let memory: FakeMemory

    private func translate(_ domain: DomainID, _ address: UInt64) -> (UInt64, Int)? {
        guard address >> 12 < FakeMachine.frameCount else { return nil }
        return (FakeMachine.firstFrame(domain) + address >> 12, Int(address & 0xfff))
    }

    func copyFromGuest(
        _ domain: DomainID, at address: GuestVirtualAddress, count: Int
    ) throws(XenError) -> GuestBytes {
        guard count <= GuestBytes.capacity, !memory.failsCopy() else { throw .badAddress }
        var bytes = GuestBytes(count: count)
        if address.value >= FakeMemory.windowAddress {
            let offset = address.value - FakeMemory.windowAddress
            guard offset < UInt64(memory.window.count) else { throw .badAddress }
            let start = Int(offset)
            guard count <= memory.window.count - start else { throw .badAddress }
            for index in 0..<count { bytes[index] = memory.window[start + index] }
            return bytes
        }
        for index in 0..<count {
            let (place, overflow) = address.value.addingReportingOverflow(UInt64(index))
            guard !overflow, let (frame, offset) = translate(domain, place) else {
                throw .badAddress
            }
            bytes[index] = memory.byte(frame, offset)
        }
        return bytes
    }

    func copyToGuest(
        _ domain: DomainID, at address: GuestVirtualAddress, _ bytes: borrowing GuestBytes
    ) throws(XenError) {
        if memory.failsCopy() { throw .badAddress }
        for index in 0..<bytes.count {
            let (place, overflow) = address.value.addingReportingOverflow(UInt64(index))
            guard !overflow, let (frame, offset) = translate(domain, place) else {
                throw .badAddress
            }
            memory.setByte(frame, offset, bytes[index])
        }
    }

    /// What the memory map says; there is less.
    func memorySize(of domain: DomainID) -> UInt64 { 16 << 20 }

    func ownedFrame(of domain: DomainID, at frame: GuestFrame) -> MachineFrame? {
        guard frame.number < FakeMachine.frameCount else { return nil }
        return MachineFrame(number: FakeMachine.firstFrame(domain) + frame.number)
    }

    func canMap(_ domain: DomainID, at frame: GuestFrame) -> Bool {
        if omits(.keepForeignFrame) { return frame.number < 1 << 20 }
        return frame.number < 1 << 20 && !memory.translations.isForeign(domain, frame)
    }

    mutating func map(_ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame) {
        memory.translations.replaceByOwn(domain, frame)
    }

    func canMapForeign(_ domain: DomainID, at frame: GuestFrame) -> Bool {
        FakeMachine.places.contains(frame.number) && !memory.translations.isForeign(domain, frame)
    }

    mutating func mapForeign(
        _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame, writable: Bool
    ) {
        memory.translations.set(domain, frame, machineFrame, writable: writable)
    }

    mutating func remapForeign(
        _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame
    ) {
        memory.translations.set(domain, frame, machineFrame, writable: true)
    }

    mutating func unmapForeign(_ domain: DomainID, at frame: GuestFrame) {
        memory.translations.remove(domain, frame)
    }

    mutating func flushTranslations(of domain: DomainID) {
        memory.flushes += 1
        memory.translations.flush(domain)
        memory.forgetDevices(domain)
    }

    mutating func setDevice(_ device: DeviceRange, isPermitted: Bool) {
        memory.setDevice(device, isPermitted: isPermitted)
    }

    mutating func openLine(_ line: Int) { memory.openedLines.append(line) }

    mutating func copy(
        from source: MachineFrame, offset: Int, to target: MachineFrame, offset targetOffset: Int,
        count: Int
    ) {
        memory.copy(source.number, offset, target.number, targetOffset, count)
    }

    mutating func scrub(_ frame: MachineFrame) {
        for word in 0..<512 { memory.setNumber(frame.number, word * 8, 8, 0) }
    }

    func omits(_ point: FaultPoint) -> Bool { memory.fault == point }

    func size(of file: KeptFile) -> Int { memory.kept(file).count }

    func byte(of file: KeptFile, at offset: Int) -> UInt8 { memory.kept(file)[offset] }

    func systemTimeInNanoseconds() -> UInt64 { memory.now + memory.lateness }

    func timeRecord() -> TimeRecord {
        if let counters = memory.counters { return counters.record(memory.now) }
        return TimeRecord(
            tscTimestamp: memory.now, systemTime: memory.now, tscToSystemMultiplier: 1 << 31,
            tscShift: 1)
    }

    mutating func consoleOutput(_ domain: DomainID, _ byte: UInt8) {
        memory.output[domain.number, default: []].append(byte)
    }

    mutating func audit(_ denial: Denial) { memory.denials.append(denial) }
}

/// Words of shared pages.
extension FakeMachine {
    func load64(_ frame: MachineFrame, offset: Int) -> UInt64 {
        memory.number(frame.number, offset, 8)
    }

    func load32(_ frame: MachineFrame, offset: Int) -> UInt32 {
        UInt32(memory.number(frame.number, offset, 4))
    }

    func load8(_ frame: MachineFrame, offset: Int) -> UInt8 { memory.byte(frame.number, offset) }

    func store64(_ frame: MachineFrame, offset: Int, _ value: UInt64) {
        memory.setNumber(frame.number, offset, 8, value)
        memory.onStore?(memory)
    }

    func store32(_ frame: MachineFrame, offset: Int, _ value: UInt32) {
        if memory.losesOddVersions, offset % 64 == 32, value & 1 == 1 { return }
        memory.setNumber(frame.number, offset, 4, UInt64(value))
        memory.onStore?(memory)
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
        if memory.watchesReleases, memory.translations.reachesForeignFrames {
            memory.earlyReleases += 1
        }
        memory.clearedBits += 1
        let word = load64(frame, offset: offset)
        store64(frame, offset: offset, word & ~(1 << UInt64(bit)))
        return word >> UInt64(bit) & 1 == 1
    }

    func compareExchange32(
        _ frame: MachineFrame, offset: Int, expected: UInt32, _ value: UInt32
    ) -> UInt32 {
        if memory.hostileFrame == frame.number {
            memory.hostileTries += 1
            return ~expected
        }
        let word = load32(frame, offset: offset)
        if word == expected { store32(frame, offset: offset, value) }
        return word
    }
}
