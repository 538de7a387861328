import ControlAgent
import ControlFrames

/// A machine that remembers what was asked of it.
struct FakeMachine: ControlledMachine {
    var challenges: UInt8 = 0
    var hasRandomNumbers = true
    var states: [UInt16: ControlDomainState] = [:]
    /// How many looks an order takes until it is done; nil: it never is.
    var orderTime: Int? = 3
    var orderError: UInt32 = 0
    var loadAnswer: (error: UInt32, reason: UInt32) = (0, 0)
    var recordText: Result<[UInt8], MachineError> = .failure(MachineError(number: 1))
    /// The event log, or why it cannot be read.
    var log: Result<[UInt8], MachineError> = .failure(MachineError(number: 1))
    /// Everything that changed something, in order.
    var deeds: [String] = []
    var lines: [String] = []
    var sent: [UInt8] = []
    var pauses = 0
    /// The time, which passes in pauses and where a test says so.
    var milliseconds: UInt64 = 1000
    /// Why the TPM takes no command; 0: it takes one.
    var tpmError: UInt32 = 0
    /// How many looks the TPM needs; nil: it never answers.
    var tpmTime: Int? = 1
    /// What the TPM answers.
    var tpmResponse: Result<[UInt8], MachineError> = .success(FakeMachine.message(12, code: 0))
    /// What the TPM was given.
    var tpmCommands: [[UInt8]] = []
    private var looksLeft: Int?
    private var underWay: (domain: UInt16, flags: UInt32, looks: Int)?

    static let running: UInt32 = 0x22
    static let absent: UInt32 = 0x0a

    /// A whole message of a TPM.
    static func message(_ count: Int, code: UInt32) -> [UInt8] {
        let words = [UInt32(truncatingIfNeeded: count), code]
        let numbers = words.flatMap { word in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
        }
        return [0x80, 0x01] + numbers + [UInt8](repeating: 7, count: max(0, count - 10))
    }

    init() {
        states[2] = ControlDomainState(
            domain: 2, error: 0, flags: FakeMachine.absent, generation: 1)
    }

    mutating func challenge() -> [UInt8]? {
        challenges += 1
        return hasRandomNumbers ? [UInt8](repeating: challenges, count: 32) : nil
    }

    mutating func state(of domain: UInt16) -> ControlDomainState {
        if let order = underWay, order.domain == domain {
            underWay?.looks -= 1
            if order.looks <= 1 {
                underWay = nil
                states[domain] = ControlDomainState(
                    domain: domain, error: 0, flags: order.flags, generation: 2)
            } else {
                return ControlDomainState(domain: domain, error: 0, flags: 3, generation: 2)
            }
        }
        return states[domain]
            ?? ControlDomainState(domain: domain, error: 1, flags: 0, generation: 0)
    }

    mutating func order(_ order: MachineOrder, _ domain: UInt16) -> UInt32 {
        guard orderError == 0 else { return orderError }
        deeds.append("\(order) \(domain)")
        let flags = order == .start ? FakeMachine.running : FakeMachine.absent
        if let orderTime { underWay = (domain, flags, orderTime) }
        return 0
    }

    mutating func load(_ archive: [UInt8]) -> (error: UInt32, reason: UInt32) {
        if loadAnswer.error == 0 { deeds.append("load \(archive.count)") }
        return loadAnswer
    }

    mutating func revoked() -> RevocationList? {
        RevocationList(
            sequence: 2, total: 1,
            revocations: [ControlRevocation(kind: 1, holder: 3, other: 4, number: 9)])
    }

    mutating func records() -> Result<[UInt8], MachineError> { recordText }

    mutating func eventLog(from offset: UInt32) -> Result<EventLogPart, MachineError> {
        log.map { bytes in
            EventLogPart(
                total: UInt32(bytes.count),
                bytes: Array(bytes.dropFirst(Int(offset)).prefix(16 << 10)))
        }
    }

    mutating func send(_ bytes: [UInt8]) { sent += bytes }
    mutating func say(_ text: String) { lines.append(text) }

    mutating func pause() {
        pauses += 1
        milliseconds += 100
    }

    mutating func beginTPMCommand(_ command: [UInt8]) -> UInt32 {
        guard tpmError == 0 else { return tpmError }
        tpmCommands.append(command)
        looksLeft = tpmTime ?? .max
        return 0
    }

    mutating func takeTPMResponse() -> Result<[UInt8], MachineError>? {
        guard let left = looksLeft else { return nil }
        looksLeft = left > 1 ? left - 1 : nil
        return left > 1 ? nil : tpmResponse
    }
}

/// The other end of the line: builds requests, reads answers.
struct FakeHost {
    var sender = ControlFrameSender()
    var session = ControlSession(opening: .opened)
    var challenge: [UInt8] = []

    /// Begins anew.
    mutating func open() -> [UInt8] {
        sender = ControlFrameSender()
        return sender.frame(.open, [UInt8](repeating: 0xee, count: 32))
    }

    /// One frame that the agent sent.
    struct Answer {
        let kind: ControlFrameKind
        let payload: [UInt8]
    }

    /// Takes all whole frames out of what the agent sent.
    mutating func read(_ machine: inout FakeMachine) -> [Answer] {
        var answers: [Answer] = []
        while true {
            switch session.step(machine.sent.span) {
            case .wait: return answers
            case .skip(let count): machine.sent.removeFirst(count)
            case .broken:
                session.end()
                machine.sent.removeFirst()
            case .frame(let header):
                session.take(header)
                let end = ControlFrameHeader.byteCount + header.payloadByteCount
                let payload = Array(machine.sent[ControlFrameHeader.byteCount..<end])
                machine.sent.removeFirst(end)
                if header.kind == .opened { challenge = Array(payload[32..<64]) }
                if header.kind == .closed { session.end() }
                answers.append(Answer(kind: header.kind, payload: payload))
            }
        }
    }
}
