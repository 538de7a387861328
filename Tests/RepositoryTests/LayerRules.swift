import Foundation

/// What the rooms may contain.
enum LayerRules {
    /// DESIGN's fixed top level; `Package.resolved` is made by the package manager.
    static let topLevel: Set<String> = [
        "Package.swift", "Package.resolved", "Sources", "Tests", "policy", "attestation",
        "hypervisor", "docs", "README.md",
    ]

    static func strangersAtTop(_ names: [String]) -> [String] {
        names.filter { !$0.hasPrefix(".") && !topLevel.contains($0) }
    }

    /// The rooms that run on the bare machine import nothing but each other's modules.
    static func imports(_ file: TextFile, freestanding modules: Set<String>) -> [Finding] {
        let rooms = ["Sources/Vocabulary", "Sources/Kernel", "Sources/Services"]
        guard file.kind == "swift", rooms.contains(where: file.isIn) else { return [] }
        return MaskedSwift(file.text).lines.enumerated().compactMap { number, line in
            guard let found = line.firstMatch(of: /^\s*([\w@()]+\s+)*?import\s+(\w+\s+)?([\w.]+)/)
            else {
                return nil
            }
            let module = String(found.output.3)
            // Atomic words: a part of the standard library that has a module of its own.
            if modules.contains(module) || module == "Synchronization" { return nil }
            return Finding(
                path: file.path, line: number + 1,
                message: "imports \(module), which is no module of Vocabulary, Kernel or Services")
        }
    }

    /// The modules of the rooms that run on the bare machine, by their folders.
    static func freestandingModules(_ files: [TextFile]) -> Set<String> {
        Set(
            files.compactMap { file in
                let parts = file.path.split(separator: "/")
                guard parts.count > 3, parts[0] == "Sources",
                    ["Vocabulary", "Kernel", "Services"].contains(parts[1])
                else { return nil }
                return String(parts[2])
            })
    }

    /// `unsafe` stands only in the files that docs/deviations.md names.
    static func unnamedUnsafe(_ file: TextFile, named: Set<String>) -> [Finding] {
        guard file.kind == "swift", file.isIn("Sources"), !named.contains(file.path) else {
            return []
        }
        return MaskedSwift(file.text).lines.enumerated().compactMap { number, line in
            guard line.contains(/\bunsafe\b|@unsafe\b|@safe\b|\bnonisolated\(unsafe\)/) else {
                return nil
            }
            return Finding(
                path: file.path, line: number + 1,
                message: "`unsafe` in a file that docs/deviations.md does not name")
        }
    }

    /// A named file that needs its name no more.
    static func idleNames(_ files: [TextFile], named: Set<String>) -> [String] {
        named.sorted().filter { path in
            guard let file = files.first(where: { $0.path == path }) else { return true }
            return unnamedUnsafe(file, named: []).isEmpty
        }
    }

    /// The files of the table in docs/deviations.md: `| DEV-7 | path | why |`.
    static func namedFiles(in deviations: String) -> Set<String> {
        Set(
            deviations.matches(of: /\n\| DEV-\d+ \| `([^`]+\.swift)` \|/).map {
                String($0.output.1)
            })
    }
}
