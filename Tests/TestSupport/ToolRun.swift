public import Foundation

/// One run of a program in the repository's top folder, from start to end.
public struct ToolRun {
    /// The exit status; -1 when a signal ended the program.
    public let status: Int32
    /// What it wrote to standard output.
    public let output: String
    /// What it wrote to standard error.
    public let errors: String

    /// Runs `program` and waits for its end.
    ///
    /// Output goes to files: a pipe that nobody empties would stop a run that says much.
    ///
    /// - Parameters:
    ///   - program: a path, relative to the repository's top or absolute.
    ///   - programsFolder: where programs are looked for before PATH.
    /// - Throws: when the program cannot be started, or its output is not UTF-8.
    public init(
        _ program: String, _ arguments: [String], programsIn programsFolder: String? = nil
    ) throws {
        var environment = ProcessInfo.processInfo.environment
        if let programsFolder {
            environment["PATH"] = programsFolder + ":" + (environment["PATH"] ?? "")
        }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let process = Process()
        process.environment = environment
        process.executableURL = URL(filePath: program, relativeTo: RepositoryFiles.root)
        process.arguments = arguments
        process.currentDirectoryURL = RepositoryFiles.root
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try folder.handle("output")
        process.standardError = try folder.handle("errors")
        try process.runBound()
        process.waitUntilExit()
        status = process.terminationReason == .exit ? process.terminationStatus : -1
        output = try String(contentsOf: folder.url("output"), encoding: .utf8)
        errors = try String(contentsOf: folder.url("errors"), encoding: .utf8)
    }
}

/// A folder of its own for one test.
public struct TemporaryFolder {
    private let folder: URL

    /// - Throws: what `FileManager` throws when it cannot be made.
    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "casemate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// The folder's path, or that of a file in it.
    public func path(_ name: String = "") -> String { url(name).path(percentEncoded: false) }

    /// The folder's address, or that of a file in it.
    public func url(_ name: String) -> URL { name.isEmpty ? folder : folder.appending(path: name) }

    /// Writes a file into the folder, and returns its path.
    ///
    /// - Throws: what `Data` throws when it cannot be written.
    public func write(_ text: String, to name: String) throws -> String {
        try write([UInt8](text.utf8), to: name)
    }

    /// Writes a file into the folder, and returns its path.
    ///
    /// - Throws: what `Data` throws when it cannot be written.
    public func write(_ bytes: [UInt8], to name: String) throws -> String {
        try Data(bytes).write(to: url(name))
        return path(name)
    }

    /// Writes a program into the folder, and returns its path.
    ///
    /// Another process makes it: what this one has open for writing, a child that some other test
    /// is starting has open, too, for a moment, and Linux runs no program that anybody writes to.
    ///
    /// - Throws: what `ToolRun` throws; `CocoaError` when it cannot be written.
    public func writeProgram(_ text: String, to name: String) throws -> String {
        let draft = try write(text, to: name + ".draft")
        defer { try? FileManager.default.removeItem(atPath: draft) }
        let run = try ToolRun("/usr/bin/install", ["-m", "755", draft, path(name)])
        guard run.status == 0 else { throw CocoaError(.fileWriteUnknown) }
        return path(name)
    }

    /// Opens a new, empty file of the folder for writing.
    ///
    /// - Throws: what `Data` or `FileHandle` throws.
    public func handle(_ name: String) throws -> FileHandle {
        try Data().write(to: url(name))
        return try FileHandle(forWritingTo: url(name))
    }

    /// Removes the folder with what is in it.
    public func remove() { try? FileManager.default.removeItem(at: folder) }
}
