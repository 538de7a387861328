import PolicyDatabaseModel

/// A Xen policy in the compartment language, as far as it can be said there.
///
/// A compartment is a type that domains run as. A channel is what one compartment's information
/// reaches another by: an event channel's label that one end may send on and that may be bound to
/// the other; pages that are mapped or copied. What is not said in the language is listed with its
/// reason: nothing of the policy is left out in silence.
///
/// - Source: Xen 4.17 `tools/flask/policy/modules/xen.if`, for how Xen's policies name labels.
package struct Migration: Sendable {
    /// The source.
    package private(set) var text = ""
    /// What it does not say, each with the reason; sorted by compartment.
    package private(set) var unsaid: [String] = []

    private let policy: IndexedPolicy
    private var subjects: [Int] = []
    private var names: [Int: String] = [:]
    private var labels: [Int: LevelRange] = [:]
    private var taken: Set<String> = []
    /// Who may load a policy or relabel.
    private var powers: [String: [String]] = [:]

    /// The most compartments that a system has.
    private static let mostCompartments = 32

    /// Migrates a policy.
    ///
    /// - Parameter name: the system's name.
    /// - Throws: `.badQuestion` when the policy is not for Xen, or no type is a domain's.
    package init(_ policy: IndexedPolicy, named name: String) throws(PolicyAnalysisError) {
        self.policy = policy
        guard policy.file.format.target == .xen else {
            throw PolicyAnalysisError(
                .badQuestion, "only policies for Xen have compartments: this one is for Linux")
        }
        chooseSubjects()
        guard !subjects.isEmpty else {
            throw PolicyAnalysisError(.badQuestion, "the policy has no type that domains run as")
        }
        text = "// Read from a binary policy for Xen: what a person must still say is marked.\n"
        text += "system \(Self.word(name)) version 1\ntarget casemate\n\n"
        writeLevels()
        for subject in subjects { write(compartment: subject) }
        writeDevices()
        writeChannels()
        writePowers()
        collectUnsaid()
        writeUnsaid()
    }

    // MARK: Compartments

    /// The types that domains run as: those of a role, without the labels that only events, the
    /// domain itself as a target, or the hypervisor's own parts have.
    private mutating func chooseSubjects() {
        var derived = TypeSet(size: policy.typeCount)
        for rule in policy.rules where rule.kind == .transition {
            derived.insert(Int(rule.data))
        }
        let tables = policy.file.objectContexts
        let identifiers = InitialIdentifier.names(.xen, count: tables.initialIdentifiers.count)
        for record in tables.initialIdentifiers {
            let index = Int(record.number) - 1
            let name = identifiers.indices.contains(index) ? identifiers[index] : ""
            if !["dom0", "domU", "domDM"].contains(name) {
                derived.insert(Int(record.context.type) - 1)
            }
        }
        var candidates = TypeSet(size: policy.typeCount)
        for (role, types) in policy.roleTypes.enumerated()
        where policy.roleNames[role] != "object_r" {
            candidates.formUnion(types)
        }
        candidates.subtract(derived)
        let acting = candidates.numbers.filter { type in
            let symbols = Set(policy.symbols(of: type).map { Int32($0) })
            return policy.rules.contains { $0.kind == .allowed && symbols.contains($0.source) }
        }
        subjects = Array(acting.prefix(Self.mostCompartments))
        for type in acting.dropFirst(Self.mostCompartments) {
            unsaid.append(
                "`\(policy.typeNames[type])`: a system has at most \(Self.mostCompartments) "
                    + "compartments")
        }
        for name in policy.sensitivityNames + policy.categoryNames { taken.insert(Self.word(name)) }
        for subject in subjects { names[subject] = compartmentName(subject) }
        for subject in subjects { labels[subject] = label(of: subject) }
    }

    private mutating func compartmentName(_ type: Int) -> String {
        let full = policy.typeNames[type]
        return unique(Self.word(full.hasSuffix("_t") ? String(full.dropLast(2)) : full))
    }

    /// A name that nothing has yet.
    private mutating func unique(_ wanted: String) -> String {
        var name = wanted
        var number = 2
        while !taken.insert(name).inserted {
            name = "\(wanted.prefix(58))_\(number)"
            number += 1
        }
        return name
    }

    /// A name of the language: a letter, then letters, digits and `_`, at most 63.
    private static func word(_ text: String) -> String {
        var word = ""
        for byte in text.utf8 {
            word.append(PatternParser.isWord(byte) ? Character(UnicodeScalar(byte)) : "_")
        }
        guard let first = word.utf8.first, first | 0x20 >= 0x61, first | 0x20 <= 0x7a else {
            word = "c" + word
            return String(word.prefix(63))
        }
        return String(word.prefix(63))
    }

    /// The levels of a type: those of the only user range that it can have; else the widest.
    private mutating func label(of type: Int) -> LevelRange {
        guard policy.file.isMultilevel else { return LevelRange() }
        var ranges: [LevelRange] = []
        for (user, roles) in policy.userRoles.enumerated()
        where roles.contains(where: { policy.roleTypes[$0].contains(type) })
            && !ranges.contains(policy.userRanges[user])
        {
            ranges.append(policy.userRanges[user])
        }
        guard let first = ranges.first else { return LevelRange() }
        if ranges.count > 1 {
            unsaid.append(
                "`\(names[type] ?? "")`: users give it \(ranges.count) ranges; the first is taken")
        }
        return first
    }

    private func text(_ level: Level) -> String {
        guard policy.file.isMultilevel, !policy.sensitivityNames.isEmpty else { return "single" }
        let rank = Self.word(policy.sensitivityNames[level.sensitivity])
        let needs = level.categories.map { Self.word(policy.categoryNames[$0]) }
        return needs.isEmpty ? rank : rank + ":" + needs.joined(separator: ",")
    }

    private func text(_ range: LevelRange) -> String {
        range.low == range.high ? text(range.low) : "\(text(range.low))..\(text(range.high))"
    }

    private mutating func writeLevels() {
        guard policy.file.isMultilevel else {
            text += "levels single\n\n"
            return
        }
        text += "levels " + policy.sensitivityNames.map(Self.word).joined(separator: " < ") + "\n"
        // Only those that a compartment has: a system has at most 256.
        let used = Set(
            subjects.flatMap {
                (labels[$0]?.low.categories ?? []) + (labels[$0]?.high.categories ?? [])
            })
        if !used.isEmpty {
            let words = used.sorted().map { Self.word(policy.categoryNames[$0]) }
            text += "categories " + words.joined(separator: ", ") + "\n"
        }
        text += "\n"
    }

    private mutating func give(_ power: String, to name: String) {
        text += "    may \(power)\n"
        powers[power, default: []].append(name)
    }

    /// Who has a power must be said by an assertion too.
    private mutating func writePowers() {
        guard !powers.isEmpty else { return }
        text += "\n"
        for (power, names) in powers.sorted(by: { $0.key < $1.key }) {
            text += "assert only \(names.joined(separator: " or ")) may \(power)\n"
        }
    }

    private mutating func write(compartment type: Int) {
        let name = names[type] ?? ""
        text += "compartment \(name) at \(text(labels[type] ?? LevelRange())) {\n"
        text += "    // For a person to say: what it runs, and how large it is.\n"
        text += "    kernel debian\n    memory 192 MiB\n    vcpus 1\n"
        if may(type, "security", ["load_policy"]) { give("load policy", to: name) }
        if may(type, "domain2", ["relabelto", "relabelfrom"]) { give("relabel", to: name) }
        text += "}\n\n"
    }

    /// Whether a type has one of some permissions on anything.
    private func may(_ type: Int, _ objectClass: String, _ permissions: [String]) -> Bool {
        !targets(type, objectClass, permissions).isEmpty
    }

    /// The types on which a type has one of some permissions, now.
    private func targets(
        _ type: Int, _ objectClass: String, _ permissions: [String]
    ) -> TypeSet {
        var found = TypeSet(size: policy.typeCount)
        guard let index = policy.classes.firstIndex(where: { $0.name == objectClass })
        else { return found }
        let bits = permissions.compactMap { policy.classes[index].bit($0) }.reduce(0, |)
        let symbols = Set(policy.symbols(of: type).map { Int32($0) })
        let states = policy.booleans.map(\.state)
        for rule in policy.rules
        where rule.kind == .allowed && Int(rule.objectClass) == index && rule.data & bits != 0
            && symbols.contains(rule.source)
        {
            if rule.conditional >= 0,
                policy.value(of: Int(rule.conditional), states) != rule.branch
            {
                continue
            }
            found.formUnion(policy.types(of: Int(rule.target)))
        }
        return found
    }

    // MARK: Channels

    /// Whether one end's label for an event channel may be sent on and bound to the other.
    private func signals(_ source: Int, _ target: Int) -> Bool {
        targets(source, "event", ["send"]).numbers.contains { label in
            makes(label, source, target) && targets(label, "event", ["bind"]).contains(target)
        }
    }

    /// Whether a type gets a label for its end of an event channel with another.
    private func makes(_ label: Int, _ source: Int, _ target: Int) -> Bool {
        policy.rules.contains { rule in
            rule.kind == .transition && Int(rule.data) == label
                && policy.classes[Int(rule.objectClass)].name == "event"
                && policy.types(of: Int(rule.source)).contains(source)
                && policy.types(of: Int(rule.target)).contains(target)
        }
    }

    private mutating func writeChannels() {
        var pages: Set<[Int]> = []
        var events: Set<[Int]> = []
        for source in subjects {
            let read = targets(source, "grant", ["map_read"])
            var write = targets(source, "grant", ["map_write", "copy", "transfer"])
            write.formUnion(targets(source, "argo", ["send"]))
            for target in subjects where target != source {
                if read.contains(target) { pages.insert([target, source]) }
                if write.contains(target) { pages.insert([source, target]) }
                if signals(source, target) { events.insert([source, target]) }
            }
        }
        for source in subjects {
            for target in subjects where target != source {
                let isRing = pages.contains([source, target])
                guard isRing || events.contains([source, target]) else { continue }
                let isBack = isRing && pages.contains([target, source])
                // Both ways are said once, where the first is said.
                if isBack, source > target, mayFlow(source, target), mayFlow(target, source) {
                    continue
                }
                write(from: source, to: target, isRing: isRing, isBack: isBack)
            }
        }
    }

    private func mayFlow(_ source: Int, _ target: Int) -> Bool {
        guard let one = labels[source], let two = labels[target] else { return false }
        return two.high.dominates(one.high)
    }

    private mutating func write(from source: Int, to target: Int, isRing: Bool, isBack: Bool) {
        let (one, two) = (names[source] ?? "", names[target] ?? "")
        guard mayFlow(source, target) else {
            unsaid.append(
                "`\(one)` to `\(two)`: the way leads down; an exemption must name the channel by "
                    + "which what it passes on came in, and a policy for Xen does not say that")
            return
        }
        let isBoth = isBack && mayFlow(target, source)
        let name = unique(String("\(one)_to_\(two)".prefix(60)))
        text += "channel \(name): \(one) \(isBoth ? "<->" : "->") \(two) "
        text += isRing ? "ring 1 pages\n" : "signal\n"
    }

    // MARK: Devices, and the rest

    private mutating func writeDevices() {
        let tables = policy.file.objectContexts
        var parts: [Int: [String]] = [:]
        for record in tables.pciDevices {
            parts[Int(record.context.type) - 1, default: []]
                .append("pci \"\(Self.pciName(record.number))\"")
        }
        for record in tables.interrupts {
            guard record.number <= 255 else {
                unsaid.append("interrupt \(record.number): the language has lines 0 to 255")
                continue
            }
            parts[Int(record.context.type) - 1, default: []].append("irq \(record.number)")
        }
        for record in tables.frames {
            guard record.last < 1 << 52, record.first <= record.last else { continue }
            parts[Int(record.context.type) - 1, default: []]
                .append("io memory \(Self.span(record.first << 12, record.last << 12 | 0xfff))")
        }
        for record in tables.ports where record.first <= record.last && record.last <= 0xffff {
            parts[Int(record.context.type) - 1, default: []]
                .append("io ports \(Self.span(UInt64(record.first), UInt64(record.last)))")
        }
        for record in tables.deviceTreePaths {
            unsaid.append("device tree path `\(record.name)`: the language has no device tree")
        }
        for (type, lines) in parts.sorted(by: { $0.key < $1.key }) {
            write(device: type, lines)
        }
    }

    private mutating func write(device type: Int, _ lines: [String]) {
        let uses = ["use", "use_iommu", "use_iommu_nointremap", "use_noiommu"]
        let owners = subjects.filter { targets($0, "resource", uses).contains(type) }
        let name = policy.typeNames[type]
        guard owners.count == 1, let owner = owners.first else {
            let who = owners.compactMap { names[$0] }.joined(separator: ", ")
            unsaid.append(
                "device `\(name)` with \(lines.count) parts: "
                    + (owners.isEmpty
                        ? "nobody uses it" : "\(who) use it, and a device has one owner"))
            return
        }
        // A second PCI function is a device of its own.
        let functions = lines.filter { $0.hasPrefix("pci ") }
        let rest = lines.filter { !$0.hasPrefix("pci ") }
        let device = Self.word(name.hasSuffix("_t") ? String(name.dropLast(2)) : name)
        for index in 0..<max(1, functions.count) {
            text += "device \(unique(device)) {\n    owner \(names[owner] ?? "")\n"
            if index < functions.count { text += "    \(functions[index])\n" }
            if index == 0 { text += rest.map { "    \($0)\n" }.joined() }
            text += "}\n\n"
        }
    }

    /// Lists every right of a compartment that the source does not say.
    private mutating func collectUnsaid() {
        for subject in subjects {
            let symbols = Set(policy.symbols(of: subject).map { Int32($0) })
            var byClass: [String: (permissions: Set<String>, targets: TypeSet)] = [:]
            for rule in policy.rules where rule.kind == .allowed && symbols.contains(rule.source) {
                let entry = policy.classes[Int(rule.objectClass)]
                guard Self.reasons[entry.name] != nil else { continue }
                var known = byClass[entry.name] ?? ([], TypeSet(size: policy.typeCount))
                known.permissions.formUnion(entry.names(rule.data))
                known.targets.formUnion(policy.types(of: Int(rule.target)))
                byClass[entry.name] = known
            }
            for (name, rights) in byClass.sorted(by: { $0.key < $1.key }) {
                let permissions = rights.permissions.sorted().joined(separator: " ")
                let count = rights.targets.count
                unsaid.append(
                    "`\(names[subject] ?? "")` on \(count) type\(count == 1 ? "" : "s"): \(name) "
                        + "{ \(permissions) }: \(Self.reasons[name] ?? "")")
            }
        }
        for index in policy.file.conditionals.indices {
            unsaid.append(
                "if (\(policy.expression(of: index))): the language has no conditions; the rules "
                    + "that hold now are taken")
        }
        for entry in policy.classes {
            for constraint in entry.constraints
            where !IndexedPolicy.isAboutLevels(constraint.terms) {
                unsaid.append(
                    "\(policy.statement(constraint, of: entry)): the language proves flows, and "
                        + "has no constraints on users, roles and types")
            }
        }
        for number in policy.file.permissiveTypes.numbers where number > 0 {
            unsaid.append(
                "`\(policy.typeNames[Int(number) - 1])` is permissive: nothing is, in the language")
        }
    }

    private mutating func writeUnsaid() {
        guard !unsaid.isEmpty else { return }
        text += "\n// Not said above:\n"
        for line in unsaid { text += "// - \(line)\n" }
    }
}
