import Appraisal
import ArgumentParser
import Digests
import PolicyAuthority
import PolicyCompiler
import PolicySyntax

/// What `casemate build` has to say: diagnostics at once on standard error, or all in one document.
struct BuildReport {
    private let renderer: DiagnosticRenderer
    private let isJSON: Bool
    private var diagnostics: [Diagnostic] = []
    private var refusal: BuildRefusal?

    init(_ renderer: DiagnosticRenderer, isJSON: Bool) {
        self.renderer = renderer
        self.isJSON = isJSON
    }

    /// Whether something was said that keeps the system from being built.
    var isRefused: Bool { diagnostics.refuse || refusal != nil }

    mutating func add(_ more: [Diagnostic]) {
        diagnostics += more
        guard !isJSON else { return }
        for diagnostic in more { Diagnostics.show(diagnostic, renderer) }
    }

    mutating func add(_ refusal: BuildRefusal) {
        self.refusal = refusal
        guard !isJSON else { return }
        StandardError.write("refused[\(refusal.code)]: \(refusal.message)\n")
    }

    /// Ends a build that is refused; the caller throws what this returns.
    func refused() throws -> ExitCode {
        if isJSON { try StandardOutput.write(document(nil, nil).text) }
        return ExitStatus.refused
    }

    /// Ends a build that was written.
    func finish(_ build: SignedBuild, _ lock: LockFile) throws {
        if isJSON { return try StandardOutput.write(document(build, lock).text) }
        for line in lock.changes { StandardError.write("note: system.lock: \(line)\n") }
    }

    private func document(_ build: SignedBuild?, _ lock: LockFile?) -> JSONValue {
        let facts = build.flatMap { try? ManifestFacts(validating: $0.manifest) }
        let files = build.map { build in
            JSONValue.object([
                (BuildOutput.FileName.policy, digest(build.policy)),
                (BuildOutput.FileName.manifest, digest(build.manifest)),
                (BuildOutput.FileName.referenceValues, digest(build.referenceValues.encoded())),
            ])
        }
        let modules = lock?.lock.entries.map { entry in
            JSONValue.object([
                ("kind", .string(entry.kind)), ("name", .string(entry.name)),
                ("sizeInBytes", .number(entry.sizeInBytes)), ("sha384", .string(entry.sha384)),
            ])
        }
        return .object([
            ("format", .string("casemate-build-1")), ("built", .bool(build != nil)),
            ("system", build.map { .string($0.referenceValues.system.name) } ?? .null),
            ("version", facts.map { .number($0.systemVersion) } ?? .null),
            ("sha384", files ?? .null),
            ("signer", facts?.signer.map { .string(hexadecimalText($0)) } ?? .null),
            ("replaces", facts?.predecessor.map { .string($0.hexadecimal) } ?? .null),
            ("modules", .array(modules ?? [])),
            ("diagnostics", .array(diagnostics.map { renderer.json($0) })),
            ("refusals", .array(refusal.map { [$0.json] } ?? [])),
        ])
    }

    private func digest(_ bytes: [UInt8]) -> JSONValue {
        .string(SHA384.hash(bytes.span).hexadecimal)
    }
}

extension BuildRefusal {
    /// The refusal as a member of a document.
    var json: JSONValue { .object([("code", .string(code)), ("message", .string(message))]) }
}

/// Shows diagnostics on standard error, coloured where a terminal is.
enum Diagnostics {
    static func show(_ diagnostic: Diagnostic, _ renderer: DiagnosticRenderer) {
        StandardError.write(renderer.text(diagnostic, isColored: StandardError.isColored))
    }

    static func show(_ diagnostics: [Diagnostic], _ renderer: DiagnosticRenderer) {
        for diagnostic in diagnostics { show(diagnostic, renderer) }
    }
}
