import Appraisal
import ArgumentParser
import Digests
import TPMSoftwareStack
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

    @Option(help: "The verifier's nonce, at most 32 bytes in hexadecimal.")
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
        let quote = try TPMSocket.use(tpm) { connection throws(TPMConnectionError) in
            try connection.quote(
                qualifyingData: nonce, registers: QuotePlan.registers(explaining: log))
        }
        return Evidence(
            quote: quote.statement, signature: quote.signature,
            attestationKey: quote.attestationKey, eventLog: log)
    }
}

/// A TPM behind a Unix socket; says on standard error why it did not serve.
enum TPMSocket {
    /// Connects, and asks something.
    ///
    /// - Throws: `ExitStatus.inputOutput` if there is no such socket; `ExitStatus.refused` if the
    ///   TPM refused.
    static func use<Answer>(
        _ tpm: String, _ ask: (TPMConnection) throws(TPMConnectionError) -> Answer
    ) throws -> Answer {
        let socket: Int32
        do throws(VirtualHardwareError) {
            socket = try connectUnix(tpm).duplicate()
        } catch {
            StandardError.write("casemate: `\(tpm)`: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
        do throws(TPMConnectionError) {
            return try ask(try TPMConnection(takingSocket: socket))
        } catch {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.refused
        }
    }
}
