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
        var target: Located<String>?
        var levels: (names: [Located<String>], span: SourceSpan)?
        var categories: (names: [Located<String>], span: SourceSpan)?
        var compartments: [CompartmentSyntax] = []
        var channels: [ChannelSyntax] = []
        var assertions: [(from: LevelSyntax, to: LevelSyntax, span: SourceSpan)] = []
    }

    /// Names of one kind, and the index that each stands for.
    struct Names {
        var indices: [String: Int] = [:]
        var declared: [Located<String>] = []
    }

    private var statements = Statements()
    var levels = Names()
    var categories = Names()
    var compartments = Names()
    var channels = Names()
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
        case .target(let name):
            if isFirst("target", statements.target?.span, at: span) {
                statements.target = Located(name.value, at: name.span)
            }
        case .levels(let names):
            if isFirst("levels", statements.levels?.span, at: span) {
                statements.levels = (names, span)
            }
        case .categories(let names):
            if isFirst("categories", statements.categories?.span, at: span) {
                statements.categories = (names, span)
            }
        case .compartment(let compartment): statements.compartments.append(compartment)
        case .channel(let channel): statements.channels.append(channel)
        case .assertNever(let from, let to): statements.assertions.append((from, to, span))
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
        for name in statements.levels?.names ?? [] {
            if let earlier = levels.indices[name.value] {
                report(
                    .levelCycle, at: name.span,
                    "the level `\(name.value)` would stand above itself",
                    notes: [.init("it stands here already", at: levels.declared[earlier].span)])
            } else {
                levels.add(name)
            }
        }
        for name in statements.categories?.names ?? [] {
            declare(name, as: "category", in: \.categories, clashing: [\.categories])
        }
        for compartment in statements.compartments {
            declare(
                compartment.name, as: "compartment", in: \.compartments,
                clashing: [\.compartments, \.levels])
        }
        for channel in statements.channels {
            declare(channel.name, as: "channel", in: \.channels, clashing: [\.channels])
        }
        limit(levels, SystemLimits.sensitivities, .tooManyLevels, "levels")
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
    fileprivate mutating func add(_ name: Located<String>) {
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
    }

    /// Resolves what refers to names. Where a name was taken twice the indices are of no use; then
    /// the error is reported already, and no policy is made.
    private mutating func resolveParts() -> Parts {
        var resolved: [SystemPolicy.Compartment] = []
        var ranges: [SecurityRange?] = []
        for syntax in statements.compartments {
            let range = resolveRange(syntax.label)
            let compartment = resolve(syntax, range: range)
            ranges.append(range)
            if let compartment { resolved.append(compartment) }
        }
        let channels = statements.channels.compactMap { resolve($0) }
        let assertions = statements.assertions.compactMap {
            resolveAssertion(from: $0.from, to: $0.to, span: $0.span, ranges: ranges)
        }
        return Parts(compartments: resolved, channels: channels, assertions: assertions)
    }

    private mutating func assemble(_ parts: Parts, fileStart: SourceSpan) -> SystemPolicy? {
        requireStatements(fileStart: fileStart)
        let target = resolveTarget()
        if let version = statements.system?.version, version.value == 0 {
            report(
                .versionZero, at: version.span, "a system's version is at least 1",
                help: "raise it with every release")
        }
        guard let system = statements.system, let target else { return nil }
        return SystemPolicy(
            name: system.name.value, version: system.version.value, target: target,
            sensitivities: levels.declared.map { .init(name: $0.value, source: $0.span) },
            categories: categories.declared.map { .init(name: $0.value, source: $0.span) },
            compartments: parts.compartments, channels: parts.channels,
            assertions: parts.assertions, source: system.span)
    }

    private mutating func requireStatements(fileStart: SourceSpan) {
        let present = [
            ("system NAME version NUMBER", statements.system != nil),
            ("target casemate", statements.target != nil),
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

    private mutating func resolveTarget() -> SystemPolicy.Target? {
        guard let name = statements.target else { return nil }
        let known = SystemPolicy.Target.allCases.map(\.rawValue)
        if let target = SystemPolicy.Target(rawValue: name.value) { return target }
        report(
            .unknownTarget, at: name.span, "the target `\(name.value)` is not known",
            help: Suggestion.help(for: name.value, among: known)
                ?? "targets are \(known.map { "`\($0)`" }.joined(separator: ", "))")
        return nil
    }
}
