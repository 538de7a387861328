extension SystemPolicy {
    /// Returns the system for another of the targets that its source lists; nil: it does not list
    /// that one.
    public func aimed(at wanted: Target) -> SystemPolicy? {
        guard let statement = further.targets.first(where: { $0.target == wanted }) else {
            return nil
        }
        var other = further
        other.targetVersion = statement.version
        return SystemPolicy(
            name: name, version: version, target: wanted, sensitivities: sensitivities,
            categories: categories, compartments: compartments, channels: channels,
            assertions: assertions, further: other, source: source)
    }

    /// Returns the system with one more channel, which becomes its last; whatever refers to links
    /// still means the same.
    package func adding(_ channel: Channel) -> SystemPolicy {
        let first = channels.count
        func moved(_ link: Int) -> Int { link < first ? link : link + 1 }
        var more = further
        more.exemptions = further.exemptions.map {
            Exemption(
                subject: $0.subject, from: moved($0.from), to: moved($0.to), reason: $0.reason,
                source: $0.source)
        }
        let claims = assertions.map { assertion in
            guard case .control(let through) = assertion.claim else { return assertion }
            return Assertion(
                claim: .control(through: through.map(moved)), from: assertion.from,
                to: assertion.to, source: assertion.source)
        }
        return with(channels: channels + [channel], assertions: claims, further: more)
    }

    /// Returns the system with more exemptions.
    package func adding(_ exemptions: [Exemption]) -> SystemPolicy {
        var more = further
        more.exemptions += exemptions
        return with(channels: channels, assertions: assertions, further: more)
    }

    private func with(
        channels: [Channel], assertions: [Assertion], further: Further
    ) -> SystemPolicy {
        SystemPolicy(
            name: name, version: version, target: target, sensitivities: sensitivities,
            categories: categories, compartments: compartments, channels: channels,
            assertions: assertions, further: further, source: source)
    }
}
