import ArgumentParser
import FoundationEssentials
import PolicySyntax

/// `casemate format`: brings a source into the one canonical form.
struct Format: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "format",
        abstract: "Bring a system's source into its canonical form.",
        discussion: """
            Rewrites the source with one layout: four blanks of indentation, one blank between \
            words, one statement on a line. Comments and single blank lines stay. A source with \
            errors of form is not touched. Formatting never changes what a source says.

            EXIT STATUS
              0   the source is, or with --check was already, in canonical form
              1   the source has errors of form, or with --check another layout
              64  the command line is wrong
              74  the source could not be read or written

            EXAMPLE
              casemate format --check policy/systems/guard
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
        Diagnostics.show(result.diagnostics, source.renderer)
        guard !result.diagnostics.refuse else { throw ExitStatus.refused }
        let text = Array(Printer.text(of: result.tree).utf8)
        guard text != source.file.bytes else { return }
        guard !check else {
            StandardError.write("casemate: `\(source.shownPath)`: the layout is not canonical\n")
            throw ExitStatus.refused
        }
        // A link stays a link: the file behind it is replaced.
        let path = source.realFile.path(percentEncoded: false)
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let mode = attributes?[.posixPermissions] as? any BinaryInteger
        try Files.write(text, to: path, mode: mode.map { Int(clamping: $0) })
    }
}
