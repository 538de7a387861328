import Appraisal
import ArgumentParser
import Digests
import FoundationEssentials
import PolicySyntax

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
            as the machine's. The answer says so.

            EXIT STATUS
              0   accepted
              1   refused; each reason on standard error
              64  the command line is wrong
              74  a file could not be read, or the reference values are malformed

            EXAMPLE
              casemate attest verify --evidence evidence.json --nonce 5eed \\
                --reference-values out/reference-values.json
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

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let reference = try AttestationFiles.reference(referenceValues)
        let bytes = try Files.read(evidence)
        let appraiser = Appraiser(
            reference: reference,
            policy: AppraisalPolicy(
                nonce: nonce?.bytes, attestationKeyName: try key?.name(),
                platform: try platform.map { try AttestationFiles.platform($0) }))
        let result: AttestationResult
        do throws(Refusal) {
            result = appraiser.appraise(try Evidence(json: bytes))
        } catch {
            result = .refused([error])
        }
        if json {
            try StandardOutput.write(AttestationReport(result).json + "\n")
        } else {
            show(result)
        }
        if case .refused = result { throw ExitStatus.refused }
    }

    private func show(_ result: AttestationResult) {
        switch result {
        case .accepted(let machine):
            print(
                "accepted: the machine runs `\(machine.system.name)` "
                    + "version \(machine.system.version)")
            print("compartments: \(machine.compartments.joined(separator: ", "))")
            print("attestation key: \(hexadecimalText(machine.attestationKeyName))")
            if !machine.isFresh { print("note: freshness was not checked: no nonce was given") }
            if !machine.isKeyKnown {
                print("note: any TPM's key was taken: no key was given")
            }
            if machine.isBootLoaderKnown { print("boot loader: as the image's reference values") }
            if let platform = machine.platform {
                print("firmware: as the platform `\(DiagnosticRenderer.harmless(platform))`")
            } else {
                print("note: the firmware was not compared: no platform was given")
            }
        case .refused(let refusals):
            for refusal in refusals {
                StandardError.write("refused[\(refusal.code)]: \(refusal.message)\n")
            }
        }
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

/// The JSON form of a judgement.
struct AttestationReport: Encodable {
    struct Reason: Encodable {
        let code: String
        let message: String
    }
    let accepted: Bool
    let system: String?
    let systemVersion: UInt64?
    let compartments: [String]?
    let attestationKey: String?
    let freshnessChecked: Bool?
    let keyChecked: Bool?
    let bootLoaderChecked: Bool?
    let platform: String?
    let refusals: [Reason]

    init(_ result: AttestationResult) {
        var machine: AcceptedMachine?
        var reasons: [Reason] = []
        switch result {
        case .accepted(let accepted): machine = accepted
        case .refused(let refusals):
            reasons = refusals.map { Reason(code: $0.code, message: $0.message) }
        }
        accepted = machine != nil
        system = machine?.system.name
        systemVersion = machine?.system.version
        compartments = machine?.compartments
        attestationKey = machine.map { hexadecimalText($0.attestationKeyName) }
        freshnessChecked = machine?.isFresh
        keyChecked = machine?.isKeyKnown
        bootLoaderChecked = machine?.isBootLoaderKnown
        platform = machine?.platform
        refusals = reasons
    }

    /// The document as text.
    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return String(decoding: data, as: UTF8.self)
    }
}
