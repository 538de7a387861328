/// A place in a source file.
///
/// - Units: `offset` in bytes, 0-based; `line` and `column` 1-based. A column is one Unicode
///   scalar; a byte that is not UTF-8 counts as one column, and so does a tab.
public struct SourcePosition: Equatable, Sendable {
    /// Bytes before this place, 0-based.
    public let offset: Int
    /// The line, 1-based.
    public let line: UInt32
    /// The column in Unicode scalars, 1-based.
    public let column: UInt32

    /// Creates a position.
    public init(offset: Int, line: UInt32, column: UInt32) {
        self.offset = offset
        self.line = line
        self.column = column
    }

    /// The first place of every file.
    public static let start = SourcePosition(offset: 0, line: 1, column: 1)
}

/// A piece of a source file, from `start` up to but not including `end`.
public struct SourceSpan: Equatable, Sendable {
    /// The file's name as diagnostics and the manifest show it: relative to the system's folder.
    public let file: String
    /// The first place of the piece.
    public let start: SourcePosition
    /// The place after the piece.
    public let end: SourcePosition

    /// Creates a span.
    public init(file: String, start: SourcePosition, end: SourcePosition) {
        self.file = file
        self.start = start
        self.end = end
    }

    /// The line of `start`, 1-based.
    public var line: UInt32 { start.line }
    /// The column of `start`, 1-based.
    public var column: UInt32 { start.column }

    /// The span as tools that jump to a place expect it: `file:line:column`.
    public var description: String { "\(file):\(line):\(column)" }

    /// Returns the span from this one's start to the end of `last`.
    public func through(_ last: SourceSpan) -> SourceSpan {
        SourceSpan(file: file, start: start, end: last.end)
    }
}
