import ArgumentParser
import PolicyChecks
import PolicySemantics
import PolicySyntax

/// `casemate explain`: why information of one compartment comes to another, or why not; why
/// something was denied.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why something flows, does not, or was denied, and what would change it.",
        discussion: """
            When information of FROM comes to TO, shows a shortest chain with its source lines, \
            and the fewest statements to remove so that nothing comes. When nothing comes, says \
            what forbids it, the smallest edit that would let it come, what else that edit would \
            let flow, and which rules and assertions it would break. A system that is refused \
            can be explained too.

            With --denied, explains a denial: a sentence of the hypervisor's audit trail, or a \
            message of Xen's security module (`avc: denied { … } for …`). The answer names the \
            rule, the deciding lines, and the edit, as above. SENTENCE may be - for standard \
            input, such as a whole console log: each different denial in it is explained once.

            EXIT STATUS
              0   information of FROM comes to TO; the denials were explained
              1   nothing comes; the source has errors; the input holds no denial, or one of a \
            compartment that the system has not
              64  the command line is wrong
              74  the source or the input could not be read

            EXAMPLE
              casemate explain policy/systems/guard red_app black_net
              casemate explain policy/systems/minimal --denied - < console.log
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Argument(help: "The compartment whose information it is.")
    var from: String?

    @Argument(help: "The compartment that it may come to.")
    var to: String?

    @Option(
        help: ArgumentHelp("Explain a denial; - reads standard input.", valueName: "sentence"))
    var denied: String?

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        switch (from, to, denied) {
        case (.some, .some, nil), (nil, nil, .some): return
        default: throw ValidationError("name FROM and TO, or a denial with --denied")
        }
    }

    func run() throws {
        let (policy, _, renderer) = try CompartmentName.policy(of: system, json: json)
        if let denied { return try explain(denied: denied, policy, renderer) }
        let source = try CompartmentName.resolve(from ?? "", in: policy)
        let target = try CompartmentName.resolve(to ?? "", in: policy)
        guard source != target else {
            throw ValidationError("a compartment's own information always comes to itself")
        }
        let explanation = FlowExplanation(of: policy, from: source, to: target)
        try StandardOutput.write(
            json ? explanation.json(renderer).text : explanation.text(renderer))
        if explanation.chain == nil { throw ExitStatus.refused }
    }

    private func explain(
        denied: String, _ policy: SystemPolicy, _ renderer: DiagnosticRenderer
    ) throws {
        var text = denied
        if denied == "-" {
            text = String(decoding: try StandardInput.read(limit: 16 << 20), as: UTF8.self)
        }
        let found = DenialList(text, in: policy)
        if json {
            try StandardOutput.write(found.json(renderer).text)
        } else {
            let texts = found.explanations.map { $0.text(renderer) }
            try StandardOutput.write(texts.joined(separator: "\n"))
            for message in found.failures { StandardError.write("casemate: \(message)\n") }
        }
        if !found.failures.isEmpty { throw ExitStatus.refused }
    }
}

/// The denials of a text, explained.
struct DenialList {
    /// The most different denials that are explained.
    static let capacity = 100

    private(set) var explanations: [DenialExplanation] = []
    /// What could not be explained, one line each.
    private(set) var failures: [String] = []

    /// Explains each different denial of a text once, in the order of the text.
    init(_ text: String, in policy: SystemPolicy) {
        var records: [DenialRecord] = []
        for line in text.split(whereSeparator: \.isNewline) {
            guard let record = DenialRecord(line: line), !records.contains(record) else { continue }
            guard records.count < DenialList.capacity else {
                failures.append(
                    "more than \(DenialList.capacity) different denials; the rest is "
                        + "not explained")
                break
            }
            records.append(record)
        }
        if records.isEmpty { failures.append("it holds no denial") }
        for record in records {
            do throws(DenialExplanation.Failure) {
                explanations.append(try DenialExplanation(of: record, in: policy))
            } catch {
                switch error {
                case .nobody: failures.append("the denial does not say who asked")
                case .unknownCompartment(let name):
                    let shown = DiagnosticRenderer.harmless(name)
                    failures.append("the denial is about `\(shown)`, which the system has not")
                }
            }
        }
    }

    func json(_ renderer: DiagnosticRenderer) -> JSONValue {
        .object([
            ("format", .string("casemate-denials-1")),
            ("denials", .array(explanations.map { $0.json(renderer) })),
            ("failures", .array(failures.map { .string($0) })),
        ])
    }
}
