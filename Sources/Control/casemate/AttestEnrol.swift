import Appraisal
import ArgumentParser
import Digests
import FoundationEssentials
import PolicySyntax
import TPMSoftwareStack
import VirtualHardware

/// `casemate attest enrol`: ties an attestation key to a TPM that is known.
struct AttestEnrol: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enrol",
        abstract: "Show that an attestation key is in the TPM of a known endorsement key.",
        discussion: """
            Four steps, each a file: on the machine `request` writes the public keys of its TPM; \
            the verifier's `challenge` encrypts a secret that only the TPM with that endorsement \
            key can read, and only while it holds that attestation key; on the machine `respond` \
            lets the TPM read it; the verifier's `accept` compares, and writes the key's file, \
            which `casemate attest verify --key` takes. The codes are in docs/abi/enrolment.md.

            The verifier knows the endorsement key by its name, from a source that it trusts, or \
            trusts the certificate authorities of TPM manufacturers, which `request` finds in \
            the TPM's own certificate. Revocation of a certificate is not looked at.
            """,
        subcommands: [
            EnrolRequest.self, EnrolChallenge.self, EnrolRespond.self, EnrolAccept.self,
        ],
        aliases: ["enroll"]
    )
}

/// `casemate attest enrol request`.
struct EnrolRequest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "request",
        abstract: "On the machine: write its TPM's public keys; show the endorsement key's name.",
        discussion: """
            The TPM is that of a running machine, reached as `casemate attest quote` reaches it, \
            the one behind a Unix socket, or the TPM 1.2 that TrouSerS serves.

            EXIT STATUS
              0   the request was written
              1   the TPM refused, or the agent did
              64  the command line is wrong
              74  no machine runs, nobody answers, or the file could not be used

            EXAMPLE
              casemate attest enrol request --output request.json
            """)

    @OptionGroup var machine: MachineTPMOption

    @Option(help: "Where to write the request.", completion: .file())
    var output: String

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let tpm = try machine.find()
        let (identity, certificate) = try tpm.use {
            connection throws(TPMConnectionError) in
            (try connection.identity(), try connection.endorsementCertificate())
        }
        let request = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey,
            endorsementCertificate: certificate)
        let name = try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in
            try request.endorsementKeyName()
        }
        try Files.write(request.encoded(), to: output)
        guard json else {
            try StandardOutput.write("endorsement key: \(hexadecimalText(name))\n")
            if certificate == nil { try StandardOutput.write("certificate: none\n") }
            return try StandardOutput.write("through: \(tpm.way.words)\n")
        }
        try StandardOutput.write(
            JSONValue.object([
                ("format", .string("casemate-enrol-request-1")),
                ("endorsementKey", .string(hexadecimalText(name))),
                ("hasCertificate", .bool(certificate != nil)),
                ("through", .string(tpm.way.rawValue)), ("request", .string(output)),
            ]).text)
    }
}

/// `casemate attest enrol challenge`.
struct EnrolChallenge: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "challenge",
        abstract: "At the verifier: make a challenge for the machine of a known endorsement key.",
        discussion: """
            Either --endorsement-key or --authorities says which machine is taken; with both, \
            both must hold.

            EXIT STATUS
              0   both files were written
              1   the request is malformed, is not of that endorsement key, or has no certificate
                  that these authorities answer for
              64  the command line is wrong
              74  a file could not be read or written

            EXAMPLE
              casemate attest enrol challenge --request request.json \\
                --endorsement-key 000c… --pending pending.json --output challenge.json
              casemate attest enrol challenge --request request.json \\
                --authorities manufacturer.pem --intermediates issuers.pem \\
                --pending pending.json --output challenge.json
            """)

    @Option(help: "The machine's request.", completion: .file())
    var request: String

    @Option(help: "The name of the machine's endorsement key, in hexadecimal.")
    var endorsementKey: HexadecimalBytes?

    @Option(
        help: "PEM file of the authorities that are trusted to certify TPMs.", completion: .file())
    var authorities: String?

    @Option(
        help: "PEM file of certificates between those authorities and TPMs.", completion: .file())
    var intermediates: String?

    @Option(help: "Where to write what `accept` needs; secret.", completion: .file())
    var pending: String

    @Option(help: "Where to write the challenge.", completion: .file())
    var output: String

    func validate() throws {
        guard endorsementKey != nil || authorities != nil else {
            throw ValidationError("Give --endorsement-key, --authorities or both.")
        }
        guard intermediates == nil || authorities != nil else {
            throw ValidationError("--intermediates needs --authorities.")
        }
    }

    /// Returns the name of the endorsement key that the machine must have.
    ///
    /// - Throws: `ExitStatus.refused`, `ExitStatus.inputOutput`.
    private func expectedName(_ request: EnrolmentRequest) throws -> [UInt8] {
        guard let authorities else { return endorsementKey?.bytes ?? [] }
        let roots = try Files.read(authorities)
        let between = try intermediates.map { try Files.read($0) } ?? []
        let judged = waiting { () async -> Result<[UInt8], EnrolmentRefusal> in
            do throws(EnrolmentRefusal) {
                let trusted = try EndorsementAuthorities(roots: roots, intermediates: between)
                return .success(try await request.endorsementKeyName(certifiedBy: trusted))
            } catch {
                return .failure(error)
            }
        }
        let name = try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in try judged.get() }
        return endorsementKey?.bytes ?? name
    }

    func run() throws {
        let request: EnrolmentRequest = try EnrolmentFiles.read(self.request)
        let expected = try expectedName(request)
        let secret = (0..<32).map { _ in UInt8.random(in: 0...255) }
        let (challenge, pending) = try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in
            try request.challenge(endorsementKeyName: expected, secret: secret)
        }
        try EnrolmentFiles.writePrivately(pending.encoded(), to: self.pending)
        try Files.write(challenge.encoded(), to: output)
    }
}

/// `casemate attest enrol respond`.
struct EnrolRespond: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "respond", abstract: "On the machine: let its TPM read the challenge.",
        discussion: """
            The TPM is reached as by `request`.

            EXIT STATUS
              0   the response was written
              1   the challenge is malformed, or the TPM or the agent refused it
              64  the command line is wrong
              74  no machine runs, nobody answers, or a file could not be used

            EXAMPLE
              casemate attest enrol respond --challenge challenge.json \\
                --output response.json
            """)

    @OptionGroup var machine: MachineTPMOption

    @Option(help: "The verifier's challenge.", completion: .file())
    var challenge: String

    @Option(help: "Where to write the response.", completion: .file())
    var output: String

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let challenge: EnrolmentChallenge = try EnrolmentFiles.read(self.challenge)
        let parts = try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in
            try challenge.parts()
        }
        let tpm = try machine.find()
        let secret = try tpm.use { connection throws(TPMConnectionError) in
            try connection.activate(credential: parts.credential, secret: parts.secret)
        }
        try Files.write(EnrolmentResponse(secret: secret).encoded(), to: output)
        guard json else {
            return try StandardOutput.write("through: \(tpm.way.words)\n")
        }
        try StandardOutput.write(
            JSONValue.object([
                ("format", .string("casemate-enrol-respond-1")),
                ("through", .string(tpm.way.rawValue)), ("response", .string(output)),
            ]).text)
    }
}

/// `casemate attest enrol accept`.
struct EnrolAccept: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept",
        abstract: "At the verifier: judge the response, and write the key's file.",
        discussion: """
            EXIT STATUS
              0   the key is enrolled
              1   a file is malformed, or the response does not fit the challenge
              64  the command line is wrong
              74  a file could not be read or written

            EXAMPLE
              casemate attest enrol accept --pending pending.json \\
                --response response.json --output key.json
            """)

    @Option(help: "What `challenge` wrote.", completion: .file())
    var pending: String

    @Option(help: "The machine's response.", completion: .file())
    var response: String

    @Option(help: "Where to write the key's file.", completion: .file())
    var output: String

    func run() throws {
        let pending: PendingEnrolment = try EnrolmentFiles.read(self.pending)
        let response: EnrolmentResponse = try EnrolmentFiles.read(self.response)
        let key = try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in
            try pending.accept(response)
        }
        let name = try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in try key.name() }
        try Files.write(key.encoded(), to: output)
        print("enrolled: \(hexadecimalText(name))")
    }
}

/// A key on the command line: its name in hexadecimal, or the file of an enrolment.
struct KeyArgument: ExpressibleByArgument {
    private let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        text = argument
    }

    /// - Throws: `ExitStatus.inputOutput`, `ExitStatus.refused`.
    func name() throws -> [UInt8] {
        if let bytes = bytesOfHexadecimal(text), !bytes.isEmpty { return bytes }
        let key: EnrolledKey = try EnrolmentFiles.read(text)
        return try EnrolmentFiles.refusing { () throws(EnrolmentRefusal) in try key.name() }
    }
}

/// Reads and writes the files of an enrolment; says on standard error what is wrong.
enum EnrolmentFiles {
    /// - Throws: `ExitStatus.inputOutput`; `ExitStatus.refused` if the file is malformed.
    static func read<File: EnrolmentFile>(_ path: String) throws -> File {
        let bytes = try Files.read(path)
        return try refusing { () throws(EnrolmentRefusal) in try File(json: bytes) }
    }

    /// Shows a refusal with its code.
    ///
    /// - Throws: `ExitStatus.refused`.
    static func refusing<Value>(
        _ body: () throws(EnrolmentRefusal) -> Value
    ) throws -> Value {
        do throws(EnrolmentRefusal) {
            return try body()
        } catch {
            StandardError.write("refused[\(error.code)]: \(error.message)\n")
            throw ExitStatus.refused
        }
    }

    /// Writes a new file that only its owner reads.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    static func writePrivately(_ bytes: [UInt8], to path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
        else {
            StandardError.write("casemate: `\(path)`: it cannot be written\n")
            throw ExitStatus.inputOutput
        }
    }
}
