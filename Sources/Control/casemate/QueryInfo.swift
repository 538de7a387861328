import ArgumentParser
import PolicyAnalysis
import PolicySyntax

/// `casemate query info`: what a policy consists of.
struct QueryInfo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Count or list what a policy consists of.",
        discussion: """
            Without a component it counts everything, as seinfo counts it. With one it lists \
            names; with --expand it shows statements.

            COMPONENTS
              \(PolicyComponent.allCases.map(\.rawValue).joined(separator: " "))

            EXIT STATUS
              0   the question was answered
              1   the policy or the question is refused
              64  the command line is wrong
              74  the policy could not be read

            EXAMPLE
              casemate query info policy.33 --list types --name httpd_t --expand
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var policy: String

    @Option(name: .customLong("list"), help: "A component; may be repeated.")
    var components: [PolicyComponent] = []

    @Option(help: "Only what has this name.")
    var name: String?

    @Flag(name: [.customShort("x"), .long], help: "Show statements instead of names.")
    var expand = false

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        if components.isEmpty {
            let summary = PolicySummary(policy)
            return try StandardOutput.write(json ? summary.json.text : summary.text)
        }
        let lists = components.map { component in
            expand
                ? policy.statements(component, named: name) : policy.names(component, named: name)
        }
        if json {
            let members = zip(components, lists).map { component, list in
                (component.rawValue, JSONValue.array(list.map { .string($0) }))
            }
            return try StandardOutput.write(JSONValue.object(members).text)
        }
        var text = ""
        for (component, list) in zip(components, lists) {
            text += "\(component.rawValue): \(list.count)\n"
            for item in list { text += "   \(item)\n" }
        }
        try StandardOutput.write(text)
    }
}

extension PolicyComponent: ExpressibleByArgument {}
