// MARK: - Channels, exemptions, conflicts

extension Parser {
    mutating func parseChannel() throws(Failure) -> ChannelSyntax {
        advance()
        let name = try expectName("the channel's name")
        try expect(.colon)
        let from = try parseEnd("the sending compartment's name")
        let isTwoWay = token.kind == .doubleArrow
        if isTwoWay { advance() } else { try expect(.arrow) }
        let to = try parseEnd("the receiving compartment's name")
        let kind = try expectName("the channel's kind, such as `signal`")
        var pages: Located<UInt64>?
        if case .number = token.kind {
            pages = try expectNumber("a number of pages")
            try expectWord("pages")
        }
        var rate: Located<UInt64>?
        if token.kind == .name("rate") {
            advance()
            rate = try parseRate()
        }
        return ChannelSyntax(
            name: name, from: from, isTwoWay: isTwoWay, to: to, kind: kind, pages: pages,
            rate: rate)
    }

    /// Parses `NUMBER per second`.
    mutating func parseRate() throws(Failure) -> Located<UInt64> {
        let rate = try expectNumber("a number for each second")
        try expectWord("per")
        try expectWord("second")
        return rate
    }

    /// Parses `NAME` or `each(…)`.
    mutating func parseEnd(_ what: String) throws(Failure) -> EndSyntax {
        let start = token.span
        let name = try expectName(what)
        guard name.value == "each", token.kind == .leftParenthesis else { return .name(name) }
        advance()
        skipLineEnds()
        let first = try expectName("`compartment`, or a compartment's name")
        let isList = token.kind == .comma
        guard !isList, first.value == "compartment" else {
            var names = [first]
            while token.kind == .comma {
                advance()
                skipLineEnds()
                names.append(try expectName("a compartment's name"))
            }
            try expect(.rightParenthesis)
            let span = start.through(previousSpan)
            return .each(SetSyntax(names: names, level: nil, except: [], span: span))
        }
        return .each(try parseSet(from: start))
    }

    /// Parses what follows `each(compartment`.
    private mutating func parseSet(from start: SourceSpan) throws(Failure) -> SetSyntax {
        var level: LevelSyntax?
        if token.kind == .name("at") {
            advance()
            level = try parseLevel("a level")
        }
        var except: [Located<String>] = []
        if token.kind == .name("except") {
            except = try parseList("a compartment's name", separator: .comma)
        }
        try expect(.rightParenthesis)
        return SetSyntax(
            names: nil, level: level, except: except, span: start.through(previousSpan))
    }

    /// Parses a channel's name, a subtree's, or `COMPARTMENT.SERVICE`.
    private mutating func parseLink() throws(Failure) -> LinkSyntax {
        let name = try parseEnd("the name of a channel or a store")
        guard token.kind == .dot else { return LinkSyntax(name: name, service: nil) }
        advance()
        return LinkSyntax(name: name, service: try expectName("a service's name"))
    }

    mutating func parseExemption() throws(Failure) -> ExemptSyntax {
        advance()
        let subject = try expectName("the exempt compartment's name")
        let from = try parseLink()
        try expect(.arrow)
        let to = try parseLink()
        try expectWord("reason")
        return ExemptSyntax(
            subject: subject, from: from, to: to, reason: try expectString("a reason"))
    }

    mutating func parseConflict() throws(Failure) -> Statement.Kind {
        advance()
        let name = try expectName("the conflict's name")
        try expect(.colon)
        let members = try parseNames("a compartment's name", separator: .comma)
        return .conflict(name: name, members: members)
    }
}

// MARK: - Assertions

extension Parser {
    private static let claimWords = ["never", "every", "control", "only", "nobody"]

    mutating func parseAssertion() throws(Failure) -> AssertionSyntax {
        advance()
        guard case .name(let word) = token.kind, Parser.claimWords.contains(word) else {
            throw fail(
                .unexpectedToken, "expected `never`, found \(token.description)",
                help: "an assertion begins with one of \(Parser.listed(Parser.claimWords))")
        }
        advance()
        switch word {
        case "never":
            let (from, to) = try parsePair()
            guard token.kind == .name("except") else {
                return .never(from: from, to: to, via: [])
            }
            advance()
            try expectWord("via")
            return .never(from: from, to: to, via: try parseAlternatives("a compartment's name"))
        case "every":
            try expectWord("path")
            let (from, to) = try parsePair()
            try expectWord("passes")
            let passes = try parseAlternatives("a compartment's name")
            return .everyPath(from: from, to: to, passes: passes)
        case "control":
            let (from, to) = try parsePair()
            try expectWord("only")
            try expectWord("through")
            var through = [try parseLink()]
            while token.kind == .name("or") {
                advance()
                through.append(try parseLink())
            }
            return .control(from: from, to: to, through: through)
        case "only":
            let names = try parseAlternatives("a compartment's name")
            return .power(names: names, power: try parsePower())
        default: return .power(names: nil, power: try parsePower())
        }
    }

    private mutating func parsePair() throws(Failure) -> (LevelSyntax, LevelSyntax) {
        let from = try parseLevel("a compartment or a level")
        try expect(.arrow)
        return (from, try parseLevel("a compartment or a level"))
    }

    private mutating func parseAlternatives(
        _ what: String
    ) throws(Failure) -> [Located<String>] {
        try parseNames(what, separator: .name("or"))
    }

    /// Parses `may POWER`.
    private mutating func parsePower() throws(Failure) -> Located<Power> {
        try expectWord("may")
        return try parsePowerName()
    }

    /// Parses `load policy` or `relabel`.
    mutating func parsePowerName() throws(Failure) -> Located<Power> {
        let start = token.span
        guard token.kind != .name("relabel") else {
            advance()
            return Located(.relabel, at: start)
        }
        guard token.kind == .name("load") else {
            throw fail(
                .unexpectedToken, "expected `load policy` or `relabel`, found \(token.description)")
        }
        advance()
        try expectWord("policy")
        return Located(.loadPolicy, at: start.through(previousSpan))
    }
}
