import Appraisal
import AttestationTestSupport
import Digests
import EventLog
import TPMStructures
import TestSupport
import Testing

/// The vector of a TPM 1.2: a quote that swtpm really made, of the same system as the other one's.
private enum Recorded {
    static func evidence() throws -> Evidence {
        try Evidence(json: Vector.file("tpm12.evidence.json"))
    }

    static func appraise(
        _ evidence: Evidence, nonce: [UInt8]? = ForgingOnePointTwo.nonce, key: [UInt8]? = nil,
        isPermitted: Bool = true
    ) throws -> AttestationResult {
        Appraiser(
            reference: try Vector.reference(),
            policy: AppraisalPolicy(
                nonce: nonce, attestationKeyName: key, permitsOnePointTwo: isPermitted)
        ).appraise(evidence)
    }

    static func events() throws -> [(pcr: Int, data: [UInt8])] {
        try AttestationVectorTests.events(evidence().eventLog)
    }

    static func changed(
        quote: [UInt8]? = nil, signature: [UInt8]? = nil, key: [UInt8]? = nil,
        log: [UInt8]? = nil, family: TPMFamily = .onePointTwo
    ) throws -> Evidence {
        let whole = try evidence()
        return Evidence(
            quote: quote ?? whole.quote, signature: signature ?? whole.signature,
            attestationKey: key ?? whole.attestationKey, eventLog: log ?? whole.eventLog,
            family: family)
    }
}

/// A log with a SHA-1 bank alone.
private func log(_ events: [(pcr: Int, data: [UInt8])], eventType: UInt8 = 6) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    var bytes = number(0) + number(3) + [UInt8](repeating: 0, count: 20) + number(33)
    bytes += Array("Spec ID Event03\0".utf8) + number(0) + [0, 2, 0, 2]
    bytes += number(1) + [4, 0, 20, 0, 0]
    for event in events {
        bytes += number(event.pcr) + [eventType, 0, 0, 0] + number(1) + [4, 0]
        bytes += SHA1.hash(event.data.span).array + number(event.data.count) + event.data
    }
    return bytes
}

@Suite("quotes of TPM 1.2") struct OnePointTwoVectorTests {
    @Test("the recorded quote is accepted where a TPM 1.2 is, and with its key") func recorded()
        throws
    {
        let evidence = try Recorded.evidence()
        guard case .accepted(let machine) = try Recorded.appraise(evidence) else {
            Issue.record("refused: \(codes(try Recorded.appraise(evidence)))")
            return
        }
        #expect(machine.family == .onePointTwo && machine.time == nil && machine.isFresh)
        #expect(codes(try Recorded.appraise(evidence, key: machine.attestationKeyName)) == [])
        #expect(codes(try Recorded.appraise(evidence, isPermitted: false)) == ["ATT-EVI-004"])
        #expect(evidence.claimedNonce == ForgingOnePointTwo.nonce)
        #expect(try evidence.encoded() == Vector.file("tpm12.evidence.json"))
    }

    @Test("every single bit of every part of the evidence matters, and every length")
    func everyBit() throws {
        let evidence = try Recorded.evidence()
        let parts = [
            evidence.quote, evidence.signature, evidence.attestationKey, evidence.eventLog,
        ]
        func expectRefusal(_ index: Int, _ bytes: [UInt8]) throws {
            var changed = parts
            changed[index] = bytes
            let mutated = Evidence(
                quote: changed[0], signature: changed[1], attestationKey: changed[2],
                eventLog: changed[3], family: .onePointTwo)
            #expect(!codes(try Recorded.appraise(mutated)).isEmpty, "part \(index)")
        }
        for index in parts.indices {
            for bit in 0..<8 * parts[index].count {
                var flipped = parts[index]
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                try expectRefusal(index, flipped)
            }
            for count in 0..<parts[index].count {
                try expectRefusal(index, Array(parts[index].prefix(count)))
            }
            try expectRefusal(index, parts[index] + [0])
        }
    }

    @Test("each attack on a quote of TPM 1.2 is refused for its own reason") func attacks() throws {
        let tpm = try ForgingOnePointTwo()
        let good = try Recorded.events()
        func code(_ evidence: Evidence, nonce: [UInt8]? = ForgingOnePointTwo.nonce) throws
            -> [String]
        {
            codes(try Recorded.appraise(evidence, nonce: nonce))
        }
        #expect(try code(tpm.evidence(log: log(good), events: good)) == [])
        #expect(
            try code(tpm.evidence(log: log(good), events: good), nonce: [1]) == ["ATT-QUO-004"])
        #expect(
            try code(tpm.evidence(log: log(good), events: good, registers: [12, 13]))
                == ["ATT-QUO-005"])
        #expect(
            try code(tpm.evidence(log: log(good), events: good, registers: [12, 13, 14, 15]))
                == ["ATT-QUO-005"])
        #expect(
            try code(tpm.evidence(log: log(good), events: good, fixed: "QUOT")) == ["ATT-QUO-002"])
        #expect(
            try code(tpm.evidence(log: log(Array(good.dropLast())), events: good))
                == ["ATT-LOG-005"])
        #expect(
            try code(tpm.evidence(log: log(good, eventType: 3), events: good)) == ["ATT-LOG-002"])
        var changed = good
        changed[0].data = PolicyMeasurement(SHA384.hash([1].span)).eventData
        #expect(try code(tpm.evidence(log: log(changed), events: changed)) == ["ATT-SYS-001"])
        #expect(try code(Recorded.changed(key: tpm.publicKey)) == ["ATT-QUO-001"])
        // A log of the other bank, and evidence of one family under the other's name.
        let other = try Vector.evidence()
        #expect(try code(Recorded.changed(log: other.eventLog)) == ["ATT-LOG-003"])
        #expect(try code(Recorded.changed(family: .twoPointZero)) == ["ATT-KEY-001"])
        let disguised = Evidence(
            quote: other.quote, signature: other.signature, attestationKey: other.attestationKey,
            eventLog: other.eventLog, family: .onePointTwo)
        #expect(try code(disguised) == ["ATT-KEY-001"])
        // A key that decrypts, and one that is shorter than it says.
        var key = tpm.publicKey
        key[5] = 3
        let signed = try tpm.evidence(log: log(good), events: good)
        #expect(
            try code(
                Evidence(
                    quote: signed.quote, signature: signed.signature, attestationKey: key,
                    eventLog: signed.eventLog, family: .onePointTwo)) == ["ATT-KEY-001"])
    }

    @Test(
        "a machine with a TPM 1.2 that UEFI started is accepted with its platform, and named by it")
    func recordedPlatform() throws {
        let evidence = try Evidence(json: Vector.file("uefi-tpm12.evidence.json"))
        let platform = try FirmwarePlatform(json: Vector.file("uefi-tpm12.platform.json"))
        let reference = try ReferenceValues(json: Vector.file("uefi-tpm12.reference-values.json"))
        var policy = AppraisalPolicy(
            nonce: ForgingOnePointTwo.nonce, attestationKeyName: nil, platform: platform,
            permitsOnePointTwo: true)
        let answer = Appraiser(reference: reference, policy: policy).appraise(evidence)
        guard case .accepted(let machine) = answer else {
            Issue.record("refused: \(codes(answer))")
            return
        }
        #expect(machine.platform == "qemu" && machine.isBootLoaderKnown && machine.isFresh)
        let enrolled = try FirmwarePlatform(
            named: "qemu", registers: FirmwarePlatform.usualRegisters, from: evidence,
            policy: policy)
        #expect(enrolled == platform)
        #expect(try Vector.file("uefi-tpm12.platform.json") == platform.encoded())
        // Another firmware was trusted: one register's value is another.
        let text = String(decoding: platform.encoded(), as: UTF8.self)
        let value = hexadecimalText(platform.registers[0].value)
        let other = text.replacing(value, with: String(repeating: "0", count: 40))
        policy.platform = try FirmwarePlatform(json: Array(other.utf8))
        #expect(
            codes(Appraiser(reference: reference, policy: policy).appraise(evidence))
                == ["ATT-BOOT-002"])
    }

    @Test("a TPM 1.2's platform is enrolled where one is permitted, and compared by register")
    func platform() throws {
        let good = try firmwareEvents() + Recorded.events()
        let permitted = AppraisalPolicy(
            nonce: ForgingOnePointTwo.nonce, attestationKeyName: nil, permitsOnePointTwo: true)
        let platform = try FirmwarePlatform(
            named: "old", registers: FirmwarePlatform.usualRegisters, from: quoted(good),
            policy: permitted)
        #expect(platform.family == .onePointTwo && platform.registers.count == 7)
        #expect(platform.registers.allSatisfy { $0.value.count == 20 })
        #expect(try FirmwarePlatform(json: platform.encoded()) == platform)
        #expect(try judged(good, by: platform) == [])
        for pcr in 0..<8 {
            var changed = good
            let place = try #require(changed.firstIndex { $0.pcr == pcr })
            changed[place].data[0] ^= 1
            #expect(try judged(changed, by: platform) == (pcr == 5 ? [] : ["ATT-BOOT-002"]))
        }
        // Not where nobody said that a TPM 1.2 may vouch, stale, or without its firmware.
        var policy = permitted
        policy.permitsOnePointTwo = false
        #expect(throws: Refusal.familyForbidden) {
            _ = try FirmwarePlatform(
                named: "q", registers: [0], from: quoted(good), policy: policy)
        }
        #expect(try judged(good, by: platform, isPermitted: false) == ["ATT-EVI-004"])
        policy = permitted
        policy.nonce = [1]
        #expect(throws: Refusal.nonceMismatch) {
            _ = try FirmwarePlatform(
                named: "q", registers: [0], from: quoted(good), policy: policy)
        }
        #expect(throws: Refusal.selectionUnexpected) {
            _ = try FirmwarePlatform(
                named: "q", registers: [0], from: Recorded.evidence(), policy: permitted)
        }
    }

    @Test("no platform of one family is compared with a TPM of the other") func otherPlatform()
        throws
    {
        let good = try firmwareEvents() + Recorded.events()
        let newer = try FirmwarePlatform(json: Vector.file("uefi.platform.json"))
        #expect(newer.family == .twoPointZero)
        let refusals = Array(repeating: "ATT-BOOT-002", count: newer.registers.count)
        #expect(try judged(good, by: newer) == refusals)
        let policy = AppraisalPolicy(
            nonce: nil, attestationKeyName: nil, permitsOnePointTwo: true)
        var older = policy
        older.platform = try FirmwarePlatform(
            named: "old", registers: [0], from: quoted(good), policy: policy)
        let answer = Appraiser(
            reference: try ReferenceValues(json: Vector.file("uefi.reference-values.json")),
            policy: older
        ).appraise(try Evidence(json: Vector.file("uefi.evidence.json")))
        #expect(codes(answer) == ["ATT-BOOT-002"])
    }

    @Test("a platform file has the values of its TPM's bank, and no others") func platformFile()
        throws
    {
        let policy = AppraisalPolicy(
            nonce: nil, attestationKeyName: nil, permitsOnePointTwo: true)
        let platform = try FirmwarePlatform(
            named: "old", registers: [0, 7],
            from: quoted(firmwareEvents() + Recorded.events()), policy: policy)
        let good = String(decoding: platform.encoded(), as: UTF8.self)
        func isTaken(_ from: String, _ to: String) -> Bool {
            (try? FirmwarePlatform(json: Array(good.replacing(from, with: to).utf8))) != nil
        }
        #expect(isTaken("", "") && good.contains("\"sha1\"") && !good.contains("\"sha256\""))
        #expect(!isTaken("\"sha1\"", "\"sha256\""))
        #expect(!isTaken("\"tpm-1.2\"", ""))
        #expect(!isTaken("\"tpm-1.2\"", "\"tpm-1.2\", \"x\""))
        #expect(!isTaken("\"sha1\" : \"", "\"sha1\" : \"00"))
        let other = String(repeating: "0", count: 64)
        #expect(!isTaken("\"sha1\" : ", "\"sha256\" : \"\(other)\", \"sha1\" : "))
    }

    /// What a firmware and a boot loader could have measured: an event in each register.
    private func firmwareEvents() -> [(pcr: Int, data: [UInt8])] {
        (0..<10).map { (pcr: $0, data: Array("firmware \($0)".utf8)) }
    }

    private func quoted(_ events: [(pcr: Int, data: [UInt8])]) throws -> Evidence {
        try ForgingOnePointTwo().evidence(
            log: log(events), events: events, registers: Array(0...9) + [12, 13, 15])
    }

    private func judged(
        _ events: [(pcr: Int, data: [UInt8])], by platform: FirmwarePlatform,
        isPermitted: Bool = true
    ) throws -> [String] {
        let policy = AppraisalPolicy(
            nonce: ForgingOnePointTwo.nonce, attestationKeyName: nil, platform: platform,
            permitsOnePointTwo: isPermitted)
        let appraiser = Appraiser(reference: try Vector.reference(), policy: policy)
        return codes(appraiser.appraise(try quoted(events)))
    }
}

/// Damages bytes in up to four places: changed, removed, doubled, or cut off behind.
private func damaged(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var copy = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !copy.isEmpty {
        let place = Int.random(in: copy.indices, using: &generator)
        switch Int.random(in: 0...4, using: &generator) {
        case 0: copy[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: copy.remove(at: place)
        case 2: copy.insert(copy[place], at: place)
        case 3: copy[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        default: copy.removeSubrange(place...)
        }
    }
    return copy
}

@Suite struct EvidenceFuzzTests {
    @Test("no damaged part of evidence is accepted, and none traps a reader") func parts() throws {
        var generator = SeededGenerator.announced(20_261_126)
        let recorded = [try Vector.evidence(), try Recorded.evidence()]
        for round in 0..<TestLevel.repetitions(20_000) {
            let whole = recorded[round % 2]
            var parts = [whole.quote, whole.signature, whole.attestationKey, whole.eventLog]
            let place = Int.random(in: parts.indices, using: &generator)
            parts[place] = damaged(parts[place], &generator)
            let changed = Evidence(
                quote: parts[0], signature: parts[1], attestationKey: parts[2],
                eventLog: parts[3], family: whole.family)
            guard changed != whole else { continue }
            #expect(!codes(try Recorded.appraise(changed, nonce: nil)).isEmpty)
        }
    }

    @Test("no reader of a TPM's structure traps, whatever the bytes") func structures() throws {
        var generator = SeededGenerator.announced(20_261_127)
        let recorded = [try Vector.evidence(), try Recorded.evidence()]
        let wrapped =
            [1, 1, 0, 0, 0, 0x12, 0, 0, 0, 0, 0] + recorded[1].attestationKey.prefix(24)
            + [0, 0, 0, 0] + recorded[1].attestationKey.dropFirst(24) + [0, 0, 0, 3, 7, 8, 9]
        #expect(
            try OnePointTwoWrappedKey(beginning: wrapped + [5]).publicKey
                == recorded[1].attestationKey)
        for _ in 0..<TestLevel.repetitions(20_000) {
            let quote = damaged(recorded[1].quote, &generator)
            if let read = try? OnePointTwoQuote(validating: quote) {
                #expect(read.bytes == quote && read.externalData.count == 20)
            }
            let statement = damaged(recorded[0].quote, &generator)
            if let read = try? QuoteStatement(validating: statement) {
                #expect(read.bytes == statement)
            }
            let key = damaged(recorded[1].attestationKey, &generator)
            _ = try? OnePointTwoKey(validating: key, as: .identity)
            _ = try? OnePointTwoWrappedKey(beginning: damaged(wrapped, &generator))
            _ = try? ECDSASignature(validating: damaged(recorded[0].signature, &generator))
            _ = try? AttestationPublicKey(
                validating: damaged(recorded[0].attestationKey, &generator))
            _ = try? EventLog<Unverified>(validating: damaged(recorded[0].eventLog, &generator))
        }
    }

    @Test("no damaged file of evidence, reference values or platform traps a reader")
    func files() throws {
        var generator = SeededGenerator.announced(20_261_128)
        let evidence = try Vector.file("tpm12.evidence.json")
        let reference = try Vector.permissiveReference().encoded()
        let platform = try Vector.file("uefi.platform.json")
        for _ in 0..<TestLevel.repetitions(20_000) {
            if let read = try? Evidence(json: damaged(evidence, &generator)) {
                #expect(read.attestationKey.count <= 1 << 20)
            }
            _ = try? ReferenceValues(json: damaged(reference, &generator))
            _ = try? FirmwarePlatform(json: damaged(platform, &generator))
        }
    }
}
