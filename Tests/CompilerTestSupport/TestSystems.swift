import BootArena
import Digests
import Foundation
public import PolicyChecks
public import PolicyCompiler
public import PolicyDatabase
import PolicySemantics
public import PolicySyntax
public import ReferenceMonitor
public import SystemManifest
import TestSupport

/// A failure of a fixture, not of what is tested.
public struct FixtureError: Error {
    /// What happened.
    public let message: String
}

/// Systems for tests: proved and compiled, with modules that need no files.
public struct TestSystem: Sendable {
    /// The source.
    public let text: String
    /// The proved system.
    public let proved: ProvedSystem
    /// What it compiles to.
    public let compiled: CompiledSystem

    /// What the hypervisor is taken to enforce.
    private let features: UInt64

    /// Proves and compiles a source.
    ///
    /// - Parameters:
    ///   - features: what the hypervisor is taken to enforce.
    ///   - read: returns the module of a name, relative to the source.
    public init(
        _ text: String, enforced features: UInt64 = ManifestFeature.enforcedByHypervisor,
        reading read: (String) -> SourceFile? = { _ in nil }
    ) throws {
        self.text = text
        self.features = features
        let source = SourceFile(name: "system.casemate", text: text)
        let result = CheckResult.check(source, reading: read)
        guard let proved = result.proved else {
            throw FixtureError(message: result.diagnostics.map(\.message).joined(separator: "; "))
        }
        self.proved = proved
        compiled = try CompiledSystem(
            proved, sources: [source],
            modules: proved.policy.compartments.map {
                CompartmentModules(
                    kernel: TestSystem.module("vmlinux", .kernel),
                    initrd: TestSystem.module("\($0.name).cpio", .initrd))
            }, enforced: features)
    }

    /// A system of `policy/systems` for Casemate's hypervisor, which is taken to enforce all of it.
    public static func ofRepository(_ name: String) throws -> TestSystem {
        let folder = RepositoryFiles.root.appending(path: "policy/systems/\(name)")
        let bytes = try RepositoryFiles.bytes(of: folder.appending(path: "system.casemate"))
        let text = String(decoding: bytes, as: UTF8.self)
        return try TestSystem(
            text.contains("target casemate")
                ? text : text.replacing("target xen \"4.17\"", with: "target casemate"),
            enforced: ManifestFeature.known
        ) { file in
            (try? RepositoryFiles.bytes(of: folder.appending(path: file))).map {
                SourceFile(name: file, bytes: $0)
            }
        }
    }

    /// Returns a module of 4 KiB whose content is its name.
    public static func module(_ name: String, _ kind: ModuleKind) -> SystemManifestModel.Module {
        SystemManifestModel.Module(
            name: name, kind: kind, sizeInBytes: 4096,
            digest: SHA384.hash(Array(name.utf8).span))
    }

    /// Two compartments and one channel between them.
    public static func minimal() throws -> TestSystem {
        try TestSystem(
            """
            system minimal version 1
            target casemate

            levels unclassified < secret

            compartment sensor at unclassified {
                kernel debian
                initrd "sensor.cpio"
                memory 192 MiB
                vcpus 1
            }

            compartment collector at secret {
                kernel debian
                initrd "collector.cpio"
                memory 192 MiB
                vcpus 1
            }

            channel readings: sensor -> collector signal

            assert never secret -> unclassified
            assert never collector -> sensor
            """)
    }

    /// A system of random levels, ranges and channels that obeys every rule.
    public static func generated(compartments count: Int, seed: UInt64) throws -> TestSystem {
        var generator = SeededGenerator(seed: seed)
        // Not words of checkpolicy: it could not read its own text.
        let names = ["basic", "inner", "core"]
        let categories = ["a", "b", "c"]
        var text = "system generated version 7\ntarget casemate\n\n"
        text += "levels basic < inner < core\ncategories a, b, c\n"
        var highs: [(Int, Int)] = []
        func level(_ rank: Int, _ set: Int) -> String {
            let held = categories.indices.filter { set >> $0 & 1 == 1 }.map { categories[$0] }
            return names[rank] + (held.isEmpty ? "" : ":" + held.joined(separator: ","))
        }
        for index in 0..<count {
            let low = (
                Int.random(in: 0...2, using: &generator), Int.random(in: 0...7, using: &generator)
            )
            var high = low
            if Int.random(in: 0..<3, using: &generator) == 0 {
                high.0 = Int.random(in: low.0...2, using: &generator)
                high.1 |= Int.random(in: 0...7, using: &generator)
            }
            highs.append(high)
            let label =
                low == high
                ? level(low.0, low.1) : "\(level(low.0, low.1))..\(level(high.0, high.1))"
            text += "\ncompartment c\(index) at \(label) {\n    kernel debian\n"
            text += "    initrd \"c\(index).cpio\"\n    memory 64 MiB\n    vcpus 1\n}\n"
        }
        text += "\n"
        for from in 0..<count {
            for to in 0..<count where from != to {
                let flows = highs[from].0 <= highs[to].0 && highs[from].1 & ~highs[to].1 == 0
                if flows, Int.random(in: 0..<2, using: &generator) == 0 {
                    text += "channel k\(from)_\(to): c\(from) -> c\(to) signal\n"
                }
            }
        }
        return try TestSystem(text)
    }

    /// Loads policy and manifest as the hypervisor does.
    public func withMonitor<Result>(
        _ body: (
            borrowing PolicyDatabase, borrowing SystemManifest, borrowing ReferenceMonitor
        ) throws -> Result
    ) throws -> Result {
        let policy = try PolicyDatabase(validating: compiled.policy.span)
        let manifest = try SystemManifest(
            validating: compiled.manifest.span, accepting: features)
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(
                policy: policy, manifest: manifest))
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        return try body(policy, manifest, monitor)
    }
}
