import PolicyDatabaseModel

/// Reads a source, statement by statement, into a `SourcePolicy`.
///
/// A statement that is not of the language is reported and skipped, so that one run finds more than
/// one error. Nothing is nested deeper than `mostNesting`.
struct StatementReader {
    /// How deep braces and parentheses may be nested.
    static let mostNesting = 100

    var lexer: PolicyLexer
    var policy = SourcePolicy()
    /// The token that is looked at, not yet taken.
    var token: PolicyToken
    var failures: [SourceFailure] = []
    /// The `optional` block and the branch of a conditional that statements stand in now.
    var block: UInt32 = 0
    var branch: Int32 = -1
    /// What is open, outermost first.
    var openings: [Opening] = []
    /// The items of the set that is being read; kept to spare allocations.
    var items: [UInt32] = []
    private let keywordCount = UInt32(Keyword.all.count)
    let selfName: Name

    /// A brace that is open.
    enum Opening: Equatable {
        /// Of an `optional`, and the block to return to.
        case optional(block: UInt32, isElse: Bool, outer: UInt32)
        /// Of the conditional with this index.
        case conditional(index: Int, isElse: Bool)
    }

    init(_ text: consuming [UInt8]) {
        var lexer = PolicyLexer(text)
        selfName = lexer.names.name(Keyword.`self`.rawValue)
        // Every policy has this role, whether it declares it or not, and it is number 1.
        policy.roles.declare(lexer.names.name("object_r"))
        token = lexer.next()
        self.lexer = lexer
    }

    /// Reads everything.
    ///
    /// - Returns: what the source says, and what is wrong with it.
    static func read(
        _ text: consuming [UInt8]
    ) -> (reader: StatementReader, failures: [SourceFailure]) {
        var reader = StatementReader(text)
        while reader.token.kind != .end, reader.failures.count < KernelPolicyRefusal.most {
            do throws(SourceFailure) {
                try reader.statement()
            } catch {
                reader.failures.append(error)
                reader.lexer.rewind(to: max(error.offset, reader.token.range.lowerBound))
                reader.lexer.skipStatement()
                reader.advance()
            }
        }
        if !reader.openings.isEmpty, reader.failures.isEmpty {
            reader.failures.append(reader.failure("a `{` is not closed"))
        }
        reader.policy.names = reader.lexer.names
        reader.lexer.releaseText()
        return (reader, reader.failures)
    }

    // MARK: Tokens

    mutating func advance() { token = lexer.next() }

    /// The keyword that is looked at.
    var keyword: Keyword? {
        guard token.kind == .name, token.name.index < 2 * keywordCount else { return nil }
        return Keyword.all[Int(token.name.index % keywordCount)]
    }

    /// Returns a syntax failure at the token that is looked at.
    func failure(_ message: String) -> SourceFailure {
        SourceFailure(.syntax, message, at: token.range.lowerBound)
    }

    /// Returns a failure that says what was wanted in place of the token that is looked at.
    func expected(_ what: String) -> SourceFailure {
        let found = token.kind == .end ? "the end" : "`\(text(token.range))`"
        return failure("expected \(what), found \(found)")
    }

    func isSign(_ sign: Unicode.Scalar) -> Bool { token.kind == .sign(UInt8(ascii: sign)) }

    mutating func takeIf(_ sign: Unicode.Scalar) -> Bool {
        guard isSign(sign) else { return false }
        advance()
        return true
    }

    mutating func take(_ sign: Unicode.Scalar) throws(SourceFailure) {
        guard takeIf(sign) else { throw expected("`\(sign)`") }
    }

    mutating func takeIf(_ wanted: Keyword) -> Bool {
        guard keyword == wanted else { return false }
        advance()
        return true
    }

    mutating func take(_ wanted: Keyword) throws(SourceFailure) {
        guard takeIf(wanted) else { throw expected("`\(wanted.rawValue)`") }
    }

    mutating func name(_ what: String) throws(SourceFailure) -> Name {
        guard token.kind == .name else { throw expected(what) }
        defer { advance() }
        return token.name
    }

    mutating func number() throws(SourceFailure) -> UInt64 {
        guard token.kind == .number else { throw expected("a number") }
        let digits = text(token.range)
        let value =
            digits.count > 2 && digits.dropFirst().first?.lowercased() == "x"
            ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits)
        guard let value else {
            throw SourceFailure(
                .limit, "the number `\(digits)` is too large", at: token.range.lowerBound)
        }
        advance()
        return value
    }

    mutating func number32() throws(SourceFailure) -> UInt32 {
        let offset = token.range.lowerBound
        guard let value = UInt32(exactly: try number()) else {
            throw SourceFailure(.limit, "the number has more than 32 bits", at: offset)
        }
        return value
    }

    /// Takes everything up to the next blank.
    mutating func raw(_ what: String) throws(SourceFailure) -> String {
        if token.kind == .text {
            defer { advance() }
            return text(token.range)
        }
        lexer.rewind(to: token.range.lowerBound)
        let range = lexer.nextRaw()
        guard !range.isEmpty else { throw expected(what) }
        advance()
        return text(range)
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: lexer.text[range], as: UTF8.self)
    }

    func text(_ name: Name) -> String { lexer.names.text(name) }

    // MARK: Statements

    private mutating func statement() throws(SourceFailure) {
        if isSign("}") { return try close() }
        if takeIf(";") { return }
        guard let keyword else { throw expected("a statement") }
        let offset = token.range.lowerBound
        guard branch < 0 || StatementReader.conditionalStatements.contains(keyword) else {
            throw failure("`\(keyword.rawValue)` cannot stand in a conditional")
        }
        advance()
        if try accessRule(keyword, offset) { return }
        if try declaration(keyword, offset) { return }
        if try labelStatement(keyword, offset) { return }
        throw SourceFailure(
            .syntax, "`\(keyword.rawValue)` does not begin a statement", at: offset)
    }

    private static let conditionalStatements: Set<Keyword> = [
        .allow, .auditallow, .auditdeny, .dontaudit, .allowxperm, .auditallowxperm,
        .dontauditxperm, .type_transition, .type_member, .type_change, .require,
    ]

    // MARK: Sets

    /// Reads a set of types, in which `*` and `~` stand only where `mayBeWhole` says so.
    mutating func types(mayBeWhole: Bool = false) throws(SourceFailure) -> SetID {
        let offset = token.range.lowerBound
        let set = try set("types")
        guard mayBeWhole || policy.sets.flags(set).isDisjoint(with: [.all, .complement]) else {
            throw SourceFailure(
                .syntax, "`*` and `~` can stand for types only in what is never allowed",
                at: offset)
        }
        return set
    }

    /// Reads a set of names.
    mutating func set(_ what: String) throws(SourceFailure) -> SetID {
        let offset = token.range.lowerBound
        items.removeAll(keepingCapacity: true)
        var flags: SetTable.Flags = []
        if token.kind == .name {
            let name = token.name
            advance()
            if name == selfName {
                flags.insert(.withSelf)
            } else if !isSign("-") {
                return policy.sets.set(of: name, at: offset)
            } else {
                items.append(name.index << 1)
            }
            try exclusion(&flags)
        } else if takeIf("*") {
            flags.insert(.all)
            try exclusion(&flags)
        } else if takeIf("~") {
            flags.insert(.complement)
            if isSign("{") {
                try braces(&flags)
            } else {
                items.append(try name(what).index << 1)
            }
        } else if isSign("{") {
            try braces(&flags)
        } else {
            throw expected(what)
        }
        if flags.isEmpty, items.count == 1 {
            return policy.sets.set(of: Name(index: items[0] >> 1), at: offset)
        }
        return policy.sets.set(flags: flags, items: items, at: offset)
    }

    private mutating func exclusion(_ flags: inout SetTable.Flags) throws(SourceFailure) {
        guard takeIf("-") else { return }
        flags.insert(.excludes)
        items.append(try name("a name").index << 1 | 1)
    }

    private mutating func braces(_ flags: inout SetTable.Flags) throws(SourceFailure) {
        var depth = 0
        repeat {
            if takeIf("{") {
                depth += 1
                guard depth <= StatementReader.mostNesting else {
                    throw SourceFailure(
                        .limit, "braces are nested too deeply", at: token.range.lowerBound)
                }
            } else if takeIf("}") {
                depth -= 1
            } else if isSign("-") {
                try exclusion(&flags)
            } else if takeIf("*") {
                flags.insert(.all)
            } else if token.kind == .name, token.name == selfName {
                flags.insert(.withSelf)
                advance()
            } else {
                items.append(try name("a name or `}`").index << 1)
            }
        } while depth > 0
        guard !items.isEmpty || !flags.isEmpty else { throw failure("the set is empty") }
    }

    /// Reads names in braces, or one name.
    mutating func names(_ what: String) throws(SourceFailure) -> [Name] {
        guard takeIf("{") else { return [try name(what)] }
        var found: [Name] = []
        while !takeIf("}") { found.append(try name("\(what) or `}`")) }
        return found
    }
}
