import Appraisal
import ArgumentParser
import Digests
import PolicySyntax
import TPMSoftwareStack
import TPMStructures

/// `casemate attest quote`: takes evidence from a TPM.
struct AttestQuote: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quote",
        abstract: "Take a quote of a machine's measurements, as an evidence file.",
        discussion: """
            Asks a machine's TPM for a quote of PCR 12, 13 and 15 by its attestation key, and \
            writes it with the event log into one file. If the log has events of firmware and \
            boot loader, the quote is over PCR 0 to 9, too.

            A machine that runs is asked through the agent in its control compartment, if that \
            uses the TPM; else, and with --through interposer, through what `casemate run` puts \
            between QEMU and the emulated TPM. The agent reads the event log, too; that for the \
            interposer is in the run directory. With --tpm \
            the TPM is the one behind a Unix socket, or the TPM 1.2 that TrouSerS serves, and \
            --event-log is needed. The answer says which way was taken.

            A TPM 1.2 that is owned quotes its only bank, SHA-1, for a nonce of exactly 20 bytes. \
            Its attestation key is made when there is none, and lies wrapped beside the socket, \
            in TPM.key (in a run directory tpm.socket.key): no other TPM can use it, and none \
            makes it again. The secrets of the owner and of the storage root key, 20 bytes each in \
            hexadecimal, stand in TPM.owner; without that file they are zeros.

            `--tpm tcsd` asks the tcsd that TSS_TCSD_HOSTNAME and TSS_TCSD_PORT name, or that of \
            this host, by libtspi; --tpm-files says where the two files lie. A key that was made \
            one way is used by the other. A file with such a name is ./tcsd.

            EXIT STATUS
              0   the file was written
              1   the TPM refused, or the agent did
              64  the command line is wrong
              74  no machine runs, nobody answers, or a file could not be used

            EXAMPLE
              casemate attest quote --nonce 5eed --output evidence.json
              casemate attest quote --tpm run/tpm --event-log run/event-log --nonce 5eed \\
                --output evidence.json
              casemate attest quote --tpm tcsd --tpm-files /var/lib/casemate/tpm \\
                --event-log event-log --nonce 000102030405060708090a0b0c0d0e0f10111213 \\
                --output evidence.json
            """
    )

    @OptionGroup var machine: MachineTPMOption

    @Option(
        help: """
            The machine's event log, as it came on COM2; unless said what the agent reads, or that \
            of the run directory.
            """,
        completion: .file())
    var eventLog: String?

    @Option(help: "The verifier's nonce, at most 32 bytes in hexadecimal; for a TPM 1.2, 20.")
    var nonce: HexadecimalBytes

    @Option(help: "Where to write the evidence.", completion: .file())
    var output: String

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        guard machine.tpm == nil || eventLog != nil else {
            throw ValidationError("--tpm needs --event-log.")
        }
    }

    func run() throws {
        let tpm = try machine.find()
        var path = eventLog
        if path == nil, tpm.way != .agent { path = (tpm.system?.path ?? "") + "/event-log" }
        let log = try path.map { try Files.read($0) }
        let evidence = try QuoteTaker.take(tpm, nonce: nonce.bytes, eventLog: log)
        try Files.write(evidence.encoded(), to: output)
        let family = evidence.family == .onePointTwo ? "1.2" : "2.0"
        guard json else {
            return try StandardOutput.write("quoted: a TPM \(family), through \(tpm.way.words)\n")
        }
        try StandardOutput.write(
            JSONValue.object([
                ("format", .string("casemate-quote-1")), ("family", .string(family)),
                ("through", .string(tpm.way.rawValue)), ("evidence", .string(output)),
            ]).text)
    }
}

/// Takes quotes; says on standard error why it could not.
enum QuoteTaker {
    /// Takes a quote through a socket that is a TPM's.
    ///
    /// - Throws: what `MachineTPM.use` throws.
    static func take(tpm: String, nonce: [UInt8], eventLog log: [UInt8]) throws -> Evidence {
        try take(
            MachineTPM(socketPath: tpm), nonce: nonce, eventLog: log)
    }

    /// - Throws: what `MachineTPM.use` throws.
    static func take(
        _ machine: MachineTPM, nonce: [UInt8], eventLog: [UInt8]?
    ) throws -> Evidence {
        let (quote, log) = try machine.quote(nonce: nonce, explaining: eventLog)
        return Evidence(
            quote: quote.statement, signature: quote.signature,
            attestationKey: quote.attestationKey, eventLog: log, family: quote.family)
    }
}
