import ArgumentParser
import PolicyChecks
import PolicySemantics
import PolicySyntax

/// `casemate flows`: which compartment's information comes to which other, and how.
struct Flows: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "List which compartment's information comes to which other.",
        discussion: """
            Lists every flow, direct or by a chain, whether or not the system is proved. With \
            --from or --to only those of one compartment.

            EXIT STATUS
              0   the list is complete
              1   the source has errors of form or of names
              64  the command line is wrong, or a compartment is unknown
              74  the source could not be read

            EXAMPLE
              casemate flows policy/systems/guard --to black_net
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Option(help: "Only flows from this compartment.")
    var from: String?

    @Option(help: "Only flows to this compartment.")
    var to: String?

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let (policy, result, renderer) = try CompartmentName.policy(of: system, json: json)
        let sources = try from.map {
            CompartmentSet(index: try CompartmentName.resolve($0, in: policy))
        }
        let targets = try to.map {
            CompartmentSet(index: try CompartmentName.resolve($0, in: policy))
        }
        guard let report = result.report else { return }
        guard json else {
            return try StandardOutput.write(
                report.flowsText(renderer, from: sources, to: targets))
        }
        let document = JSONValue.object([
            ("format", .string("casemate-flows-1")), ("system", .string(policy.name)),
            ("flows", report.flowsJSON(renderer, from: sources, to: targets)),
        ])
        try StandardOutput.write(document.text)
    }
}
