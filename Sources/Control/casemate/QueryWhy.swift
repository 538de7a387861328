import ArgumentParser
import PolicyAnalysis
import PolicySyntax

/// `casemate query why`: what a decision comes from.
struct QueryWhy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Trace a decision to the rules and constraints that make it.",
        discussion: """
            SOURCE and TARGET are labels, `user:role:type:levels`, or types; what a type leaves \
            open is said to be open. With --denied the question is a line of Linux's audit log \
            or of Xen's console, `avc: denied { ... } for ...`; - reads a whole log.

            EXIT STATUS
              0   everything that was asked for is granted
              1   something is not, or may not be; the policy or the question is refused
              64  the command line is wrong
              74  the policy or the log could not be read

            EXAMPLE
              casemate query why policy.33 httpd_t shadow_t file read
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var policy: String
    @Argument(help: "The label or type that acts.")
    var source: String?
    @Argument(help: "The label or type that is acted on.")
    var target: String?
    @Argument(help: "The class.")
    var objectClass: String?
    @Argument(help: "The permissions; none: all of the class.")
    var permissions: [String] = []
    @Option(help: ArgumentHelp("Explain a denial; - reads standard input.", valueName: "line"))
    var denied: String?
    @Option(
        name: .customLong("boolean"),
        help: ArgumentHelp("Set a Boolean; may be repeated.", valueName: "name=true|false"))
    var booleans: [String] = []
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    private static let mostDenials = 1_000

    func validate() throws {
        guard (denied != nil) != (objectClass != nil) else {
            throw ValidationError("name SOURCE, TARGET and CLASS, or a denial with --denied")
        }
    }

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let states = try FlowOptionGroup.states(booleans, in: policy)
        var traces: [DecisionTrace] = []
        var isRefused = false
        // A log may be of another policy too: what this one does not know is said, and left out.
        for question in try questions() {
            do throws(PolicyAnalysisError) {
                traces.append(try trace(question, policy, states))
            } catch {
                StandardError.write("casemate: \(DiagnosticRenderer.harmless(error.message))\n")
                isRefused = true
            }
        }
        guard !traces.isEmpty else { throw ExitStatus.refused }
        try StandardOutput.write(
            json
                ? JSONValue.array(traces.map { policy.json($0) }).text
                : traces.map { policy.text($0) }.joined())
        if isRefused || traces.contains(where: { $0.parts.contains { $0.isGranted != true } }) {
            throw ExitStatus.refused
        }
    }

    private func trace(
        _ question: Question, _ policy: IndexedPolicy, _ states: [Bool]
    ) throws(PolicyAnalysisError) -> DecisionTrace {
        let number = try policy.objectClass(question.objectClass)
        let all = policy.classes[number].permissions.compactMap(\.self)
        return try policy.trace(
            try policy.label(question.source), try policy.label(question.target), number,
            question.permissions.isEmpty ? all : question.permissions, booleans: states)
    }

    private typealias Question = (
        source: String, target: String, objectClass: String, permissions: [String]
    )

    private func questions() throws -> [Question] {
        if let source, let target, let objectClass {
            return [(source, target, objectClass, permissions)]
        }
        var text = denied ?? ""
        if text == "-" {
            let limit = Files.largestSizeInBytes
            text = String(decoding: try StandardInput.read(limit: limit), as: UTF8.self)
        }
        let lines = DenialLine.all(in: text, most: Self.mostDenials)
        guard !lines.isEmpty else {
            StandardError.write("casemate: there is no line `avc: denied { ... } for ...`\n")
            throw ExitStatus.refused
        }
        return lines.map { ($0.source, $0.target, $0.objectClass, $0.permissions) }
    }
}
