import Foundation

/// What the shell itself says about a script.
enum ShellScript {
    /// Whether `bash -n` reads the whole script without an error.
    static func isWellFormed(_ text: String) throws -> Bool {
        let bash = Process()
        bash.executableURL = URL(filePath: "/bin/bash")
        bash.arguments = ["-n", "-c", text]
        bash.standardError = FileHandle.nullDevice
        bash.standardInput = FileHandle.nullDevice
        try bash.run()
        bash.waitUntilExit()
        return bash.terminationStatus == 0
    }
}
