import FoundationEssentials
import PolicyChecks
import PolicySyntax
import VirtualHardware

/// What the folder of a system says that a boot of it shows, in `boot.expected`; docs/commands.md
/// has the words. Nothing is expected where there is no such file.
struct BootExpectation {
    /// The name of the file in the system's folder.
    static let fileName = "boot.expected"

    /// One thing that must, or must not, be seen.
    enum Condition {
        /// Some line of a compartment, or of `casemate`, holds a text.
        case says(speaker: String, text: String)
        /// No line of it does.
        case isSilent(speaker: String, text: String)
        /// The hypervisor reports so many denials.
        case denials(Int)
    }

    /// One line of the table of verdicts.
    struct Claim {
        let text: String
        var conditions: [Condition] = []
    }

    /// Statements that the compiler must refuse when they are added to the system.
    struct Refusal {
        let text: String
        var statements: [String] = []
        var answers: [String] = []
    }

    /// Why a file says nothing.
    struct Malformed: Error {
        let message: String
    }

    private(set) var claims: [Claim] = []
    private(set) var refusals: [Refusal] = []

    /// Reads the file of a system's folder.
    ///
    /// - Throws: what is wrong with it, and in which line.
    init(of source: SystemSource) throws(Malformed) {
        let path = "\(source.folder)/\(BootExpectation.fileName)"
        guard let data = FileManager.default.contents(atPath: path) else { return }
        let places = SourcePlaces(source.file)
        let lines = String(decoding: data, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            do throws(Malformed) {
                try take(try places.resolve(String(line)))
            } catch {
                throw Malformed(message: "\(path):\(index + 1): \(error.message)")
            }
        }
    }

    private mutating func take(_ line: String) throws(Malformed) {
        guard line.contains(where: { $0 != " " }), !line.hasPrefix("#") else { return }
        guard line.hasPrefix("  ") else {
            if let text = rest(of: line, after: "claim ") {
                claims.append(Claim(text: text))
            } else if let text = rest(of: line, after: "refuse ") {
                refusals.append(Refusal(text: text))
                isInRefusal = true
                return
            } else {
                throw Malformed(message: "a line begins with `claim`, `refuse` or two blanks")
            }
            isInRefusal = false
            return
        }
        let words = String(line.drop { $0 == " " })
        if isInRefusal { return try takeOfRefusal(words) }
        guard !claims.isEmpty else { throw Malformed(message: "nothing is claimed yet") }
        claims[claims.count - 1].conditions.append(try condition(words))
    }

    private var isInRefusal = false

    private mutating func takeOfRefusal(_ words: String) throws(Malformed) {
        let last = refusals.count - 1
        if let statement = rest(of: words, after: "add ") {
            refusals[last].statements.append(statement)
        } else if let answer = rest(of: words, after: "says ") {
            refusals[last].answers.append(answer)
        } else {
            throw Malformed(message: "below `refuse` stand `add` and `says`")
        }
    }

    private func condition(_ words: String) throws(Malformed) -> Condition {
        if let number = rest(of: words, after: "denials ") {
            guard let count = Int(number) else { throw Malformed(message: "no number of denials") }
            return .denials(count)
        }
        let silent = rest(of: words, after: "never ")
        let text = silent ?? words
        guard let colon = text.firstRange(of: ": ") else {
            throw Malformed(message: "a condition is `SPEAKER: TEXT`")
        }
        let speaker = String(text[..<colon.lowerBound])
        let said = String(text[colon.upperBound...])
        return silent == nil
            ? .says(speaker: speaker, text: said) : .isSilent(speaker: speaker, text: said)
    }

    private func rest(of line: String, after word: String) -> String? {
        line.hasPrefix(word) ? String(line.dropFirst(word.count)) : nil
    }

    // MARK: Judging a boot

    /// Whether everything was seen that must be.
    func isComplete(_ transcript: ConsoleTranscript) -> Bool {
        claims.allSatisfy { claim in
            claim.conditions.allSatisfy { condition in
                if case .says = condition { return objection(transcript, condition) == nil }
                return true
            }
        }
    }

    /// Why a claim does not hold; nil when it does.
    func objection(_ transcript: ConsoleTranscript, to claim: Claim) -> String? {
        for condition in claim.conditions {
            if let objection = objection(transcript, condition) { return objection }
        }
        return nil
    }

    private func objection(
        _ transcript: ConsoleTranscript, _ condition: Condition
    ) -> String? {
        switch condition {
        case .says(let speaker, let text):
            let isSeen = transcript.first(speaker, containing: text) != nil
            return isSeen ? nil : "`\(speaker)` did not say `\(text)`"
        case .isSilent(let speaker, let text):
            let line = transcript.first(speaker, containing: text)
            return line.map { "`\(speaker)` said `\($0.text)`" }
        case .denials(let count):
            let denials = transcript.lines.filter {
                $0.isHypervisor && $0.text.contains(": denied ")
            }
            guard denials.count != count else { return nil }
            let last = denials.last.map { "; the last is `\($0.text)`" } ?? ""
            return "there are \(denials.count) denials instead of \(count)\(last)"
        }
    }

    // MARK: Judging the compiler

    /// What the compiler says to a copy of the system with the statements of a refusal.
    ///
    /// - Returns: whether it refuses them and says what it must, and the lines of its answer that
    ///   say so; else why not.
    func judge(_ refusal: Refusal, of source: SystemSource) -> (isRefused: Bool, answer: String) {
        let text = refusal.statements.joined(separator: "\n") + "\n"
        let changed = SystemSource(
            path: source.path,
            file: SourceFile(name: source.file.name, bytes: source.file.bytes + Array(text.utf8)))
        let result = changed.check()
        let renderer = changed.renderer(of: result)
        let answer = result.diagnostics.map { renderer.text($0) }.joined(separator: "\n")
        guard result.proved == nil else { return (false, "the compiler took it") }
        if let missing = refusal.answers.first(where: { !answer.contains($0) }) {
            return (false, "the compiler did not say `\(missing)`, but\n\(answer)")
        }
        let lines = answer.split(separator: "\n")
        let told = refusal.answers.compactMap { said in lines.first { $0.contains(said) } }
        return (true, told.map { String($0.drop { $0 == " " }) }.joined(separator: "\n      "))
    }
}

/// The places of statements: `@(channel readings)` is the file and line of the only line of the
/// source that begins so.
private struct SourcePlaces {
    private let name: String
    private let lines: [Substring]

    init(_ file: SourceFile) {
        name = file.name
        lines = String(decoding: file.bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// Puts places where `@(…)` stands.
    ///
    /// - Throws: when no line begins so, or several do.
    func resolve(_ line: String) throws(BootExpectation.Malformed) -> String {
        var rest = line[...]
        var resolved = ""
        while let start = rest.firstRange(of: "@(") {
            guard let end = rest[start.upperBound...].firstIndex(of: ")") else { break }
            let words = rest[start.upperBound..<end]
            let found = lines.indices.filter { index in
                guard lines[index].hasPrefix(words) else { return false }
                let next = lines[index].dropFirst(words.count).first
                return next.map { !$0.isLetter && !$0.isNumber && $0 != "_" } ?? true
            }
            guard found.count == 1 else {
                throw BootExpectation.Malformed(
                    message: "\(found.count) lines of \(name) begin with `\(words)`")
            }
            resolved += rest[..<start.lowerBound] + "\(name):\(found[0] + 1)"
            rest = rest[rest.index(after: end)...]
        }
        return resolved + rest
    }
}
