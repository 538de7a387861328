public import PolicySemantics
public import PolicySyntax

/// What stock Xen leaves open of a system that is built for it: warnings, each about a statement.
public enum XenOpenPoints {
    /// Returns what is not enforced, in the order of the source's statements.
    ///
    /// - Parameter policy: a system that is aimed at Xen.
    public static func warnings(_ policy: SystemPolicy) -> [Diagnostic] {
        let place =
            policy.further.targets.first { $0.target == .xen }?.source ?? policy.source
        var found = [
            warning("that the first domain keeps apart what it serves: it is trusted", at: place),
            warning("access to xenstore, where domains find each other", at: place),
            warning(
                "the certificate: `casemate` has proved the claims, Xen asks for none", at: place),
        ]
        for channel in policy.channels where channel.kind == .ring {
            found.append(
                warning("how many pages `\(channel.name)` has", at: channel.source))
        }
        var seen: [SystemPolicy.Edge] = []
        for channel in policy.channels {
            let ends = SystemPolicy.Edge(
                from: min(channel.from, channel.to), to: max(channel.from, channel.to))
            if seen.contains(ends) {
                found.append(
                    warning(
                        "which channel of its two compartments `\(channel.name)` is",
                        at: channel.source))
            }
            seen.append(ends)
        }
        return found
    }

    private static func warning(_ what: String, at source: SourceSpan) -> Diagnostic {
        Diagnostic(
            .targetOpen, .warning, at: source, "NOT ENFORCED by the target `xen`: \(what)")
    }
}
