import ArgumentParser
import PolicyAnalysis
import PolicyDatabaseModel
import PolicySyntax

/// `casemate query assert`: whether a policy's flows are as requirements say.
struct QueryAssert: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "assert",
        abstract: "Check requirements on flows in the notation of IFCIL.",
        discussion: """
            FILE has requirements between `;IFL;` marks, as comments of a CIL source have them, \
            or one a line: `(S1) a +> b`, `(S2) ~a +> b`, `(S3) a +> b : a +> guard +> b`.

            EXIT STATUS
              0   every requirement holds
              1   one does not, or names what the policy does not have
              64  the command line is wrong
              74  a file could not be read

            EXAMPLE
              casemate query assert policy.33 requirements.ifl
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var policy: String
    @Argument(help: "A file with requirements.", completion: .file())
    var file: String
    @OptionGroup var options: FlowOptionGroup
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let text = String(decoding: try Files.read(file), as: UTF8.self)
        let results = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            let checker: AssertionChecker
            let assertions = try FlowAssertion.all(in: text)
            checker = AssertionChecker(policy, try flowOptions(policy, assertions))
            var results: [AssertionResult] = []
            for assertion in assertions { results.append(try checker.check(assertion)) }
            return results
        }
        let document = JSONValue.array(results.map(\.json))
        try StandardOutput.write(json ? document.text : results.map(\.text).joined())
        if results.contains(where: { $0.holds != true }) { throw ExitStatus.refused }
    }

    private func flowOptions(
        _ policy: IndexedPolicy, _ assertions: [FlowAssertion]
    ) throws(PolicyAnalysisError) -> FlowOptions {
        do {
            return try options.resolve(policy, names: assertions.flatMap(\.names))
        } catch {
            throw PolicyAnalysisError(.badQuestion, "the options are refused")
        }
    }
}
