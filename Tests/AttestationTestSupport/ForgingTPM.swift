public import Appraisal
import Crypto
import Digests
import TPMStructures

/// A TPM made of a software key, for evidence that no honest TPM would give.
public struct ForgingTPM: Sendable {
    /// What the TPM says of its time.
    public var resetCount: UInt32 = 0
    /// How often it was restarted since.
    public var restartCount: UInt32 = 0
    /// Milliseconds.
    public var clock: UInt64 = 0
    private let key = P256.Signing.PrivateKey()

    /// Makes a key.
    public init() {}

    /// The nonce of the recorded vectors.
    public static let nonce = (0..<32).map { UInt8($0) }

    /// The public area, as the software stack makes it.
    public var publicArea: [UInt8] {
        let raw = [UInt8](key.publicKey.rawRepresentation)
        return [0x00, 0x23, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0, 0]
            + [0x00, 0x10, 0x00, 0x18, 0x00, 0x0B, 0x00, 0x03, 0x00, 0x10]
            + [0, 32] + raw.prefix(32) + [0, 32] + raw.suffix(32)
    }

    /// Signs a statement about a log's registers.
    public func evidence(
        log: [UInt8], events: [(pcr: Int, data: [UInt8])], nonce: [UInt8] = ForgingTPM.nonce,
        selection: [UInt8] = [0, 0, 0, 1, 0, 0x0B, 3, 0, 0xB0, 0], magic: UInt8 = 0xFF
    ) throws -> Evidence {
        var registers: [Int: [UInt8]] = [:]
        for register in [12, 13, 15] { registers[register] = [UInt8](repeating: 0, count: 32) }
        for event in events {
            let digest = Digests.SHA256.hash(event.data.span).array
            registers[event.pcr] =
                Digests.SHA256.hash(
                    ((registers[event.pcr] ?? []) + digest).span
                ).array
        }
        let values = [12, 13, 15].flatMap { registers[$0] ?? [] }
        return try evidence(
            log: log, pcrDigest: Digests.SHA256.hash(values.span).array, nonce: nonce,
            selection: selection, magic: magic)
    }

    /// Signs a statement about any registers.
    public func evidence(
        log: [UInt8], pcrDigest: [UInt8], nonce: [UInt8] = ForgingTPM.nonce, selection: [UInt8],
        magic: UInt8 = 0xFF
    ) throws -> Evidence {
        let signer = try AttestationPublicKey(validating: publicArea)
            .qualifiedNameInEndorsementHierarchy
        var statement: [UInt8] = [magic, 0x54, 0x43, 0x47, 0x80, 0x18]
        statement += [0, UInt8(signer.count)] + signer + [0, UInt8(nonce.count)] + nonce
        statement += bigEndian(clock, 8) + bigEndian(UInt64(resetCount), 4)
        statement += bigEndian(UInt64(restartCount), 4) + [1] + [UInt8](repeating: 0, count: 8)
        statement += selection + [0, 32] + pcrDigest
        let signature = [UInt8](try key.signature(for: statement).rawRepresentation)
        return Evidence(
            quote: statement,
            signature: [0, 0x18, 0, 0x0B, 0, 32] + signature.prefix(32) + [0, 32]
                + signature.suffix(32),
            attestationKey: publicArea, eventLog: log)
    }

    /// Logs and signs events as if a machine had measured them.
    public func evidence(measuring events: [(pcr: Int, data: [UInt8])]) throws -> Evidence {
        try evidence(log: log(events), events: events)
    }
}

/// A crypto-agile log with a SHA-256 bank.
public func log(_ events: [(pcr: Int, data: [UInt8])], eventType: UInt8 = 6) -> [UInt8] {
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

private func bigEndian(_ number: UInt64, _ byteCount: Int) -> [UInt8] {
    (0..<byteCount).reversed().map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
}
