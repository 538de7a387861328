import Appraisal
import ArgumentParser
import ControlFrames
import Digests
import FoundationEssentials
import PolicyAuthority
import PolicySyntax
import SystemManifest
import VirtualHardware

/// The option by which a command finds a running machine.
struct RunningOption: ParsableArguments {
    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "The run directory of the machine; the only one that runs unless said.",
            valueName: "dir"),
        completion: .directory)
    var directory: String?

    /// Finds the machine.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error.
    func find() throws -> RunningSystem {
        let path: String
        if let directory {
            path = directory
        } else {
            let running = RunningMachines.all()
            guard running.count < 2 else {
                let list = running.map { "  \(DiagnosticRenderer.harmless($0))\n" }.joined()
                throw fail("\(running.count) machines run; say which with --run\n\(list)")
            }
            guard let only = running.first else {
                throw fail("no machine runs; `casemate run` starts one\n")
            }
            path = only
        }
        guard Files.exists("\(path)/\(RunningMachines.controlSocketName)") else {
            throw fail("no machine runs in `\(DiagnosticRenderer.harmless(path))`\n")
        }
        return try RunningSystem(path)
    }

    private func fail(_ text: String) -> ExitCode {
        StandardError.write("casemate: \(text)")
        return ExitStatus.inputOutput
    }
}

/// A machine that runs, as its run directory tells of it.
struct RunningSystem {
    /// The files that say what runs: as booted, or as loaded since.
    private enum FileName {
        static let manifest = "manifest"
        static let referenceValues = "reference-values.json"
        static let source = "source"
    }

    /// Which of them.
    private enum Standing: String {
        /// What is in force.
        case live
        /// What was announced, and may come into force.
        case next
    }

    private static func name(_ standing: Standing, _ file: String) -> String {
        "\(standing.rawValue).\(file)"
    }

    /// The run directory.
    let path: String
    /// What the manifest in force says of itself.
    let manifest: ManifestFacts
    /// The manifest in force.
    let manifestBytes: [UInt8]
    /// The names, labels and sizes of the compartments.
    let reference: ReferenceValues
    /// Where the source of the system in force was, if that is known.
    let source: String?

    init(_ path: String) throws {
        self.path = path
        func live(_ file: String) -> String { "\(path)/\(Self.name(.live, file))" }
        manifestBytes = try Files.read(live(FileName.manifest))
        manifest = try ManifestFile.read(live(FileName.manifest))
        reference = try AttestationFiles.reference(live(FileName.referenceValues))
        let text = try? Files.read(live(FileName.source))
        source = text.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Says in a run directory what is about to run there, or runs there from now on.
    ///
    /// - Parameter source: the path of the system's source; nil: unknown.
    /// - Throws: `ExitStatus.inputOutput`.
    static func enter(_ build: String, source: String?, in directory: String) throws {
        try enter(build, source: source, in: directory, as: .live)
    }

    private static func enter(
        _ build: String, source: String?, in directory: String, as standing: Standing
    ) throws {
        let names = [
            (BuildOutput.FileName.manifest, FileName.manifest),
            (BuildOutput.FileName.referenceValues, FileName.referenceValues),
        ]
        for (name, file) in names {
            try Files.replace(
                try Files.read("\(build)/\(name)"), at: "\(directory)/\(self.name(standing, file))",
                mode: 0o600)
        }
        let absolute = source.map { path in
            path.hasPrefix("/") || path.isEmpty
                ? path : FileManager.default.currentDirectoryPath + "/" + path
        }
        try Files.replace(
            Array((absolute ?? "").utf8), at: "\(directory)/\(name(standing, FileName.source))",
            mode: 0o600)
    }

    /// Says what may run from now on, before it is asked for: `casemate run` has to know what the
    /// machine measures when it takes effect.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    func announce(_ build: String, source: String?) throws {
        try Self.enter(build, source: source, in: path, as: .next)
    }

    /// Says that what was announced last is in force, because the machine said so.
    ///
    /// - Returns: its reference values; nil when nothing of that version was announced.
    static func takeAnnounced(version: UInt64, in directory: String) -> ReferenceValues? {
        func path(_ standing: Standing, _ file: String) -> String {
            "\(directory)/\(name(standing, file))"
        }
        let announced = reference(path(.next, FileName.referenceValues))
        guard let announced, announced.system.version == version else { return nil }
        for file in [FileName.manifest, FileName.referenceValues, FileName.source] {
            guard let bytes = FileManager.default.contents(atPath: path(.next, file)) else {
                continue
            }
            try? Files.replace([UInt8](bytes), at: path(.live, file), mode: 0o600)
        }
        return announced
    }

    /// The reference values of what runs in a run directory.
    static func liveReference(in directory: String) -> ReferenceValues? {
        reference("\(directory)/\(name(.live, FileName.referenceValues))")
    }

    private static func reference(_ path: String) -> ReferenceValues? {
        FileManager.default.contents(atPath: path).flatMap {
            try? ReferenceValues(json: [UInt8]($0))
        }
    }

    /// The socket of the control line.
    var controlSocket: String { "\(path)/\(RunningMachines.controlSocketName)" }
    /// The socket of the terminal.
    var consoleSocket: String { "\(path)/\(RunningMachines.consoleSocketName)" }
    /// What the machine wrote to its terminal until now.
    var recordPath: String { "\(path)/\(RunningMachines.recordName)" }

    /// What the manifest says of a compartment beside the reference values.
    struct Compartment {
        let name: String
        let domain: UInt16
        let startsAutomatically: Bool
        let startRank: Int
        let usesControl: Bool
        let restartLimit: Int
        let memoryInBytes: UInt64
        let label: String
    }

    /// Whether the system has a control compartment that uses the service `tpm`.
    var controlUsesTPM: Bool {
        guard let manifest = try? SystemManifest(validating: manifestBytes.span) else {
            return false
        }
        for index in 0..<manifest.compartmentCount {
            let record = manifest.compartment(at: index)
            if record.service == .control { return record.uses(.tpm) }
        }
        return false
    }

    /// The compartments, in the manifest's order.
    var compartments: [Compartment] {
        guard let manifest = try? SystemManifest(validating: manifestBytes.span) else { return [] }
        var found: [Compartment] = []
        for index in 0..<manifest.compartmentCount {
            let record = manifest.compartment(at: index)
            let name = record.name.indices.map { record.name[$0] }
            let label =
                index < reference.compartments.count
                ? reference.compartments[index].labelText : ""
            found.append(
                Compartment(
                    name: String(decoding: name, as: UTF8.self), domain: record.domainID,
                    startsAutomatically: record.startsAutomatically,
                    startRank: record.startRank, usesControl: record.uses(.control),
                    restartLimit: record.restartLimit,
                    memoryInBytes: record.memorySizeInBytes, label: label))
        }
        return found
    }

    /// Finds a compartment.
    ///
    /// - Throws: the status of a wrong command line, after that was said.
    func compartment(_ name: String) throws -> Compartment {
        let all = compartments
        if let found = all.first(where: { $0.name == name }) { return found }
        let help = Suggestion.help(for: name, among: all.map(\.name)).map { "; \($0)" } ?? ""
        let shown = DiagnosticRenderer.harmless(name)
        StandardError.write("casemate: the compartment `\(shown)` is unknown\(help)\n")
        throw ExitCode.validationFailure
    }

    /// Opens a session with the agent.
    ///
    /// - Parameter key: whose orders it must take; nil when nothing is ordered.
    /// - Throws: `ExitStatus`, after the reason was written to standard error.
    func connect(for key: AuthorityPrivateKey? = nil) throws -> ControlClient {
        let client: ControlClient
        do throws(ControlClientError) {
            client = try ControlClient(controlSocket)
        } catch { throw ControlFailure.say(error) }
        if let key, client.keyID != key.publicKey.id {
            StandardError.write(
                "casemate: the agent takes orders of the key \(hexadecimalText(client.keyID)), "
                    + "and this is \(hexadecimalText(key.publicKey.id))\n")
            throw ExitStatus.refused
        }
        return client
    }

    /// The lines of the terminal until now.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    func transcript() throws -> ConsoleTranscript {
        var transcript = ConsoleTranscript()
        let old = recordPath + ".1"
        if Files.exists(old) { transcript.feed(try Files.read(old, limit: 64 << 20)) }
        transcript.feed(try Files.read(recordPath, limit: 64 << 20))
        return transcript
    }
}

/// What went wrong between this program and the agent, for people.
enum ControlFailure {
    /// Says it, and returns what to throw.
    ///
    /// - Parameter order: what was ordered, in words; nil: nothing that changes anything.
    static func say(_ error: ControlClientError, order: String? = nil) -> ExitCode {
        switch error {
        case .transport(let error):
            StandardError.write("casemate: \(error.message)\n")
        case .unanswered(let error):
            StandardError.write("casemate: \(error.message)\n")
            if let order { return untold("\(order) was ordered, and no answer came") }
        case .noAgent:
            StandardError.write(
                "casemate: nobody answers on the control line: the system has no control "
                    + "compartment with casemate-agent and COM2, or it does not run yet\n")
        case .closed(let end):
            StandardError.write("casemate: the agent ended the session: \(end.reason)\n")
        case .strange:
            StandardError.write("casemate: the agent answered something else\n")
            if let order { return untold("\(order) was ordered, and no answer to it came") }
        case .unsigned:
            StandardError.write("casemate: the request could not be signed\n")
        case .refused(.notInTime, _):
            return untold("\(order ?? "it") was ordered, and is not done after two minutes")
        case .refused(let reason, let detail):
            StandardError.write("refused: \(sentence(reason, detail))\n")
            return ExitStatus.refused
        }
        return ExitStatus.inputOutput
    }

    /// Says that an order was given whose end nobody has seen.
    private static func untold(_ what: String) -> ExitCode {
        StandardError.write(
            "casemate: \(what); `casemate list` and `audit` show what became of it\n")
        return ExitStatus.untold
    }

    private static func sentence(_ reason: ControlRefusal, _ detail: UInt32) -> String {
        switch reason {
        case .malformed: "the agent does not know the request, of kind \(detail)"
        case .notAuthorized: "the signature is not the policy authority's over this request"
        case .hypervisor: hypervisor(detail)
        case .notInTime: "the order was given, and the compartment has not come as far in time"
        case .malformedArchive: "policy and manifest did not arrive whole"
        case .malformedManifest: "[BLD-MAN-001] the manifest is malformed"
        case .unsignedManifest: "[BLD-SIG-001] the manifest is not signed"
        case .foreignManifest: "[BLD-SIG-002] the manifest is signed by another key"
        case .badManifestSignature: "[BLD-SIG-003] the manifest's signature is not the key's"
        case .policy: "by the hypervisor: \(policy(detail))"
        case .agent: "the agent could not ask the hypervisor: errno \(detail)"
        case .noTPM: "the control compartment has no TPM"
        case .busyTPM: "the TPM of the control compartment is busy with somebody else's command"
        case .longTPMCommand: "the TPM takes no command of more than \(detail) bytes"
        case .silentTPM where detail == 62: "the TPM did not answer in the time of its driver"
        case .silentTPM: "the TPM gave no response: errno \(detail)"
        }
    }

    private static func hypervisor(_ number: UInt32) -> String {
        switch number {
        case 1: "the policy does not let control do this"
        case 22: "it does not fit what the compartment is doing now"
        case 95: "the TPM did not take the measurement"
        default: "the hypervisor answered errno \(number)"
        }
    }

    /// - Source: docs/abi/hypercalls.md, the reasons of a reload.
    private static func policy(_ reason: UInt32) -> String {
        switch reason {
        case 1: "what arrived is no archive"
        case 2: "the manifest breaks a rule"
        case 3: "the policy is not the one that the manifest names"
        case 4: "the system version is not above the present one"
        case 5: "it does not replace the manifest in force"
        case 6: "something differs that may not while the machine runs: compartments or devices"
        case 7: "the policy breaks a rule"
        case 8: "the policy does not fit the labels"
        case 9: "there is no proof"
        case 10: "the proof does not hold"
        case 11: "a label changes, and control may not relabel"
        case 12: "the TPM did not take the measurement"
        case 257: "the policy does not let control load a policy"
        case 272: "somebody else loads a policy"
        case 284: "it is longer than what the hypervisor reserved"
        case 294: "it cannot load a policy while it runs"
        default: "reason \(reason)"
        }
    }
}
