import ArgumentParser
import PolicyAnalysis

/// `casemate query search`: rules by what is in them.
struct QuerySearch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Find rules by kind, names, permissions and conditions.",
        discussion: """
            Has all filters of sesearch, under the same names. Several conditions must all hold. \
            Names of types find the rules of their attributes too, unless -ds or -dt is given.

            EXIT STATUS
              0   the question was answered
              1   the policy or the question is refused
              64  the command line is wrong
              74  the policy could not be read

            EXAMPLE
              casemate query search policy.33 -A -s httpd_t -t shadow_t -c file -p read,write
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var policy: String

    @OptionGroup var kinds: RuleKindOptions
    @OptionGroup var filter: RuleFilterOptions

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    @Flag(help: "Write only how many rules were found.")
    var count = false

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let question = try filter.question(kinds.chosen)
        let result = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            try policy.search(question)
        }
        if count { return try StandardOutput.write("\(result.count)\n") }
        try StandardOutput.write(
            json ? result.json(in: policy) : result.text(in: policy))
    }
}

/// Which kinds of rules are looked for; none: all.
struct RuleKindOptions: ParsableArguments {
    @Flag(name: .customShort("A"), help: "allow and allowxperm rules.")
    var anyAllow = false
    @Flag(help: "allow rules.")
    var allow = false
    @Flag(help: "allowxperm rules.")
    var allowxperm = false
    @Flag(help: "auditallow rules.")
    var auditallow = false
    @Flag(help: "auditallowxperm rules.")
    var auditallowxperm = false
    @Flag(help: "dontaudit rules.")
    var dontaudit = false
    @Flag(help: "dontauditxperm rules.")
    var dontauditxperm = false
    @Flag(name: [.customShort("T"), .customLong("type_trans")], help: "type_transition rules.")
    var typeTransition = false
    @Flag(name: .customLong("type_change"), help: "type_change rules.")
    var typeChange = false
    @Flag(name: .customLong("type_member"), help: "type_member rules.")
    var typeMember = false
    @Flag(name: .customLong("role_allow"), help: "Pairs of roles.")
    var roleAllow = false
    @Flag(name: .customLong("role_trans"), help: "role_transition rules.")
    var roleTransition = false
    @Flag(name: .customLong("range_trans"), help: "range_transition rules.")
    var rangeTransition = false

    /// The kinds that were chosen.
    var chosen: Set<RuleSearch.Kind> {
        let flags: [(Bool, RuleSearch.Kind)] = [
            (allow || anyAllow, .allow), (allowxperm || anyAllow, .allowxperm),
            (auditallow, .auditallow), (auditallowxperm, .auditallowxperm),
            (dontaudit, .dontaudit), (dontauditxperm, .dontauditxperm),
            (typeTransition, .typeTransition), (typeChange, .typeChange),
            (typeMember, .typeMember), (roleAllow, .roleAllow),
            (roleTransition, .roleTransition), (rangeTransition, .rangeTransition),
        ]
        return Set(flags.filter(\.0).map(\.1))
    }
}

/// What the rules that are looked for must have.
struct RuleFilterOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The source type, attribute or role.")
    var source: String?
    @Option(name: .shortAndLong, help: "The target type, attribute or role.")
    var target: String?
    @Option(
        name: [.customShort("c"), .customLong("class")], help: "Classes, separated by commas.")
    var objectClass: String?
    @Option(name: .shortAndLong, help: "Permissions, separated by commas.")
    var perms: String?
    @Option(name: .shortAndLong, help: "ioctl commands: 0x5401,0x8910-0x8920.")
    var xperms: String?
    @Option(name: [.customShort("D"), .long], help: "The new type, role or range.")
    var `default`: String?
    @Option(name: .shortAndLong, help: "Booleans of the condition, separated by commas.")
    var bool: String?
    @Flag(name: .customLong("eb", withSingleDash: true), help: "Exactly these Booleans.")
    var booleansAreExact = false
    @Flag(name: .customLong("ep", withSingleDash: true), help: "Exactly these permissions.")
    var permissionsAreExact = false
    @Flag(name: .customLong("ex", withSingleDash: true), help: "Exactly these ioctl commands.")
    var operationsAreExact = false
    @Flag(name: .customLong("Sp", withSingleDash: true), help: "All of these permissions.")
    var permissionsAreAll = false
    @Flag(name: .customLong("ds", withSingleDash: true), help: "The source itself.")
    var sourceIsDirect = false
    @Flag(name: .customLong("dt", withSingleDash: true), help: "The target itself.")
    var targetIsDirect = false
    @Flag(name: .customLong("rs", withSingleDash: true), help: "The source as a pattern.")
    var sourceIsPattern = false
    @Flag(name: .customLong("rt", withSingleDash: true), help: "The target as a pattern.")
    var targetIsPattern = false
    @Flag(name: .customLong("rc", withSingleDash: true), help: "The class as a pattern.")
    var classIsPattern = false
    @Flag(name: .customLong("rd", withSingleDash: true), help: "The default as a pattern.")
    var resultIsPattern = false
    @Flag(name: .customLong("rb", withSingleDash: true), help: "The Booleans as a pattern.")
    var booleanIsPattern = false

    /// The question.
    ///
    /// - Throws: `ValidationError` when `--xperms` is not a list of numbers.
    func question(_ kinds: Set<RuleSearch.Kind>) throws -> RuleSearch {
        func list(_ text: String?) -> [String] {
            text?.split(separator: ",").map(String.init) ?? []
        }
        var question = RuleSearch()
        question.kinds = kinds
        question.source = source
        question.target = target
        question.sourceIsPattern = sourceIsPattern
        question.targetIsPattern = targetIsPattern
        question.sourceIsDirect = sourceIsDirect
        question.targetIsDirect = targetIsDirect
        if classIsPattern {
            question.classPattern = objectClass
        } else {
            question.classes = list(objectClass)
        }
        question.permissions = list(perms)
        question.permissionsAreExact = permissionsAreExact
        question.permissionsAreAll = permissionsAreAll
        question.operations = try operations()
        question.operationsAreExact = operationsAreExact
        question.result = `default`
        question.resultIsPattern = resultIsPattern
        if booleanIsPattern {
            question.booleanPattern = bool
        } else {
            question.booleans = list(bool)
        }
        question.booleansAreExact = booleansAreExact
        return question
    }

    private func operations() throws -> [ClosedRange<Int>] {
        guard let xperms else { return [] }
        return try xperms.split(separator: ",").map { item in
            let ends = item.split(separator: "-", maxSplits: 1).map { text in
                text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
            }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil,
                first >= 0, last >= 0, max(first, last) <= 0xffff
            else { throw ValidationError("`\(item)` is no ioctl command") }
            return min(first, last)...max(first, last)
        }
    }
}
