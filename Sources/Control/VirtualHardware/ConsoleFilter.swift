/// Lets the lines of one speaker through, without waiting for their ends.
public struct ConsoleFilter: Sendable {
    private enum State {
        /// At the beginning of a line: what came of its prefix.
        case prefix([UInt8])
        case shown
        case hidden
    }

    private let wanted: [UInt8]?
    private var state = State.prefix([])

    /// Starts at the beginning of a line.
    ///
    /// - Parameter speaker: whose lines pass; nil: everybody's.
    public init(_ speaker: String?) {
        wanted = speaker.map { Array("(\($0)) ".utf8) }
    }

    /// Returns what passes of some bytes, prefixes included.
    public mutating func pass(_ bytes: [UInt8]) -> [UInt8] {
        guard let wanted else { return bytes }
        var passed: [UInt8] = []
        for byte in bytes {
            switch state {
            case .shown: passed.append(byte)
            case .hidden: break
            case .prefix(let found):
                let prefix = found + [byte]
                if byte == 0x0A || byte == 0x0D {
                    break
                } else if prefix == wanted {
                    passed += prefix
                    state = .shown
                } else {
                    state = wanted.starts(with: prefix) ? .prefix(prefix) : .hidden
                }
            }
            if byte == 0x0A { state = .prefix([]) }
        }
        return passed
    }
}
