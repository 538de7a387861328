import ArgumentParser
import FoundationEssentials
import PolicyChecks
import VirtualHardware

/// `casemate graph`: a drawing of a system.
struct Graph: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw a system: levels as bands, exemptions marked.",
        discussion: """
            Writes the graph in Graphviz's language to standard output, or with --output a \
            drawing as SVG, which the program `dot` of Debian's package graphviz makes. Services \
            are cylinders; exempt compartments have a red double border, what an exemption lets \
            pass is red and dashed, what breaks a rule is red and thick.

            EXIT STATUS
              0   the drawing was written
              1   the source has errors of form or of names
              64  the command line is wrong
              74  the source could not be read, the drawing not be written, or `dot` is missing
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Option(name: [.short, .long], help: "The SVG file to write.")
    var output: String?

    func run() throws {
        let (policy, _, _) = try CompartmentName.policy(of: system)
        let text = FlowDrawing(of: policy).text
        guard let output else {
            print(text, terminator: "")
            return
        }
        let source = output + ".dot"
        let part = output + ".part"
        defer {
            for path in [source, part] { try? FileManager.default.removeItem(atPath: path) }
        }
        do {
            try Data(text.utf8).write(to: URL(filePath: source), options: .atomic)
        } catch {
            throw Files.fail(output, "it cannot be written")
        }
        guard try draw(source, to: part) == 0 else {
            throw Files.fail(output, "`dot` did not draw it")
        }
        do {
            let drawing = try Data(contentsOf: URL(filePath: part))
            try drawing.write(to: URL(filePath: output), options: .atomic)
        } catch {
            throw Files.fail(output, "it cannot be written")
        }
    }

    /// Runs `dot`, and returns its exit status; nil when it does not end.
    private func draw(_ source: String, to file: String) throws -> Int32? {
        do throws(VirtualHardwareError) {
            let dot = try ChildProcess(
                "dot", ["-Tsvg", source], outputPath: file, diesWithThread: false)
            return dot.wait(timeoutInMilliseconds: 60_000)
        } catch {
            throw Files.fail("dot", "it cannot be started; Debian's package is graphviz")
        }
    }
}
