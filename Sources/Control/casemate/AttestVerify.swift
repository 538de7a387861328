import Appraisal
import ArgumentParser
import Digests
import FoundationEssentials

/// `casemate attest verify`: judges evidence.
struct AttestVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Judge a machine's evidence against reference values.",
        discussion: """
            Checks the quote's signature, its nonce and its registers, replays the event log, \
            checks every event's data, and compares with the reference values. What differs is \
            named: the compartment, the file, and the source line that declares it. The codes are \
            in docs/abi/evidence.md.

            Reference values of an image, as `casemate image` writes them, ask for a quote over \
            PCR 0 to 9, too, and for exactly the boot loader's events that they name. With \
            --platform the firmware's registers must have the values that were enrolled.

            Without --nonce an old quote is as good as a new one; without --key any TPM is as good \
            as the machine's. The answer says so. With --state both come from a verifier's folder: \
            the key is --machine's, the nonce must be one that `attest nonce` gave out for it and \
            that nobody used, and the TPM's counters must go on from the last acceptance. The \
            answer is remembered, and says how often the machine was started since.

            What changed while the machine ran is told: restarts within the declared limit, and \
            orders to start and end. Another policy is accepted only with its own reference \
            values, as --successor, in the order of the reloads.

            With --build the flow certificate of the policy is replayed, too: the relying party \
            sees for itself that the policy proves what its source asserts. It takes the folder of \
            the build that the reference values are of, and that of each successor.

            --token writes the answer, whichever it is, as a token that the verifier's key signs \
            (an EAT attestation result, ES384); docs/abi/evidence.md has its claims.

            EXIT STATUS
              0   accepted
              1   refused; each reason on standard error
              64  the command line is wrong
              74  a file could not be read, written or understood

            EXAMPLE
              casemate attest verify --evidence evidence.json --nonce 5eed \\
                --reference-values out/reference-values.json
              casemate attest verify --evidence evidence.json --state verifier \\
                --machine rack-7 --reference-values out/reference-values.json \\
                --token answer.jwt
            """
    )

    @Option(help: "The evidence file.", completion: .file())
    var evidence: String

    @Option(help: "The file reference-values.json of `casemate build`.", completion: .file())
    var referenceValues: String

    @Option(help: "The nonce that the quote must carry, in hexadecimal.")
    var nonce: HexadecimalBytes?

    @Option(
        help: """
            The machine's attestation key: its name in hexadecimal, or the file that `enrol \
            accept` wrote; ./FILE if the file's name is hexadecimal.
            """)
    var key: KeyArgument?

    @Option(
        help: "The machine's firmware, as `casemate attest platform` enrolled it.",
        completion: .file())
    var platform: String?

    @Option(
        help: "Reference values of a policy that replaced the first one; once for each reload.",
        completion: .file())
    var successor: [String] = []

    @Option(
        help: "The build of the reference values, whose proof is replayed; once for each system.",
        completion: .directory)
    var build: [String] = []

    @Option(help: "The verifier's folder.", completion: .directory)
    var state: String?

    @Option(help: "The machine that it should be, of the verifier's.")
    var machine: String?

    @Option(help: "Where to write the answer as a signed token.", completion: .file())
    var token: String?

    @Flag(
        name: .customLong("allow-tpm-1.2"),
        help: "Take a TPM 1.2's evidence too, whose only hash is SHA-1.")
    var allowsOnePointTwo = false

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        guard (state == nil) == (machine == nil) else {
            throw ValidationError("--state and --machine come together")
        }
        guard state == nil || (nonce == nil && key == nil) else {
            throw ValidationError("--state has the nonce and the key already")
        }
        guard token == nil || state != nil else { throw ValidationError("--token needs --state") }
    }

    func run() throws {
        let appraisal = EvidenceAppraisal(
            reference: try AttestationFiles.reference(referenceValues),
            successors: try successor.map { try AttestationFiles.reference($0) },
            platform: try platform.map { try AttestationFiles.platform($0) },
            permitsOnePointTwo: allowsOnePointTwo,
            proofs: ProofCheck(builds: try build.map { try KnownBuild(reading: $0) }),
            evidence: try Files.read(evidence))
        var verdict: Verdict
        if let state, let machine {
            let folder = try VerifierFolder(opening: state)
            verdict = try appraisal.judge(machine, by: folder.state)
            if let token { try write(verdict, signedBy: folder, to: token) }
        } else {
            verdict = appraisal.judge(nonce: nonce?.bytes, key: try key?.name())
        }
        if json {
            try StandardOutput.write(AttestationReport(verdict).json + "\n")
        } else {
            verdict.show()
        }
        if verdict.accepted == nil { throw ExitStatus.refused }
    }

    private func write(
        _ verdict: Verdict, signedBy folder: VerifierFolder, to path: String
    ) throws {
        let token = AttestationToken(
            accepted: verdict.accepted,
            refusals: verdict.refusals.map { ($0.code, $0.message) },
            machine: machine ?? "", nonce: verdict.nonce, at: Date(),
            verifier: ("casemate", Casemate.configuration.version))
        try Files.write(Array((try folder.sign(token) + "\n").utf8), to: path)
    }
}

/// Bytes in hexadecimal on the command line.
struct HexadecimalBytes: ExpressibleByArgument {
    let bytes: [UInt8]

    init?(argument: String) {
        guard let bytes = bytesOfHexadecimal(argument), !bytes.isEmpty else { return nil }
        self.bytes = bytes
    }
}

/// Reads the files of attestation; says on standard error what is wrong with one.
enum AttestationFiles {
    /// - Throws: `ExitStatus.inputOutput`.
    static func platform(_ path: String) throws -> FirmwarePlatform {
        let bytes = try Files.read(path)
        do throws(PlatformFileError) {
            return try FirmwarePlatform(json: bytes)
        } catch {
            throw Files.fail(path, "it is no platform file: \(error.reason)")
        }
    }

    /// - Throws: `ExitStatus.inputOutput`.
    static func reference(_ path: String) throws -> ReferenceValues {
        let bytes = try Files.read(path)
        do throws(ReferenceValuesError) {
            return try ReferenceValues(json: bytes)
        } catch {
            StandardError.write("casemate: `\(path)`: error[\(error.code)]: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
    }
}
