/// The bytes of one source file, and where its lines are.
///
/// - Trust: any bytes; nothing is assumed of them, not even that they are text.
public struct SourceFile: Sendable {
    /// The largest file that is read as a source: 1 MiB.
    public static let largestSizeInBytes = 1 << 20

    /// The file's name as diagnostics and the manifest show it: relative to the system's folder.
    public let name: String
    /// The content.
    public let bytes: [UInt8]
    /// The offset of each line's first byte, in order; never empty.
    private let lineStarts: [Int]

    /// Creates a source file from its content.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        var starts = [0]
        for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            starts.append(offset + 1)
        }
        lineStarts = starts
    }

    /// Creates a source file from text.
    public init(name: String, text: String) {
        self.init(name: name, bytes: Array(text.utf8))
    }

    /// Returns the bytes of a line without its end; empty for a line that does not exist.
    ///
    /// - Units: `number` is 1-based.
    func line(_ number: UInt32) -> ArraySlice<UInt8> {
        guard number >= 1, Int(number) <= lineStarts.count else { return [] }
        let start = lineStarts[Int(number) - 1]
        let next = Int(number) < lineStarts.count ? lineStarts[Int(number)] - 1 : bytes.count
        let line = bytes[start..<next]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }
}
