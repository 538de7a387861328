import ArgumentParser
import PolicyChecks
import PolicySemantics
import PolicySyntax

/// Finds what the command line names in a system.
enum CompartmentName {
    /// Returns the index of a compartment.
    ///
    /// - Throws: the exit status of a wrong command line, after the reason was written to standard
    ///   error, when there is no such compartment.
    static func resolve(_ name: String, in policy: SystemPolicy) throws -> Int {
        let names = policy.compartments.map(\.name)
        if let index = names.firstIndex(of: name) { return index }
        let help = Suggestion.help(for: name, among: names).map { "; \($0)" } ?? ""
        let shown = DiagnosticRenderer.harmless(name)
        StandardError.write("casemate: the compartment `\(shown)` is unknown\(help)\n")
        throw ExitCode.validationFailure
    }

    /// Reads a system and resolves its names, whatever its proof says.
    ///
    /// - Parameter json: whether a refused source is answered with a document.
    /// - Throws: the status of an unreadable or refused source, after that was said.
    static func policy(
        of system: String, json: Bool = false
    ) throws -> (policy: SystemPolicy, result: CheckResult, renderer: DiagnosticRenderer) {
        let source = try SystemSource.read(system)
        let result = source.check()
        let renderer = source.renderer(of: result)
        if let policy = result.policy { return (policy, result, renderer) }
        guard json else {
            Diagnostics.show(result.diagnostics, renderer)
            throw ExitStatus.refused
        }
        let document = JSONValue.object([
            ("format", .string("casemate-diagnostics-1")),
            ("diagnostics", .array(result.diagnostics.map { renderer.json($0) })),
        ])
        try StandardOutput.write(document.text)
        throw ExitStatus.refused
    }
}
