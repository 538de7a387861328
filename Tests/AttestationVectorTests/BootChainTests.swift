import Appraisal
import AttestationTestSupport
import Digests
import EventLog
import Testing

/// The vector of a machine that was started by UEFI, GRUB and Multiboot2: `casemate run --firmware
/// uefi` booted it under QEMU with OVMF and swtpm, and its quote is over PCR 0 to 9, 12, 13
/// and 15.
private enum Booted {
    static let nonce: [UInt8] = [0x5e, 0xed]

    static func evidence() throws -> Evidence {
        try Evidence(json: Vector.file("uefi.evidence.json"))
    }

    static func reference() throws -> ReferenceValues {
        try ReferenceValues(json: Vector.file("uefi.reference-values.json"))
    }

    static func platform() throws -> FirmwarePlatform {
        try FirmwarePlatform(json: Vector.file("uefi.platform.json"))
    }

    static func events() throws -> [Event] {
        try EventLog<Unverified>(validating: evidence().eventLog).entries.map { entry in
            Event(
                pcr: entry.pcr, eventType: entry.eventType, digest: entry.sha256?.array ?? [],
                data: entry.data)
        }
    }

    static func appraise(
        _ evidence: Evidence, platform: FirmwarePlatform? = nil, nonce: [UInt8] = Vector.nonce
    ) throws -> AttestationResult {
        Appraiser(
            reference: try reference(),
            policy: AppraisalPolicy(nonce: nonce, attestationKeyName: nil, platform: platform)
        ).appraise(evidence)
    }
}

/// One event, to be changed.
private struct Event {
    var pcr: UInt32
    var eventType: UInt32
    var digest: [UInt8]
    var data: [UInt8]
}

/// A log of events that a machine could have measured, and the quote that its TPM would give.
private func forged(_ events: [Event], first: [UInt8]? = nil) throws -> Evidence {
    let registers = Array(0...9) + [12, 13, 15]
    var values: [Int: [UInt8]] = [:]
    for register in registers { values[register] = [UInt8](repeating: 0, count: 32) }
    if let first { values[0] = first }
    var bytes = log([])
    func number(_ value: Int) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    for event in events {
        let pcr = Int(event.pcr)
        if event.eventType != 3 {
            values[pcr] = SHA256.hash(((values[pcr] ?? []) + event.digest).span).array
        }
        bytes += number(pcr) + number(Int(event.eventType)) + number(1) + [0x0B, 0]
        bytes += event.digest + number(event.data.count) + event.data
    }
    let all = registers.flatMap { values[$0] ?? [] }
    return try ForgingTPM().evidence(
        log: bytes, pcrDigest: SHA256.hash(all.span).array,
        selection: [0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0xB3, 0])
}

@Suite("the chain from power-on") struct BootChainTests {
    @Test("the machine that was recorded is accepted, with its boot loader and its platform")
    func recorded() throws {
        let result = try Booted.appraise(
            Booted.evidence(), platform: Booted.platform(), nonce: Booted.nonce)
        guard case .accepted(let machine) = result else {
            Issue.record("refused: \(codes(result))")
            return
        }
        #expect(machine.isBootLoaderKnown && machine.platform == "qemu" && machine.isFresh)
        let without = try Booted.appraise(Booted.evidence(), nonce: Booted.nonce)
        guard case .accepted(let machine) = without else {
            Issue.record("refused: \(codes(without))")
            return
        }
        #expect(machine.platform == nil)
        #expect(codes(try Booted.appraise(forged(Booted.events()))) == [])
    }

    @Test("reference values and quotes that do not speak of the same registers are refused")
    func selections() throws {
        // A start without firmware's measurements, where an image was expected.
        let reference = try Booted.reference()
        let direct = try Vector.evidence()
        let policy = AppraisalPolicy(nonce: Vector.nonce, attestationKeyName: nil)
        let answer = Appraiser(reference: reference, policy: policy).appraise(direct)
        #expect(codes(answer) == ["ATT-QUO-005"])
        // An image, where nothing before the hypervisor was to be measured.
        var bare = reference
        bare.bootLoader = nil
        let other = AppraisalPolicy(nonce: Booted.nonce, attestationKeyName: nil)
        let refused = Appraiser(reference: bare, policy: other).appraise(try Booted.evidence())
        #expect(codes(refused) == ["ATT-QUO-005"])
    }

    @Test("a changed, dropped, added or swapped event of the boot loader is refused")
    func bootLoader() throws {
        let good = try Booted.events()
        let places = good.indices.filter { good[$0].pcr == 8 || good[$0].pcr == 9 }
        #expect(places.count == 8)
        for place in places {
            var changed = good
            changed[place].digest[31] ^= 1
            #expect(codes(try Booted.appraise(forged(changed))) == ["ATT-BOOT-001"])
            changed = good
            changed.remove(at: place)
            #expect(codes(try Booted.appraise(forged(changed))) == ["ATT-BOOT-001"])
            changed = good
            changed.insert(good[place], at: place)
            #expect(codes(try Booted.appraise(forged(changed))) == ["ATT-BOOT-001"])
        }
        var swapped = good
        let files = places.filter { good[$0].pcr == 9 }
        swapped.swapAt(files[0], files[1])
        #expect(codes(try Booted.appraise(forged(swapped))) == ["ATT-BOOT-001"])
        // The words of an event are not measured: what counts is the digest.
        var renamed = good
        renamed[places[0]].data = Array("/casemate/other\0".utf8)
        #expect(codes(try Booted.appraise(forged(renamed))) == [])
    }

    @Test("what differs is named with the file, and with what was expected")
    func message() throws {
        var events = try Booted.events()
        let place = try #require(events.lastIndex { $0.pcr == 9 })
        events[place].digest = SHA256.hash([1].span).array
        guard case .refused(let refusals) = try Booted.appraise(forged(events)) else {
            Issue.record("accepted")
            return
        }
        let message = try #require(refusals.first).message
        #expect(message.contains("event 3 in PCR 9") && message.contains("/casemate/system.bdl"))
        #expect(message.contains(SHA256.hash([1].span).hexadecimal))
    }

    @Test("an event that extends nothing cannot hide one that does, in any register")
    func noAction() throws {
        let good = try Booted.events()
        let silent = Event(
            pcr: 0, eventType: 3, digest: [UInt8](repeating: 0, count: 32), data: [1, 2])
        #expect(codes(try Booted.appraise(forged([silent] + good))) == [])
        var event = silent
        event.digest[0] = 1
        #expect(codes(try Booted.appraise(forged([event] + good))) == ["ATT-LOG-004"])
        for pcr: UInt32 in [8, 9, 12, 13, 15] {
            event = silent
            event.pcr = pcr
            #expect(codes(try Booted.appraise(forged(good + [event]))) == ["ATT-LOG-002"])
        }
        // A start from locality 3 is a value that PCR 0 begins with; said later, it is nothing.
        event = silent
        event.data = Array("StartupLocality\0".utf8) + [3]
        let first = [UInt8](repeating: 0, count: 31) + [3]
        #expect(codes(try Booted.appraise(forged([event] + good, first: first))) == [])
        #expect(codes(try Booted.appraise(forged([event] + good))) == ["ATT-LOG-005"])
        #expect(codes(try Booted.appraise(forged(good + [event]))) == [])
    }

    @Test("a register that nobody may extend, and a log without a digest, are refused")
    func outsidePlan() throws {
        let good = try Booted.events()
        for pcr: UInt32 in [10, 11, 14, 16, 23] {
            var event = good[0]
            event.pcr = pcr
            #expect(codes(try Booted.appraise(forged(good + [event]))) == ["ATT-LOG-002"])
        }
        var event = try #require(good.last)
        event.eventType = 13
        #expect(codes(try Booted.appraise(forged(good + [event]))) == ["ATT-LOG-002"])
    }

    @Test("another firmware is refused by a platform that was enrolled, register by register")
    func platform() throws {
        let good = try Booted.events()
        let platform = try Booted.platform()
        #expect(platform.registers.map(\.pcr) == FirmwarePlatform.usualRegisters)
        #expect(codes(try Booted.appraise(forged(good), platform: platform)) == [])
        for pcr in UInt32(0)..<8 {
            var changed = good
            let place = try #require(changed.firstIndex { $0.pcr == pcr && $0.eventType != 3 })
            changed[place].digest[0] ^= 1
            let expected = pcr == 5 ? [] : ["ATT-BOOT-002"]
            #expect(
                codes(try Booted.appraise(forged(changed), platform: platform)) == expected)
            #expect(codes(try Booted.appraise(forged(changed))) == [])
        }
    }

    @Test("a platform is enrolled from evidence that is fresh, signed and replayed")
    func enrolment() throws {
        let policy = AppraisalPolicy(nonce: Booted.nonce, attestationKeyName: nil)
        let enrolled = try FirmwarePlatform(
            named: "qemu", registers: FirmwarePlatform.usualRegisters, from: Booted.evidence(),
            policy: policy)
        #expect(enrolled == (try Booted.platform()))
        #expect(try FirmwarePlatform(json: enrolled.encoded()) == enrolled)
        let stale = AppraisalPolicy(nonce: [1], attestationKeyName: nil)
        #expect(throws: Refusal.nonceMismatch) {
            try FirmwarePlatform(
                named: "q", registers: [0], from: Booted.evidence(), policy: stale)
        }
        #expect(throws: Refusal.selectionUnexpected) {
            try FirmwarePlatform(
                named: "q", registers: [0], from: Vector.evidence(),
                policy: AppraisalPolicy(nonce: Vector.nonce, attestationKeyName: nil))
        }
    }

    @Test("a platform file of another shape is refused")
    func platformFile() throws {
        let good = String(decoding: try Booted.platform().encoded(), as: UTF8.self)
        func isTaken(_ from: String, _ to: String) -> Bool {
            (try? FirmwarePlatform(json: Array(good.replacing(from, with: to).utf8))) != nil
        }
        #expect(isTaken("", ""))
        #expect(!isTaken("\"formatVersion\" : 1", "\"formatVersion\" : 2"))
        #expect(!isTaken("\"requiredFeatures\" : [", "\"requiredFeatures\" : [\"x\""))
        #expect(!isTaken("\"pcr\" : 7", "\"pcr\" : 8"))
        #expect(!isTaken("\"pcr\" : 7", "\"pcr\" : 6"))
        #expect(!isTaken("\"name\"", "\"nome\""))
        #expect(!isTaken("{", "["))
    }

    @Test("reference values with a boot loader round-trip, and name the feature that it is")
    func referenceFile() throws {
        let reference = try Booted.reference()
        #expect(try Vector.file("uefi.reference-values.json") == reference.encoded())
        #expect(reference.bootLoader?.events.count == 8)
        let good = String(decoding: reference.encoded(), as: UTF8.self)
        func isTaken(_ from: String, _ to: String) -> Bool {
            (try? ReferenceValues(json: Array(good.replacing(from, with: to).utf8))) != nil
        }
        #expect(isTaken("", ""))
        #expect(!isTaken("\"boot-loader\"", ""))
        #expect(!isTaken("\"boot-loader\"", "\"boot-loader\", \"x\""))
        #expect(!isTaken("\"bootLoader\"", "\"bootLoder\""))
        #expect(!isTaken("\"pcr\" : 8", "\"pcr\" : 7"))
    }
}
