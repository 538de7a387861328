import CompilerTestSupport
import PolicyCompiler
import PolicyDatabaseModel
import TestSupport
import Testing

/// One change to a policy that a Xen takes, and what it is then objected to for.
struct ObjectionCase: CustomTestStringConvertible, Sendable {
    let name: String
    let reason: XenObjection.Reason
    /// Whom it is about; nil: the first rule, whichever that is.
    let subject: String?
    let change: @Sendable (inout PolicyFile) -> Void

    init(
        _ reason: XenObjection.Reason, _ name: String, _ subject: String? = "",
        _ change: @escaping @Sendable (inout PolicyFile) -> Void
    ) {
        self.name = name
        self.reason = reason
        self.subject = subject
        self.change = change
    }

    var testDescription: String { "\(reason): \(name)" }

    static let refused: [ObjectionCase] = [
        ObjectionCase(.foreignTarget, "a policy for Linux") {
            $0 = PolicyFile(format: PolicyFormat(.linux, version: 33) ?? .xen30)
        },
        ObjectionCase(.wrongClass, "a class of another name", "event") {
            $0.classes.symbols[8].name = "events"
        },
        ObjectionCase(.wrongClass, "a class left out", "argo") {
            $0.classes.symbols.removeAll { $0.name == "argo" }
        },
        ObjectionCase(.wrongPermission, "two permissions in another order", nil) {
            $0.classes.symbols[8].permissions.symbols[0].number = 2
            $0.classes.symbols[8].permissions.symbols[1].number = 1
        },
        ObjectionCase(.wrongPermission, "a permission left out", "event reset") {
            $0.classes.symbols[8].permissions.symbols.removeLast()
        },
        ObjectionCase(.inheritedCommon, "a class with a common", "event") {
            $0.classes.symbols[8].common = "shared"
        },
        ObjectionCase(.namedTransition, "a transition by name", "x") {
            var rule = PolicyFile.FilenameTransitionRecord()
            rule.name = "x"
            $0.filenameTransitions = [rule]
        },
        ObjectionCase(.genericFileSystem, "the labels of a file system", "proc") {
            var record = PolicyFile.GenericFileSystemRecord()
            record.name = "proc"
            $0.genericFileSystems = [record]
        },
        ObjectionCase(.noAccessRules, "no rule at all") { $0.accessRules.rules = [] },
        ObjectionCase(.duplicateAccessRule, "a rule given twice", nil) {
            $0.accessRules.rules.append($0.accessRules.rules[0])
        },
        ObjectionCase(.unknownNumber, "a rule about a type that is missing", nil) {
            $0.accessRules.rules[0].source = 4000
        },
        ObjectionCase(.unknownNumber, "a rule about class 0", nil) {
            $0.accessRules.rules[0].objectClass = 0
        },
        ObjectionCase(.unknownNumber, "a range for a type that is missing", nil) {
            $0.rangeTransitions[0].source = 0
        },
        ObjectionCase(.wrongObjectRole, "the first role of another name") {
            $0.roles.symbols[0].name = "object"
        },
        ObjectionCase(.unknownInitialSID, "a SID above the highest", "14") {
            var context = PolicyFile.NumberedContext()
            context.number = 14
            $0.objectContexts.initialIdentifiers.append(context)
        },
        ObjectionCase(.badConstraint, "a stack of six", "event") {
            $0.classes.symbols[8].constraints[0].terms = comparisons(6)
        },
        ObjectionCase(.badConstraint, "an attribute that nobody knows", "event") {
            $0.classes.symbols[8].constraints[0].terms[0].attribute = 3
        },
        ObjectionCase(.badConstraint, "types in an order", "event") {
            $0.classes.symbols[8].constraints[0].terms = [comparison(4, 3)]
        },
        ObjectionCase(.badConstraint, "names of the changed object", "event") {
            $0.classes.symbols[8].constraints[0].terms = [comparison(20, 1, kind: 5)]
        },
        ObjectionCase(.badConstraint, "no expression", "event") {
            $0.classes.symbols[8].constraints[0].terms = []
        },
        ObjectionCase(.badConditional, "a stack of eleven", "1") {
            $0.conditionals = [conditional(11)]
        },
        ObjectionCase(.badConditional, "a Boolean that is missing", "1") {
            $0.conditionals = [conditional(1)]
            $0.booleans.primaryCount = 0
        },
        ObjectionCase(.badConditional, "an operator without operands", "1") {
            $0.conditionals = [conditional(1)]
            $0.conditionals[0].terms[0].kind = 4
        },
    ]

    static let unenforced: [ObjectionCase] = [
        ObjectionCase(.allowedUnknown, "what is unknown is allowed") {
            $0.unknownHandling = .allow
        },
        ObjectionCase(.capability, "a capability", "0") { $0.capabilities = PolicyBitmap([0]) },
        ObjectionCase(.objectDefault, "a default user", "domain") {
            $0.classes.symbols[2].defaultUser = 1
        },
        ObjectionCase(.objectDefault, "a default type", "event") {
            $0.classes.symbols[8].defaultType = 2
        },
        ObjectionCase(.transitionConstraint, "a constraint on changes of label", "event") {
            $0.classes.symbols[8].transitionConstraints = [PolicyFile.ConstraintRecord()]
        },
        ObjectionCase(.foreignClassRule, "a rule about our own class", nil) {
            $0.accessRules.rules[0].objectClass = 14
        },
        ObjectionCase(.foreignPermission, "a permission of a newer Xen", "event migrate") {
            var permission = PolicyFile.PermissionRecord()
            permission.name = "migrate"
            permission.number = 6
            $0.classes.symbols[8].permissions.symbols.append(permission)
        },
        ObjectionCase(.memberOrChange, "a member's type", nil) {
            $0.accessRules.rules[0].kind = .member
        },
        ObjectionCase(.memberOrChange, "a type after relabelling", nil) {
            $0.accessRules.rules[0].kind = .change
        },
        ObjectionCase(.permissiveType, "a permissive type", "xen_t") { file in
            let type = file.types.symbols.first { $0.name == "xen_t" }
            file.permissiveTypes = PolicyBitmap([type?.number ?? 0])
        },
        ObjectionCase(.missingInitialSID, "an initial SID without a label", "domDM") {
            $0.objectContexts.initialIdentifiers.removeAll { $0.number == 13 }
        },
    ]
}

private func comparison(
    _ attribute: UInt32, _ comparison: UInt32, kind: UInt32 = 4
) -> PolicyFile.ConstraintTerm {
    var term = PolicyFile.ConstraintTerm()
    term.kind = kind
    term.attribute = attribute
    term.comparison = comparison
    return term
}

/// So many comparisons, then as many `and` as join them.
private func comparisons(_ count: Int) -> [PolicyFile.ConstraintTerm] {
    Array(repeating: comparison(32, 1), count: count)
        + Array(repeating: comparison(0, 0, kind: 2), count: count - 1)
}

/// The same with Booleans.
private func conditional(_ count: Int) -> PolicyFile.ConditionalRecord {
    var boolean = PolicyFile.ConditionalTerm()
    boolean.kind = 1
    boolean.boolean = 1
    var both = PolicyFile.ConditionalTerm()
    both.kind = 4
    var record = PolicyFile.ConditionalRecord()
    record.terms =
        Array(repeating: boolean, count: count) + Array(repeating: both, count: count - 1)
    return record
}

@Suite("what a Xen refuses or does not enforce") struct XenObjectionTests {
    /// A policy of the compiler without the rules about its own classes, for one version of Xen.
    private static func acceptable(by xen: XenClassMap) throws -> PolicyFile {
        var file = try PolicyFile(validating: try TestSystem.minimal().compiled.policy)
        file.accessRules.rules.removeAll { $0.objectClass > 13 }
        file.booleans.primaryCount = 1
        for (index, wanted) in xen.classes.enumerated() {
            file.classes.symbols[index].permissions.symbols = wanted.permissions.enumerated().map {
                var permission = PolicyFile.PermissionRecord()
                permission.name = $0.element
                permission.number = UInt32($0.offset) + 1
                return permission
            }
        }
        file.objectContexts.initialIdentifiers.removeAll { $0.number > xen.initialSIDs.count }
        return file
    }

    private static func acceptable() throws -> PolicyFile {
        try acceptable(by: try #require(XenClassMap.of(version: "4.17")))
    }

    @Test(
        "each is found by its own name, and nothing else is",
        arguments: ObjectionCase.refused + ObjectionCase.unenforced)
    func found(change: ObjectionCase) throws {
        let xen = try #require(XenClassMap.of(version: "4.17"))
        var file = try Self.acceptable()
        #expect(file.objections(of: xen) == [])
        change.change(&file)
        let found = file.objections(of: xen)
        #expect(change.subject == nil || found.map(\.subject) == [change.subject], "\(found)")
        #expect(Set(found.map(\.reason)) == [change.reason], "\(found)")
    }

    @Test("every reason has a case, on the side on which it stands") func everyReason() {
        let refused = Set(ObjectionCase.refused.map(\.reason))
        let unenforced = Set(ObjectionCase.unenforced.map(\.reason))
        for reason in XenObjection.Reason.allCases {
            #expect(refused.contains(reason) == reason.isRefusal, "\(reason)")
            #expect(unenforced.contains(reason) != reason.isRefusal, "\(reason)")
        }
    }

    @Test("what just fits is not objected to") func limits() throws {
        let xen = try #require(XenClassMap.of(version: "4.17"))
        var file = try Self.acceptable()
        file.classes.symbols[8].constraints[0].terms = comparisons(5)
        file.conditionals = [conditional(10)]
        file.unknownHandling = .reject
        #expect(file.objections(of: xen) == [])
        let events = file.classes.symbols[8].permissions.symbols
        file.classes.symbols[8].permissions.symbols = events.reversed()
        #expect(file.objections(of: xen) == [], "the order of records means nothing")
    }

    @Test("each version takes a policy with its own numbers, and refuses those of the others")
    func versions() throws {
        for map in XenClassMap.all {
            let file = try Self.acceptable(by: map)
            for other in XenClassMap.all {
                let isSame = other.classes == map.classes && other.initialSIDs == map.initialSIDs
                #expect(
                    file.objections(of: other).isEmpty == isSame,
                    "\(map.version) for \(other.version)")
            }
        }
    }

    @Test("what this compiler writes is loaded by Xen 4.17, which enforces all but our classes")
    func ownPolicy() throws {
        let xen = try #require(XenClassMap.of(version: "4.17"))
        let file = try PolicyFile(validating: try TestSystem.minimal().compiled.policy)
        let reasons = Set(file.objections(of: xen).map(\.reason))
        #expect(reasons == [.foreignClassRule])
    }
}
