public import Appraisal
import Crypto
import CryptoExtras
import Digests
import Foundation
import TPMStructures

/// A TPM 1.2 made of a software key, for evidence that no honest TPM would give.
public struct ForgingOnePointTwo: Sendable {
    private let key: _RSA.Signing.PrivateKey
    private let modulus: [UInt8]

    /// The nonce of the recorded vector.
    public static let nonce = (0..<20).map { UInt8($0) }

    /// Makes a key.
    public init() throws {
        key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        modulus = [UInt8](try key.publicKey.getKeyPrimitives().modulus)
    }

    /// The public part, as a TPM has it of an identity key.
    public var publicKey: [UInt8] {
        [0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0, 12, 0, 0, 8, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0]
            + modulus
    }

    /// Signs a statement about the registers of a log's events.
    public func evidence(
        log: [UInt8], events: [(pcr: Int, data: [UInt8])],
        nonce: [UInt8] = ForgingOnePointTwo.nonce, registers: [UInt32] = [12, 13, 15],
        fixed: String = "QUT2"
    ) throws -> Evidence {
        var values: [Int: [UInt8]] = [:]
        for register in registers { values[Int(register)] = [UInt8](repeating: 0, count: 20) }
        for event in events {
            guard let value = values[event.pcr] else { continue }
            let digest = Digests.SHA1.hash(event.data.span).array
            values[event.pcr] = Digests.SHA1.hash((value + digest).span).array
        }
        let composite = OnePointTwoQuote.composite(
            registers: registers, values: registers.flatMap { values[Int($0)] ?? [] })
        let statement =
            [0x00, 0x36] + Array(fixed.utf8) + nonce + OnePointTwoQuote.selection(registers) + [1]
            + Digests.SHA1.hash(composite.span).array
        let signature = try key.signature(
            for: Insecure.SHA1.hash(data: statement), padding: .insecurePKCS1v1_5)
        return Evidence(
            quote: statement, signature: [UInt8](signature.rawRepresentation),
            attestationKey: publicKey, eventLog: log, family: .onePointTwo)
    }
}
