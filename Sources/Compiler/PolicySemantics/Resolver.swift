public import PolicySyntax
import SecurityLattice

/// What resolving a tree gives.
public struct ResolveResult: Sendable {
    /// The system; nil when one of the diagnostics is an error.
    public let policy: SystemPolicy?
    /// What is wrong, in the order of the source.
    public let diagnostics: [Diagnostic]
}

/// Turns a tree of names into a `SystemPolicy` of indices.
///
/// The order of statements does not matter: names are declared first, then used. Whether the
/// system is safe is not asked here.
public struct Resolver {
    /// The first statement of each kind that stands once, and all of the others, in order.
    private struct Statements {
        var system: (name: Located<String>, version: Located<UInt64>, span: SourceSpan)?
        var targets: [(name: Located<String>, version: Located<String>?)] = []
        var levels: (names: [Located<String>], span: SourceSpan)?
        var categories: (names: [Located<String>], span: SourceSpan)?
        var integrity: (names: [Located<String>], span: SourceSpan)?
        var compartments: [CompartmentSyntax] = []
        var channels: [ChannelSyntax] = []
        var assertions: [Located<AssertionSyntax>] = []
        var imports: [SourceSpan] = []
        var subtrees: [BlockSyntax] = []
        var devices: [BlockSyntax] = []
        var exemptions: [Located<ExemptSyntax>] = []
        var conflicts: [(name: Located<String>, members: [Located<String>])] = []
    }

    /// Names of one kind, and the index that each stands for.
    struct Names {
        var indices: [String: Int] = [:]
        var declared: [Located<String>] = []
    }

    private var statements = Statements()
    var levels = Names()
    var categories = Names()
    var integrities = Names()
    var compartments = Names()
    var channels = Names()
    var subtrees = Names()
    var devices = Names()
    var conflicts = Names()
    /// The service that each compartment is; nil for one that is none or unknown.
    var services: [SystemPolicy.Service?] = []
    /// Whether each compartment is a service.
    var isService: [Bool] = []
    /// The integrity that each compartment names; nil for one that names none.
    var integrityNames: [String?] = []
    /// The channels of all `channel` statements.
    var instances: [ChannelInstance] = []
    /// The number of exemptions so far.
    var exemptionCount = 0
    /// Everything that carries information, once channels and uses are resolved.
    var links = Names()
    /// The range of each declared compartment; nil where that was an error.
    var ranges: [SecurityRange?] = []
    var list = DiagnosticList()

    private init() {}

    /// Resolves the names of a tree.
    ///
    /// - Parameter fileName: the source's name, for a diagnostic about what is not there.
    public static func resolve(_ tree: SyntaxTree, fileName: String) -> ResolveResult {
        var resolver = Resolver()
        for statement in tree.statements { resolver.sort(statement.kind) }
        resolver.declareNames()
        let parts = resolver.resolveParts()
        let fileStart = SourceSpan(file: fileName, start: .start, end: .start)
        let policy = resolver.assemble(parts, fileStart: fileStart)
        let diagnostics = resolver.list.inSourceOrder
        return ResolveResult(policy: diagnostics.refuse ? nil : policy, diagnostics: diagnostics)
    }

    mutating func report(
        _ code: DiagnosticCode, at span: SourceSpan, _ message: String, help: String? = nil,
        notes: [Diagnostic.Note] = []
    ) {
        list.append(Diagnostic(code, at: span, message, help: help, notes: notes))
    }
}

// MARK: - Statements that stand once

extension Resolver {
    private mutating func sort(_ statement: Located<Statement.Kind>) {
        let span = statement.span
        switch statement.value {
        case .system(let name, let version):
            if isFirst("system", statements.system?.span, at: span) {
                statements.system = (name, version, span)
            }
        case .target(let name, let version):
            let known = statements.targets.first { $0.name.value == name.value }
            if isFirst("target", known?.name.span, at: span) {
                statements.targets.append((name, version))
            }
        case .importModule: statements.imports.append(span)
        case .levels(let names):
            if isFirst("levels", statements.levels?.span, at: span) {
                statements.levels = (names, span)
            }
        case .categories(let names):
            if isFirst("categories", statements.categories?.span, at: span) {
                statements.categories = (names, span)
            }
        case .integrity(let names):
            if isFirst("integrity", statements.integrity?.span, at: span) {
                statements.integrity = (names, span)
            }
        case .compartment(let compartment): statements.compartments.append(compartment)
        case .channel(let channel): statements.channels.append(channel)
        case .store(let store): statements.subtrees.append(store)
        case .device(let device): statements.devices.append(device)
        case .exempt(let exempt): statements.exemptions.append(Located(exempt, at: span))
        case .conflict(let name, let members): statements.conflicts.append((name, members))
        case .assertion(let claim): statements.assertions.append(Located(claim, at: span))
        }
    }

    private mutating func isFirst(
        _ word: String, _ earlier: SourceSpan?, at span: SourceSpan
    ) -> Bool {
        guard let earlier else { return true }
        report(
            .repeatedStatement, at: span, "`\(word)` stands here a second time",
            notes: [.init("the first one", at: earlier)])
        return false
    }
}

// MARK: - Declarations

extension Resolver {
    private mutating func declareNames() {
        declareOrder(statements.levels?.names ?? [], "level", in: \.levels, .levelCycle)
        declareOrder(
            statements.integrity?.names ?? [], "integrity", in: \.integrities, .integrityCycle)
        for name in statements.categories?.names ?? [] {
            declare(name, as: "category", in: \.categories, clashing: [\.categories])
        }
        for compartment in statements.compartments {
            declare(
                compartment.name, as: compartment.isService ? "service" : "compartment",
                in: \.compartments, clashing: [\.compartments, \.levels, \.integrities])
        }
        services = statements.compartments.map { resolveService($0) }
        isService = statements.compartments.map(\.isService)
        integrityNames = statements.compartments.map { $0.integrity?.value }
        ranges = statements.compartments.map { resolveRange($0.label) }
        instances = statements.channels.flatMap { expand($0) }
        for name in instances.map(\.name) {
            declare(name, as: "channel", in: \.channels, clashing: [\.channels])
        }
        for store in statements.subtrees {
            declare(store.name, as: "store", in: \.subtrees, clashing: [\.channels, \.subtrees])
        }
        for device in statements.devices {
            declare(device.name, as: "device", in: \.devices, clashing: [\.devices])
        }
        for conflict in statements.conflicts {
            declare(conflict.name, as: "conflict", in: \.conflicts, clashing: [\.conflicts])
        }
        limit(levels, SystemLimits.sensitivities, .tooManyLevels, "levels")
        limit(integrities, SystemLimits.sensitivities, .tooManyLevels, "integrities")
        limit(categories, SystemLimits.categories, .tooManyCategories, "categories")
        limit(compartments, SystemLimits.compartments, .tooManyCompartments, "compartments")
        limit(channels, SystemLimits.channels, .tooManyChannels, "channels")
        if statements.assertions.count > SystemLimits.assertions {
            report(
                .tooManyAssertions, at: statements.assertions[SystemLimits.assertions].span,
                "the system has \(statements.assertions.count) assertions",
                help: "the limit is \(SystemLimits.assertions)")
        }
    }

    private mutating func declareOrder(
        _ order: [Located<String>], _ word: String, in names: WritableKeyPath<Resolver, Names>,
        _ code: DiagnosticCode
    ) {
        for name in order {
            if let earlier = self[keyPath: names].indices[name.value] {
                report(
                    code, at: name.span, "the \(word) `\(name.value)` would stand above itself",
                    notes: [
                        .init(
                            "it stands here already",
                            at: self[keyPath: names].declared[earlier].span)
                    ])
            } else if word == "integrity" {
                declare(name, as: word, in: names, clashing: [\.levels])
            } else {
                self[keyPath: names].add(name)
            }
        }
    }

    private mutating func declare(
        _ name: Located<String>, as kind: String, in names: WritableKeyPath<Resolver, Names>,
        clashing: [KeyPath<Resolver, Names>]
    ) {
        for other in clashing {
            guard let index = self[keyPath: other].indices[name.value] else { continue }
            report(
                .nameTaken, at: name.span, "the \(kind) `\(name.value)` has a name that is taken",
                notes: [.init("it is declared here", at: self[keyPath: other].declared[index].span)]
            )
            return
        }
        self[keyPath: names].add(name)
    }

    private mutating func limit(
        _ names: Names, _ most: Int, _ code: DiagnosticCode, _ what: String
    ) {
        guard names.declared.count > most else { return }
        report(
            code, at: names.declared[most].span,
            "the system has \(names.declared.count) \(what)", help: "the limit is \(most)")
    }
}

extension Resolver.Names {
    mutating func add(_ name: Located<String>) {
        indices[name.value] = declared.count
        declared.append(name)
    }

    var all: [String] { declared.map(\.value) }
}

// MARK: - The whole

extension Resolver {
    private struct Parts {
        let compartments: [SystemPolicy.Compartment]
        let channels: [SystemPolicy.Channel]
        let assertions: [SystemPolicy.Assertion]
        let further: SystemPolicy.Further
    }

    /// Resolves what refers to names. Where a name was taken twice the indices are of no use; then
    /// the error is reported already, and no policy is made.
    private mutating func resolveParts() -> Parts {
        var resolved: [SystemPolicy.Compartment] = []
        for (syntax, range) in zip(statements.compartments, ranges) {
            if let compartment = resolve(syntax, range: range) { resolved.append(compartment) }
        }
        let channels = instances.compactMap { resolve($0) }
        var further = SystemPolicy.Further()
        further.targetVersion = statements.targets.first?.version?.value
        further.imports = statements.imports
        further.integrities = integrities.declared.map { .init(name: $0.value, source: $0.span) }
        further.subtrees = statements.subtrees.compactMap { resolveSubtree($0) }
        further.devices = statements.devices.compactMap { resolveDevice($0) }
        further.conflicts = statements.conflicts.compactMap {
            resolveConflict($0.name, $0.members)
        }
        // With an error before, indices may mean nothing: links are resolved among good ones only.
        for link in SystemPolicy.links(resolved, channels, further.subtrees) {
            links.add(Located(link.name, at: link.source))
        }
        further.exemptions = statements.exemptions.flatMap { resolveExemption($0) }
        var assertions: [SystemPolicy.Assertion] = []
        for syntax in statements.assertions {
            if case .power(let names, let power) = syntax.value {
                let holders = resolveCompartments(names ?? [])
                further.powerAssertions.append(
                    .init(power: power.value, holders: holders, source: syntax.span))
            } else if let assertion = resolveAssertion(syntax) {
                assertions.append(assertion)
            }
        }
        return Parts(
            compartments: resolved, channels: channels, assertions: assertions, further: further)
    }

    private mutating func assemble(_ parts: Parts, fileStart: SourceSpan) -> SystemPolicy? {
        requireStatements(fileStart: fileStart)
        let targets = statements.targets.map { resolveTarget($0.name, $0.version) }
        if let version = statements.system?.version, version.value == 0 {
            report(
                .versionZero, at: version.span, "a system's version is at least 1",
                help: "raise it with every release")
        }
        var further = parts.further
        further.targets = targets.compactMap { $0 }
        guard let system = statements.system, let target = targets.first??.target,
            further.targets.count == targets.count
        else { return nil }
        return SystemPolicy(
            name: system.name.value, version: system.version.value, target: target,
            sensitivities: levels.declared.map { .init(name: $0.value, source: $0.span) },
            categories: categories.declared.map { .init(name: $0.value, source: $0.span) },
            compartments: parts.compartments, channels: parts.channels,
            assertions: parts.assertions, further: further, source: system.span)
    }

    private mutating func requireStatements(fileStart: SourceSpan) {
        let present = [
            ("system NAME version NUMBER", statements.system != nil),
            ("target casemate", !statements.targets.isEmpty),
            ("levels LOWEST < … < HIGHEST", statements.levels != nil),
            ("compartment NAME at LABEL { … }", !statements.compartments.isEmpty),
        ]
        for (form, isPresent) in present where !isPresent {
            let word = form.prefix { $0 != " " }
            report(
                .missingStatement, at: fileStart, "the system has no `\(word)` statement",
                help: "write `\(form)`")
        }
    }

    private mutating func resolveTarget(
        _ name: Located<String>, _ version: Located<String>?
    ) -> SystemPolicy.TargetStatement? {
        let known = SystemPolicy.Target.allCases.map(\.rawValue)
        guard let target = SystemPolicy.Target(rawValue: name.value) else {
            report(
                .unknownTarget, at: name.span, "the target `\(name.value)` is not known",
                help: Suggestion.help(for: name.value, among: known)
                    ?? "targets are \(known.map { "`\($0)`" }.joined(separator: ", "))")
            return nil
        }
        let versions = SystemPolicy.Target.xenVersions
        let isKnown =
            switch target {
            case .casemate: version == nil
            case .xen: version.map { versions.contains($0.value) } ?? false
            }
        guard isKnown else {
            let list = versions.map { "`\"\($0)\"`" }.joined(separator: ", ")
            report(
                .unknownTarget, at: version?.span ?? name.span,
                "this version of the target `\(name.value)` is not known",
                help: target == .xen ? "versions are \(list)" : "write `target casemate`")
            return nil
        }
        return SystemPolicy.TargetStatement(
            target: target, version: version?.value, source: name.span)
    }
}
