/// `NAME` or `each(SET)`: one compartment, or a statement for each of several.
public enum EndSyntax: Equatable, Sendable {
    /// One compartment.
    case name(Located<String>)
    /// `each(…)`; the statement stands once for each compartment of the set.
    case each(SetSyntax)

    /// Where the end stands.
    public var span: SourceSpan {
        switch self {
        case .name(let name): return name.span
        case .each(let set): return set.span
        }
    }

    /// The end in the source's words.
    public var text: String {
        switch self {
        case .name(let name): return name.value
        case .each(let set): return set.text
        }
    }
}

/// `each(compartment at LEVEL except NAME, …)` or `each(NAME, …)`.
public struct SetSyntax: Equatable, Sendable {
    /// The compartments that are named; nil: all that are no services.
    public let names: [Located<String>]?
    /// Only those that may hold information of this level; nil: any. Nil when `names` is not.
    public let level: LevelSyntax?
    /// Those that are left out; empty when `names` is not nil.
    public let except: [Located<String>]
    /// Where the whole stands.
    public let span: SourceSpan

    /// Creates a set as written.
    public init(
        names: [Located<String>]?, level: LevelSyntax?, except: [Located<String>],
        span: SourceSpan
    ) {
        self.names = names
        self.level = level
        self.except = except
        self.span = span
    }

    /// Compares what is said, not the places.
    public static func == (left: SetSyntax, right: SetSyntax) -> Bool {
        left.names == right.names && left.level == right.level && left.except == right.except
    }

    /// The set in the source's words.
    public var text: String {
        if let names { return "each(\(Located.list(names, ", ")))" }
        let at = level.map { " at \($0.text)" } ?? ""
        let but = except.isEmpty ? "" : " except " + Located.list(except, ", ")
        return "each(compartment\(at)\(but))"
    }
}

/// `NAME` or `END.SERVICE`: a channel, a subtree of the store, or the use of a service.
public struct LinkSyntax: Equatable, Sendable {
    /// The channel or subtree, or before a dot the compartment.
    public let name: EndSyntax
    /// The service after the dot; nil without one.
    public let service: Located<String>?

    /// Creates a reference as written.
    public init(name: EndSyntax, service: Located<String>?) {
        self.name = name
        self.service = service
    }

    /// Where it stands.
    public var span: SourceSpan { name.span.through(service?.span ?? name.span) }

    /// The reference in the source's words.
    public var text: String { name.text + (service.map { ".\($0.value)" } ?? "") }
}

/// `exempt SUBJECT LINK -> LINK reason "TEXT"`
public struct ExemptSyntax: Equatable, Sendable {
    /// The compartment that is exempt.
    public let subject: Located<String>
    /// Where what it may pass on comes in.
    public let from: LinkSyntax
    /// Where it may go out.
    public let to: LinkSyntax
    /// Why this is right.
    public let reason: Located<String>

    /// Creates an exemption as written.
    public init(
        subject: Located<String>, from: LinkSyntax, to: LinkSyntax, reason: Located<String>
    ) {
        self.subject = subject
        self.from = from
        self.to = to
        self.reason = reason
    }
}

/// What an `assert` statement can claim.
public enum AssertionSyntax: Equatable, Sendable {
    /// `assert never FROM -> TO [except via NAME or …]`; `via` is empty without the exception.
    case never(from: LevelSyntax, to: LevelSyntax, via: [Located<String>])
    /// `assert every path FROM -> TO passes NAME or …`
    case everyPath(from: LevelSyntax, to: LevelSyntax, passes: [Located<String>])
    /// `assert control FROM -> TO only through LINK or …`
    case control(from: LevelSyntax, to: LevelSyntax, through: [LinkSyntax])
    /// `assert only NAME or … may POWER`, `assert nobody may POWER`; `names` is nil for nobody.
    case power(names: [Located<String>]?, power: Located<Power>)
}

/// What a compartment may do to the policy itself; the raw value is its words in a source.
public enum Power: String, Equatable, Sendable, CaseIterable {
    /// Load another policy.
    case loadPolicy = "load policy"
    /// Give something another label.
    case relabel = "relabel"
}

/// A statement that is a name, perhaps a text, and a block: `store`, `device`.
public struct BlockSyntax: Equatable, Sendable {
    /// The declared name.
    public let name: Located<String>
    /// The path of a `store`; nil for a `device`.
    public let path: Located<String>?
    /// What stands between the braces.
    public let body: BodySyntax

    /// Creates a statement as written.
    public init(name: Located<String>, path: Located<String>?, body: BodySyntax) {
        self.name = name
        self.path = path
        self.body = body
    }
}

/// What stands between braces.
public struct BodySyntax: Equatable, Sendable {
    /// The comment after the opening brace.
    public let openingComment: String?
    /// The fields in their order.
    public let fields: [FieldSyntax]
    /// The comments between the last field and the closing brace.
    public let closingComments: [Comment]

    /// Creates a body as written.
    public init(openingComment: String?, fields: [FieldSyntax], closingComments: [Comment]) {
        self.openingComment = openingComment
        self.fields = fields
        self.closingComments = closingComments
    }
}

/// A unit of time; the raw value is its name in a source.
public enum TimeUnit: String, Equatable, Sendable, CaseIterable {
    /// A millionth of a second.
    case microsecond = "us"
    /// A thousandth of a second.
    case millisecond = "ms"
    /// One second.
    case second = "s"

    /// The unit's length in microseconds.
    public var microseconds: UInt64 {
        switch self {
        case .microsecond: return 1
        case .millisecond: return 1_000
        case .second: return 1_000_000
        }
    }
}

extension Located where Value == String {
    /// Returns names as they stand in a list.
    static func list(_ names: [Located<String>], _ separator: String) -> String {
        names.map(\.value).joined(separator: separator)
    }
}
