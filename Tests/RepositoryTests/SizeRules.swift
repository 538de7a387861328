/// The limits of size.
enum SizeRules {
    static let columns = 100
    static let fileLines = 600
    static let functionLines = 70
    /// Of the Kernel room, without blank and comment lines.
    static let kernelLines = 15_000

    /// Files of code; prose and tables of prose wrap as they like.
    private static let code: Set<String> = ["swift", "c", "h", "S", "sh", "casemate", "ld"]

    private static func isLimited(_ file: TextFile) -> Bool {
        (code.contains(file.kind) || file.isShellScript) && !file.isGenerated && !file.isSpecimen
    }

    static func longLines(_ file: TextFile) -> [Finding] {
        guard isLimited(file) else { return [] }
        // The canonical form of a system has a statement on one line, a list of commands too.
        let isSystem = file.kind == "casemate"
        return file.lines.enumerated().filter {
            $0.element.count > columns && !(isSystem && $0.element.hasPrefix("    commands "))
        }.map {
            Finding(
                path: file.path, line: $0.offset + 1,
                message: "\($0.element.count) columns; the limit is \(columns)")
        }
    }

    /// How many lines of a file are neither blank nor only a comment.
    static func codeLines(_ file: TextFile) -> Int {
        var isComment = false
        var count = 0
        for line in file.lines {
            let text = line.drop { $0 == " " }
            if isComment {
                isComment = !text.contains("*/")
            } else if text.hasPrefix("/*") {
                isComment = !text.contains("*/")
            } else if !text.isEmpty, !text.hasPrefix("//") {
                count += 1
            }
        }
        return count
    }

    static func longFile(_ file: TextFile) -> [Finding] {
        guard isLimited(file) else { return [] }
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        guard count > fileLines else { return [] }
        return [
            Finding(
                path: file.path, line: 0,
                message: "\(count) lines; split it by concern at \(fileLines)")
        ]
    }

    /// Finds functions, initialisers and subscripts that are too long, from the line of their first
    /// word to that of their closing brace.
    static func longFunctions(_ file: TextFile) -> [Finding] {
        guard file.kind == "swift", !file.isGenerated else { return [] }
        return functions(in: file).filter { $0.count > functionLines }.map {
            Finding(
                path: file.path, line: $0.lowerBound + 1,
                message: "a function of \($0.count) lines; the limit is \(functionLines)")
        }
    }

    /// The 0-based lines of each function with a body.
    static func functions(in file: TextFile) -> [ClosedRange<Int>] {
        let lines = MaskedSwift(file.text).lines
        return lines.indices.compactMap { first in
            guard lines[first].contains(/\b(func|init|subscript|deinit)\b.*[({<]|\bdeinit\b/),
                !lines[first].contains(/\.init\b|\bself\.init|= *init/)
            else { return nil }
            return body(in: lines, from: first)
        }
    }

    private static func body(in lines: [String], from first: Int) -> ClosedRange<Int>? {
        var braces = 0
        var parentheses = 0
        for line in lines.indices[first...] {
            for character in lines[line] {
                switch character {
                case "(": parentheses += 1
                case ")": parentheses -= 1
                case "{": braces += 1
                case "}":
                    braces -= 1
                    // A protocol's requirement has no body: the brace is the protocol's.
                    if braces < 0 { return nil }
                    if braces == 0, parentheses == 0 { return first...line }
                default: continue
                }
            }
        }
        return nil
    }
}
