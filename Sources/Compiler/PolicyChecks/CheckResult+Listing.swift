import PolicySemantics
import PolicySyntax

extension CheckResult {
    /// The proof as lines: each rule and how often it is broken, each compartment with those that
    /// its information goes to directly and comes to by any number of steps, and the assertions'
    /// verdicts. Empty when names could not be resolved.
    ///
    /// - Source: docs/commands.md, the stage `check`.
    public var listing: String {
        guard let policy, let report else { return "" }
        let graph = FlowGraph(of: policy)
        var lines = PolicyCheck.all.map { check in
            let found = check.violations(policy, graph)
            let errors = found.count { $0.severity == .error }
            let verdict =
                errors > 0
                ? "broken \(errors)" : found.isEmpty ? "kept" : "kept, warnings \(found.count)"
            return "rule \(check.code.id) \(verdict)"
        }
        let names = policy.compartments.map(\.name)
        for (index, name) in names.enumerated() {
            for (word, row) in [("direct", graph.direct[index]), ("reach", graph.reach[index])] {
                let others = row.removing(index).indices.map { names[$0] }
                lines.append(
                    "\(word) \(name): " + (others.isEmpty ? "-" : others.joined(separator: ",")))
            }
        }
        lines += zip(policy.assertions, report.verdicts).enumerated().map { index, pair in
            "assertion \(index) \(pair.1.word): \(policy.describe(pair.0))"
        }
        lines += report.residual.map {
            "residual \($0.kind.rawValue) \($0.isBounded ? "bounded" : "unbounded"): \($0.parties)"
        }
        lines.append(proved == nil ? "refuted" : "proved")
        return lines.map { $0 + "\n" }.joined()
    }
}
