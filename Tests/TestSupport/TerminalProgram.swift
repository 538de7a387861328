import Foundation

/// Whether a process runs: what has ended and was not waited for does not.
public func isRunning(_ process: Int) -> Bool {
    guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/stat") else {
        return false
    }
    let text = String(decoding: bytes, as: UTF8.self)
    let rest = text[(text.lastIndex(of: ")") ?? text.startIndex)...]
    return rest.dropFirst(2).first != "Z"
}

/// A program on a pseudo-terminal of its own, by `script` of Debian's bsdutils.
public final class TerminalProgram {
    private let process = Process()
    private let keyboard = Pipe()
    private let folder: TemporaryFolder

    /// What was waited for and did not come.
    public struct Missing: Error {
        /// The text, and what stands on the screen.
        public let message: String
    }

    /// Starts a shell's command line there, in the repository's top folder.
    ///
    /// - Throws: when the program cannot be started.
    public init(_ line: String) throws {
        folder = try TemporaryFolder()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["--default-signal", "script", "-qefc", line, "/dev/null"]
        process.currentDirectoryURL = RepositoryFiles.root
        var environment = ProcessInfo.processInfo.environment
        environment["TERM"] = "xterm"
        // `script` starts this shell. Bash goes on with the line after a program that Ctrl-C ended
        // in good order; Debian's `sh`, which `script` takes without a SHELL, ends with it.
        environment["SHELL"] = "/bin/bash"
        process.environment = environment
        process.standardInput = keyboard
        process.standardOutput = try folder.handle("screen")
        process.standardError = FileHandle.nullDevice
        try process.runBound()
    }

    /// What stands on the screen.
    public var screen: String {
        let data = FileManager.default.contents(atPath: folder.path("screen")) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }

    /// Types.
    ///
    /// - Throws: when the terminal is gone.
    public func type(_ text: String) throws {
        try keyboard.fileHandleForWriting.write(contentsOf: Data(text.utf8))
    }

    /// Waits until the screen shows a text, at most 30 seconds.
    ///
    /// - Throws: `Missing`.
    public func wait(for text: String) throws {
        let deadline = Date(timeIntervalSinceNow: 30)
        while Date() < deadline {
            if screen.contains(text) { return }
            Thread.sleep(forTimeInterval: 0.05)
        }
        throw Missing(message: "`\(text)` did not come: \(screen)")
    }

    /// Waits for its end, and returns its status.
    public func end() -> Int32 {
        process.waitUntilExit()
        let status = process.terminationStatus
        folder.remove()
        return status
    }
}
