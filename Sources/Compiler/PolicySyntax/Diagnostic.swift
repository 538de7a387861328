/// The stable name of one rule that a source can break.
///
/// Codes are never reused. A code's page is its row in docs/language.md.
public struct DiagnosticCode: Hashable, Sendable {
    /// The code, such as `POL-MLS-001`.
    public let id: String
    /// The rule in one sentence, as it holds in a good source.
    public let rule: String

    /// Names a rule.
    public init(_ id: String, _ rule: String) {
        self.id = id
        self.rule = rule
    }
}

/// One thing to tell the author of a source: what is wrong, where, and what would help.
public struct Diagnostic: Equatable, Sendable {
    /// How much a diagnostic matters.
    public enum Severity: String, Sendable {
        /// The source is refused.
        case error
        /// The source is accepted and says less than its author may think.
        case warning
    }

    /// A second place that belongs to the diagnostic: one step of a chain, an earlier declaration.
    public struct Note: Equatable, Sendable {
        /// What stands there; lower case, no final period.
        public let message: String
        /// Where it stands.
        public let span: SourceSpan

        /// Creates a note.
        public init(_ message: String, at span: SourceSpan) {
            self.message = message
            self.span = span
        }
    }

    /// The rule that is broken.
    public let code: DiagnosticCode
    /// Whether the source is refused.
    public let severity: Severity
    /// Where to look first.
    public let span: SourceSpan
    /// What is wrong: one line, lower case, no final period, user text in backticks.
    public let message: String
    /// What would help: one line; nil when the message says it all.
    public let help: String?
    /// Further places, in the order to read them.
    public let notes: [Note]

    /// Creates a diagnostic.
    public init(
        _ code: DiagnosticCode, _ severity: Severity = .error, at span: SourceSpan,
        _ message: String, help: String? = nil, notes: [Note] = []
    ) {
        self.code = code
        self.severity = severity
        self.span = span
        self.message = message
        self.help = help
        self.notes = notes
    }
}

extension Sequence where Element == Diagnostic {
    /// Whether one of the diagnostics refuses the source.
    public var refuse: Bool { contains { $0.severity == .error } }
}

/// Diagnostics in the order found, up to a bound: no input makes the list grow without end.
package struct DiagnosticList {
    /// The most diagnostics that one run reports.
    package static let capacity = 100

    /// What was found so far.
    package private(set) var diagnostics: [Diagnostic] = []

    /// Creates an empty list.
    package init() {}

    /// Whether the list is closed: its last entry says that there are more errors.
    package var isFull: Bool { diagnostics.count > DiagnosticList.capacity }

    /// The diagnostics in the order of the source; what closes a full list stays last.
    package var inSourceOrder: [Diagnostic] {
        let sorted = diagnostics.prefix(DiagnosticList.capacity).enumerated().sorted {
            let left = $0.element.span
            let right = $1.element.span
            return (left.file, left.start.offset, $0.offset)
                < (right.file, right.start.offset, $1.offset)
        }
        return sorted.map(\.element) + diagnostics.dropFirst(DiagnosticList.capacity)
    }

    /// Adds a diagnostic; closes the list when the bound is reached.
    package mutating func append(_ diagnostic: Diagnostic) {
        guard !isFull else { return }
        if diagnostics.count == DiagnosticList.capacity {
            diagnostics.append(
                Diagnostic(
                    .tooManyErrors, at: diagnostic.span,
                    "more than \(DiagnosticList.capacity) errors; the rest is not shown"))
        } else {
            diagnostics.append(diagnostic)
        }
    }
}
