/// One line of COM1 with the prefix taken off.
public struct ConsoleLine: Equatable, Sendable {
    /// Who wrote it: `casemate` for the hypervisor, else a compartment's name; `nil` for what came
    /// before the hypervisor ran.
    public let speaker: String?
    /// The text behind the prefix.
    public let text: String

    /// Whether the hypervisor wrote it.
    public var isHypervisor: Bool { speaker == "casemate" }

    /// Splits a line `(speaker) text`.
    init(_ line: String) {
        guard line.hasPrefix("("), let end = line.firstRange(of: ") ") else {
            speaker = nil
            text = line
            return
        }
        speaker = String(line[line.index(after: line.startIndex)..<end.lowerBound])
        text = String(line[end.upperBound...])
    }
}

/// The lines of COM1, each by who wrote it. The hypervisor alone writes the prefixes: no guest can
/// print one at the start of a line.
public struct ConsoleTranscript: Sendable {
    /// All complete lines so far.
    public private(set) var lines: [ConsoleLine] = []
    private var pending: [UInt8] = []

    /// Starts before the first byte.
    public init() {}

    /// Gives the complete lines away and forgets them, for somebody who looks at each once.
    public mutating func takeLines() -> [ConsoleLine] {
        defer { lines = [] }
        return lines
    }

    /// Takes bytes as they come.
    public mutating func feed(_ bytes: [UInt8]) {
        for byte in bytes {
            if byte == 0x0A {
                lines.append(ConsoleLine(String(decoding: pending, as: UTF8.self)))
                pending = []
            } else if byte != 0x0D {
                pending.append(byte)
            }
        }
    }

    /// Returns the first line of a speaker that contains `text`; `nil` for `speaker`: of any
    /// compartment.
    public func first(_ speaker: String?, containing text: String) -> ConsoleLine? {
        lines.first { line in
            guard let lineSpeaker = line.speaker, line.text.contains(text) else { return false }
            return speaker.map { $0 == lineSpeaker } ?? !line.isHypervisor
        }
    }
}
