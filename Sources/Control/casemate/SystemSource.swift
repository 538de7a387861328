import ArgumentParser
import FoundationEssentials
import PolicyChecks
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

    /// The path as it may be shown: without what would move a terminal's cursor.
    var shownPath: String { DiagnosticRenderer.harmless(path) }

    /// The file itself, behind every symbolic link.
    var realFile: URL { SystemSource.realFile(path) }

    /// Shows diagnostics with the path that the author gave.
    var renderer: DiagnosticRenderer { DiagnosticRenderer(source: file, shownName: path) }

    /// Shows diagnostics about the source and about the modules that it imports.
    func renderer(of result: CheckResult) -> DiagnosticRenderer {
        DiagnosticRenderer(source: file, shownName: path, modules: result.modules)
    }

    /// Runs all stages from text to proof, with the modules of the system's folder.
    func check(strict: Bool = false) -> CheckResult {
        CheckResult.check(file, strict: strict) { module(named: $0) }
    }

    /// Returns a file of the system's folder; nil when it cannot be read.
    private func module(named name: String) -> SourceFile? {
        let bytes = SystemSource.contents("\(folder)/\(name)")
        return bytes.map { SourceFile(name: name, bytes: $0) }
    }

    /// Returns the content of an ordinary file that is not too large; nil for anything else.
    private static func contents(_ path: String) -> [UInt8]? {
        let attributes = try? FileManager.default.attributesOfItem(
            atPath: realFile(path).path(percentEncoded: false))
        guard let attributes, attributes[.type] as? FileAttributeType == .typeRegular,
            let size = attributes[.size] as? any BinaryInteger,
            UInt64(clamping: size) <= UInt64(SourceFile.largestSizeInBytes),
            let data = FileManager.default.contents(atPath: path)
        else { return nil }
        return [UInt8](data)
    }

    /// Reads a system's source.
    ///
    /// - Parameter system: the file, or the folder that holds `system.casemate`.
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error, when
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

    private static func realFile(_ path: String) -> URL {
        URL(filePath: path).resolvingSymlinksInPath()
    }

    private static func readFile(_ path: String) throws -> [UInt8] {
        let attributes = try? FileManager.default.attributesOfItem(
            atPath: realFile(path).path(percentEncoded: false))
        guard let attributes else { throw refuse(path, "it cannot be read") }
        guard attributes[.type] as? FileAttributeType == .typeRegular else {
            throw refuse(path, "it is not an ordinary file")
        }
        guard let size = attributes[.size] as? any BinaryInteger else {
            throw refuse(path, "it has no size")
        }
        guard UInt64(clamping: size) <= UInt64(SourceFile.largestSizeInBytes) else {
            let bounds = "it has \(size) bytes; a source has at most"
            throw refuse(path, "\(bounds) \(SourceFile.largestSizeInBytes)")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw refuse(path, "it cannot be read")
        }
        return [UInt8](data)
    }

    private static func refuse(_ path: String, _ reason: String) -> ExitCode {
        StandardError.write("casemate: `\(DiagnosticRenderer.harmless(path))`: \(reason)\n")
        return ExitStatus.inputOutput
    }
}
