import Foundation

/// Why a processor left a guest, as AMD-V counts reasons (AMD64 Architecture Programmer's Manual,
/// volume 2, appendix C), brought together to what a reader wants to know.
enum ExitReason: String, CaseIterable {
    case timerPort = "port 0x42, the interval timer"
    case port = "other ports"
    case hypercall = "hypercall"
    case processorID = "CPUID"
    case modelRegister = "MSR, other than the end of an interrupt"
    case interruptWindow = "interrupt window"
    case halt = "halt"
    case controlRegister = "control and debug registers"
    case exception = "exceptions"
    case nestedFault = "nested page fault"
    case other = "others"
    case endOfInterrupt = "MSR, the end of an interrupt"
    case interrupt = "interrupt of the machine's timer"

    /// Whether the bound is on it: not what time alone brings.
    var counts: Bool { self != .interrupt && self != .endOfInterrupt }

    /// - Parameter endOfInterrupt: where the guest's kernel writes that register.
    init(_ exit: GuestExit, endOfInterrupt: UInt64?) {
        switch exit.code {
        case 0x00...0x3F: self = .controlRegister
        case 0x40...0x5F: self = .exception
        case 0x60: self = .interrupt
        case 0x64: self = .interruptWindow
        case 0x72: self = .processorID
        case 0x78: self = .halt
        case 0x7B: self = exit.information >> 16 == 0x42 ? .timerPort : .port
        case 0x7C: self = exit.address == endOfInterrupt ? .endOfInterrupt : .modelRegister
        case 0x81: self = .hypercall
        case 0x400: self = .nestedFault
        default: self = .other
        }
    }
}

/// One exit of a guest.
struct GuestExit: Hashable {
    /// EXITCODE.
    let code: UInt64
    /// EXITINFO1.
    let information: UInt64
    /// The guest's instruction pointer.
    let address: UInt64

    /// The port that measuring guests write to and nobody has.
    private static let markPort: UInt64 = 0xEB

    /// Whether the guest marked its place.
    var isMark: Bool { code == 0x7B && information >> 16 == GuestExit.markPort }
}

/// QEMU's record of all guests' exits: lines `vmrun! BLOCK` and `vmexit(CODE, INFO1, INFO2, RIP)!`
/// in hexadecimal, of one processor. Whichever hypervisor runs, it is the emulator that counts.
struct ExitRecord {
    /// The exits of the guest that marked its place, up to each mark; the last part is what came
    /// after.
    private(set) var parts: [[GuestExit: Int]] = []

    /// - Throws: `Unmeasured` when no guest made a mark; what reading the file throws.
    init(_ path: String) throws {
        let lines = try Data(contentsOf: URL(filePath: path)).split(separator: 10)
        var block: Data?
        var all: [Data: [[GuestExit: Int]]] = [:]
        var marked: Data?
        for line in lines {
            if line.starts(with: Self.entry) {
                block = line
                continue
            }
            guard line.starts(with: Self.exit), let block else { continue }
            let fields = String(decoding: line.dropFirst(Self.exit.count), as: UTF8.self)
                .split { !$0.isHexDigit }.compactMap { UInt64($0, radix: 16) }
            guard fields.count == 4 else { continue }
            let exit = GuestExit(code: fields[0], information: fields[1], address: fields[3])
            if exit.isMark {
                marked = block
                all[block, default: [[:]]].append([:])
            } else {
                let last = all[block, default: [[:]]].count - 1
                all[block, default: [[:]]][last][exit, default: 0] += 1
            }
        }
        guard let marked, let parts = all[marked] else {
            throw Unmeasured("the record of exits has no mark")
        }
        self.parts = parts
    }

    private static let entry = Data("vmrun! ".utf8)
    private static let exit = Data("vmexit(".utf8)

    /// The exits of a boot, by reason: those before the first mark.
    ///
    /// - Parameter kernel: the guest's kernel, in which the end of an interrupt is recognised.
    func boot(kernel: String) throws -> [ExitReason: Int] {
        let exits = parts[0]
        var writes: [UInt64: Int] = [:]
        for (exit, count) in exits where exit.code == 0x7C && exit.information == 1 {
            writes[exit.address, default: 0] += count
        }
        let busiest = writes.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key
        let end = try busiest.flatMap { try endsInterrupt($0, in: kernel) ? $0 : nil }
        var result: [ExitReason: Int] = [:]
        for (exit, count) in exits {
            result[ExitReason(exit, endOfInterrupt: end), default: 0] += count
        }
        return result
    }

    /// How often the guest left the processor for one operation, but for the machine's timer.
    ///
    /// - Parameter operation: its number; two marks each.
    func exits(operation: Int, repetitions: Int) throws -> Double {
        guard parts.indices.contains(2 * operation + 1) else {
            throw Unmeasured("the record of exits ends early")
        }
        let count = parts[2 * operation + 1].filter { $0.key.code != 0x60 }.values.reduce(0, +)
        return Double(count) / Double(repetitions)
    }
}

/// Whether the instruction at an address of a kernel's ELF image follows `mov $0x80b, %ecx`: the
/// number of the x2APIC's EOI register, written by the next WRMSR.
private func endsInterrupt(_ address: UInt64, in kernel: String) throws -> Bool {
    let file = try FileHandle(forReadingFrom: URL(filePath: kernel))
    defer { try? file.close() }
    func bytes(_ offset: UInt64, _ count: Int) throws -> [UInt8] {
        try file.seek(toOffset: offset)
        return [UInt8](try file.read(upToCount: count) ?? Data())
    }
    func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64 {
        guard bytes.count >= offset + size else { return 0 }
        return (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
    }
    let header = try bytes(0, 64)
    for index in 0..<number(header, 56, 2) {
        let segment = try bytes(number(header, 32, 8) &+ index * number(header, 54, 2), 56)
        let start = number(segment, 16, 8)
        guard number(segment, 0, 4) == 1, address >= start &+ 16,
            address - start < number(segment, 32, 8)
        else { continue }
        let before = try bytes(number(segment, 8, 8) &+ (address - start - 16), 16)
        return before.indices.dropLast(4).contains {
            Array(before[$0..<$0 + 5]) == [0xB9, 0x0B, 0x08, 0, 0]
        }
    }
    return false
}
