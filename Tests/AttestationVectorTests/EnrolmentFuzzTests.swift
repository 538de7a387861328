import Appraisal
import TPMStructures
import TestSupport
import Testing

/// Damages bytes in up to four places: changed, removed, doubled, or cut off behind.
private func damaged(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var copy = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !copy.isEmpty {
        let place = Int.random(in: copy.indices, using: &generator)
        switch Int.random(in: 0...3, using: &generator) {
        case 0: copy[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: copy.remove(at: place)
        case 2: copy.insert(copy[place], at: place)
        default: copy.removeSubrange(place...)
        }
    }
    return copy
}

@Suite struct EnrolmentFuzzTests {
    @Test("no endorsement key but the template's is read, and none traps")
    func endorsementKeys() throws {
        var generator = SeededGenerator.announced(20_261_123)
        let policy = EndorsementPublicKey.authorizationPolicy
        let head: [UInt8] = [0, 0x23, 0, 0x0C, 0, 3, 0, 0xF2, 0, 48]
        let parameters: [UInt8] = [0, 6, 1, 0, 0, 0x43, 0, 0x10, 0, 4, 0, 0x10]
        let template = head + policy + parameters
        let point = [0, 48] + generator.bytes(48) + [0, 48] + generator.bytes(48)
        let key = try EndorsementPublicKey(validating: template + point)
        #expect(key.rawRepresentation.count == 96)
        for _ in 0..<TestLevel.repetitions(20_000) {
            let bytes = damaged(template + point, &generator)
            guard let read = try? EndorsementPublicKey(validating: bytes) else { continue }
            #expect(read.bytes.starts(with: template))
            #expect(read.rawRepresentation.count == 96)
        }
    }

    @Test("no damaged file enrols a key by a secret that was not asked for, and none traps")
    func files() throws {
        var generator = SeededGenerator.announced(20_261_124)
        let secret = generator.bytes(32)
        let name = generator.bytes(34)
        let pending = PendingEnrolment(
            secret: secret, attestationKeyName: name, endorsementKeyName: [1])
        let wrong = EnrolmentResponse(secret: generator.bytes(32))
        let right = EnrolmentResponse(secret: secret)
        let key = try pending.accept(right)
        #expect(try key.name() == name)
        #expect(throws: EnrolmentRefusal.responseWrong) { _ = try pending.accept(wrong) }
        for _ in 0..<5_000 {
            let bytes = damaged(wrong.encoded(), &generator)
            if let response = try? EnrolmentResponse(json: bytes) {
                #expect(throws: EnrolmentRefusal.self) { _ = try pending.accept(response) }
            }
            _ = try? PendingEnrolment(json: damaged(pending.encoded(), &generator)).accept(right)
            _ = try? EnrolledKey(json: damaged(key.encoded(), &generator)).name()
            let request = EnrolmentRequest(endorsementKey: secret, attestationKey: name)
            _ = try? EnrolmentRequest(json: damaged(request.encoded(), &generator))
                .endorsementKeyName()
        }
    }

    @Test("a file above 64 KiB is refused before it is read")
    func longFile() {
        let long = [UInt8](repeating: 0x20, count: (1 << 16) + 1)
        #expect(throws: EnrolmentRefusal.fileMalformed("it is longer than 64 KiB")) {
            _ = try EnrolmentResponse(json: long)
        }
    }
}
