public import Foundation

/// The repository that the tests were built from.
public enum RepositoryFiles {
    /// The repository's top folder.
    public static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Returns the files of a folder whose names end with `suffix`, by name.
    ///
    /// - Parameter folder: relative to `root`.
    /// - Throws: what `FileManager` throws when the folder cannot be read.
    public static func files(in folder: String, suffix: String) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: root.appending(path: folder), includingPropertiesForKeys: nil
        )
        .filter { $0.lastPathComponent.hasSuffix(suffix) }
        .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// Returns the bytes of a file.
    ///
    /// - Throws: what `Data` throws when the file cannot be read.
    public static func bytes(of file: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: file)) }

    /// Whether golden files are to be written instead of compared: `CASEMATE_UPDATE_GOLDEN=1`.
    public static let updatesGolden =
        ProcessInfo.processInfo.environment["CASEMATE_UPDATE_GOLDEN"] == "1"

    /// Returns the content of a golden file, after writing `text` to it when that was asked for.
    ///
    /// - Throws: what `String` throws when the file cannot be read or written.
    public static func golden(_ file: URL, becoming text: String) throws -> String {
        if updatesGolden { try text.write(to: file, atomically: true, encoding: .utf8) }
        return try String(contentsOf: file, encoding: .utf8)
    }
}
