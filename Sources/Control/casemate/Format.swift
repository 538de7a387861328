import ArgumentParser
import FoundationEssentials
import PolicySyntax

/// `casemate format`: brings a source into the one canonical form.
struct Format: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a system's source into its canonical form.",
        discussion: """
            Rewrites the source with one layout: four blanks of indentation, one blank between \
            words, one statement on a line. Comments and single blank lines stay. A source with \
            errors of form is not touched. Formatting never changes what a source says.

            EXIT STATUS
              0  the source is, or with --check was already, in canonical form
              1  the source has errors of form, or with --check another layout
              2  the source could not be read or written
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Flag(help: "Write nothing; say by the exit status whether the layout is canonical.")
    var check = false

    func run() throws {
        let source = try SystemSource.read(system)
        let result = Parser.parse(source.file)
        for diagnostic in result.diagnostics {
            StandardError.write(source.renderer.text(diagnostic))
        }
        guard !result.diagnostics.refuse else { throw ExitStatus.refused }
        let text = Array(Printer.text(of: result.tree).utf8)
        guard text != source.file.bytes else { return }
        guard !check else {
            StandardError.write("casemate: `\(source.shownPath)`: the layout is not canonical\n")
            throw ExitStatus.refused
        }
        do {
            try replace(source.realFile, with: Data(text))
        } catch {
            StandardError.write("casemate: `\(source.shownPath)`: it cannot be written\n")
            throw ExitStatus.unreadable
        }
    }

    /// Replaces a file's content whole or not at all; the file keeps its mode.
    private func replace(_ file: URL, with content: Data) throws {
        let path = file.path(percentEncoded: false)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        try content.write(to: file, options: .atomic)
        guard let mode else { return }
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
}
