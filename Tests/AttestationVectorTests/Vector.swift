import Appraisal
import Crypto
import Digests
import EventLog
import Foundation
import TPMStructures

/// The vector in `attestation/vectors`: a quote that a software TPM really made, of a system of two
/// compartments; `VirtualHardwareTests` records it.
enum Vector {
    static let nonce = (0..<32).map { UInt8($0) }

    static func file(_ name: String) throws -> [UInt8] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return [UInt8](
            try Data(contentsOf: root.appendingPathComponent("attestation/vectors/\(name)")))
    }

    static func evidence() throws -> Evidence {
        try Evidence(json: file("sample.evidence.json"))
    }

    static func reference() throws -> ReferenceValues {
        try ReferenceValues(json: file("sample.reference-values.json"))
    }

    static func appraise(
        _ evidence: Evidence, nonce: [UInt8]? = Vector.nonce, key: [UInt8]? = nil
    ) throws -> AttestationResult {
        Appraiser(
            reference: try reference(),
            policy: AppraisalPolicy(nonce: nonce, attestationKeyName: key)
        ).appraise(evidence)
    }
}

/// The codes with which evidence is refused; none if it is accepted.
func codes(_ result: AttestationResult) -> [String] {
    guard case .refused(let refusals) = result else { return [] }
    return refusals.map(\.code)
}

/// A TPM made of a software key, for evidence that no honest TPM would give.
struct ForgingTPM {
    private let key = P256.Signing.PrivateKey()

    /// The public area, as the software stack makes it.
    var publicArea: [UInt8] {
        let raw = [UInt8](key.publicKey.rawRepresentation)
        return [0x00, 0x23, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0, 0]
            + [0x00, 0x10, 0x00, 0x18, 0x00, 0x0B, 0x00, 0x03, 0x00, 0x10]
            + [0, 32] + raw.prefix(32) + [0, 32] + raw.suffix(32)
    }

    /// Signs a statement about a log's registers.
    func evidence(
        log: [UInt8], events: [(pcr: Int, data: [UInt8])], nonce: [UInt8] = Vector.nonce,
        selection: [UInt8] = [0, 0, 0, 1, 0, 0x0B, 3, 0, 0x30, 0], magic: UInt8 = 0xFF
    ) throws -> Evidence {
        var registers = [
            12: [UInt8](repeating: 0, count: 32), 13: [UInt8](repeating: 0, count: 32),
        ]
        for event in events {
            let digest = Digests.SHA256.hash(event.data.span).array
            registers[event.pcr] =
                Digests.SHA256.hash(
                    ((registers[event.pcr] ?? []) + digest).span
                ).array
        }
        let values = (registers[12] ?? []) + (registers[13] ?? [])
        return try evidence(
            log: log, pcrDigest: Digests.SHA256.hash(values.span).array, nonce: nonce,
            selection: selection, magic: magic)
    }

    /// Signs a statement about any registers.
    func evidence(
        log: [UInt8], pcrDigest: [UInt8], nonce: [UInt8] = Vector.nonce, selection: [UInt8],
        magic: UInt8 = 0xFF
    ) throws -> Evidence {
        let signer = try AttestationPublicKey(validating: publicArea)
            .qualifiedNameInEndorsementHierarchy
        var statement: [UInt8] = [magic, 0x54, 0x43, 0x47, 0x80, 0x18]
        statement += [0, UInt8(signer.count)] + signer + [0, UInt8(nonce.count)] + nonce
        statement += [UInt8](repeating: 0, count: 8 + 4 + 4) + [1] + [UInt8](repeating: 0, count: 8)
        statement += selection + [0, 32] + pcrDigest
        let signature = [UInt8](try key.signature(for: statement).rawRepresentation)
        return Evidence(
            quote: statement,
            signature: [0, 0x18, 0, 0x0B, 0, 32] + signature.prefix(32) + [0, 32]
                + signature.suffix(32),
            attestationKey: publicArea, eventLog: log)
    }

    /// Logs and signs events as if a machine had measured them.
    func evidence(measuring events: [(pcr: Int, data: [UInt8])]) throws -> Evidence {
        try evidence(log: log(events), events: events)
    }
}

/// A crypto-agile log with a SHA-256 bank.
func log(_ events: [(pcr: Int, data: [UInt8])], eventType: UInt8 = 6) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    var bytes = number(0) + number(3) + [UInt8](repeating: 0, count: 20) + number(33)
    bytes += Array("Spec ID Event03\0".utf8) + number(0) + [0, 2, 0, 2]
    bytes += number(1) + [0x0B, 0, 32, 0, 0]
    for event in events {
        bytes += number(event.pcr) + [eventType, 0, 0, 0] + number(1) + [0x0B, 0]
        bytes += Digests.SHA256.hash(event.data.span).array + number(event.data.count) + event.data
    }
    return bytes
}

/// The events of the vector's log.
func events(_ log: [UInt8]) throws -> [(pcr: Int, data: [UInt8])] {
    try EventLog<Unverified>(validating: log).entries.map { (Int($0.pcr), $0.data) }
}
