import PolicySyntax
import SecurityLattice

/// One channel of a `channel` statement, which stands for several when an end is `each(…)`.
struct ChannelInstance {
    let name: Located<String>
    let from: Located<String>
    let to: Located<String>
    let syntax: ChannelSyntax
}

// MARK: - Sets of compartments

extension Resolver {
    /// Returns the service that a statement declares; nil for a compartment, or after an error.
    mutating func resolveService(_ syntax: CompartmentSyntax) -> SystemPolicy.Service? {
        guard syntax.isService else { return nil }
        if let service = SystemPolicy.Service(rawValue: syntax.name.value) { return service }
        let known = SystemPolicy.Service.allCases.map(\.rawValue)
        report(
            .unknownService, at: syntax.name.span,
            "the service `\(syntax.name.value)` is unknown",
            help: Suggestion.help(for: syntax.name.value, among: known)
                ?? "services are \(known.map { "`\($0)`" }.joined(separator: ", "))")
        return nil
    }

    /// Returns the compartment of a name; nil after an error.
    mutating func resolveEnd(_ name: Located<String>) -> Int? {
        if let index = compartments.indices[name.value] { return index }
        report(
            .unknownCompartment, at: name.span, "the compartment `\(name.value)` is unknown",
            help: levels.indices[name.value] != nil
                ? "`\(name.value)` is a level; a compartment is wanted here"
                : Suggestion.help(for: name.value, among: compartments.all))
        return nil
    }

    /// Returns the compartments of a list of names; those that are unknown are reported.
    mutating func resolveCompartments(_ names: [Located<String>]) -> CompartmentSet {
        var set = CompartmentSet()
        for name in names {
            if let index = resolveEnd(name) { set.insert(index) }
        }
        return set
    }

    /// Returns the names that an end stands for, where the end stands.
    mutating func names(of end: EndSyntax) -> [Located<String>] {
        switch end {
        case .name(let name): return [name]
        case .each(let set): return names(in: set)
        }
    }

    private mutating func names(in set: SetSyntax) -> [Located<String>] {
        let found: [String]
        if let names = set.names {
            found = names.filter { resolveEnd($0) != nil }.map(\.value)
        } else {
            let left = resolveCompartments(set.except)
            let level = set.level.map { resolveLevel($0) }
            found = compartments.declared.indices.filter { index in
                guard index < services.count, !isService[index], !left.contains(index) else {
                    return false
                }
                guard let level else { return true }
                guard let level, let range = ranges[index] else { return false }
                return level.isHeld(in: range)
            }
            .map { compartments.declared[$0].value }
        }
        if found.isEmpty {
            report(
                .emptySet, at: set.span, "`\(set.text)` is no compartment",
                help: "name those that are meant, or remove the statement")
        }
        return found.map { Located($0, at: set.span) }
    }
}

// MARK: - Channels

extension Resolver {
    /// Returns the channels that a statement declares: one, or one for each of a set.
    mutating func expand(_ syntax: ChannelSyntax) -> [ChannelInstance] {
        let senders = names(of: syntax.from)
        let receivers = names(of: syntax.to)
        var instances: [ChannelInstance] = []
        for from in senders {
            for to in receivers {
                var name = syntax.name.value
                if case .each = syntax.from { name += "_\(from.value)" }
                if case .each = syntax.to { name += "_\(to.value)" }
                let isSet = name != syntax.name.value
                if isSet, from.value == to.value { continue }
                if name.utf8.count > SystemLimits.nameBytes {
                    report(
                        .longExpandedName, at: syntax.name.span,
                        "the name `\(name)` of a channel is too long",
                        help: "use at most \(SystemLimits.nameBytes) characters")
                    return []
                }
                instances.append(
                    ChannelInstance(
                        name: Located(name, at: syntax.name.span), from: from, to: to,
                        syntax: syntax))
            }
        }
        return instances
    }

    /// Resolves a channel; nil after an error.
    mutating func resolve(_ instance: ChannelInstance) -> SystemPolicy.Channel? {
        let syntax = instance.syntax
        let from = resolveEnd(instance.from)
        let to = resolveEnd(instance.to)
        let kind = SystemPolicy.Channel.Kind(rawValue: syntax.kind.value)
        if kind == nil {
            let known = SystemPolicy.Channel.Kind.allCases.map(\.rawValue)
            report(
                .unknownChannelKind, at: syntax.kind.span,
                "the kind `\(syntax.kind.value)` of a channel is unknown",
                help: Suggestion.help(for: syntax.kind.value, among: known)
                    ?? "kinds are \(known.map { "`\($0)`" }.joined(separator: ", "))")
        }
        if let rate = syntax.rate { checkBounds(rate, 1...1_000_000_000, "a rate") }
        guard let from, let to, let kind, let pages = resolvePages(syntax, kind) else { return nil }
        guard from != to else {
            report(
                .channelToItself, at: instance.to.span,
                "the channel `\(instance.name.value)` joins `\(instance.from.value)` to itself")
            return nil
        }
        return SystemPolicy.Channel(
            name: instance.name.value, from: from, to: to, isTwoWay: syntax.isTwoWay, kind: kind,
            pages: pages, ratePerSecond: syntax.rate?.value, source: syntax.name.span)
    }

    /// Returns the pages of a ring, 0 for another kind; nil after an error.
    private mutating func resolvePages(
        _ syntax: ChannelSyntax, _ kind: SystemPolicy.Channel.Kind
    ) -> UInt32? {
        guard kind == .ring else {
            guard let pages = syntax.pages else { return 0 }
            report(
                .pagesOfRing, at: pages.span, "a channel of kind `\(kind.rawValue)` has no pages",
                help: "write the kind alone")
            return nil
        }
        guard let pages = syntax.pages else {
            report(
                .pagesOfRing, at: syntax.kind.span, "the ring has no size",
                help: "write `ring NUMBER pages`")
            return nil
        }
        checkBounds(pages, 1...256, "a ring's number of pages")
        return UInt32(exactly: pages.value)
    }
}

// MARK: - Exemptions and conflicts

extension Resolver {
    /// Resolves a reference to links; empty after an error.
    mutating func resolveLinks(_ syntax: LinkSyntax) -> [Int] {
        let suffix = syntax.service.map { ".\($0.value)" } ?? ""
        var found: [Int] = []
        if syntax.service == nil, case .each = syntax.name {
            report(
                .unknownLink, at: syntax.span, "`\(syntax.text)` names compartments, not channels",
                help: "write a dot and a service after it")
            return []
        }
        for name in names(of: syntax.name) {
            let text = name.value + suffix
            if let index = links.indices[text] {
                found.append(index)
            } else {
                report(
                    .unknownLink, at: syntax.span,
                    "`\(text)` is no channel, no store, and no use of a service",
                    help: Suggestion.help(for: text, among: links.all))
            }
        }
        return found
    }

    /// Resolves an exemption: one for each pair of links that it names.
    mutating func resolveExemption(
        _ syntax: Located<ExemptSyntax>
    ) -> [SystemPolicy.Exemption] {
        let value = syntax.value
        let subject = resolveEnd(value.subject)
        let from = resolveLinks(value.from)
        let to = resolveLinks(value.to)
        if value.reason.value.allSatisfy({ $0 == " " }) {
            report(
                .missingReason, at: value.reason.span, "the exemption gives no reason",
                help: "say why it is right, and who decided so")
        }
        guard let subject else { return [] }
        let exemptions = from.flatMap { from in
            to.map { to in
                SystemPolicy.Exemption(
                    subject: subject, from: from, to: to, reason: value.reason.value,
                    source: syntax.span)
            }
        }
        exemptionCount += exemptions.count
        guard exemptionCount <= SystemLimits.exemptions else {
            report(
                .tooManyExemptions, at: syntax.span,
                "the system has more than \(SystemLimits.exemptions) exemptions",
                help: "each(…) stands for all pairs")
            return []
        }
        return exemptions
    }

    /// Resolves a conflict; nil after an error.
    mutating func resolveConflict(
        _ name: Located<String>, _ names: [Located<String>]
    ) -> SystemPolicy.Conflict? {
        let members = resolveCompartments(names)
        if members.count < 2 {
            report(
                .smallConflict, at: name.span,
                "the conflict `\(name.value)` has fewer than two members")
            return nil
        }
        return .init(name: name.value, members: members, source: name.span)
    }
}

// MARK: - Assertions

extension Resolver {
    /// Resolves an assertion about flows; nil after an error.
    mutating func resolveAssertion(
        _ syntax: Located<AssertionSyntax>
    ) -> SystemPolicy.Assertion? {
        let sides: (from: LevelSyntax, to: LevelSyntax)
        let claim: SystemPolicy.Assertion.Claim
        switch syntax.value {
        case .never(let from, let to, let via):
            sides = (from, to)
            claim = .never(via: resolveCompartments(via))
        case .everyPath(let from, let to, let passes):
            sides = (from, to)
            claim = .everyPath(passes: resolveCompartments(passes))
        case .control(let from, let to, let through):
            sides = (from, to)
            claim = .control(through: through.flatMap { resolveLinks($0) })
        case .power: return nil
        }
        let from = resolveOperand(sides.from)
        let to = resolveOperand(sides.to)
        guard let from, let to else { return nil }
        return SystemPolicy.Assertion(claim: claim, from: from, to: to, source: syntax.span)
    }

    private mutating func resolveOperand(
        _ syntax: LevelSyntax
    ) -> SystemPolicy.Assertion.Operand? {
        var named = CompartmentSet()
        let name = syntax.name.value
        let isCompartment = compartments.indices[name] != nil
        if isCompartment || integrities.indices[name] != nil {
            guard syntax.categories.isEmpty else {
                let what = isCompartment ? "a compartment" : "an integrity"
                report(
                    .unknownLevel, at: syntax.name.span,
                    "`\(name)` is \(what), so no category can follow it")
                return nil
            }
            named =
                isCompartment
                ? CompartmentSet(index: compartments.indices[name] ?? 0)
                : compartmentsOf(integrity: name)
        } else if levels.indices[name] != nil {
            guard let level = resolveLevel(syntax) else { return nil }
            for (index, range) in ranges.enumerated() {
                if let range, level.isHeld(in: range) { named.insert(index) }
            }
        } else {
            report(
                .unknownOperand, at: syntax.name.span,
                "`\(name)` is neither a compartment nor a level",
                help: Suggestion.help(
                    for: name, among: compartments.all + levels.all + integrities.all))
            return nil
        }
        return .init(text: syntax.text, compartments: named, source: syntax.span)
    }

    private func compartmentsOf(integrity name: String) -> CompartmentSet {
        var named = CompartmentSet()
        for (index, integrity) in integrityNames.enumerated() where integrity == name {
            named.insert(index)
        }
        return named
    }
}
