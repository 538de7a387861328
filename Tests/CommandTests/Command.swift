import Foundation
import TestSupport

/// One run of the `casemate` that was built together with the tests.
struct Command {
    let status: Int32
    let output: String
    let errors: String

    /// Runs `casemate` in the repository's top folder, and waits for its end.
    ///
    /// Output goes to files: a pipe that nobody empties would stop a run that says much.
    ///
    /// - Parameter folder: where programs are looked for before PATH.
    init(_ arguments: String..., programsIn folder: String? = nil) throws {
        var environment = ProcessInfo.processInfo.environment
        if let folder { environment["PATH"] = folder + ":" + (environment["PATH"] ?? "") }
        let scratch = try TemporaryFolder()
        defer { scratch.remove() }
        let process = Process()
        process.environment = environment
        process.executableURL = URL(filePath: CommandLine.arguments[0])
            .deletingLastPathComponent().appending(path: "casemate")
        process.arguments = arguments
        process.currentDirectoryURL = RepositoryFiles.root
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try scratch.handle("output")
        process.standardError = try scratch.handle("errors")
        try process.run()
        process.waitUntilExit()
        status = process.terminationReason == .exit ? process.terminationStatus : -1
        output = try String(contentsOf: scratch.url("output"), encoding: .utf8)
        errors = try String(contentsOf: scratch.url("errors"), encoding: .utf8)
    }
}

/// A folder of its own for one test.
struct TemporaryFolder {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "casemate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// The folder's path, or that of a file in it.
    func path(_ name: String = "") -> String { url(name).path(percentEncoded: false) }

    func url(_ name: String) -> URL { name.isEmpty ? folder : folder.appending(path: name) }

    /// Writes a file into the folder, and returns its path.
    func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: url(name))
        return path(name)
    }

    func handle(_ name: String) throws -> FileHandle {
        try Data().write(to: url(name))
        return try FileHandle(forWritingTo: url(name))
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }
}
