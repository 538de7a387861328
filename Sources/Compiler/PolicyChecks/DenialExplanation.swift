public import PolicySemantics
public import PolicySyntax
import SecurityLattice

/// Why something was denied, and what would change it.
///
/// It is about a source, not about a machine: when the machine's policy was built from another one,
/// the line that the denial names may not be a deciding one here, and the text says so.
public struct DenialExplanation: Sendable {
    /// Why a denial cannot be explained with a source.
    public enum Failure: Error, Equatable {
        /// Who asked is no compartment of the system; the text is the name or number.
        case unknownCompartment(String)
        /// The line does not say who asked.
        case nobody
    }

    /// A line of the source that decides, and what it says.
    public struct Reason: Sendable {
        /// Where it stands.
        public let span: SourceSpan
        /// What it says.
        public let text: String
    }

    /// What was denied.
    public let record: DenialRecord
    /// Index of the compartment that asked.
    public let from: Int
    /// Index of the compartment that it would have reached; nil for itself and the hypervisor.
    public let to: Int?
    /// The rule, in a sentence.
    public let rule: String
    /// The lines that decide.
    public let reasons: [Reason]
    /// Whether the source declares what would have allowed it.
    public let isDeclared: Bool
    /// The smallest edit that would allow it; nil when there is none, or it is declared.
    public let edit: FlowExplanation.Edit?
    private let policy: SystemPolicy

    /// Explains a denial.
    ///
    /// - Throws: `.unknownCompartment`, `.nobody`.
    public init(of record: DenialRecord, in policy: SystemPolicy) throws(Failure) {
        guard let from = try DenialExplanation.index(of: record.source, in: policy) else {
            throw .nobody
        }
        let target = try DenialExplanation.index(of: record.target, in: policy)
        let to = target == from ? nil : target
        self.record = record
        self.policy = policy
        self.from = from
        self.to = to
        let need = DenialExplanation.need(of: record, from: from, to: to, in: policy)
        rule = need.rule
        reasons = DenialExplanation.reasons(from, to, need, policy)
        isDeclared = DenialExplanation.isDeclared(need, from, to, policy)
        edit =
            isDeclared
            ? nil : DenialExplanation.smallestEdit(need, from: from, to: to, of: policy)
    }

    // MARK: What decides

    private static func index(
        of party: DenialRecord.Party, in policy: SystemPolicy
    ) throws(Failure) -> Int? {
        switch party {
        case .hypervisor, .unknown: return nil
        case .compartment(let name):
            guard let index = policy.compartments.firstIndex(where: { $0.name == name }) else {
                throw .unknownCompartment(name)
            }
            return index
        case .domain(let number):
            guard policy.compartments.indices.contains(number - 1) else {
                throw .unknownCompartment("domain \(number)")
            }
            return number - 1
        }
    }

    /// What all of the permissions need; of several that which leads somewhere.
    private static func need(
        of record: DenialRecord, from: Int, to: Int?, in policy: SystemPolicy
    ) -> DenialNeed {
        let needs = record.permissions.map { DenialNeed(record.objectClass, $0) }
        let needed = needs.first { need in
            switch need {
            case .nothing, .channel: return false
            default: return true
            }
        }
        let need = needed ?? needs.first ?? .nothing
        if case .power = need { return need }
        if need == .command { return need }
        return to == nil ? .nothing : need
    }

    private static func reasons(
        _ from: Int, _ to: Int?, _ need: DenialNeed, _ policy: SystemPolicy
    ) -> [Reason] {
        let asking = policy.compartments[from]
        if need == .command,
            let service = policy.compartments.first(where: { $0.options.service == .tpm })
        {
            let place = service.options.tpmCommands.first?.span ?? service.source
            return [Reason(span: place, text: "this is what the service `tpm` passes on")]
        }
        guard let to else {
            return [Reason(span: asking.source, text: "`\(asking.name)` is not given this")]
        }
        let joining = policy.links.flatMap { link in
            link.edges.filter { ($0.from, $0.to) == (from, to) || ($0.from, $0.to) == (to, from) }
                .map { edge in
                    Reason(
                        span: link.source,
                        text: "`\(link.name)` leads from `\(policy.compartments[edge.from].name)` "
                            + "to `\(policy.compartments[edge.to].name)`")
                }
        }
        guard joining.isEmpty else { return joining }
        return [
            Reason(
                span: asking.source,
                text: "no channel joins `\(asking.name)` and `\(policy.compartments[to].name)`")
        ]
    }

    private static func isDeclared(
        _ need: DenialNeed, _ from: Int, _ to: Int?, _ policy: SystemPolicy
    ) -> Bool {
        func leads(_ from: Int, _ to: Int) -> Bool {
            policy.links.contains { link in
                link.edges.contains { ($0.from, $0.to) == (from, to) }
            }
        }
        if case .power(let power) = need {
            return policy.compartments[from].options.powers.contains { $0.power == power }
        }
        guard let to else { return false }
        switch need {
        case .channelThere: return leads(from, to)
        case .channelBack: return leads(to, from)
        case .channel: return leads(from, to) || leads(to, from)
        case .power, .command, .nothing: return false
        }
    }

    // MARK: What would change it

    private static func smallestEdit(
        _ need: DenialNeed, from: Int, to: Int?, of policy: SystemPolicy
    ) -> FlowExplanation.Edit? {
        if case .power(let power) = need {
            let name = policy.compartments[from].name
            let lines = [
                "    may \(power.rawValue)    // in `\(name)`",
                "assert only \(name) may \(power.rawValue)",
            ]
            return FlowExplanation.Edit(lines: lines, otherFlows: [], violations: [])
        }
        guard let to else { return nil }
        switch need {
        case .channelThere(let kind): return edit(kind, from, to, policy)
        case .channelBack(let kind): return edit(kind, to, from, policy)
        case .channel(let kind):
            let edits = (edit(kind, from, to, policy), edit(kind, to, from, policy))
            return edits.1.violations.count < edits.0.violations.count ? edits.1 : edits.0
        case .power, .command, .nothing: return nil
        }
    }

    private static func edit(
        _ kind: SystemPolicy.Channel.Kind, _ from: Int, _ to: Int, _ policy: SystemPolicy
    ) -> FlowExplanation.Edit {
        let pages: UInt32 = kind == .ring ? 1 : 0
        let channel = SystemPolicy.Channel(
            name: "…", from: from, to: to, kind: kind, pages: pages, source: policy.source)
        let ends = "\(policy.compartments[from].name) -> \(policy.compartments[to].name)"
        let line = "channel …: \(ends) \(kind.rawValue)" + (pages > 0 ? " \(pages) pages" : "")
        return FlowExplanation.Edit(
            adding: [line], to: policy, FlowGraph(of: policy), giving: policy.adding(channel),
            asked: (from, to))
    }
}

// MARK: - For people and programs

extension DenialExplanation {
    /// Returns the explanation as text, for a person.
    ///
    /// - Parameter renderer: shows the places of the source.
    public func text(_ renderer: DiagnosticRenderer) -> String {
        let permissions = record.permissions.joined(separator: " ")
        var text = "denied: \(record.objectClass) { \(permissions) } from \(shown(from))"
        text += " to \(to.map(shown) ?? self.other)"
        text += record.operation.map { " by \($0)\n" } ?? "\n"
        text += "rule: \(rule)\n"
        for reason in reasons { text += "  \(renderer.place(reason.span)): \(reason.text)\n" }
        if let to {
            let (low, high) = (policy.compartments[from].range, policy.compartments[to].range)
            text +=
                mayFlow(from: low, to: high)
                ? "  the levels allow it\n" : "  the levels forbid it\n"
        }
        if let other = strangePlace {
            text += "note: the denial names \(other), which does not decide here: "
            text += "the machine's policy may be of another source\n"
        }
        if isDeclared {
            text += "this source declares it: the machine's policy is of another one, or the other "
            return text + "end was not ready\n"
        }
        guard let edit else { return text + "no edit of the source would allow it\n" }
        return text + "the smallest edit that would allow it:\n" + edit.text(in: policy)
    }

    /// Returns the explanation as a JSON object; docs/commands.md lists its members.
    package func json(_ renderer: DiagnosticRenderer) -> JSONValue {
        .object([
            ("class", .string(record.objectClass)),
            ("permissions", .array(record.permissions.map { .string($0) })),
            ("from", .string(policy.compartments[from].name)),
            ("to", to.map { .string(policy.compartments[$0].name) } ?? .null),
            ("operation", record.operation.map { .string($0) } ?? .null),
            ("rule", .string(rule)),
            (
                "reasons",
                .array(
                    reasons.map {
                        .object([("text", .string($0.text)), ("place", renderer.json($0.span))])
                    })
            ),
            ("placeDecides", .bool(strangePlace == nil)), ("declared", .bool(isDeclared)),
            ("edit", edit?.json(renderer) ?? .null),
        ])
    }

    /// The line that the denial names, when it is not one of those that decide.
    private var strangePlace: String? {
        guard let place = record.place else { return nil }
        let decides = reasons.contains { $0.span.file == place.file && $0.span.line == place.line }
        return decides ? nil : DiagnosticRenderer.harmless("\(place.file):\(place.line)")
    }

    private var other: String {
        switch record.target {
        case .hypervisor: "the hypervisor"
        case .unknown: "nobody that is there"
        case .compartment, .domain: "itself"
        }
    }

    private func shown(_ index: Int) -> String {
        let compartment = policy.compartments[index]
        return "`\(compartment.name)` (\(policy.describe(compartment.range)))"
    }
}
