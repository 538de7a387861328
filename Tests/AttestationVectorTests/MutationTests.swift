import Appraisal
import AttestationTestSupport
import Digests
import EventLog
import Foundation
import TestSupport
import Testing

@Test("the recorded quote is accepted, with its nonce and its key")
func recordedQuote() throws {
    let evidence = try Vector.evidence()
    guard case .accepted(let machine) = try Vector.appraise(evidence) else {
        Issue.record("refused: \(codes(try Vector.appraise(evidence)))")
        return
    }
    #expect(machine.system.name == "sample")
    #expect(machine.isFresh)
    #expect(!machine.isKeyKnown)
    guard
        case .accepted(let known) = try Vector.appraise(
            evidence, key: machine.attestationKeyName)
    else {
        Issue.record("refused with its own key")
        return
    }
    #expect(known.isKeyKnown)
    guard case .accepted(let stale) = try Vector.appraise(evidence, nonce: nil) else {
        Issue.record("refused without a nonce")
        return
    }
    #expect(!stale.isFresh)
}

@Test("another nonce, a shorter one and another key are refused")
func expectations() throws {
    let evidence = try Vector.evidence()
    #expect(codes(try Vector.appraise(evidence, nonce: [1])) == ["ATT-QUO-004"])
    #expect(
        codes(try Vector.appraise(evidence, nonce: Array(Vector.nonce.dropLast())))
            == ["ATT-QUO-004"])
    #expect(codes(try Vector.appraise(evidence, key: [0, 0x0B])) == ["ATT-KEY-002"])
}

@Test("every single bit of every part of the evidence matters")
func everyBit() throws {
    let evidence = try Vector.evidence()
    func refuses(_ mutated: Evidence, _ what: String) throws {
        guard case .refused(let refusals) = try Vector.appraise(mutated) else {
            Issue.record("accepted with \(what)")
            return
        }
        #expect(!refusals.isEmpty)
    }
    for (part, bytes) in [
        ("quote", evidence.quote), ("signature", evidence.signature),
        ("key", evidence.attestationKey), ("log", evidence.eventLog),
    ] {
        for bit in 0..<8 * bytes.count {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let mutated = Evidence(
                quote: part == "quote" ? flipped : evidence.quote,
                signature: part == "signature" ? flipped : evidence.signature,
                attestationKey: part == "key" ? flipped : evidence.attestationKey,
                eventLog: part == "log" ? flipped : evidence.eventLog)
            try refuses(mutated, "bit \(bit) of \(part) flipped")
        }
    }
}

@Test("every truncation of every part, and every appended byte, is refused")
func everyLength() throws {
    let evidence = try Vector.evidence()
    let parts = [
        evidence.quote, evidence.signature, evidence.attestationKey, evidence.eventLog,
    ]
    for index in parts.indices {
        for count in 0..<parts[index].count + 2 where count != parts[index].count {
            var changed = parts
            let padded = parts[index] + [0]
            changed[index] = Array(padded.prefix(count))
            let mutated = Evidence(
                quote: changed[0], signature: changed[1], attestationKey: changed[2],
                eventLog: changed[3])
            #expect(!codes(try Vector.appraise(mutated)).isEmpty, "part \(index), \(count) bytes")
        }
    }
}

@Test("the evidence file refuses another version, a feature, and any other shape")
func evidenceFile() throws {
    let text = String(decoding: try Vector.file("sample.evidence.json"), as: UTF8.self)
    func code(_ from: String, _ to: String) -> String? {
        let changed = text.replacingOccurrences(of: from, with: to)
        #expect(changed != text, "the file holds \(from)")
        do throws(Refusal) {
            _ = try Evidence(json: Array(changed.utf8))
            return nil
        } catch {
            return error.code
        }
    }
    #expect(code("\"formatVersion\" : 1", "\"formatVersion\" : 2") == "ATT-EVI-002")
    #expect(code("\"formatVersion\" : 1", "\"formatVersion\" : \"1\"") == "ATT-EVI-001")
    #expect(code("[\n\n  ]", "[\"sealed\"]") == "ATT-EVI-003")
    for field in [
        "quote", "signature", "attestationKey", "eventLog", "requiredFeatures", "formatVersion",
    ] {
        #expect(code("\"\(field)\"", "\"x\"") == "ATT-EVI-001")
    }
    #expect(code("\"quote\" : \"", "\"quote\" : \"!") == "ATT-EVI-001")
}

@Test("reference values refuse whatever contradicts them")
func referenceFile() throws {
    let text = String(decoding: try Vector.file("sample.reference-values.json"), as: UTF8.self)
    func code(_ from: String, _ to: String) -> String? {
        let changed = text.replacingOccurrences(of: from, with: to)
        #expect(changed != text, "the file holds \(from)")
        do throws(ReferenceValuesError) {
            _ = try ReferenceValues(json: Array(changed.utf8))
            return nil
        } catch {
            return error.code
        }
    }
    #expect(code("\"formatVersion\" : 1", "\"formatVersion\" : 2") == "ATT-REF-002")
    #expect(code("[\n\n  ]", "[\"sealed\"]") == "ATT-REF-003")
    #expect(code("\"sample\"", "\"another\"") == "ATT-REF-004")
    #expect(code("console=hvc0", "console=hvc1") == "ATT-REF-005")
    #expect(code("\"memoryInBytes\" : 201326592", "\"memoryInBytes\" : 201330688") == "ATT-REF-005")
    #expect(code("\"vcpuCount\" : 1", "\"vcpuCount\" : 2") == "ATT-REF-005")
    #expect(code("\"domainID\" : 1", "\"domainID\" : 3") == "ATT-REF-005")
    #expect(code("\"pcr\" : 13", "\"pcr\" : 12") == "ATT-REF-005")
    #expect(code("\"subject\" : \"policy\"", "\"subject\" : \"manifest\"") == "ATT-REF-005")
    for field in ["compartments", "events", "policy", "commandLine", "record", "sha384"] {
        #expect(code("\"\(field)\"", "\"x\"") == "ATT-REF-001")
    }
}

@Test("reference values that were written are read again, as the same bytes")
func referenceRoundTrip() throws {
    let bytes = try Vector.file("sample.reference-values.json")
    #expect(try ReferenceValues(json: bytes).encoded() == bytes)
    #expect(try Vector.evidence().encoded() == Vector.file("sample.evidence.json"))
}

@Test("random bytes never trap a reader")
func randomBytes() throws {
    var generator = SeededGenerator.announced(0x1a1)
    let evidence = try Vector.evidence()
    for _ in 0..<500 {
        let noise = generator.bytes(Int(generator.next() % 300))
        _ = try? Evidence(json: noise)
        _ = try? ReferenceValues(json: noise)
        let mutated = Evidence(
            quote: noise, signature: evidence.signature, attestationKey: noise, eventLog: noise)
        #expect(!codes(try Vector.appraise(mutated)).isEmpty)
    }
}
