/// A value and the text that it stands for.
///
/// Two located values are equal when their values are: equality of trees is about what a source
/// says, so that `parse(print(tree)) == tree` can be asked.
public struct Located<Value: Equatable & Sendable>: Equatable, Sendable {
    /// The value.
    public let value: Value
    /// Where it stands.
    public let span: SourceSpan

    /// Locates a value.
    public init(_ value: Value, at span: SourceSpan) {
        self.value = value
        self.span = span
    }

    /// Compares the values, not the places.
    public static func == (left: Located, right: Located) -> Bool { left.value == right.value }
}

/// One source file as its author wrote it, comments and blank lines included, names unresolved.
public struct SyntaxTree: Equatable, Sendable {
    /// The statements in their order.
    public let statements: [Statement]
    /// The comments after the last statement.
    public let closingComments: [Comment]

    /// Creates a tree.
    public init(statements: [Statement], closingComments: [Comment]) {
        self.statements = statements
        self.closingComments = closingComments
    }
}

/// A comment on a line of its own, or at the end of a line.
public struct Comment: Equatable, Sendable {
    /// What follows `//`, without blanks at the end.
    public let text: String
    /// Whether a blank line stands before it; false for the first thing in a file or block.
    public let followsBlankLine: Bool

    /// Creates a comment.
    public init(text: String, followsBlankLine: Bool) {
        self.text = text
        self.followsBlankLine = followsBlankLine
    }
}

/// What stands around a statement or field and means nothing to the machine.
public struct Layout: Equatable, Sendable {
    /// The comments on the lines before.
    public let comments: [Comment]
    /// Whether a blank line stands directly before; false for the first thing in a file or block.
    public let followsBlankLine: Bool
    /// The comment at the end of the line.
    public let lineComment: String?

    /// Creates a layout.
    public init(comments: [Comment] = [], followsBlankLine: Bool = false, lineComment: String?) {
        self.comments = comments
        self.followsBlankLine = followsBlankLine
        self.lineComment = lineComment
    }
}

/// One statement and what stands around it.
public struct Statement: Equatable, Sendable {
    /// What a statement can say.
    public enum Kind: Equatable, Sendable {
        /// `system NAME version NUMBER`
        case system(name: Located<String>, version: Located<UInt64>)
        /// `target NAME ["VERSION"]`
        case target(Located<String>, version: Located<String>?)
        /// `import "FILE"`
        case importModule(Located<String>)
        /// `levels NAME < NAME …`, lowest first.
        case levels([Located<String>])
        /// `categories NAME, NAME …`
        case categories([Located<String>])
        /// `integrity NAME < NAME …`, lowest first.
        case integrity([Located<String>])
        /// `compartment NAME at LABEL { … }`, `service NAME at LABEL { … }`
        case compartment(CompartmentSyntax)
        /// `channel NAME: FROM -> TO KIND`
        case channel(ChannelSyntax)
        /// `store NAME "PATH" { … }`
        case store(BlockSyntax)
        /// `device NAME { … }`
        case device(BlockSyntax)
        /// `exempt SUBJECT LINK -> LINK reason "TEXT"`
        case exempt(ExemptSyntax)
        /// `conflict NAME: NAME, NAME …`
        case conflict(name: Located<String>, members: [Located<String>])
        /// `assert …`
        case assertion(AssertionSyntax)
    }

    /// What the statement says; the span is the whole statement's.
    public let kind: Located<Kind>
    /// What stands around it.
    public let layout: Layout

    /// Creates a statement.
    public init(kind: Located<Kind>, layout: Layout) {
        self.kind = kind
        self.layout = layout
    }
}

/// `NAME` or `NAME:CATEGORY,CATEGORY`: a level, or in an assertion perhaps a compartment.
public struct LevelSyntax: Equatable, Sendable {
    /// The name before the colon.
    public let name: Located<String>
    /// The names after the colon; empty without one.
    public let categories: [Located<String>]

    /// Creates a level as written.
    public init(name: Located<String>, categories: [Located<String>]) {
        self.name = name
        self.categories = categories
    }

    /// Where the level stands.
    public var span: SourceSpan { name.span.through(categories.last?.span ?? name.span) }

    /// The level in the source's words.
    public var text: String {
        categories.isEmpty
            ? name.value : name.value + ":" + categories.map(\.value).joined(separator: ",")
    }
}

/// `LEVEL` or `LEVEL..LEVEL`.
public struct LabelSyntax: Equatable, Sendable {
    /// The level before `..`, or the only one.
    public let low: LevelSyntax
    /// The level after `..`; nil without one.
    public let high: LevelSyntax?

    /// Creates a label as written.
    public init(low: LevelSyntax, high: LevelSyntax?) {
        self.low = low
        self.high = high
    }

    /// Where the label stands.
    public var span: SourceSpan { low.span.through(high?.span ?? low.span) }
}

/// `compartment NAME at LABEL [integrity NAME] { … }`, or the same with `service`
public struct CompartmentSyntax: Equatable, Sendable {
    /// Whether the statement's word is `service`.
    public let isService: Bool
    /// The compartment's name.
    public let name: Located<String>
    /// The levels that it works at.
    public let label: LabelSyntax
    /// How much it can be relied on; nil when not said.
    public let integrity: Located<String>?
    /// The comment after the opening brace.
    public let openingComment: String?
    /// The fields in their order.
    public let fields: [FieldSyntax]
    /// The comments between the last field and the closing brace.
    public let closingComments: [Comment]

    /// Creates a compartment as written.
    public init(
        isService: Bool = false, name: Located<String>, label: LabelSyntax,
        integrity: Located<String>? = nil, openingComment: String?, fields: [FieldSyntax],
        closingComments: [Comment]
    ) {
        self.isService = isService
        self.name = name
        self.label = label
        self.integrity = integrity
        self.openingComment = openingComment
        self.fields = fields
        self.closingComments = closingComments
    }
}

/// One line of a block.
public struct FieldSyntax: Equatable, Sendable {
    /// What a field can say.
    public enum Kind: Equatable, Sendable {
        /// `kernel NAME`
        case kernel(name: Located<String>)
        /// `kernel "FILE"`
        case kernelFile(Located<String>)
        /// `initrd "FILE"`
        case initrd(Located<String>)
        /// `command line "TEXT"`
        case commandLine(Located<String>)
        /// `memory NUMBER UNIT`; the span of `unit` covers the unit only.
        case memory(amount: Located<UInt64>, unit: Located<MemoryUnit>)
        /// `vcpus NUMBER`
        case vcpus(Located<UInt64>)
        /// `schedule fixed slot NUMBER UNIT`; the span of `unit` covers the unit only.
        case scheduleFixed(slot: Located<UInt64>, unit: Located<TimeUnit>)
        /// `schedule fair weight NUMBER [cap NUMBER percent]`
        case scheduleFair(weight: Located<UInt64>, cap: Located<UInt64>?)
        /// `start auto [after NAME, …]`, `start manual`; the names are empty without `after`.
        case start(isAutomatic: Bool, after: [Located<String>])
        /// `restart NUMBER times`
        case restart(Located<UInt64>)
        /// `console none`
        case consoleNone
        /// `uses NAME, …`
        case uses([Located<String>])
        /// `commands NAME, …`
        case commands([Located<String>])
        /// `may load policy`, `may relabel`
        case may(Located<Power>)
        /// `quota store …`
        case storeQuota(StoreQuotaSyntax)
        /// `owner NAME`
        case owner(Located<String>)
        /// `readers NAME, …`
        case readers([EndSyntax])
        /// `writers NAME, …`
        case writers([EndSyntax])
        /// `quota NUMBER nodes`
        case quotaNodes(Located<UInt64>)
        /// `quota NUMBER UNIT`
        case quotaBytes(amount: Located<UInt64>, unit: Located<MemoryUnit>)
        /// `rate NUMBER per second`
        case rate(Located<UInt64>)
        /// `pci "ADDRESS"`
        case pci(Located<String>)
        /// `irq NUMBER`
        case irq(Located<UInt64>)
        /// `io memory "FIRST-LAST"`
        case ioMemory(Located<String>)
        /// `io ports "FIRST-LAST"`
        case ioPorts(Located<String>)
        /// `without iommu`
        case withoutIOMMU
    }

    /// What the field says; the span is the whole field's.
    public let kind: Located<Kind>
    /// What stands around it.
    public let layout: Layout

    /// Creates a field.
    public init(kind: Located<Kind>, layout: Layout) {
        self.kind = kind
        self.layout = layout
    }
}

/// One bound of what a compartment may use of the store.
public enum StoreQuotaSyntax: Equatable, Sendable {
    /// What is counted; the raw value is its name in a source.
    public enum Count: String, Equatable, Sendable, CaseIterable {
        /// Nodes that it owns.
        case nodes
        /// Watches.
        case watches
        /// Open transactions.
        case transactions
        /// Requests whose replies it has not taken.
        case requests
    }

    /// `NUMBER nodes`, `NUMBER watches`, `NUMBER transactions`, `NUMBER requests`
    case count(Located<UInt64>, Count)
    /// `NUMBER UNIT`; the span of `unit` covers the unit only.
    case memory(amount: Located<UInt64>, unit: Located<MemoryUnit>)
    /// `NUMBER UNIT per node`
    case nodeSize(amount: Located<UInt64>, unit: Located<MemoryUnit>)
    /// `NUMBER per second`
    case rate(Located<UInt64>)
}

/// A unit of memory; the raw value is its name in a source.
public enum MemoryUnit: String, Equatable, Sendable, CaseIterable {
    /// 1,024 bytes.
    case kibibyte = "KiB"
    /// 1,048,576 bytes.
    case mebibyte = "MiB"
    /// 1,073,741,824 bytes.
    case gibibyte = "GiB"

    /// The unit's size in bytes.
    public var sizeInBytes: UInt64 {
        switch self {
        case .kibibyte: return 1 << 10
        case .mebibyte: return 1 << 20
        case .gibibyte: return 1 << 30
        }
    }
}

/// `channel NAME: FROM -> TO KIND`, or the same with `<->`
public struct ChannelSyntax: Equatable, Sendable {
    /// The channel's name.
    public let name: Located<String>
    /// Who sends.
    public let from: EndSyntax
    /// Whether the channel leads both ways.
    public let isTwoWay: Bool
    /// Who receives.
    public let to: EndSyntax
    /// What realises the channel.
    public let kind: Located<String>
    /// The number before `pages`; nil without.
    public let pages: Located<UInt64>?
    /// The number after `rate`, a second; nil without.
    public let rate: Located<UInt64>?

    /// Creates a channel as written.
    public init(
        name: Located<String>, from: EndSyntax, isTwoWay: Bool = false, to: EndSyntax,
        kind: Located<String>, pages: Located<UInt64>? = nil, rate: Located<UInt64>? = nil
    ) {
        self.name = name
        self.from = from
        self.isTwoWay = isTwoWay
        self.to = to
        self.kind = kind
        self.pages = pages
        self.rate = rate
    }
}
