import ArgumentParser
import FoundationEssentials
import PolicySyntax

/// Reads the source of the system that the command line names.
struct SystemSource {
    /// The name of a system's source in its folder.
    static let fileName = "system.casemate"

    /// The path of the file, as the author gave it.
    let path: String
    /// Its content; named by the file's own name, as the manifest wants it.
    let file: SourceFile

    /// The folder of the system, which holds the files that the source names.
    var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Shows diagnostics with the path that the author gave.
    var renderer: DiagnosticRenderer { DiagnosticRenderer(source: file, shownName: path) }

    /// Reads a system's source.
    ///
    /// - Parameter system: the file, or the folder that holds `system.casemate`.
    /// - Throws: `ExitStatus.unreadable`, after the reason was written to standard error, when
    ///   there is no such file, or it is no ordinary file, cannot be read, or is too large.
    static func read(_ system: String) throws -> SystemSource {
        var path = system
        var isFolder = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw refuse(path, "there is no such file or folder")
        }
        if isFolder {
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            path += path == "/" ? fileName : "/\(fileName)"
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                throw refuse(path, "the folder holds no `\(fileName)`")
            }
        }
        return SystemSource(
            path: path, file: SourceFile(name: lastComponent(path), bytes: try readFile(path)))
    }

    private static func lastComponent(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    private static func readFile(_ path: String) throws -> [UInt8] {
        let real = URL(filePath: path).resolvingSymlinksInPath().path()
        let attributes = try? FileManager.default.attributesOfItem(atPath: real)
        guard let attributes else { throw refuse(path, "it cannot be read") }
        guard attributes[.type] as? FileAttributeType == .typeRegular else {
            throw refuse(path, "it is not an ordinary file")
        }
        if let size = attributes[.size] as? UInt64, size > SourceFile.largestSizeInBytes {
            throw refuse(
                path,
                "it has \(size) bytes; a source has at most "
                    + "\(SourceFile.largestSizeInBytes)")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw refuse(path, "it cannot be read")
        }
        return [UInt8](data)
    }

    private static func refuse(_ path: String, _ reason: String) -> ExitCode {
        StandardError.write("casemate: `\(path)`: \(reason)\n")
        return ExitStatus.unreadable
    }
}
