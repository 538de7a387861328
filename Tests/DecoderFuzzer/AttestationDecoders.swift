import Digests
import EventLog
import Foundation
import TPMStructures
import TestSupport

/// The recorded evidence, as its parts.
struct RecordedEvidence {
    let quote: [UInt8]
    let signature: [UInt8]
    let attestationKey: [UInt8]
    let eventLog: [UInt8]

    /// Reads a vector of `attestation/vectors`.
    init(_ name: String) throws {
        let file = RepositoryFiles.root.appending(path: "attestation/vectors/\(name).evidence.json")
        let document = try JSONDecoder().decode(
            [String: Field].self, from: try Data(contentsOf: file))
        func part(_ name: String) -> [UInt8] { document[name]?.bytes ?? [] }
        (quote, signature) = (part("quote"), part("signature"))
        (attestationKey, eventLog) = (part("attestationKey"), part("eventLog"))
    }

    /// A field that holds base64; of another one nothing.
    private struct Field: Decodable {
        let bytes: [UInt8]

        init(from decoder: any Swift.Decoder) throws {
            let text = try? decoder.singleValueContainer().decode(String.self)
            bytes = [UInt8](Data(base64Encoded: text ?? "") ?? Data())
        }
    }
}

extension Decoder {
    /// Event logs as a verifier reads them, and as the hypervisor reads a firmware's.
    static func eventLogs() throws -> Decoder {
        var seeds = try ["sample", "uefi", "tpm12"].map { try RecordedEvidence($0).eventLog }
        seeds.append(allBanks())
        return Decoder(
            name: "event-logs", seeds: seeds, most: 1 << 13, change: WordChanges.change
        ) { bytes in
            // Some are longer than any log may be.
            let isLong = bytes.count % 256 == 255
            let log = isLong ? bytes + [UInt8](repeating: 0, count: 1 << 20) : bytes
            guard firmwareEvents(log) <= log.count / 12 else {
                return .broken("an event of a firmware has at least twelve bytes")
            }
            do throws(EventLogError) {
                let view = try EventLogView(validating: log.span)
                guard view.banks.count > 0 else { return .broken("a log has a bank") }
                var cursor = view.records
                var count = 0
                while let record = cursor.next() {
                    let digests = [
                        record.sha1 != nil, record.sha256 != nil, record.sha384 != nil,
                    ].count { $0 }
                    guard digests == view.banks.count, record.pcr.rawValue < 24 else {
                        return .broken("a record has the digests of the header")
                    }
                    count += 1
                }
                return count == view.recordCount ? .accepted : .broken("every record is shown")
            } catch {
                return .refused
            }
        }
    }

    /// How many events are read as a firmware's.
    private static func firmwareEvents(_ bytes: [UInt8]) -> Int {
        guard var log = try? FirmwareEventLog(bytes.span) else { return 0 }
        var count = 0
        while count <= bytes.count {
            guard let event = try? log.next() else { break }
            count += event.data.count >= 0 ? 1 : 0
        }
        return count
    }

    /// A log with a record in three banks.
    private static func allBanks() -> [UInt8] {
        func number(_ value: Int) -> [UInt8] {
            [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
        }
        let banks: [(UInt8, Int)] = [(4, 20), (0x0B, 32), (0x0C, 48)]
        var bytes = number(0) + number(3) + [UInt8](repeating: 0, count: 20) + number(41)
        bytes += Array("Spec ID Event03\0".utf8) + number(0) + [0, 2, 0, 2] + number(3)
        bytes += banks.flatMap { [$0.0, 0, UInt8($0.1), 0] } + [0]
        bytes += number(12) + number(6) + number(3)
        bytes += banks.flatMap { [$0.0, 0] + [UInt8](repeating: 7, count: $0.1) }
        return bytes + number(3) + [1, 2, 3]
    }

    /// Structures of both families of TPMs; the first byte says which.
    static func tpmStructures() throws -> Decoder {
        let recorded = [try RecordedEvidence("sample"), try RecordedEvidence("tpm12")]
        let area = recorded[0].attestationKey
        let modulus = recorded[1].attestationKey
        let endorsement: [UInt8] =
            [0, 0x23, 0, 0x0C, 0, 3, 0, 0xF2, 0, 48] + EndorsementPublicKey.authorizationPolicy
            + [0, 6, 1, 0, 0, 0x43, 0, 0x10, 0, 4, 0, 0x10]
            + [0, 48] + [UInt8](repeating: 1, count: 48) + [0, 48]
            + [UInt8](repeating: 2, count: 48)
        var decrypting = modulus
        decrypting.replaceSubrange(4..<8, with: [0, 3, 0, 1])
        let wrapped: [UInt8] =
            [1, 1, 0, 0, 0, 0x12, 0, 0, 0, 0, 0] + modulus.prefix(24) + [0, 0, 0, 0]
            + modulus.dropFirst(24) + [0, 0, 0, 3, 7, 8, 9]
        let sealed = OnePointTwoSealedCredential(
            vector: Array(area.prefix(16)), ciphertext: Array(modulus.suffix(48)))
        let stored: [UInt8] = [0x10, 0x01, 0, 0, 200, 0x10, 0x02] + modulus.suffix(198)
        let parts = [
            recorded[0].quote, recorded[0].signature, area, endorsement, recorded[1].quote,
            modulus, decrypting, wrapped, sealed.bytes, stored,
        ]
        let seeds = parts.enumerated().map { [UInt8($0)] + $1 }
        return Decoder(
            name: "tpm-structures", seeds: seeds, most: 1 << 11, change: WordChanges.change
        ) { bytes in
            do throws(TPMStructureError) {
                return try read(Array(bytes.dropFirst()), as: (bytes.first ?? 0) % 10)
                    ? .accepted : .broken("what was read is what was there")
            } catch {
                return .refused
            }
        }
    }

    /// Reads a structure, asks it everything, and says whether the answers agree with its bytes.
    private static func read(_ bytes: [UInt8], as kind: UInt8) throws(TPMStructureError) -> Bool {
        switch kind {
        case 0:
            let quote = try QuoteStatement(validating: bytes)
            return quote.bytes == bytes && quote.selections.count <= 16
        case 1: return try ECDSASignature(validating: bytes).rawRepresentation.count == 64
        case 2:
            let key = try AttestationPublicKey(validating: bytes)
            return key.bytes == bytes && key.name.count == 34
                && key.qualifiedNameInEndorsementHierarchy.count == 34
                && key.rawRepresentation.count == 64
        case 3:
            let key = try EndorsementPublicKey(validating: bytes)
            return key.bytes == bytes && key.name.count == 50
        case 4:
            let quote = try OnePointTwoQuote(validating: bytes)
            let composite = OnePointTwoQuote.composite(registers: quote.registers, values: [])
            return quote.bytes == bytes && Array(bytes[26..<31]) == Array(composite.prefix(5))
        case 7:
            let key = try OnePointTwoWrappedKey(beginning: bytes)
            return bytes.starts(with: key.bytes) && key.publicKey.count < key.bytes.count
        case 8:
            let sealed = try OnePointTwoSealedCredential(validating: bytes)
            let again = OnePointTwoSealedCredential(
                vector: sealed.vector, ciphertext: sealed.ciphertext)
            return sealed.bytes == bytes && again.bytes == bytes
        case 9:
            let stored = try OnePointTwoStoredCertificate(validating: bytes)
            let size = try OnePointTwoStoredCertificate.size(behind: Array(bytes.prefix(5)))
            return bytes.count == 5 + size && stored.certificate == Array(bytes.dropFirst(7))
        default:
            let key = try OnePointTwoKey(
                validating: bytes, as: kind == 5 ? .identity : .endorsement)
            return key.bytes == bytes && key.name.count == 34 && key.digest.count == 20
        }
    }
}
