import Appraisal
import Crypto
import Digests
import Foundation
import TPMStructures
import TestSupport
import Testing

/// What others' tools say of the recorded evidence: tpm2-tools read quotes and logs without a TPM.
@Suite("judges of recorded evidence") struct JudgeTests {
    private static let recorded: [(file: String, nonce: [UInt8], registers: [UInt32])] = [
        ("sample", Vector.nonce, [12, 13, 15]),
        ("uefi", [0x5e, 0xed], Array(0...9) + [12, 13, 15]),
    ]

    @Test("tpm2_checkquote accepts what we accept, and refuses another nonce and another statement")
    func checkQuote() throws {
        for (file, nonce, _) in Self.recorded {
            let evidence = try Evidence(json: Vector.file("\(file).evidence.json"))
            let key = try AttestationPublicKey(validating: evidence.attestationKey)
            let pem = try P256.Signing.PublicKey(rawRepresentation: key.rawRepresentation)
                .pemRepresentation
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            _ = try folder.write(pem + "\n", to: "key.pem")
            try Data(evidence.signature).write(to: folder.url("signature"))
            func isAccepted(_ statement: [UInt8], _ nonce: [UInt8]) throws -> Bool {
                try Data(statement).write(to: folder.url("quote"))
                return try ToolRun(
                    "/usr/bin/tpm2_checkquote",
                    [
                        "-u", folder.path("key.pem"), "-m", folder.path("quote"), "-s",
                        folder.path("signature"), "-g", "sha256", "-q", hexadecimalText(nonce),
                    ]
                ).status == 0
            }
            #expect(try isAccepted(evidence.quote, nonce))
            #expect(try !isAccepted(evidence.quote, [1]))
            var changed = evidence.quote
            changed[changed.count - 1] ^= 1
            #expect(try !isAccepted(changed, nonce))
        }
    }

    /// The registers that `tpm2_eventlog` computes of a log, each with its value.
    private func replayed(_ log: [UInt8]) throws -> [UInt32: [UInt8]] {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try Data(log).write(to: folder.url("log"))
        let run = try ToolRun("/usr/bin/tpm2_eventlog", [folder.path("log")])
        #expect(run.status == 0)
        var values: [UInt32: [UInt8]] = [:]
        for match in run.output.matches(of: /\n\s+(\d+)\s+: 0x([0-9a-f]+)/) {
            values[try #require(UInt32(match.output.1))] = bytesOfHexadecimal(
                String(match.output.2))
        }
        return values
    }

    @Test("tpm2_eventlog computes the registers that the TPM quoted") func eventLog() throws {
        for (file, _, registers) in Self.recorded {
            let evidence = try Evidence(json: Vector.file("\(file).evidence.json"))
            let values = try replayed(evidence.eventLog)
            #expect(values.count == registers.count - 1)
            let all = registers.flatMap { values[$0] ?? [UInt8](repeating: 0, count: 32) }
            let quote = try QuoteStatement(validating: evidence.quote)
            #expect(Digests.SHA256.hash(all.span).array == quote.pcrDigest)
        }
        let evidence = try Evidence(json: Vector.file("tpm12.evidence.json"))
        let values = try replayed(evidence.eventLog)
        let quote = try OnePointTwoQuote(validating: evidence.quote)
        let composite = OnePointTwoQuote.composite(
            registers: quote.registers,
            values: quote.registers.flatMap { values[$0] ?? [UInt8](repeating: 0, count: 20) })
        #expect(Digests.SHA1.hash(composite.span).array == quote.compositeDigest)
    }
}
