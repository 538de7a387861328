import HypervisorCore
import Testing

@Suite struct LogLevelTests {
    private func level(_ commandLine: String) -> LogLevel? {
        let bytes = [UInt8](commandLine.utf8)
        return LogLevel(commandLine: bytes.span)
    }

    @Test(
        "a word names the level",
        arguments: zip(
            ["log=error", "log=warning", "log=info", "log=debug"],
            [LogLevel.error, .warning, .info, .debug]))
    func words(_ word: String, _ wanted: LogLevel) {
        #expect(level(word) == wanted)
        #expect(level("  quiet \(word) splash") == wanted)
        #expect(level("log=info log=error \(word) ") == wanted)
    }

    @Test(
        "what is no such word names none",
        arguments: [
            "", " ", "log", "log=", "log=loud", "log=errors", "log=erro", "xlog=error",
            "log=error,", "LOG=error", "log =error", "log=error\t",
        ])
    func strangers(_ commandLine: String) {
        #expect(level(commandLine) == nil)
    }
}
