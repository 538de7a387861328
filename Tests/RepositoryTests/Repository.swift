import Foundation
import TestSupport

/// A text file of the project.
struct TextFile: Sendable {
    /// Relative to the project's top, with `/` between the parts.
    let path: String
    let text: String

    var lines: [Substring] {
        text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The part of the name after the last dot; empty for a name without one.
    var kind: String {
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return String(name[name.index(after: dot)...])
    }

    var isGenerated: Bool { path.contains("/generated/") }
    var isShellScript: Bool {
        text.hasPrefix("#!/usr/bin/env bash\n") || text.hasPrefix("#!/bin/sh\n")
    }

    /// Whether the file is an input of a test whose flaws are its purpose.
    var isSpecimen: Bool { isIn("policy/conformance") }

    func isIn(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }
}

/// A place that breaks a rule.
struct Finding: Equatable, CustomStringConvertible {
    let path: String
    /// 1-based; 0 for the file as a whole.
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// The project as it lies on disk, without what builds and tools leave there.
enum Repository {
    /// The folder that holds `Package.swift`.
    static let top = RepositoryFiles.root

    /// Every file that can be read as UTF-8, sorted by path. Links are not followed.
    static let files: [TextFile] = {
        var found: [TextFile] = []
        for folder in topLevel where folder != ".git" && !folder.hasPrefix(".build") {
            let url = top.appending(path: folder)
            let inside = FileManager.default.enumerator(
                at: url, includingPropertiesForKeys: [.isRegularFileKey])
            for case let file as URL in inside?.allObjects ?? [] {
                found += textFile(at: file)
            }
            found += textFile(at: url)
        }
        return found.sorted { $0.path < $1.path }
    }()

    /// The names that stand at the top, sorted.
    static let topLevel: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: top.path())) ?? []).sorted()

    private static func textFile(at url: URL) -> [TextFile] {
        let isRegular = try? url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile
        guard isRegular == true, let text = try? String(contentsOf: url, encoding: .utf8) else {
            return []
        }
        return [TextFile(path: String(url.path().dropFirst(top.path().count)), text: text)]
    }
}
