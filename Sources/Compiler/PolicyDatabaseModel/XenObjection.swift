/// Something in a policy that a Xen refuses to load, or loads and then does not do.
///
/// checkpolicy and secilc write both without a word: a policy is theirs to translate, and the Xen
/// that it is for is not known to them.
public struct XenObjection: Equatable, Sendable {
    /// What is objected to. `PolicyFile.objections(of:)` has one check for each.
    public enum Reason: String, Sendable, CaseIterable {
        /// The policy is for Linux.
        case foreignTarget
        /// The class of a number is missing, or has another name.
        case wrongClass
        /// A permission of a class is missing, has another name or another number.
        case wrongPermission
        /// A class has the permissions of a common.
        case inheritedCommon
        /// A transition depends on a name.
        case namedTransition
        /// There are labels for a file system.
        case genericFileSystem
        /// There is no access rule.
        case noAccessRules
        /// Two access rules have one source, target, class and kind.
        case duplicateAccessRule
        /// An access rule or range transition is about a type or class that does not exist.
        case unknownNumber
        /// Role 1 is not `object_r`.
        case wrongObjectRole
        /// An initial SID is 0, or above the highest of this Xen.
        case unknownInitialSID
        /// A constraint is no expression, needs a stack deeper than 5, or has an operator or
        /// attribute that makes this Xen stop the machine at the first question.
        case badConstraint
        /// A conditional is no expression, or needs a stack deeper than 10.
        case badConditional

        /// What is unknown is to be allowed: it is denied.
        case allowedUnknown
        /// The policy asks for a capability: there is none.
        case capability
        /// A class says whose user, role, type or range a new object has: it has what it ever had.
        case objectDefault
        /// A class limits changes of a label by `validatetrans`: they are not asked.
        case transitionConstraint
        /// A rule is about a class that this Xen does not have.
        case foreignClassRule
        /// A class has a permission that this Xen does not have.
        case foreignPermission
        /// A rule says what type a member or a relabelled object has: nobody asks.
        case memberOrChange
        /// The denials of a type are only recorded.
        case permissiveType
        /// An initial SID has no label, so that what has it is taken for unlabelled.
        case missingInitialSID

        /// Whether the policy is not loaded; else it is loaded, and something in it not enforced.
        public var isRefusal: Bool {
            switch self {
            case .foreignTarget, .wrongClass, .wrongPermission, .inheritedCommon,
                .namedTransition, .genericFileSystem, .noAccessRules, .duplicateAccessRule,
                .unknownNumber, .wrongObjectRole, .unknownInitialSID, .badConstraint,
                .badConditional:
                true
            case .allowedUnknown, .capability, .objectDefault, .transitionConstraint,
                .foreignClassRule, .foreignPermission, .memberOrChange, .permissiveType,
                .missingInitialSID:
                false
            }
        }
    }

    /// What is objected to.
    public let reason: Reason
    /// Whom it is about: the name or number of a class, type or rule; empty for the whole file.
    public let subject: String
}

extension PolicyFile {
    /// Returns what a Xen refuses in this policy, and what it would not do.
    ///
    /// An empty answer says that a Xen of this version loads the policy, and that nothing in it is
    /// there in vain. Records that name each other are looked at as far as Xen's loader does.
    ///
    /// - Complexity: linear in the file.
    /// - Source: Xen `xsm/flask/ss/policydb.c`: `policydb_read()`, `class_read()`, `role_read()`,
    ///   `read_cons_helper()`; `avtab.c`: `avtab_read_item()`; `conditional.c`: `expr_isvalid()`;
    ///   `services.c`: `validate_classes()`, `constraint_expr_eval()`.
    public func objections(of xen: XenClassMap) -> [XenObjection] {
        guard format.target == .xen else {
            return [XenObjection(reason: .foreignTarget, subject: "")]
        }
        var found: [XenObjection] = []
        func object(_ reason: XenObjection.Reason, _ subject: String = "") {
            found.append(XenObjection(reason: reason, subject: subject))
        }
        found += classObjections(of: xen)
        found += ruleObjections(of: xen)
        found += expressionObjections()
        found += initialSIDObjections(of: xen)
        if !filenameTransitions.isEmpty { object(.namedTransition, filenameTransitions[0].name) }
        if !genericFileSystems.isEmpty { object(.genericFileSystem, genericFileSystems[0].name) }
        if !roles.symbols.contains(where: { $0.number == 1 && $0.name == "object_r" }) {
            object(.wrongObjectRole)
        }
        if unknownHandling == .allow { object(.allowedUnknown) }
        for number in capabilities.numbers { object(.capability, "\(number)") }
        for number in permissiveTypes.numbers { object(.permissiveType, typeName(number)) }
        return found
    }

    private func typeName(_ number: UInt32) -> String {
        types.symbols.first { $0.number == number && $0.properties & 1 == 1 }?.name ?? "\(number)"
    }

    private func classObjections(of xen: XenClassMap) -> [XenObjection] {
        var found: [XenObjection] = []
        func object(_ reason: XenObjection.Reason, _ subject: String) {
            found.append(XenObjection(reason: reason, subject: subject))
        }
        let byNumber = Dictionary(
            classes.symbols.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, wanted) in xen.classes.enumerated() {
            guard let record = byNumber[UInt32(index) + 1], record.name == wanted.name else {
                object(.wrongClass, wanted.name)
                continue
            }
            let permissions = record.permissions.symbols
            for (bit, name) in wanted.permissions.enumerated()
            where !permissions.contains(where: { $0.number == bit + 1 && $0.name == name }) {
                object(.wrongPermission, "\(wanted.name) \(name)")
            }
            for permission in permissions where permission.number > wanted.permissions.count {
                object(.foreignPermission, "\(wanted.name) \(permission.name)")
            }
        }
        for record in classes.symbols {
            if !record.common.isEmpty { object(.inheritedCommon, record.name) }
            if !record.transitionConstraints.isEmpty { object(.transitionConstraint, record.name) }
            if record.defaultUser | record.defaultRole | record.defaultRange | record.defaultType
                != 0
            {
                object(.objectDefault, record.name)
            }
        }
        return found
    }

    private func initialSIDObjections(of xen: XenClassMap) -> [XenObjection] {
        let numbers = Set(objectContexts.initialIdentifiers.map(\.number))
        let strange = numbers.sorted().filter { $0 == 0 || $0 > UInt32(xen.initialSIDs.count) }
        let missing = xen.initialSIDs.enumerated().filter { !numbers.contains(UInt32($0.0) + 1) }
        return strange.map { XenObjection(reason: .unknownInitialSID, subject: "\($0)") }
            + missing.map { XenObjection(reason: .missingInitialSID, subject: $0.1) }
    }
}

// MARK: Rules and expressions

extension PolicyFile {
    private struct RuleKey: Hashable {
        let types: UInt32
        let rest: UInt32

        init(_ rule: AccessRule) {
            types = UInt32(rule.source) | UInt32(rule.target) << 16
            rest = UInt32(rule.objectClass) | UInt32(rule.kind.rawValue) << 16
        }
    }

    private func ruleObjections(of xen: XenClassMap) -> [XenObjection] {
        var found: Set<[String]> = []
        if accessRules.rules.isEmpty {
            found.insert([XenObjection.Reason.noAccessRules.rawValue, ""])
        }
        var seen: Set<RuleKey> = []
        func object(_ reason: XenObjection.Reason, _ source: UInt32, _ target: UInt32) {
            found.insert([reason.rawValue, "\(typeName(source)) \(typeName(target))"])
        }
        func judge(_ rule: AccessRule) {
            let (source, target) = (UInt32(rule.source), UInt32(rule.target))
            if !isKnown(source, target, UInt32(rule.objectClass)) {
                object(.unknownNumber, source, target)
            } else if rule.objectClass > xen.classes.count {
                object(.foreignClassRule, source, target)
            }
            if rule.kind == .member || rule.kind == .change {
                object(.memberOrChange, source, target)
            }
        }
        for rule in accessRules.rules {
            judge(rule)
            if !seen.insert(RuleKey(rule)).inserted {
                object(.duplicateAccessRule, UInt32(rule.source), UInt32(rule.target))
            }
        }
        for conditional in conditionals {
            for rule in conditional.whenTrue.rules + conditional.whenFalse.rules { judge(rule) }
        }
        for rule in rangeTransitions where !isKnown(rule.source, rule.target, rule.objectClass) {
            object(.unknownNumber, rule.source, rule.target)
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }.compactMap { entry in
            XenObjection.Reason(rawValue: entry[0]).map {
                XenObjection(reason: $0, subject: entry[1])
            }
        }
    }

    private func isKnown(_ source: UInt32, _ target: UInt32, _ objectClass: UInt32) -> Bool {
        (1...max(1, types.primaryCount)).contains(source)
            && (1...max(1, types.primaryCount)).contains(target)
            && (1...max(1, classes.primaryCount)).contains(objectClass)
    }

    private func expressionObjections() -> [XenObjection] {
        var found: [XenObjection] = []
        for record in classes.symbols {
            for constraint in record.constraints where !constraint.isEvaluableByXen {
                found.append(XenObjection(reason: .badConstraint, subject: record.name))
            }
        }
        for (index, conditional) in conditionals.enumerated()
        where !conditional.isEvaluableByXen(booleanCount: booleans.primaryCount) {
            found.append(XenObjection(reason: .badConditional, subject: "\(index + 1)"))
        }
        return found
    }
}

/// The depth of a postfix expression's stack, which must end with one value.
private struct StackDepth {
    private(set) var depth = 0
    private var isSound = true
    let most: Int

    init(most: Int) { self.most = most }

    var isExpression: Bool { isSound && depth == 1 }

    /// Takes `operands` values away and puts one there.
    mutating func step(operands: Int) {
        isSound = isSound && depth >= operands
        depth += 1 - operands
        isSound = isSound && depth <= most
    }

    mutating func refuse() { isSound = false }
}

extension PolicyFile.ConstraintRecord {
    /// Whether Xen evaluates the expression: `CEXPR_MAXDEPTH` is 5.
    fileprivate var isEvaluableByXen: Bool {
        var stack = StackDepth(most: 5)
        for term in terms {
            switch term.kind {
            case 1: stack.step(operands: 1)
            case 2, 3: stack.step(operands: 2)
            case 4 where term.comparesKnownThings, 5 where term.comparesKnownNames:
                stack.step(operands: 0)
            default: stack.refuse()
            }
        }
        return stack.isExpression
    }
}

extension PolicyFile.ConstraintTerm {
    fileprivate var comparesKnownThings: Bool {
        switch attribute {
        case 1, 4: (1...2).contains(comparison)
        case 2, 32, 64, 128, 256, 512, 1024: (1...5).contains(comparison)
        default: false
        }
    }

    fileprivate var comparesKnownNames: Bool {
        [1, 2, 4, 9, 10, 12].contains(attribute) && (1...2).contains(comparison)
    }
}

extension PolicyFile.ConditionalRecord {
    /// Whether Xen evaluates the expression: `COND_EXPR_MAXDEPTH` is 10.
    fileprivate func isEvaluableByXen(booleanCount: UInt32) -> Bool {
        var stack = StackDepth(most: 10)
        for term in terms {
            switch term.kind {
            case 1 where term.boolean >= 1 && term.boolean <= booleanCount:
                stack.step(operands: 0)
            case 2: stack.step(operands: 1)
            case 3...7: stack.step(operands: 2)
            default: stack.refuse()
            }
        }
        return stack.isExpression
    }
}
