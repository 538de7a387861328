import Appraisal
import ArgumentParser
import Digests
import TPMSoftwareStack
import TPMStructures
import VirtualHardware

/// `casemate attest quote`: takes evidence from a TPM.
struct AttestQuote: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quote",
        abstract: "Take a quote of a machine's measurements, as an evidence file.",
        discussion: """
            Asks the TPM behind a Unix socket, as `casemate run` offers one in its run directory, \
            for a quote of PCR 12, 13 and 15 by its attestation key, and writes it with the event \
            log into one file. If the log has events of firmware and boot loader, the quote is \
            over PCR 0 to 9, too.

            A TPM 1.2 that is owned quotes its only bank, SHA-1, for a nonce of exactly 20 bytes. \
            Its attestation key is made when there is none, and lies wrapped beside the socket, \
            in TPM.key: no other TPM can use it, and none makes it again. The secrets of the owner \
            and of the storage root key, 20 bytes each in hexadecimal, stand in TPM.owner; without \
            that file they are zeros.

            EXIT STATUS
              0   the file was written
              1   the TPM refused
              64  the command line is wrong
              74  the socket or a file could not be read or written

            EXAMPLE
              casemate attest quote --tpm run/tpm --event-log run/event-log --nonce 5eed \\
                --output evidence.json
            """
    )

    @Option(help: "The Unix socket of the TPM.", completion: .file())
    var tpm: String

    @Option(help: "The machine's event log, as it came on COM2.", completion: .file())
    var eventLog: String

    @Option(help: "The verifier's nonce, at most 32 bytes in hexadecimal; for a TPM 1.2, 20.")
    var nonce: HexadecimalBytes

    @Option(help: "Where to write the evidence.", completion: .file())
    var output: String

    func run() throws {
        let log = try Files.read(eventLog)
        let evidence = try QuoteTaker.take(tpm: tpm, nonce: nonce.bytes, eventLog: log)
        try Files.write(evidence.encoded(), to: output)
    }
}

/// Takes quotes over a Unix socket; says on standard error why it could not.
enum QuoteTaker {
    /// - Throws: what `TPMSocket.use` throws.
    static func take(tpm: String, nonce: [UInt8], eventLog log: [UInt8]) throws -> Evidence {
        let quote = try TPMSocket.use(tpm) { tpm throws(TPMConnectionError) in
            try tpm.quote(
                qualifyingData: nonce, registers: QuotePlan.registers(explaining: log))
        }
        return Evidence(
            quote: quote.statement, signature: quote.signature,
            attestationKey: quote.attestationKey, eventLog: log, family: quote.family)
    }
}

/// A TPM behind a Unix socket; says on standard error why it did not serve.
enum TPMSocket {
    /// Connects, and asks something.
    ///
    /// - Throws: `ExitStatus.inputOutput` if there is no such socket, or the key of a TPM 1.2
    ///   cannot be read or kept; `ExitStatus.refused` if the TPM refused.
    static func use<Answer>(
        _ path: String, _ ask: (any AttestingTPM) throws(TPMConnectionError) -> Answer
    ) throws -> Answer {
        let descriptor: Descriptor
        let socket: Int32
        do throws(VirtualHardwareError) {
            descriptor = try connectUnix(path)
            socket = try descriptor.duplicate()
        } catch {
            StandardError.write("casemate: `\(path)`: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
        return try refusing { () throws(TPMConnectionError) -> TPMFamily in
            try family(ofTPMBehind: descriptor.number)
        } == .onePointTwo
            ? try useOnePointTwo(socket, behind: path, ask)
            : try refusing { () throws(TPMConnectionError) in
                try ask(try TPMConnection(takingSocket: socket))
            }
    }

    /// The same for a TPM 1.2, whose key is kept in a file.
    private static func useOnePointTwo<Answer>(
        _ socket: Int32, behind socketPath: String,
        _ ask: (any AttestingTPM) throws(TPMConnectionError) -> Answer
    ) throws -> Answer {
        let path = socketPath + ".key"
        let kept = Files.exists(path) ? try Files.read(path, limit: 1 << 16) : nil
        let tpm = OnePointTwoConnection(
            takingSocket: socket, secrets: try secrets(beside: socketPath),
            wrappedKey: kept)
        let answer = try refusing { () throws(TPMConnectionError) in try ask(tpm) }
        if let key = tpm.wrappedKey, key != kept { try Files.write(key, to: path, mode: 0o600) }
        return answer
    }

    /// - Throws: `ExitStatus.inputOutput`.
    private static func secrets(beside socketPath: String) throws -> OnePointTwoSecrets {
        let path = socketPath + ".owner"
        guard Files.exists(path) else { return .wellKnown }
        let text = String(decoding: try Files.read(path, limit: 128), as: UTF8.self)
        let digits = text.last == "\n" ? String(text.dropLast()) : text
        guard let bytes = bytesOfHexadecimal(digits),
            let secrets = OnePointTwoSecrets(
                owner: Array(bytes.prefix(20)), storageRoot: Array(bytes.dropFirst(20)))
        else { throw Files.fail(path, "it is not two secrets of 20 bytes in hexadecimal") }
        return secrets
    }

    /// - Throws: `ExitStatus.refused`.
    private static func refusing<Value>(
        _ body: () throws(TPMConnectionError) -> Value
    ) throws -> Value {
        do throws(TPMConnectionError) {
            return try body()
        } catch {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.refused
        }
    }
}
