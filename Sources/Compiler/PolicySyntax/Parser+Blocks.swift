extension Parser {
    /// The statements that have a block.
    enum Block: CaseIterable {
        case compartment, store, device

        /// The words that begin a field.
        var fieldWords: [String] {
            switch self {
            case .compartment:
                return [
                    "kernel", "initrd", "command", "memory", "vcpus", "schedule", "start",
                    "restart", "console", "uses", "commands", "quota", "may",
                ]
            case .store: return ["owner", "readers", "writers", "quota", "rate"]
            case .device: return ["owner", "pci", "irq", "io", "without"]
            }
        }

        /// The statement as a diagnostic names it.
        var description: String {
            switch self {
            case .compartment: return "a compartment"
            case .store: return "a store"
            case .device: return "a device"
            }
        }
    }

    private struct Header {
        let name: Located<String>
        let label: LabelSyntax
        let integrity: Located<String>?
        let brace: SourceSpan
    }

    /// Parses a compartment; after an error in its first line the block is read all the same, for
    /// the errors in it.
    mutating func parseCompartment(isService: Bool) throws(Failure) -> CompartmentSyntax {
        advance()
        let header: Header
        do {
            header = try parseHeader(isService: isService)
        } catch {
            if let brace = findBlockAfterError(of: .compartment) {
                _ = try parseBlock(of: .compartment, openedAt: brace)
            }
            throw Failure()
        }
        let block = try parseBlock(of: .compartment, openedAt: header.brace)
        return CompartmentSyntax(
            isService: isService, name: header.name, label: header.label,
            integrity: header.integrity, openingComment: block.openingComment,
            fields: block.fields, closingComments: block.closingComments)
    }

    private mutating func parseHeader(isService: Bool) throws(Failure) -> Header {
        let name = try expectName(isService ? "the service's name" : "the compartment's name")
        try expectWord("at")
        let label = try parseLabel()
        var integrity: Located<String>?
        if token.kind == .name("integrity") {
            advance()
            integrity = try expectName("an integrity's name")
        }
        let brace = token.span
        try expect(.leftBrace)
        return Header(name: name, label: label, integrity: integrity, brace: brace)
    }

    /// Parses `store NAME "PATH" { … }` or `device NAME { … }`, the first line as a compartment's.
    mutating func parseResource(_ kind: Block) throws(Failure) -> BlockSyntax {
        advance()
        let name: Located<String>
        var path: Located<String>?
        let brace: SourceSpan
        do {
            name = try expectName("\(kind.description)'s name")
            if kind == .store { path = try expectString("a path") }
            brace = token.span
            try expect(.leftBrace)
        } catch {
            if let brace = findBlockAfterError(of: kind) {
                _ = try parseBlock(of: kind, openedAt: brace)
            }
            throw Failure()
        }
        return BlockSyntax(name: name, path: path, body: try parseBlock(of: kind, openedAt: brace))
    }

    private mutating func parseLabel() throws(Failure) -> LabelSyntax {
        let low = try parseLevel("a level")
        guard token.kind == .range else { return LabelSyntax(low: low, high: nil) }
        advance()
        return LabelSyntax(low: low, high: try parseLevel("a level"))
    }

    /// Steps over the rest of a broken first line, to the block that belongs to it.
    ///
    /// A block follows when its brace stands on the line or on the next, or when the next line is
    /// a field. Nil when there is none: the reader is then at the end of a line.
    private mutating func findBlockAfterError(of kind: Block) -> SourceSpan? {
        while token.kind != .leftBrace, token.kind != .lineEnd, token.kind != .fileEnd {
            advance()
        }
        let opening = token
        if opening.kind == .lineEnd { _ = readLayout(isFirst: true) }
        switch token.kind {
        case .leftBrace:
            advance()
            return opening.span
        case .name(let word) where kind.fieldWords.contains(word):
            return opening.span
        default:
            if opening.kind == .lineEnd { stepBack() }
            return nil
        }
    }

    /// Parses what follows an opening brace, up to and including the closing one.
    ///
    /// - Throws: `Failure` when the block is not closed; the reader is then before a line's start.
    private mutating func parseBlock(
        of kind: Block, openedAt brace: SourceSpan
    ) throws(Failure) -> BodySyntax {
        var openingComment: String?
        var fields: [FieldSyntax] = []
        if case .comment(let text) = token.kind {
            openingComment = text
            advance()
        }
        if token.kind == .lineEnd { advance() }
        while !diagnostics.isFull {
            let (comments, followsBlankLine) = readLayout(isFirst: fields.isEmpty)
            if token.kind == .rightBrace {
                advance()
                return BodySyntax(
                    openingComment: openingComment, fields: fields, closingComments: comments)
            }
            if isAtBlockEnd { break }
            let start = token.span
            guard let field = parseField(of: kind) else { continue }
            let end = previousSpan
            let layout = Layout(
                comments: comments, followsBlankLine: followsBlankLine,
                lineComment: endStatement(inBlock: true))
            fields.append(
                FieldSyntax(kind: Located(field, at: start.through(end)), layout: layout))
        }
        diagnostics.append(
            Diagnostic(
                .unclosedBlock, at: brace, "the block is not closed",
                help: "write `}` on a line of its own after the last field"))
        stepBack()
        throw Failure()
    }

    /// Whether the block ends here without a brace: no field begins with a statement's word.
    private var isAtBlockEnd: Bool {
        if case .name(let word) = token.kind { return Parser.statementWords.contains(word) }
        return token.kind == .fileEnd
    }

    /// Parses one field; nil after an error, with the reader at the next line or closing brace.
    private mutating func parseField(of kind: Block) -> FieldSyntax.Kind? {
        do {
            return try parseFieldBody(of: kind)
        } catch {
            recover(inBlock: true)
            return nil
        }
    }

    private mutating func parseFieldBody(of kind: Block) throws(Failure) -> FieldSyntax.Kind {
        guard case .name(let word) = token.kind else {
            throw fail(.unknownField, "a field cannot begin with \(token.description)")
        }
        guard kind.fieldWords.contains(word) else {
            throw fail(
                .unknownField, "`\(word)` is not a field of \(kind.description)",
                help: Suggestion.help(for: word, among: kind.fieldWords)
                    ?? "fields are \(Parser.listed(kind.fieldWords))")
        }
        advance()
        return kind == .compartment
            ? try parseCompartmentField(word) : try parseResourceField(word)
    }

    private mutating func parseCompartmentField(
        _ word: String
    ) throws(Failure) -> FieldSyntax.Kind {
        switch word {
        case "kernel":
            if case .string = token.kind { return .kernelFile(try expectString("a file name")) }
            return .kernel(name: try expectName("a kernel, such as `debian` or a file name"))
        case "initrd": return .initrd(try expectString("a file name"))
        case "command":
            try expectWord("line")
            return .commandLine(try expectString("a command line"))
        case "memory":
            let (amount, unit) = try parseMemory()
            return .memory(amount: amount, unit: unit)
        case "vcpus": return .vcpus(try expectNumber("a number of virtual processors"))
        case "schedule": return try parseSchedule()
        case "start": return try parseStart()
        case "restart":
            let count = try expectNumber("how often to restart")
            try expectWord("times")
            return .restart(count)
        case "console":
            try expectWord("none")
            return .consoleNone
        case "uses": return .uses(try parseNames("a service's name", separator: .comma))
        case "commands":
            return .commands(try parseNames("a command of the TPM", separator: .comma))
        case "quota": return .storeQuota(try parseStoreQuota())
        default: return .may(try parsePowerName())
        }
    }

    private mutating func parseSchedule() throws(Failure) -> FieldSyntax.Kind {
        if token.kind == .name("fixed") {
            advance()
            try expectWord("slot")
            let slot = try expectNumber("a length of time")
            return .scheduleFixed(slot: slot, unit: try parseTimeUnit())
        }
        try expectWord("fair")
        try expectWord("weight")
        let weight = try expectNumber("a weight")
        guard token.kind == .name("cap") else { return .scheduleFair(weight: weight, cap: nil) }
        advance()
        let cap = try expectNumber("a percentage")
        try expectWord("percent")
        return .scheduleFair(weight: weight, cap: cap)
    }

    private mutating func parseTimeUnit() throws(Failure) -> Located<TimeUnit> {
        let span = token.span
        let units = TimeUnit.allCases.map(\.rawValue)
        guard case .name(let name) = token.kind else {
            throw fail(
                .unexpectedToken, "expected a unit, found \(token.description)",
                help: "units are \(Parser.listed(units))")
        }
        guard let unit = TimeUnit(rawValue: name) else {
            throw fail(
                .unknownUnit, "`\(name)` is not a unit of time",
                help: "units are \(Parser.listed(units))")
        }
        advance()
        return Located(unit, at: span)
    }

    private mutating func parseStart() throws(Failure) -> FieldSyntax.Kind {
        guard token.kind != .name("manual") else {
            advance()
            return .start(isAutomatic: false, after: [])
        }
        try expectWord("auto")
        guard token.kind == .name("after") else { return .start(isAutomatic: true, after: []) }
        return .start(
            isAutomatic: true, after: try parseList("a compartment's name", separator: .comma))
    }

    private mutating func parseResourceField(_ word: String) throws(Failure) -> FieldSyntax.Kind {
        switch word {
        case "owner": return .owner(try expectName("a compartment's name"))
        case "readers": return .readers(try parseEnds())
        case "writers": return .writers(try parseEnds())
        case "quota": return try parseQuota()
        case "rate": return .rate(try parseRate())
        case "pci": return .pci(try expectString("a PCI address"))
        case "irq": return .irq(try expectNumber("an interrupt's number"))
        case "io":
            if token.kind == .name("ports") {
                advance()
                return .ioPorts(try expectString("a range of ports"))
            }
            try expectWord("memory")
            return .ioMemory(try expectString("a range of addresses"))
        default:
            try expectWord("iommu")
            return .withoutIOMMU
        }
    }

    private mutating func parseEnds() throws(Failure) -> [EndSyntax] {
        var ends = [try parseEnd("a compartment's name")]
        while token.kind == .comma {
            advance()
            skipLineEnds()
            ends.append(try parseEnd("a compartment's name"))
        }
        return ends
    }

    private mutating func parseQuota() throws(Failure) -> FieldSyntax.Kind {
        guard case .number = token.kind, index + 1 < tokens.count,
            tokens[index + 1].kind == .name("nodes")
        else {
            let (amount, unit) = try parseMemory()
            return .quotaBytes(amount: amount, unit: unit)
        }
        let count = try expectNumber("a number of nodes")
        advance()
        return .quotaNodes(count)
    }

    /// Parses what stands after `quota` in a compartment.
    private mutating func parseStoreQuota() throws(Failure) -> StoreQuotaSyntax {
        try expectWord("store")
        let amount = try expectNumber("how much of the store")
        if case .name(let word) = token.kind {
            if let count = StoreQuotaSyntax.Count(rawValue: word) {
                advance()
                return .count(amount, count)
            }
            if word == "per" {
                advance()
                try expectWord("second")
                return .rate(amount)
            }
        }
        let counts = StoreQuotaSyntax.Count.allCases.map(\.rawValue)
        let unit = try parseMemoryUnit(besides: counts + ["per second"])
        guard token.kind == .name("per") else { return .memory(amount: amount, unit: unit) }
        advance()
        try expectWord("node")
        return .nodeSize(amount: amount, unit: unit)
    }

    private mutating func parseMemory() throws(Failure) -> (
        amount: Located<UInt64>, unit: Located<MemoryUnit>
    ) {
        let amount = try expectNumber("an amount of memory")
        return (amount, try parseMemoryUnit())
    }

    /// Parses a unit of memory; `others` are the words that could stand there as well.
    private mutating func parseMemoryUnit(
        besides others: [String] = []
    ) throws(Failure) -> Located<MemoryUnit> {
        let unitSpan = token.span
        let units = others + MemoryUnit.allCases.map(\.rawValue)
        guard case .name(let name) = token.kind else {
            throw fail(
                .unexpectedToken, "expected a unit, found \(token.description)",
                help: "units are \(Parser.listed(units))")
        }
        guard let unit = MemoryUnit(rawValue: name) else {
            throw fail(
                .unknownUnit,
                others.isEmpty
                    ? "`\(name)` is not a unit of memory" : "`\(name)` is no quota of the store",
                help: "units are \(Parser.listed(units))")
        }
        advance()
        return Located(unit, at: unitSpan)
    }
}
