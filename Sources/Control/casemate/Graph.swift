import ArgumentParser
import FoundationEssentials
import PolicyChecks
import SystemImage
import VirtualHardware

/// `casemate graph`: a drawing of a system.
struct Graph: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph",
        abstract: "Draw a system: levels as bands, exemptions marked.",
        discussion: """
            Writes the graph in Graphviz's language to standard output, or with --output a \
            drawing as SVG, which the program `dot` of Debian's package graphviz makes. Each \
            sensitivity is a band, the lowest at the bottom; a compartment stands in that of its \
            high level. Services are cylinders; exempt compartments have a red double border, \
            what an exemption lets pass is red and dashed, what breaks a rule is red and thick.

            EXIT STATUS
              0   the drawing was written
              1   the source has errors of form or of names
              64  the command line is wrong
              74  the source could not be read, the drawing not be written, or `dot` is missing

            EXAMPLE
              casemate graph policy/systems/guard --output guard.svg
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Option(
        name: [.short, .long], help: "The SVG file to write.",
        completion: .file(extensions: ["svg"]))
    var output: String?

    func run() throws {
        let (policy, _, _) = try CompartmentName.policy(of: system)
        let text = FlowDrawing(of: policy).text
        guard let output else { return try StandardOutput.write(text) }
        TerminationSignals.hold()
        let drawing: [UInt8]
        do throws(VirtualHardwareError) {
            let folder = try makeTemporaryDirectory()
            defer { removeTemporaryDirectory(folder) }
            drawing = try draw(text, in: folder)
        } catch {
            throw Files.fail(output, error.message)
        }
        guard !drawing.isEmpty else { throw Files.fail(output, "`dot` did not draw it") }
        try Files.write(drawing, to: output)
    }

    /// Runs `dot`, and returns its drawing; nothing when it fails or does not end.
    private func draw(_ text: String, in folder: String) throws(VirtualHardwareError) -> [UInt8] {
        let (source, result) = (folder + "/graph.dot", folder + "/graph.svg")
        guard FileManager.default.createFile(atPath: source, contents: Data(text.utf8)) else {
            return []
        }
        let dot: ChildProcess
        do throws(VirtualHardwareError) {
            dot = try ChildProcess(
                "dot", ["-Tsvg", source], outputPath: result)
        } catch {
            StandardError.write("casemate: `dot` draws; it is in Debian's package graphviz\n")
            throw error
        }
        guard dot.wait(timeoutInMilliseconds: 60_000) == 0 else { return [] }
        return FileManager.default.contents(atPath: result).map { [UInt8]($0) } ?? []
    }
}
