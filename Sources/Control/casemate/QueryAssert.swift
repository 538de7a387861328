import ArgumentParser
import CommonIntermediateLanguage
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
            or one a line: `(S1) a +> b`, `(S2) ~a +> b`, `(S3) a +> b : a +> guard +> b`. Files \
            that are a whole policy in CIL together are compiled: a requirement in a macro is \
            then checked for each call, and one in a block with the names of the block.

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
    @Argument(help: "Files with requirements.", completion: .file())
    var files: [String]
    @OptionGroup var options: FlowOptionGroup
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let sources = try files.map {
            (name: $0, text: try Files.read($0, limit: QueryPolicy.largestSizeInBytes))
        }
        let results = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            let checker: AssertionChecker
            let assertions = try Self.assertions(of: sources)
            checker = AssertionChecker(policy, try flowOptions(policy, assertions))
            var results: [AssertionResult] = []
            for assertion in assertions { results.append(try checker.check(assertion)) }
            return results
        }
        let document = JSONValue.array(results.map(\.json))
        try StandardOutput.write(json ? document.text : results.map(\.text).joined())
        if results.contains(where: { $0.holds != true }) { throw ExitStatus.refused }
    }

    /// The requirements of files: for each place that they are meant of, if the files are a policy
    /// together and a requirement stands in a list.
    private static func assertions(
        of sources: [(name: String, text: [UInt8])]
    ) throws(PolicyAnalysisError) -> [FlowAssertion] {
        let texts = sources.map { String(decoding: $0.text, as: UTF8.self) }
        if texts.contains(where: { $0.contains(";IFL;") }), let compiled = compiled(sources) {
            var found: [FlowAssertion] = []
            for requirement in compiled.requirements {
                var assertion = try FlowAssertion.one(requirement.text, line: requirement.line)
                assertion.instance = requirement.instance
                if requirement.isUnused {
                    assertion.unusedReason = "nothing calls or inherits what it stands in"
                }
                found.append(assertion)
            }
            return found
        }
        var found: [FlowAssertion] = []
        for text in texts { found += try FlowAssertion.all(in: text) }
        return found
    }

    /// The policy that sources are together; nil when they are none.
    private static func compiled(
        _ sources: [(name: String, text: [UInt8])]
    ) -> CommonIntermediatePolicy? {
        let isXen = sources.contains { source in
            String(decoding: source.text, as: UTF8.self).contains("(class xen ")
        }
        guard let format = isXen ? .xen30 : PolicyFormat(.linux, version: 33) else { return nil }
        var options = CommonIntermediatePolicy.Options(format)
        options.checksNeverAllow = false
        var left = sources.makeIterator()
        return try? CommonIntermediatePolicy(options: options) { left.next() }
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
