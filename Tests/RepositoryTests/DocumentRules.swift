import Foundation

/// What documents owe their readers.
enum DocumentRules {
    static func title(_ file: TextFile) -> [Finding] {
        guard file.kind == "md" else { return [] }
        let titles = headings(in: file).filter { $0.level == 1 }
        if file.text.hasPrefix("# "), titles.count == 1 { return [] }
        return [
            Finding(path: file.path, line: 1, message: "a page starts with its one title, `# …`")
        ]
    }

    /// Relative links lead to a file that exists, and to a heading that it has.
    static func deadLinks(_ file: TextFile, among files: [TextFile]) -> [Finding] {
        guard file.kind == "md" else { return [] }
        let paths = Set(files.map(\.path))
        return prose(of: file).flatMap { number, line in
            line.matches(of: /\]\(([^)\s]+)\)/).compactMap { match in
                let link = String(match.output.1)
                if link.contains("://") || link.hasPrefix("mailto:") { return nil }
                if leads(link, from: file, paths: paths, files: files) { return nil }
                return Finding(path: file.path, line: number, message: "`\(link)` leads nowhere")
            }
        }
    }

    private static func leads(
        _ link: String, from file: TextFile, paths: Set<String>, files: [TextFile]
    ) -> Bool {
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].isEmpty ? file.path : resolve(String(parts[0]), from: file.path)
        let isFolder = paths.contains { $0.hasPrefix(path + "/") }
        guard paths.contains(path) || isFolder else { return false }
        guard parts.count == 2 else { return true }
        guard let target = files.first(where: { $0.path == path }) else { return false }
        return headings(in: target).contains { $0.anchor == parts[1] }
    }

    /// The path that `link` means, written in the file `path`.
    static func resolve(_ link: String, from path: String) -> String {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in link.split(separator: "/") {
            if part == ".." {
                _ = parts.popLast()
            } else if part != "." {
                parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }

    /// The programs that README's fenced commands name by a path exist and can be run.
    static func commands(in file: TextFile) -> [String] {
        var inside = false
        var commands: [String] = []
        for line in file.lines {
            if line.hasPrefix("```") {
                inside = line == "```sh"
            } else if inside {
                let word = line.split(separator: " ").first.map(String.init) ?? ""
                if word.contains("/") { commands.append(word) }
            }
        }
        return commands
    }

    /// A heading, and the anchor by which a link reaches it.
    private struct Heading {
        let level: Int
        let anchor: String
    }

    private static func headings(in file: TextFile) -> [Heading] {
        prose(of: file).compactMap { _, line in
            guard let match = line.wholeMatch(of: /(#{1,6}) (.+)/) else { return nil }
            let anchor = match.output.2.lowercased().compactMap { character -> Character? in
                if character == " " { return "-" }
                return character.isLetter || character.isNumber || "-_".contains(character)
                    ? character : nil
            }
            return Heading(level: match.output.1.count, anchor: String(anchor))
        }
    }

    /// The lines outside fenced blocks, with their 1-based numbers.
    private static func prose(of file: TextFile) -> [(Int, Substring)] {
        var inside = false
        return file.lines.enumerated().compactMap { number, line in
            if line.hasPrefix("```") {
                inside.toggle()
                return nil
            }
            return inside ? nil : (number + 1, line)
        }
    }
}
