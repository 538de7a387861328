import Appraisal
import AttestationTestSupport
import Digests
import EventLog
import Testing

/// A measured compartment as event data, changed from what the vector's reference declares.
private func compartment(
    _ index: Int, name: String? = nil, initrd: Digest384?? = nil, kernel: Digest384? = nil,
    commandLine: String? = nil, memory: UInt64? = nil, vcpus: UInt32? = nil,
    domainID: UInt32? = nil, labelByte: UInt8? = nil
) throws -> (pcr: Int, data: [UInt8]) {
    let declared = try Vector.reference().compartments[index]
    let name = Array((name ?? declared.name).utf8)
    let commandLine = Array((commandLine ?? declared.commandLine).utf8)
    var label = declared.labelRecord
    if let labelByte { label[0] = labelByte }
    return (
        13,
        CompartmentMeasurement(
            name: name.span, domainID: domainID ?? declared.domainID, label: label.span,
            kernel: kernel ?? declared.kernel.sha384,
            initrd: initrd ?? declared.initrd?.sha384, commandLine: commandLine.span,
            memoryInBytes: memory ?? declared.memoryInBytes,
            vcpuCount: vcpus ?? declared.vcpuCount
        ).eventData
    )
}

private func stop(_ reason: String) -> (pcr: Int, data: [UInt8]) {
    let bytes = Array(reason.utf8)
    return (12, StopMeasurement(reason: bytes.span).eventData)
}

private func good() throws -> [(pcr: Int, data: [UInt8])] {
    try events(Vector.evidence().eventLog)
}

private let other = SHA384.hash([UInt8](repeating: 1, count: 9).span)

@Test("a TPM of our own making is accepted with the expected events, so that the refusals count")
func forgeryBaseline() throws {
    #expect(codes(try Vector.appraise(ForgingTPM().evidence(measuring: good()))) == [])
}

@Test("another initrd is refused with its compartment, module and source line")
func anotherInitrd() throws {
    var log = try good()
    log[3] = try compartment(1, initrd: other)
    log.append(stop("module differs"))
    let result = try Vector.appraise(ForgingTPM().evidence(measuring: log))
    guard case .refused(let refusals) = result else {
        Issue.record("accepted")
        return
    }
    #expect(refusals.map(\.code) == ["ATT-SYS-003", "ATT-SYS-006"])
    let message = try #require(refusals.first).message
    #expect(message.hasPrefix("system.casemate:16: compartment `collector` runs another initrd"))
    #expect(message.contains("`collector.cpio`"))
    #expect(message.contains(other.hexadecimal))
}

@Test("each part of a compartment that differs is named")
func everyPart() throws {
    let cases: [((pcr: Int, data: [UInt8]), CompartmentDifference.Part)] = [
        (try compartment(0, kernel: other), .kernel(module: "debian")),
        (try compartment(0, initrd: other), .initrd(module: "sensor.cpio")),
        (try compartment(0, initrd: .some(nil)), .initrd(module: "sensor.cpio")),
        (try compartment(0, commandLine: "console=hvc0 init=/bin/sh"), .commandLine),
        (try compartment(0, memory: 1 << 20), .memory),
        (try compartment(0, vcpus: 2), .vcpuCount),
        (try compartment(0, domainID: 7), .domainID),
        (try compartment(0, labelByte: 9), .label),
    ]
    for (event, part) in cases {
        var log = try good()
        log[2] = event
        let result = try Vector.appraise(ForgingTPM().evidence(measuring: log))
        guard case .refused(let refusals) = result,
            case .compartmentDiffers(let difference) = refusals.first
        else {
            Issue.record("no difference for \(part)")
            continue
        }
        #expect(refusals.count == 1)
        #expect(difference.part == part)
        #expect(difference.compartment == "sensor")
        #expect(difference.source == SourceReference(file: "system.casemate", line: 8))
    }
}

@Test("missing, added, swapped and renamed events are refused")
func sequences() throws {
    let base = try good()
    func codesOf(_ log: [(pcr: Int, data: [UInt8])]) throws -> [String] {
        codes(try Vector.appraise(ForgingTPM().evidence(measuring: log)))
    }
    #expect(try codesOf(Array(base.dropLast())) == ["ATT-SYS-004"])
    #expect(try codesOf([]) == ["ATT-SYS-001", "ATT-SYS-002", "ATT-SYS-004", "ATT-SYS-004"])
    #expect(try codesOf(base + [base[3]]) == ["ATT-SYS-005"])
    #expect(try codesOf([base[0], base[0], base[1], base[2], base[3]]) == ["ATT-LOG-006"])
    #expect(try codesOf([base[0], base[1], base[3], base[2]]).contains("ATT-SYS-005"))
    #expect(try codesOf([base[0], base[2], base[1], base[3]]) == ["ATT-LOG-006"])
    #expect(try codesOf([base[1], base[0], base[2], base[3]]).contains("ATT-LOG-006"))
    var renamed = base
    renamed[3] = try compartment(1, name: "intruder")
    #expect(try codesOf(renamed) == ["ATT-SYS-005", "ATT-SYS-004"])
    #expect(try codesOf(base + [stop("watchdog")]) == ["ATT-SYS-006"])
    #expect(try codesOf(base + [(12, [])]) == ["ATT-LOG-006"])
    #expect(try codesOf(base + [(13, [3, 0x4D, 0x53, 0x43, 0, 0, 0, 0])]) == ["ATT-LOG-006"])
}

@Test("another policy and another manifest are told apart")
func policyAndManifest() throws {
    var log = try good()
    log[0].data = PolicyMeasurement(other).eventData
    #expect(codes(try Vector.appraise(ForgingTPM().evidence(measuring: log))) == ["ATT-SYS-001"])
    log = try good()
    log[1].data = ManifestMeasurement(other).eventData
    #expect(codes(try Vector.appraise(ForgingTPM().evidence(measuring: log))) == ["ATT-SYS-002"])
}

@Test("a log that the registers do not match is refused, whoever signs it")
func replay() throws {
    let base = try good()
    let tpm = ForgingTPM()
    #expect(
        codes(try Vector.appraise(tpm.evidence(log: log(base), events: Array(base.dropLast()))))
            == ["ATT-LOG-005"])
    #expect(
        codes(try Vector.appraise(tpm.evidence(log: log(base, eventType: 5), events: base)))
            == ["ATT-LOG-002"])
    let outside = base + [(pcr: 14, data: [UInt8(1)])]
    #expect(
        codes(try Vector.appraise(tpm.evidence(log: log(outside), events: base)))
            == ["ATT-LOG-002"])
    var changed = log(base)
    changed[changed.count - 1] ^= 1
    #expect(
        codes(try Vector.appraise(tpm.evidence(log: changed, events: base))) == ["ATT-LOG-004"])
    #expect(codes(try Vector.appraise(tpm.evidence(log: [], events: base))) == ["ATT-LOG-001"])
}

@Test("a signed statement that is no quote of our registers is refused")
func statements() throws {
    let base = try good()
    let tpm = ForgingTPM()
    for selection: [UInt8] in [
        [0, 0, 0, 1, 0, 0x0B, 3, 0, 0x30, 0], [0, 0, 0, 1, 0, 0x0B, 3, 1, 0xB0, 0],
        [0, 0, 0, 1, 0, 0x04, 3, 0, 0xB0, 0], [0, 0, 0, 0],
    ] {
        let evidence = try tpm.evidence(log: log(base), events: base, selection: selection)
        #expect(codes(try Vector.appraise(evidence)) == ["ATT-QUO-005"])
    }
    let foreign = try tpm.evidence(log: log(base), events: base, magic: 0xFE)
    #expect(codes(try Vector.appraise(foreign)) == ["ATT-QUO-002"])
    let first = try tpm.evidence(measuring: base)
    let second = try ForgingTPM().evidence(measuring: base)
    let mixed = Evidence(
        quote: first.quote, signature: first.signature, attestationKey: second.attestationKey,
        eventLog: first.eventLog)
    #expect(codes(try Vector.appraise(mixed)) == ["ATT-QUO-001"])
}

@Test("a key that could sign anything is refused, whatever it signs")
func unrestrictedKey() throws {
    let base = try good()
    let evidence = try ForgingTPM().evidence(measuring: base)
    // `restricted`, `fixedTPM`, `sensitiveDataOrigin` cleared; `decrypt` set.
    for (byte, bit) in [(5, UInt8(0x01)), (7, 0x02), (7, 0x20), (5, 0x02)] {
        var area = evidence.attestationKey
        area[byte] ^= bit
        let mutated = Evidence(
            quote: evidence.quote, signature: evidence.signature, attestationKey: area,
            eventLog: evidence.eventLog)
        #expect(codes(try Vector.appraise(mutated)) == ["ATT-KEY-001"])
    }
}
