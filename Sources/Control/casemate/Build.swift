import ArgumentParser
import Digests
import FoundationEssentials
import PolicyAuthority
import PolicyChecks
import PolicyCompiler
import PolicySemantics
import PolicySyntax
import SystemImage

/// `casemate build`: turns a proved system into the files that a machine and its verifiers need.
struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build",
        abstract: "Compile a system into policy, manifest, boot bundle and reference values.",
        discussion: """
            Proves the system as `casemate check` does, finds its kernels and initial RAM disks, \
            and writes into the output folder:

              policy.30              what the hypervisor enforces, in XenFlask's format
              system.manifest        compartments, channels, digests, and the proof
              boot.bundle            both with all modules, for a start with -kernel
              reference-values.json  what a verifier expects the machine to measure

            The results are read back with the hypervisor's own readers, and the proof is \
            replayed, before anything is written. Files appear whole and together, or not at all. \
            Equal inputs give equal bytes, but for a signature.

            `kernel debian` is the file debian.vmlinux in the folder of modules; a name in quotes \
            is searched beside the source, then in the folder of modules, which is the value of \
            --modules, else of CASEMATE_MODULES, else ~/.cache/casemate/modules. What each name \
            stood for is kept in system.lock beside the source; with --locked a build that finds \
            anything else is refused, and the lock is not written.

            A system that lists `target xen` too is built for it with --target xen: a policy for \
            the FLASK module of stock Xen, and for each compartment a configuration of `xl` with \
            its kernel and initial RAM disk (docs/xen.md). What Xen leaves open is said.

            --sign signs the manifest, and --replaces names the one that it follows; then the \
            system's version must have risen. --dump shows what a stage makes of the source, and \
            builds nothing: its lines are in docs/commands.md.

            EXIT STATUS
              0   everything was written
              1   the source has errors, an assertion is refuted, the target does not enforce a \
            statement, a module is missing or not the locked one, or the version has not risen
              64  the command line is wrong
              74  the source, a module or a key could not be read, or the output not be written

            EXAMPLE
              casemate build policy/systems/minimal --output out --sign authority.pem
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Option(
        name: [.short, .long], help: "The folder to write to; it is made when missing.",
        completion: .directory)
    var output: String?

    @Option(help: "The folder of modules.", completion: .directory)
    var modules: String?

    @Option(help: "Which of the targets that the system lists; the first without a word.")
    var target: TargetName?

    @Option(
        help: "Sign the manifest with this private key, which `casemate key new` made.",
        completion: .file(extensions: ["pem"]))
    var sign: String?

    @Option(
        help: "The manifest that this build replaces; the system's version must be above its.",
        completion: .file(extensions: ["manifest"]))
    var replaces: String?

    @Flag(help: "Refuse modules that are not those of system.lock.")
    var locked = false

    @Option(help: "Write a stage's result to standard output, and build nothing.")
    var dump: DumpStage?

    @Flag(help: "Write one JSON document about the result to standard output.")
    var json = false

    func validate() throws {
        let builds = output != nil || sign != nil || replaces != nil || locked || json
        if dump != nil && builds {
            throw ValidationError("--dump builds nothing: it goes with no other option")
        }
        if target == .xen && (sign != nil || replaces != nil || json) {
            throw ValidationError("stock Xen has no manifest: --target xen goes without them")
        }
        if dump == nil && output == nil {
            throw ValidationError("--output says where to write the build")
        }
    }

    func run() throws {
        let source = try SystemSource.read(system)
        if let dump { return try dump.show(source) }
        let key = try sign.map { try KeyFiles.privateKey($0) }
        let old = try replaces.map { try ManifestFile.read($0) }
        let result = source.check()
        var report = BuildReport(source.renderer(of: result), isJSON: json)
        let aim = target?.target ?? result.policy?.target ?? .casemate
        report.add(result.diagnostics + result.targetDiagnostics(for: aim))
        guard let proved = result.proved, !report.isRefused else { throw try report.refused() }
        var resolver = ModuleResolver(source: source, modulesFolder: modulesFolder)
        let resolved = try resolver.resolve(proved.policy)
        report.add(resolved.diagnostics)
        guard !report.isRefused else { throw try report.refused() }
        var lock = LockFile(source: source, policy: proved.policy, found: resolved.locked)
        report.add(try lock.update(isLocked: locked))
        guard !report.isRefused else { throw try report.refused() }
        guard aim == .casemate else {
            return try buildForXen(proved.policy, resolved.modules, resolved.paths, lock)
        }
        let compiled = try compile(proved, [result.source] + result.modules, resolved.modules)
        let build: SignedBuild
        do throws(BuildRefusal) {
            build = try SignedBuild(
                compiled, systemName: proved.policy.name, replacing: old, signedBy: key)
        } catch {
            report.add(error)
            throw try report.refused()
        }
        try write(build, resolved.paths, lock)
        try report.finish(build, lock)
    }

    private func compile(
        _ proved: ProvedSystem, _ sources: [SourceFile], _ modules: [CompartmentModules]
    ) throws -> CompiledSystem {
        do throws(CompilationError) {
            return try CompiledSystem(proved, sources: sources, modules: modules)
        } catch {
            throw refusal(error)
        }
    }

    /// Compiles for stock Xen and writes the result.
    private func buildForXen(
        _ policy: SystemPolicy, _ modules: [CompartmentModules],
        _ paths: [(digest: Digest384, path: String)], _ lock: LockFile
    ) throws {
        guard let aimed = policy.aimed(at: .xen) else { throw ExitStatus.refused }
        let system: XenSystem
        do throws(CompilationError) {
            system = try XenSystem(aimed, modules: modules)
        } catch {
            throw refusal(error)
        }
        var files = BuildOutput(folder: output ?? "")
        do throws(FileError) {
            try files.write(system, paths: paths, lock: lock.toWrite)
        } catch {
            let failure = Files.fail(error.path, error.reason)
            throw files.endingSignal.map(ExitStatus.ended) ?? failure
        }
    }

    /// Says why a proved system was not compiled.
    private func refusal(_ error: CompilationError) -> ExitCode {
        StandardError.write("casemate: `\(DiagnosticRenderer.harmless(system))`: ")
        switch error {
        case .moduleUsedTwice(let name):
            StandardError.write("`\(name)` is a kernel here and an initial RAM disk there\n")
        case .refusedByReader(let reason):
            StandardError.write("a defect of the compiler: \(reason)\n")
        case .notEnforced(let code):
            StandardError.write("the target does not enforce it: \(code)\n")
        case .missingSource(let name):
            StandardError.write("a defect of the compiler: `\(name)` was lost\n")
        case .wrongModuleCount:
            StandardError.write("a defect of the compiler: modules were lost\n")
        }
        return ExitStatus.refused
    }

    private func write(
        _ build: SignedBuild, _ paths: [(digest: Digest384, path: String)], _ lock: LockFile
    ) throws {
        var files = BuildOutput(folder: output ?? "")
        do throws(FileError) {
            try files.write(build, paths: paths, lock: lock.toWrite)
        } catch {
            let failure = Files.fail(error.path, error.reason)
            throw files.endingSignal.map(ExitStatus.ended) ?? failure
        }
    }

    private var modulesFolder: String {
        if let modules { return modules }
        let environment = ProcessInfo.processInfo.environment
        if let named = environment["CASEMATE_MODULES"], !named.isEmpty { return named }
        return "\(environment["HOME"] ?? "/root")/.cache/casemate/modules"
    }
}

/// A target, as the command line names it.
enum TargetName: String, ExpressibleByArgument, CaseIterable {
    case casemate
    case xen

    /// The target that it names.
    var target: SystemPolicy.Target {
        switch self {
        case .casemate: .casemate
        case .xen: .xen
        }
    }
}
