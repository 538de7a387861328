import Digests
import EventLog
import TPMDevice

/// How a simulated TPM misbehaves.
enum Fault: Equatable {
    case none, absent, reservedInterface, familyUnknown, noLocality, neverReady, statusNeverValid
    case noBurst, expectNeverSet, expectStuck, neverData, responseTruncated, responseOverlong
    case lengthField(UInt32), wrongTag, failCommand(code: UInt32, with: UInt32)
    case shortBody(command: UInt32), longBody(command: UInt32)
    case clockStandsStill
    case staysIdle, neverEnds, fatalError, otherLocality
    case window(register: UInt32, reads: UInt32)
    case disabled, deactivated, flagIsNoFlag, registerCount(UInt32)
    /// From this register access on, every read gives this byte.
    case deadAfter(access: Int, reads: UInt8)
}

/// Which TPM is simulated, behind which interface.
enum Model: CaseIterable {
    case onePointTwo, twoPointZero, twoPointZeroCRB
}

/// A TPM as far as the driver uses it: registers, PCRs, banks.
final class SimulatedTPM {
    enum Phase { case idle, ready, receiving, executing, sending }

    let model: Model
    var fault: Fault
    var banks: [(algorithm: UInt16, bitmap: [UInt8])]
    var burst: UInt32 = 8
    var isStarted = false
    private(set) var pcrs: [UInt16: [[UInt8]]] = [:]
    private(set) var commands: [[UInt8]] = []
    private(set) var accesses = 0
    private(set) var holdsLocality = false
    private(set) var wasCancelled = false
    /// Codes of commands that take long: until `complete`, or so many looks at the status.
    var slowCodes: Set<UInt32> = []
    var looksUntilDone: Int?
    var ignoresCancel = false
    private var pending: [UInt8]?
    private var phase = Phase.idle
    /// The window of the CRB from 0x80 on: command at 0x80, response at 0x800.
    private var window = [UInt8](repeating: 0, count: 0x1000)
    private var isIdle = true
    private var isStartSet = false
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    fileprivate var clock: UInt64 = 0

    init(
        _ model: Model = .twoPointZero, fault: Fault = .none,
        algorithms: [UInt16] = [0x0004, 0x000B, 0x000C]
    ) {
        self.model = model
        self.fault = fault
        banks = algorithms.map { ($0, [0xFF, 0xFF, 0xFF]) }
        for (algorithm, count) in [(UInt16(4), 20), (0x0B, 32), (0x0C, 48)] {
            pcrs[algorithm] = Array(repeating: [UInt8](repeating: 0, count: count), count: 24)
        }
    }

    private var deadByte: UInt8? {
        if fault == .absent { return 0xFF }
        if case .deadAfter(let access, let byte) = fault, accesses > access { return byte }
        return nil
    }

    func read8(_ offset: UInt32) -> UInt8 {
        accesses += 1
        if let deadByte { return deadByte }
        if model == .twoPointZeroCRB { return window[Int(offset)] }
        switch offset {
        case 0x00: return 0x81 | (holdsLocality ? 0x20 : 0)
        case 0x24:
            guard phase == .sending, !output.isEmpty else { return 0xFF }
            return output.removeFirst()
        default: return 0xFF
        }
    }

    func read32(_ offset: UInt32) -> UInt32 {
        accesses += 1
        if let deadByte { return UInt32(deadByte) * 0x0101_0101 }
        if fault == .reservedInterface, offset == 0x30 { return 2 }
        if model == .twoPointZeroCRB { return readCRB(offset) }
        switch offset {
        case 0x18:
            countLook()
            return status
        case 0x30: return model == .onePointTwo ? 0xFFFF_FFFF : 0
        case 0xF00: return 0x0001_1014
        default: return 0xFFFF_FFFF
        }
    }

    /// The command that takes long ends, with the answer that it has.
    func complete() {
        guard let response = pending else { return }
        pending = nil
        if model == .twoPointZeroCRB {
            window.replaceSubrange(0x800..<0x800 + response.count, with: response)
            isStartSet = false
        } else {
            output = response
            phase = .sending
        }
    }

    private func countLook() {
        guard pending != nil, let looks = looksUntilDone else { return }
        looksUntilDone = looks - 1
        if looks <= 1 { complete() }
    }

    /// The command that takes long is to end; true if one did.
    private func cancelPending() -> Bool {
        guard pending != nil else { return false }
        wasCancelled = true
        return !ignoresCancel
    }

    private var status: UInt32 {
        var value: UInt32 = model == .onePointTwo ? 0 : 1 << 26
        if fault == .familyUnknown { value = 2 << 26 }
        if fault != .statusNeverValid { value |= 0x80 }
        if fault != .noBurst { value |= burst << 8 }
        if phase == .ready, fault != .neverReady { value |= 0x40 }
        if phase == .receiving {
            let whole = input.count >= 6 && input.count >= Int(input[5]) + Int(input[4]) * 256
            let expects = !whole && fault != .expectNeverSet
            if expects || fault == .expectStuck { value |= 0x08 }
        }
        let offers = phase == .sending && (!output.isEmpty || fault == .responseOverlong)
        if offers, fault != .neverData { value |= 0x10 }
        return value
    }

    private func readCRB(_ offset: UInt32) -> UInt32 {
        if case .window(offset, let value) = fault { return value }
        switch offset {
        case 0x00: return 0x80 | (holdsLocality ? 0x02 : 0) | (fault == .otherLocality ? 4 : 0)
        case 0x30: return 0x0002_5811
        case 0x40: return fault == .neverReady ? 1 : 0
        case 0x44: return (isIdle ? 2 : 0) | (fault == .fatalError ? 1 : 0)
        case 0x4C:
            countLook()
            return isStartSet ? 1 : 0
        case 0x58: return 0x780
        case 0x5C: return 0xFED4_0080
        case 0x64: return 0x800
        case 0x68: return 0xFED4_0800
        case 0x60, 0x6C: return 0
        // As an emulator's: the data buffer lies where FIFO has its identification.
        default: return offset >= 0x80 ? 0 : 0xFFFF_FFFF
        }
    }

    private func writeCRB(_ offset: UInt32, _ value: UInt32) {
        switch (offset, value) {
        case (0x08, 1): holdsLocality = fault != .noLocality
        case (0x08, 2): holdsLocality = false
        case (0x40, 1): isIdle = fault == .staysIdle
        case (0x40, 2): isIdle = true
        case (0x48, 1):
            wasCancelled = true
            guard cancelPending() else { return }
            pending = [0x80, 1, 0, 0, 0, 10, 0, 0, 9, 9]
            complete()
        case (0x4C, 1):
            isStartSet = fault == .neverEnds
            let count = Int(number32(window, 0x82))
            guard !isIdle, holdsLocality, (10...0x780).contains(count) else { return }
            let command = Array(window[0x80..<0x80 + count])
            commands.append(command)
            let response = respond(to: command)
            if slowCodes.contains(number32(command, 6)) {
                isStartSet = true
                pending = response
                return
            }
            window.replaceSubrange(0x800..<0x800 + response.count, with: response)
        default: break
        }
    }

    func write8(_ offset: UInt32, _ value: UInt8) {
        accesses += 1
        guard deadByte == nil else { return }
        if model == .twoPointZeroCRB {
            window[Int(offset)] = value
            return
        }
        if offset == 0x00 {
            if value & 0x02 != 0 { holdsLocality = fault != .noLocality }
            if value & 0x20 != 0 { holdsLocality = false }
        }
        if offset == 0x24, phase == .ready || phase == .receiving {
            phase = .receiving
            input.append(value)
        }
    }

    func write32(_ offset: UInt32, _ value: UInt32) {
        accesses += 1
        guard deadByte == nil else { return }
        if model == .twoPointZeroCRB { return writeCRB(offset, value) }
        guard offset == 0x18 else { return }
        if value == 0x40 {
            if pending != nil, !cancelPending() { return }
            pending = nil
            phase = .ready
            input = []
            output = []
        }
        if value == 0x20, phase == .receiving {
            commands.append(input)
            if slowCodes.contains(number32(input, 6)) {
                phase = .executing
                pending = respond(to: input)
                return
            }
            phase = .sending
            output = respond(to: input)
        }
    }

    private func respond(to command: [UInt8]) -> [UInt8] {
        let code = number32(command, 6)
        var tag = model == .onePointTwo ? [0x00, 0xC4] : Array(command[0..<2])
        var result: UInt32 = 0
        var body: [UInt8] = []
        switch code {
        case 0x99:
            result = isStarted ? 0x26 : 0
            isStarted = true
        case 0x65: body = capability(number32(command, 18))
        case 0x14:
            let value = hash(4, (pcrs[4]?[Int(command[13])] ?? []) + command[14...])
            pcrs[4]?[Int(command[13])] = value
            body = value
        case 0x15: body = pcrs[4]?[Int(command[13])] ?? []
        case 0x144:
            result = isStarted ? 0x100 : 0
            isStarted = true
        case 0x17A: body = [0, 0, 0, 0, 5] + selection(banks)
        case 0x182:
            extend(command)
            body = [0, 0, 0, 0, 0, 0, 1, 0, 0]
        case 0x17E: body = [0, 0, 0, 9] + Array(command[10..<20]) + readPCR(command)
        default: result = 0x143
        }
        if case .failCommand(code, let failure) = fault { result = failure }
        if fault == .wrongTag { tag = [0x80, 0x03] }
        if case .shortBody(code) = fault { body = Array(body.dropLast()) }
        if case .longBody(code) = fault { body.append(0) }
        if result != 0 {
            tag = model == .onePointTwo ? tag : [0x80, 0x01]
            body = []
        }
        var size = UInt32(10 + body.count)
        if case .lengthField(let forged) = fault { size = forged }
        let response = tag + bytes(size) + bytes(result) + body
        return fault == .responseTruncated ? Array(response.dropLast()) : response
    }

    private func capability(_ subCapability: UInt32) -> [UInt8] {
        var value: [UInt8]
        switch subCapability {
        case 0x101:
            var count: UInt32 = 24
            if case .registerCount(let forged) = fault { count = forged }
            value = bytes(count)
        case 0x108: value = [0, 0x1F, fault == .disabled ? 1 : 0, 0, 1]
        default: value = [0, 0x20, fault == .deactivated ? 1 : 0, 0, 1]
        }
        if fault == .flagIsNoFlag { value[2] = 2 }
        return bytes(UInt32(value.count)) + value
    }

    private func selection(_ banks: [(algorithm: UInt16, bitmap: [UInt8])]) -> [UInt8] {
        banks.reduce(into: bytes(UInt32(banks.count))) { list, bank in
            list += [UInt8(bank.algorithm >> 8), UInt8(bank.algorithm & 255)]
            list += [UInt8(bank.bitmap.count)] + bank.bitmap
        }
    }

    private func extend(_ command: [UInt8]) {
        let register = Int(number32(command, 10))
        var position = 31
        for _ in 0..<number32(command, 27) {
            let algorithm = UInt16(command[position]) << 8 | UInt16(command[position + 1])
            let count = pcrs[algorithm]?[0].count ?? 0
            let digest = Array(command[position + 2..<position + 2 + count])
            let message = (pcrs[algorithm]?[register] ?? []) + digest
            pcrs[algorithm]?[register] = hash(algorithm, message)
            position += 2 + count
        }
    }

    private func readPCR(_ command: [UInt8]) -> [UInt8] {
        let bitmap = UInt32(command[17]) | UInt32(command[18]) << 8 | UInt32(command[19]) << 16
        let value = pcrs[0x0B]?[bitmap.trailingZeroBitCount] ?? []
        return [0, 0, 0, 1, 0, 32] + value
    }
}

func hash(_ algorithm: UInt16, _ message: [UInt8]) -> [UInt8] {
    switch algorithm {
    case 0x04: SHA1.hash(message.span).array
    case 0x0B: SHA256.hash(message.span).array
    default: SHA384.hash(message.span).array
    }
}

private func number32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
}

private func bytes(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
}

/// The registers of a simulated TPM, for the driver to own.
struct SimulatedRegisters: TPMRegisters, ~Copyable {
    let tpm: SimulatedTPM
    var ticksPerMillisecond: UInt64 { 1 }

    mutating func read8(_ offset: UInt32) -> UInt8 { tpm.read8(offset) }
    mutating func read32(_ offset: UInt32) -> UInt32 { tpm.read32(offset) }
    mutating func write8(_ offset: UInt32, _ value: UInt8) { tpm.write8(offset, value) }
    mutating func write32(_ offset: UInt32, _ value: UInt32) { tpm.write32(offset, value) }
    mutating func tick() -> UInt64 {
        if tpm.fault != .clockStandsStill { tpm.clock += 1 }
        return tpm.clock
    }
}
