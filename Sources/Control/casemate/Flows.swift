import ArgumentParser
import PolicyChecks
import PolicySemantics

/// `casemate flows`: which compartment's information comes to which other, and how.
struct Flows: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List which compartment's information comes to which other.",
        discussion: """
            Lists every flow, direct or by a chain, whether or not the system is proved. With \
            --from or --to only those of one compartment.

            EXIT STATUS
              0   the list is complete
              1   the source has errors of form or of names
              64  the command line is wrong
              74  the source could not be read
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

    func run() throws {
        let (policy, result, renderer) = try CompartmentName.policy(of: system)
        let sources = try from.map {
            CompartmentSet(index: try CompartmentName.resolve($0, in: policy))
        }
        let targets = try to.map {
            CompartmentSet(index: try CompartmentName.resolve($0, in: policy))
        }
        guard let report = result.report else { return }
        print(report.flowsText(renderer, from: sources, to: targets), terminator: "")
    }
}
