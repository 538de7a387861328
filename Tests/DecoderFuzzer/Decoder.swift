import CompilerTestSupport
import PolicyChecks
import PolicyCompiler
import PolicySemantics
import PolicySyntax
import Foundation
import TestSupport

/// What became of an input.
enum Outcome {
    /// It was decoded.
    case accepted
    /// It was refused.
    case refused
    /// The decoder broke a promise.
    case broken(String)
}

/// A function that takes any bytes, and what is needed to reach all of it.
struct Decoder {
    /// The name, as `Tests/fuzz` says it.
    let name: String
    /// What to begin with.
    let seeds: [[UInt8]]
    /// How many bytes an input has at most.
    let most: Int
    /// Changes an input, with others to take parts of.
    let change: (inout [UInt8], [[UInt8]], inout SeededGenerator) -> Void
    /// Decodes an input and asks what was decoded everything.
    let decode: ([UInt8]) -> Outcome
    /// Whether every second input is made from one that was decoded: where hardly any is, since one
    /// mistake is enough to refuse a whole source.
    var prefersAccepted = false

    /// Every decoder.
    static func all() throws -> [Decoder] {
        let systems = try compiledSystems()
        let proofs = try systems.map(\.proved) + provedSources()
        return try [
            sources(try sourceSeeds()),
            policies(systems.map(\.compiled.policy) + (try files("policies"))),
            policyFiles(try files("files") + [systems[0].compiled.policy]),
            manifests(
                systems.map(\.compiled.manifest) + [try WholeManifest.whole().encoded]
                    + [try WholeManifest.signed()]),
            certificates(
                proofs.map(\.certificate), proofs.map { $0.policy.compartments.map(\.range) }),
            controlFrames(),
            try eventLogs(),
            try tpmStructures(),
            try questions(try files("files")),
        ] + policySources()
    }

    /// The systems of the corpus that can be compiled, and two made ones.
    private static func compiledSystems() throws -> [TestSystem] {
        var systems = [
            try TestSystem.minimal(), try .generated(compartments: 3, seed: 2),
            try .generated(compartments: 5, seed: 3),
        ]
        for folder in try RepositoryFiles.files(in: "policy/systems", suffix: "") {
            let bytes = try RepositoryFiles.bytes(of: folder.appending(path: "system.casemate"))
            if let system = try? TestSystem(String(decoding: bytes, as: UTF8.self)) {
                systems.append(system)
            }
        }
        return systems
    }

    /// What is proved without being compiled: the systems and the sources to accept.
    private static func provedSources() throws -> [ProvedSystem] {
        let systems = try RepositoryFiles.files(in: "policy/systems", suffix: "")
            .map { $0.appending(path: "system.casemate") }
        let sources = try RepositoryFiles.files(
            in: "policy/conformance/accept", suffix: ".casemate")
        return try (systems + sources).compactMap { file in
            let bytes = try RepositoryFiles.bytes(of: file)
            guard bytes.count <= 8192 else { return nil }
            return CheckResult.check(SourceFile(name: "s", bytes: bytes)).proved
        }
    }

    private static func files(_ folder: String) throws -> [[UInt8]] {
        try RepositoryFiles.files(in: "Tests/DecoderFuzzer/Corpus/\(folder)", suffix: "")
            .map { try RepositoryFiles.bytes(of: $0) }
    }

    private static func sourceSeeds() throws -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        for folder in ["conformance/accept", "conformance/reject", "conformance/target"] {
            for file in try RepositoryFiles.files(in: "policy/\(folder)", suffix: ".casemate") {
                seeds.append(try RepositoryFiles.bytes(of: file))
            }
        }
        for folder in try RepositoryFiles.files(in: "policy/systems", suffix: "") {
            seeds.append(try RepositoryFiles.bytes(of: folder.appending(path: "system.casemate")))
        }
        return seeds.filter { $0.count <= 8192 }
    }
}
