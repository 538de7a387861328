import Foundation
import TestSupport

/// One run of the `casemate` that was built together with the tests.
struct Command {
    let status: Int32
    let output: String
    let errors: String

    /// Runs `casemate` in the repository's top folder, and waits for its end.
    ///
    /// - Parameter folder: where programs are looked for before PATH.
    init(_ arguments: String..., programsIn folder: String? = nil) throws {
        try self.init(arguments: arguments, programsIn: folder)
    }

    /// The program.
    static let program = URL(filePath: CommandLine.arguments[0])
        .deletingLastPathComponent().appending(path: "casemate")

    /// Starts `casemate`, and does not wait for it; what it says is lost.
    static func start(_ arguments: String...) throws -> Process {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.runBound()
        return process
    }

    /// The same with the arguments in an array.
    init(arguments: [String], programsIn folder: String?) throws {
        let program = Command.program
        let run = try ToolRun(
            program.path(percentEncoded: false), arguments, programsIn: folder)
        (status, output, errors) = (run.status, run.output, run.errors)
    }
}
