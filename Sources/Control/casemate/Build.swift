import ArgumentParser
import Digests
import FoundationEssentials
import PolicyChecks
import PolicyCompiler
import PolicySyntax
import SystemImage

/// `casemate build`: turns a proved system into the files that a machine and its verifiers need.
struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compile a system into policy, manifest, boot bundle and reference values.",
        discussion: """
            Proves the system as `casemate check` does, finds its kernels and initial RAM disks, \
            and writes into the output folder:

              policy.30              what the hypervisor enforces, in XenFlask's format
              system.manifest        compartments, channels, digests, and the proof
              boot.bundle            both with all modules, for a start with -kernel
              reference-values.json  what a verifier expects the machine to measure

            The results are read back with the hypervisor's own readers, and the proof is \
            replayed, before anything is written. Files appear whole or not at all. Equal inputs \
            give equal bytes.

            `kernel debian` is the file debian.vmlinux in the folder of modules; a name in quotes \
            is searched beside the source, then in the folder of modules, which is the value of \
            --modules, else of CASEMATE_MODULES, else ~/.cache/casemate/modules.

            EXIT STATUS
              0  everything was written
              1  the source has errors, an assertion is refuted, the target does not enforce a \
            statement, or a module is missing
              2  the source or a module could not be read, or the output not be written
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Option(name: [.short, .long], help: "The folder to write to; it is made when missing.")
    var output: String

    @Option(help: "The folder of modules.")
    var modules: String?

    @Flag(help: "Write one JSON document about the result to standard output.")
    var json = false

    func run() throws {
        let source = try SystemSource.read(system)
        let result = source.check()
        let renderer = source.renderer(of: result)
        var diagnostics = result.diagnostics
        defer { if !json { show(diagnostics, renderer) } }
        diagnostics += result.targetDiagnostics
        guard let proved = result.proved, !diagnostics.refuse else {
            try report(nil, diagnostics, renderer)
            throw ExitStatus.refused
        }
        var resolver = ModuleResolver(source: source, modulesFolder: modulesFolder)
        let resolved = try resolver.resolve(proved.policy)
        diagnostics += resolved.diagnostics
        guard !diagnostics.refuse else {
            try report(nil, diagnostics, renderer)
            throw ExitStatus.refused
        }
        let compiled = try compile(proved, source.file, resolved.modules)
        let values = ReferenceValuesBuilder(proved.policy, compiled).values
        let files = BuildOutput(folder: output)
        do throws(FileError) {
            try files.write(compiled, values, paths: resolved.paths)
        } catch {
            throw Build.fail(error.path, error.reason)
        }
        try report(compiled, diagnostics, renderer)
    }

    /// Compiles, and replays the proof against the decisions of the compiled policy.
    private func compile(
        _ proved: ProvedSystem, _ source: SourceFile, _ modules: [CompartmentModules]
    ) throws -> CompiledSystem {
        do throws(CompilationError) {
            let compiled = try CompiledSystem(proved, source: source, modules: modules)
            if let reason = replayFailure(compiled) { throw .refusedByReader(reason) }
            return compiled
        } catch {
            switch error {
            case .moduleUsedTwice(let name):
                throw Build.fail(name, "it is a kernel here and an initial RAM disk there")
            case .refusedByReader(let reason):
                throw Build.fail(system, "a defect of the compiler: \(reason)")
            case .notEnforced(let code):
                throw Build.fail(system, "the target does not enforce it: \(code)")
            case .wrongModuleCount:
                throw Build.fail(system, "a defect of the compiler: modules were lost")
            }
        }
    }

    private var modulesFolder: String {
        if let modules { return modules }
        let environment = ProcessInfo.processInfo.environment
        if let named = environment["CASEMATE_MODULES"], !named.isEmpty { return named }
        return "\(environment["HOME"] ?? "/root")/.cache/casemate/modules"
    }

    /// Says that a file cannot be read or written; the caller throws what this returns.
    static func fail(_ path: String, _ reason: String) -> ExitCode {
        StandardError.write("casemate: `\(path)`: \(reason)\n")
        return ExitStatus.unreadable
    }

    // MARK: The answer

    private func show(_ diagnostics: [Diagnostic], _ renderer: DiagnosticRenderer) {
        for diagnostic in diagnostics { StandardError.write(renderer.text(diagnostic)) }
    }

    private func report(
        _ compiled: CompiledSystem?, _ diagnostics: [Diagnostic], _ renderer: DiagnosticRenderer
    ) throws {
        guard json else { return }
        let files = compiled.map { compiled in
            JSONValue.object([
                ("policy.30", .string(SHA384.hash(compiled.policy.span).hexadecimal)),
                ("system.manifest", .string(SHA384.hash(compiled.manifest.span).hexadecimal)),
            ])
        }
        let document = JSONValue.object([
            ("formatVersion", .number(1)), ("built", .bool(compiled != nil)),
            ("sha384", files ?? .null),
            ("diagnostics", .array(diagnostics.map { renderer.json($0) })),
        ])
        print(document.text, terminator: "")
    }
}
