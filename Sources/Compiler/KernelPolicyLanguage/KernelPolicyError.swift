/// One thing that is wrong in a policy, in the words of its user's files.
public struct KernelPolicyError: Error, Equatable, Sendable {
    /// What is wrong.
    public enum Reason: String, Sendable, CaseIterable {
        /// The source is not built as the language says.
        case syntax = "KPL-SYN-001"
        /// Something is nested too deeply, or a list or number is too large.
        case limit = "KPL-LIM-001"
        /// A word that nothing declares.
        case undeclared = "KPL-NAM-001"
        /// A word that is declared twice, or as two things.
        case declaredTwice = "KPL-NAM-002"
        /// A word names something of another kind than is wanted here.
        case wrongKind = "KPL-NAM-003"
        /// A permission that the class does not have.
        case noPermission = "KPL-NAM-004"
        /// A rule says otherwise than another rule.
        case conflict = "KPL-RUL-001"
        /// A rule grants what a `neverallow` forbids.
        case neverAllowed = "KPL-RUL-002"
        /// A type is granted what its bound is not.
        case boundsExceeded = "KPL-RUL-003"
        /// A level or range that the declarations do not allow.
        case badLevel = "KPL-MLS-001"
        /// Statements about levels in a policy without levels, or the other way round.
        case levelsOff = "KPL-MLS-002"
        /// A label whose user, role, type and range do not go together.
        case badContext = "KPL-CON-001"
        /// Something has two labels, or a range that ends before it begins.
        case badRange = "KPL-CON-002"
        /// A statement that the target has no use for.
        case wrongTarget = "KPL-TGT-001"
        /// Something must be there and is not: classes, types, roles, users, labels.
        case missing = "KPL-DEC-001"
    }

    /// What is wrong.
    public let reason: Reason
    /// What is wrong: one line, lower case, no final period, user text in backticks.
    public let message: String
    /// The user's file, as line markers name it.
    public let file: String
    /// The line in that file, from 1.
    public let line: Int
    /// The column, in bytes, from 1.
    public let column: Int

    /// Creates an error.
    public init(_ reason: Reason, _ message: String, file: String, line: Int, column: Int) {
        self.reason = reason
        self.message = message
        self.file = file
        self.line = line
        self.column = column
    }
}

/// A policy is refused.
public struct KernelPolicyRefusal: Error, Equatable, Sendable {
    /// What is wrong, in the order of the source; at least one, at most `most`.
    public let errors: [KernelPolicyError]

    /// The most errors that one run reports.
    public static let most = 100

    /// Creates a refusal.
    public init(errors: [KernelPolicyError]) { self.errors = errors }
}

/// A failure while reading, where only the place in the text is known.
package struct SourceFailure: Error {
    package let reason: KernelPolicyError.Reason
    package let message: String
    /// In bytes from the begin of the text.
    package let offset: Int

    package init(_ reason: KernelPolicyError.Reason, _ message: String, at offset: Int) {
        self.reason = reason
        self.message = message
        self.offset = offset
    }
}
