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

    /// The same with the arguments in an array.
    init(arguments: [String], programsIn folder: String?) throws {
        let program = URL(filePath: CommandLine.arguments[0])
            .deletingLastPathComponent().appending(path: "casemate")
        let run = try ToolRun(
            program.path(percentEncoded: false), arguments, programsIn: folder)
        (status, output, errors) = (run.status, run.output, run.errors)
    }
}
