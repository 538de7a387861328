import Appraisal
import AttestationTestSupport
import Digests
import EventLog
import TestSupport
import Testing

/// One way to make a verifier accept a machine that does not run what it should.
struct Attack: CustomTestStringConvertible, Sendable {
    let name: String
    /// The code of the first reason for which it is refused.
    let code: String
    let evidence: @Sendable () throws -> Evidence
    /// What the relying party knows beside the reference values.
    var nonce: [UInt8] = Vector.nonce
    var key: [UInt8]?
    /// Whether its reference values let `sensor` start again twice, and `collector` by order.
    var isPermissive = false

    var testDescription: String { name }
}

private typealias Event = (pcr: Int, data: [UInt8])

private func recorded() throws -> [Event] { try events(Vector.evidence().eventLog) }

private let strange = SHA384.hash([UInt8](repeating: 7, count: 7).span)

/// A compartment's event with some other content than is declared.
private func compartment(
    _ index: Int, initrd: Digest384?? = nil, kernel: Digest384? = nil, name: String? = nil,
    commandLine: String? = nil, label: Int? = nil, memory: UInt64? = nil, vcpus: UInt32? = nil
) throws -> Event {
    let all = try Vector.reference().compartments
    let declared = all[index]
    let name = Array((name ?? declared.name).utf8)
    let commandLine = Array((commandLine ?? declared.commandLine).utf8)
    let labelRecord = all[label ?? index].labelRecord
    return (
        13,
        CompartmentMeasurement(
            name: name.span, domainID: declared.domainID, label: labelRecord.span,
            kernel: kernel ?? declared.kernel.sha384, initrd: initrd ?? declared.initrd?.sha384,
            commandLine: commandLine.span, memoryInBytes: memory ?? declared.memoryInBytes,
            vcpuCount: vcpus ?? declared.vcpuCount
        ).eventData
    )
}

/// Evidence of a machine that measured the recorded events after a change, and tells so honestly.
private func honest(_ change: @Sendable @escaping (inout [Event]) throws -> Void)
    -> @Sendable () throws -> Evidence
{
    {
        var log = try recorded()
        try change(&log)
        return try ForgingTPM().evidence(measuring: log)
    }
}

/// Evidence of a machine that measured the recorded events, and changed its log afterwards.
private func lying(_ change: @Sendable @escaping (inout [Event]) throws -> Void)
    -> @Sendable () throws -> Evidence
{
    {
        var told = try recorded()
        try change(&told)
        return try ForgingTPM().evidence(log: log(told), events: recorded())
    }
}

/// Evidence of a machine that measured something else, and shows the log that is expected.
private func pretending(_ change: @Sendable @escaping (inout [Event]) throws -> Void)
    -> @Sendable () throws -> Evidence
{
    {
        var measured = try recorded()
        try change(&measured)
        return try ForgingTPM().evidence(log: log(recorded()), events: measured)
    }
}

/// The recorded evidence with one part taken from elsewhere.
private func patched(
    quote: (@Sendable (Evidence) throws -> [UInt8])? = nil,
    signature: (@Sendable (Evidence) throws -> [UInt8])? = nil,
    key: (@Sendable (Evidence) throws -> [UInt8])? = nil,
    log: (@Sendable (Evidence) throws -> [UInt8])? = nil
) -> @Sendable () throws -> Evidence {
    {
        let whole = try Vector.evidence()
        return Evidence(
            quote: try quote?(whole) ?? whole.quote,
            signature: try signature?(whole) ?? whole.signature,
            attestationKey: try key?(whole) ?? whole.attestationKey,
            eventLog: try log?(whole) ?? whole.eventLog)
    }
}

/// A log whose events have digests of the given banks: algorithm, digest size.
private func log(_ events: [Event], banks: [(UInt8, [UInt8])]) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    var bytes = number(0) + number(3) + [UInt8](repeating: 0, count: 20)
    bytes += number(29 + 4 * banks.count) + Array("Spec ID Event03\0".utf8) + number(0)
    bytes += [0, 2, 0, 2] + number(banks.count)
    for (algorithm, digest) in banks { bytes += [algorithm, 0, UInt8(digest.count), 0] }
    bytes.append(0)
    for event in events {
        bytes += number(event.pcr) + number(6) + number(banks.count)
        let digests = EventDigests(of: event.data.span)
        for (algorithm, substitute) in banks {
            bytes += [algorithm, 0]
            switch substitute.first {
            case 0xEE: bytes += substitute
            default:
                bytes +=
                    algorithm == 4
                    ? digests.sha1.array
                    : algorithm == 0x0B ? digests.sha256.array : digests.sha384.array
            }
        }
        bytes += number(event.data.count) + event.data
    }
    return bytes
}

private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

/// What of the measured files is another than declared; the machine says so.
private let otherFiles: [Attack] = [
    Attack(
        name: "a byte of the policy changed", code: "ATT-SYS-001",
        evidence: honest { $0[0].data = PolicyMeasurement(strange).eventData }),
    Attack(
        name: "a byte of the manifest changed", code: "ATT-SYS-002",
        evidence: honest { $0[1].data = ManifestMeasurement(strange).eventData }),
    Attack(
        name: "a byte of a kernel changed", code: "ATT-SYS-003",
        evidence: honest { $0[2] = try compartment(0, kernel: strange) }),
    Attack(
        name: "a byte of the first initrd changed", code: "ATT-SYS-003",
        evidence: honest { $0[2] = try compartment(0, initrd: strange) }),
    Attack(
        name: "a byte of the second initrd changed", code: "ATT-SYS-003",
        evidence: honest { $0[3] = try compartment(1, initrd: strange) }),
    Attack(
        name: "an initrd left out", code: "ATT-SYS-003",
        evidence: honest { $0[3] = try compartment(1, initrd: .some(nil)) }),
    Attack(
        name: "the initrds swapped", code: "ATT-SYS-003",
        evidence: honest {
            let all = try Vector.reference().compartments
            $0[2] = try compartment(0, initrd: all[1].initrd?.sha384)
            $0[3] = try compartment(1, initrd: all[0].initrd?.sha384)
        }),
    Attack(
        name: "the labels swapped", code: "ATT-SYS-003",
        evidence: honest {
            $0[2] = try compartment(0, label: 1)
            $0[3] = try compartment(1, label: 0)
        }),
    Attack(
        name: "a shell on the command line", code: "ATT-SYS-003",
        evidence: honest { $0[2] = try compartment(0, commandLine: "console=hvc0 init=/bin/sh") }),
    Attack(
        name: "more memory", code: "ATT-SYS-003",
        evidence: honest { $0[2] = try compartment(0, memory: 1 << 30) }),
    Attack(
        name: "another processor", code: "ATT-SYS-003",
        evidence: honest { $0[2] = try compartment(0, vcpus: 8) }),
    Attack(
        name: "another policy of the same name", code: "ATT-SYS-001",
        evidence: honest {
            $0[0].data = PolicyMeasurement(strange).eventData
            $0[1].data = ManifestMeasurement(strange).eventData
        }),
    Attack(
        name: "a compartment renamed", code: "ATT-SYS-005",
        evidence: honest { $0[3] = try compartment(1, name: "collectOr") }),
]

/// What was measured is not the sequence that is expected; the machine says so.
private let otherSequences: [Attack] = [
    Attack(
        name: "nothing was measured", code: "ATT-SYS-001", evidence: honest { $0 = [] }),
    Attack(
        name: "the policy was not measured", code: "ATT-LOG-006",
        evidence: honest { $0.remove(at: 0) }),
    Attack(
        name: "a compartment was not measured", code: "ATT-SYS-004",
        evidence: honest { $0.removeLast() }),
    Attack(
        name: "a compartment was measured twice", code: "ATT-SYS-005",
        evidence: honest { $0.append($0[3]) }),
    Attack(
        name: "a compartment that is not declared", code: "ATT-SYS-005",
        evidence: honest { $0.append(try compartment(1, name: "intruder")) }),
    Attack(
        name: "compartments in another order", code: "ATT-SYS-005",
        evidence: honest { $0.swapAt(2, 3) }),
    Attack(
        name: "policy and manifest in another order", code: "ATT-LOG-006",
        evidence: honest { $0.swapAt(0, 1) }),
    Attack(
        name: "a second policy after the first", code: "ATT-LOG-006",
        evidence: honest { $0.append((12, PolicyMeasurement(strange).eventData)) }),
    Attack(
        name: "the policy measured as a compartment", code: "ATT-LOG-006",
        evidence: honest { $0[0].pcr = 13 }),
    Attack(
        name: "a machine that stopped", code: "ATT-SYS-006",
        evidence: honest {
            let reason = Array("module differs".utf8)
            $0.append((12, StopMeasurement(reason: reason.span).eventData))
        }),
    Attack(
        name: "an event of nothing", code: "ATT-LOG-006", evidence: honest { $0.append((12, [])) }),
    Attack(
        name: "an event of an unknown tag", code: "ATT-LOG-006",
        evidence: honest { $0.append((13, [0x77, 0x4D, 0x53, 0x43, 0, 0, 0, 0])) }),
]

/// The log does not say what the registers hold.
private let falseLogs: [Attack] = [
    Attack(
        name: "a log entry left out", code: "ATT-LOG-005", evidence: lying { $0.remove(at: 3) }),
    Attack(
        name: "a log entry added", code: "ATT-LOG-005",
        evidence: lying { $0.append(try compartment(1, name: "extra")) }),
    Attack(
        name: "a log entry doubled", code: "ATT-LOG-005", evidence: lying { $0.append($0[3]) }),
    Attack(
        name: "log entries in another order", code: "ATT-LOG-005",
        evidence: lying { $0.swapAt(2, 3) }),
    Attack(
        name: "the log of what should have run", code: "ATT-LOG-005",
        evidence: pretending { $0[3] = try compartment(1, initrd: strange) }),
    Attack(
        name: "the log before something more was measured", code: "ATT-LOG-005",
        evidence: pretending { $0.append((12, [1])) }),
    Attack(name: "no log", code: "ATT-LOG-001", evidence: patched(log: { _ in [] })),
    Attack(
        name: "a log of no events", code: "ATT-LOG-005", evidence: patched(log: { _ in log([]) })),
    Attack(
        name: "the log of another boot", code: "ATT-LOG-005",
        evidence: patched(log: { _ in
            var other = try recorded()
            other[0].data = PolicyMeasurement(strange).eventData
            return log(other)
        })),
    Attack(
        name: "an entry's data changed under its digest", code: "ATT-LOG-004",
        evidence: patched(log: { whole in
            var bytes = whole.eventLog
            bytes[bytes.count - 1] ^= 1
            return bytes
        })),
    Attack(
        name: "an entry of a register that is not quoted", code: "ATT-LOG-002",
        evidence: lying { $0.append((14, [1])) }),
    Attack(
        name: "an entry that extends nothing (EV_NO_ACTION)", code: "ATT-LOG-002",
        evidence: patched(log: { _ in try log(recorded(), eventType: 3) })),
    Attack(
        name: "a log cut within an entry", code: "ATT-LOG-001",
        evidence: patched(log: { Array($0.eventLog.dropLast(5)) })),
    Attack(
        name: "bytes behind the log", code: "ATT-LOG-001",
        evidence: patched(log: { $0.eventLog + [0] })),
]

/// Banks are mixed, or weaker ones offered.
private let otherBanks: [Attack] = [
    Attack(
        name: "a log of SHA-1 alone", code: "ATT-LOG-003",
        evidence: patched(log: { _ in try log(recorded(), banks: [(4, zeros(20))]) })),
    Attack(
        name: "a log of SHA-384 alone", code: "ATT-LOG-003",
        evidence: patched(log: { _ in try log(recorded(), banks: [(0x0C, zeros(48))]) })),
    Attack(
        name: "a false SHA-1 digest beside the right SHA-256", code: "ATT-LOG-004",
        evidence: patched(log: { _ in
            try log(
                recorded(),
                banks: [(4, [UInt8](repeating: 0xEE, count: 20)), (0x0B, zeros(32))])
        })),
    Attack(
        name: "banks in another order", code: "ATT-LOG-001",
        evidence: patched(log: { _ in
            try log(recorded(), banks: [(0x0C, zeros(48)), (0x0B, zeros(32))])
        })),
    Attack(
        name: "one bank twice", code: "ATT-LOG-001",
        evidence: patched(log: { _ in
            try log(recorded(), banks: [(0x0B, zeros(32)), (0x0B, zeros(32))])
        })),
    Attack(
        name: "a quote of the SHA-1 bank", code: "ATT-QUO-005",
        evidence: {
            try ForgingTPM().evidence(
                log: log(recorded()), events: recorded(),
                selection: [0, 0, 0, 1, 0, 4, 3, 0, 0xB0, 0])
        }),
    Attack(
        name: "a quote of two banks", code: "ATT-QUO-005",
        evidence: {
            try ForgingTPM().evidence(
                log: log(recorded()), events: recorded(),
                selection: [0, 0, 0, 2, 0, 4, 3, 0, 0xB0, 0, 0, 0x0B, 3, 0, 0xB0, 0])
        }),
]

/// A change while the machine runs.
private func life(
    _ change: LifeChange, _ index: Int, _ generation: UInt32, name: String? = nil,
    domainID: UInt32? = nil, kernel: Digest384?? = nil, initrd: Digest384?? = nil
) throws -> Event {
    let declared = try Vector.reference().compartments[index]
    let bytes = Array((name ?? declared.name).utf8)
    let isEnd = change == .destroy
    return (
        15,
        LifeMeasurement(
            change: change, name: bytes.span, domainID: domainID ?? declared.domainID,
            generation: generation, kernel: kernel ?? (isEnd ? nil : declared.kernel.sha384),
            initrd: initrd ?? (isEnd ? nil : declared.initrd?.sha384)
        ).eventData
    )
}

/// Another policy while the machine runs.
func reload(_ reference: ReferenceValues) -> (pcr: Int, data: [UInt8]) {
    let version = (0..<8).map { UInt8(truncatingIfNeeded: reference.system.version >> (8 * $0)) }
    return (
        15,
        [0x05, 0x4D, 0x53, 0x43, 104, 0, 0, 0] + reference.policy.array + reference.manifest.array
            + version
    )
}

/// What the machine did after its boot, and tells honestly.
private func changing(
    _ name: String, _ code: String,
    _ events: @Sendable @escaping () throws -> [(pcr: Int, data: [UInt8])]
) -> Attack {
    Attack(
        name: name, code: code, evidence: honest { $0 += try events() }, isPermissive: true)
}

/// What happened while the machine ran is not what the reference values permit.
private let otherChanges: [Attack] = [
    changing("a compartment that started again beyond its limit", "ATT-RUN-002") {
        try (2...4).map { try life(.restart, 0, $0) }
    },
    changing("a compartment that may never start again, and did", "ATT-RUN-002") {
        [try life(.deploy, 1, 2), try life(.restart, 1, 3)]
    },
    changing("a restart with another initrd", "ATT-SYS-003") {
        [try life(.restart, 0, 2, initrd: strange)]
    },
    changing("a restart with another kernel", "ATT-SYS-003") {
        [try life(.restart, 0, 2, kernel: strange)]
    },
    changing("a restart without an initrd", "ATT-SYS-003") {
        [try life(.restart, 0, 2, initrd: .some(nil))]
    },
    changing("an end that loads a kernel", "ATT-SYS-003") {
        [try life(.destroy, 0, 1, kernel: strange)]
    },
    changing("a restart of what does not run", "ATT-RUN-002") { [try life(.restart, 1, 2)] },
    changing("an order to start what runs", "ATT-RUN-002") { [try life(.deploy, 0, 2)] },
    changing("an order to end what does not run", "ATT-RUN-002") { [try life(.destroy, 1, 1)] },
    changing("a compartment that was ended for good", "ATT-RUN-003") {
        [try life(.destroy, 0, 1)]
    },
    changing("a life that nobody tells", "ATT-RUN-001") { [try life(.restart, 0, 3)] },
    changing("one life told twice", "ATT-RUN-001") {
        [try life(.restart, 0, 2), try life(.restart, 0, 2)]
    },
    changing("a life of a domain of another number", "ATT-RUN-001") {
        [try life(.restart, 0, 2, domainID: 2)]
    },
    changing("a life of a compartment that is not declared", "ATT-SYS-005") {
        [try life(.deploy, 0, 2, name: "intruder")]
    },
    changing("a policy replaced by one that nobody vouches for", "ATT-RUN-004") {
        [reload(try Vector.permissiveReference(version: 9, policy: [9]))]
    },
    changing("the first policy again, at the same version", "ATT-RUN-004") {
        [reload(try Vector.reference())]
    },
    changing("a policy measured as a change", "ATT-RUN-001") {
        [(15, PolicyMeasurement(strange).eventData)]
    },
    changing("a change of nothing", "ATT-RUN-001") { [(15, [])] },
    changing("a change cut short", "ATT-RUN-001") {
        [(15, Array(try life(.restart, 0, 2).data.dropLast()))]
    },
    changing("a change told in the register of compartments", "ATT-LOG-006") {
        [(13, try life(.restart, 0, 2).data)]
    },
    Attack(
        name: "a log without the restart that was measured", code: "ATT-LOG-005",
        evidence: pretending { $0.append(try life(.restart, 0, 2)) }, isPermissive: true),
    Attack(
        name: "a log with a restart that was not measured", code: "ATT-LOG-005",
        evidence: lying { $0.append(try life(.restart, 0, 2)) }, isPermissive: true),
    Attack(
        name: "a quote without the register of changes", code: "ATT-QUO-005",
        evidence: {
            try ForgingTPM().evidence(
                log: log(recorded()), events: recorded(),
                selection: [0, 0, 0, 1, 0, 0x0B, 3, 0, 0x30, 0])
        }),
]

/// The statement or its signer is not the one that is needed.
private let otherQuotes: [Attack] = [
    Attack(
        name: "a quote over fewer registers", code: "ATT-QUO-005",
        evidence: {
            try ForgingTPM().evidence(
                log: log(recorded()), events: recorded(),
                selection: [0, 0, 0, 1, 0, 0x0B, 3, 0, 0x10, 0])
        }),
    Attack(
        name: "a quote over no register", code: "ATT-QUO-005",
        evidence: {
            try ForgingTPM().evidence(
                log: log(recorded()), events: recorded(), selection: [0, 0, 0, 0])
        }),
    Attack(
        name: "an old quote, replayed", code: "ATT-QUO-004", evidence: patched(),
        nonce: zeros(32)),
    Attack(
        name: "a quote without a nonce", code: "ATT-QUO-004",
        evidence: {
            try ForgingTPM().evidence(log: log(recorded()), events: recorded(), nonce: [])
        }),
    Attack(
        name: "a nonce with bytes behind it", code: "ATT-QUO-004",
        evidence: {
            try ForgingTPM().evidence(
                log: log(recorded()), events: recorded(), nonce: Vector.nonce + [0])
        }),
    Attack(
        name: "another machine's key", code: "ATT-KEY-002",
        evidence: { try ForgingTPM().evidence(measuring: recorded()) },
        key: [0, 0x0B] + zeros(32)),
    Attack(
        name: "another machine's key beside our quote", code: "ATT-QUO-001",
        evidence: patched(key: { _ in ForgingTPM().publicArea })),
    Attack(
        name: "a key that is not in a TPM", code: "ATT-KEY-001",
        evidence: {
            let good = try ForgingTPM().evidence(measuring: recorded())
            var area = good.attestationKey
            area[7] ^= 0x02
            return Evidence(
                quote: good.quote, signature: good.signature, attestationKey: area,
                eventLog: good.eventLog)
        }),
    Attack(
        name: "a key that signs anything", code: "ATT-KEY-001",
        evidence: {
            let good = try ForgingTPM().evidence(measuring: recorded())
            var area = good.attestationKey
            area[5] ^= 0x01
            return Evidence(
                quote: good.quote, signature: good.signature, attestationKey: area,
                eventLog: good.eventLog)
        }),
    Attack(
        name: "a statement that no TPM made", code: "ATT-QUO-002",
        evidence: {
            try ForgingTPM().evidence(log: log(recorded()), events: recorded(), magic: 0)
        }),
    Attack(
        name: "another quote's signature", code: "ATT-QUO-001",
        evidence: patched(signature: { _ in
            try ForgingTPM().evidence(measuring: recorded()).signature
        })),
    Attack(
        name: "a signature of zeros", code: "ATT-QUO-001",
        evidence: patched(signature: { _ in
            [0, 0x18, 0, 0x0B, 0, 32] + zeros(32) + [0, 32] + zeros(32)
        })),
    Attack(
        name: "no signature", code: "ATT-QUO-001", evidence: patched(signature: { _ in [] })),
    Attack(
        name: "a quote with a byte behind it", code: "ATT-QUO-001",
        evidence: patched(quote: { $0.quote + [0] })),
]

@Suite struct AttackTests {
    private static let all =
        otherFiles + otherSequences + falseLogs + otherBanks + otherChanges + otherQuotes

    @Test("each attack is refused for its own reason", arguments: all)
    func refused(_ attack: Attack) throws {
        let result = try Vector.appraise(
            attack.evidence(), nonce: attack.nonce, key: attack.key,
            reference: attack.isPermissive ? Vector.permissiveReference() : nil)
        #expect(codes(result).first == attack.code)
    }

    @Test("there are at least eighty attacks, and without one the machine is accepted")
    func count() throws {
        #expect(Self.all.count >= 80)
        #expect(Set(Self.all.map(\.name)).count == Self.all.count)
        #expect(codes(try Vector.appraise(Vector.evidence())).isEmpty)
        #expect(try codes(Vector.appraise(honest { _ in }())).isEmpty)
    }
}
