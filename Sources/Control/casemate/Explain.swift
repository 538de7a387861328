import ArgumentParser
import PolicyChecks

/// `casemate explain`: why information of one compartment comes to another, or why not.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say why something flows or not, and what would change it.",
        discussion: """
            When information of FROM comes to TO, shows a shortest chain with its source lines, \
            and the fewest statements to remove so that nothing comes. When nothing comes, says \
            what forbids it, the smallest edit that would let it come, what else that edit would \
            let flow, and which rules and assertions it would break. A system that is refused \
            can be explained too.

            EXIT STATUS
              0   information of FROM comes to TO
              1   it does not, or the source has errors
              64  the command line is wrong
              74  the source could not be read

            EXAMPLE
              casemate explain policy/systems/guard red_app black_net
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Argument(help: "The compartment whose information it is.")
    var from: String

    @Argument(help: "The compartment that it may come to.")
    var to: String

    func run() throws {
        let (policy, _, renderer) = try CompartmentName.policy(of: system)
        let source = try CompartmentName.resolve(from, in: policy)
        let target = try CompartmentName.resolve(to, in: policy)
        guard source != target else {
            throw ValidationError("a compartment's own information always comes to itself")
        }
        let explanation = FlowExplanation(of: policy, from: source, to: target)
        print(explanation.text(renderer), terminator: "")
        if explanation.chain == nil { throw ExitStatus.refused }
    }
}
