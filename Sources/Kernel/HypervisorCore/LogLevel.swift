/// How much the hypervisor says of itself on the console. What was refused to whom, and why the
/// machine stops, is said at every level.
public enum LogLevel: UInt8, BitwiseCopyable, Sendable {
    /// - `error`: what cannot go on as it should.
    /// - `warning`: what somebody should look at.
    /// - `info`: what the machine does; the level unless another is asked for.
    /// - `debug`: how it does that.
    case error, warning, info, debug

    /// The level that a command line asks for, by the last of its words that is `log=` and the name
    /// of one; nil: by none.
    public init?(commandLine: Span<UInt8>) {
        var found: LogLevel?
        var start = 0
        for end in 0...commandLine.count
        where end == commandLine.count || commandLine[end] == 0x20 {
            let word = commandLine.extracting(start..<end)
            if equals(word, "log=error") { found = .error }
            if equals(word, "log=warning") { found = .warning }
            if equals(word, "log=info") { found = .info }
            if equals(word, "log=debug") { found = .debug }
            start = end + 1
        }
        guard let found else { return nil }
        self = found
    }
}

@inline(never) private func equals(_ word: Span<UInt8>, _ text: String) -> Bool {
    let wanted = text.utf8.span
    guard word.count == wanted.count else { return false }
    for index in wanted.indices where word[index] != wanted[index] { return false }
    return true
}
