import CompilerTestSupport
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import SecurityLattice
import Testing

/// One change to a good policy, and what it must be refused for.
struct Refusal: CustomTestStringConvertible, Sendable {
    let name: String
    let error: PolicyDatabaseError
    let change: @Sendable (inout PolicyDatabaseModel) -> Void

    init(
        _ name: String, _ error: PolicyDatabaseError,
        _ change: @escaping @Sendable (inout PolicyDatabaseModel) -> Void
    ) {
        self.name = name
        self.error = error
        self.change = change
    }

    var testDescription: String { name }

    static let all: [Refusal] = [
        Refusal("a permission with another name", .classMapMismatch) {
            $0.classes[8].permissions[1] = "sent"
        },
        Refusal("two permissions exchanged", .classMapMismatch) {
            $0.classes[8].permissions.swapAt(0, 1)
        },
        Refusal("a permission left out", .classMapMismatch) {
            $0.classes[0].permissions.removeLast()
        },
        Refusal("two classes exchanged", .classMapMismatch) { $0.classes.swapAt(0, 1) },
        Refusal("a class that Xen has left out", .classMapMismatch) {
            $0.classes.removeLast(3)
        },
        Refusal("a class that nobody has", .tooManySymbols) {
            $0.classes.append(PolicyDatabaseModel.Class(name: "disk", permissions: ["read"]))
        },
        Refusal("a first role with another name", .badObjectRole) { $0.roles[0].name = "object" },
        Refusal("two types of one name", .badSymbolName) { $0.types[5].name = $0.types[4].name },
        Refusal("a role for a type that is missing", .bitOutOfRange) {
            $0.roles[1].types.append(4000)
        },
        Refusal("a user with a role that is missing", .bitOutOfRange) {
            $0.users[1].roles.append(9)
        },
        Refusal("a type with an attribute that is missing", .bitOutOfRange) {
            $0.types[5].attributes.append(4000)
        },
        Refusal("a sensitivity with a category that is missing", .bitOutOfRange) {
            $0.sensitivities[0].categories.insert(Category(index: 0))
        },
        Refusal("a user with a level that is missing", .badLevel) {
            $0.users[1].range = SecurityRange(SecurityLevel(Sensitivity(rank: 40)))
        },
        Refusal("more than 256 categories", .tooManyCategories) {
            $0.categories = (0...256).map { PolicyDatabaseModel.NamedCategory(name: "k\($0)") }
        },
        Refusal("more types than are taken", .tooManySymbols) { model in
            model.types += (0..<16_384).map { PolicyDatabaseModel.TypeSymbol(name: "x\($0)") }
        },
        Refusal("a constraint on a type that is missing", .badConstraint) {
            $0.classes[8].constraints.append(
                PolicyDatabaseModel.Constraint(
                    permissions: 1, expression: .names(.sourceType, [4000], .equal)))
        },
        Refusal("a constraint that orders users", .badConstraint) {
            $0.classes[8].constraints.append(
                PolicyDatabaseModel.Constraint(permissions: 1, expression: .users(.dominates)))
        },
        Refusal("a constraint that orders names", .badConstraint) {
            $0.classes[8].constraints.append(
                PolicyDatabaseModel.Constraint(
                    permissions: 1, expression: .names(.sourceUser, [1], .incomparable)))
        },
        Refusal("a rule for a type that is missing", .badAccessRule) {
            $0.allow(4000, 5, [EventPermission.send])
        },
        Refusal("a rule for a class that is missing", .badAccessRule) {
            $0.set(
                PolicyDatabaseModel.AccessRuleKey(
                    source: 5, target: 5, objectClass: 16, kind: .allowed), 1)
        },
        Refusal("a transition to a type that is missing", .badAccessRule) {
            $0.transition(5, 5, .event, to: 4000)
        },
        Refusal("a conditional on a Boolean that is missing", .badConditional) {
            $0.conditionals = [
                PolicyDatabaseModel.Conditional(expression: .boolean(1), whenTrue: [:])
            ]
        },
        Refusal("a conditional transition", .badAccessRule) {
            $0.booleans = [PolicyDatabaseModel.Boolean(name: "b", state: true)]
            let key = PolicyDatabaseModel.AccessRuleKey(
                source: 5, target: 5, objectClass: 9, kind: .transition)
            $0.conditionals = [
                PolicyDatabaseModel.Conditional(expression: .boolean(1), whenTrue: [key: 5])
            ]
        },
        Refusal("a pair of roles of which one is missing", .badRoleRule) {
            $0.roleAllows = [PolicyDatabaseModel.RoleAllow(role: 1, newRole: 9)]
        },
        Refusal("a role transition for a type that is missing", .badRoleRule) {
            $0.roleTransitions = [
                PolicyDatabaseModel.RoleTransition(
                    role: 2, type: 4000, objectClass: 3, newRole: 2)
            ]
        },
        Refusal("an initial SID that Xen does not have", .badInitialSID) {
            $0.initialContexts[14] = $0.initialContexts[2]
        },
        Refusal("no initial SID for the hypervisor", .badInitialSID) {
            $0.initialContexts[2] = nil
        },
        Refusal("an initial context with an attribute as its type", .badContext) {
            $0.initialContexts[3] = PolicyRefusalTests.context(type: 1)
        },
        Refusal("an initial context whose role its user lacks", .badContext) {
            $0.users[0].roles = []
        },
        Refusal("more devices of a kind than are taken", .tooManyContexts) {
            $0.deviceContexts = (0...1024).map {
                PolicyDatabaseModel.DeviceContext(
                    .interrupt($0), PolicyRefusalTests.context(type: 5))
            }
        },
        Refusal("a range of ports that is reversed", .badObjectContext) {
            $0.deviceContexts = [
                PolicyDatabaseModel.DeviceContext(
                    .ports(5, 4), PolicyRefusalTests.context(type: 5))
            ]
        },
        Refusal("a range of frames that is reversed", .badObjectContext) {
            $0.deviceContexts = [
                PolicyDatabaseModel.DeviceContext(
                    .frames(1 << 40, 1), PolicyRefusalTests.context(type: 5))
            ]
        },
        Refusal("a range transition for a type that is missing", .badRangeTransition) {
            $0.rangeTransition(
                4000, 5, .event, to: SecurityRange(SecurityLevel(Sensitivity(rank: 0))))
        },
        Refusal("a range transition to a level that is missing", .badLevel) {
            $0.rangeTransition(
                5, 5, .event, to: SecurityRange(SecurityLevel(Sensitivity(rank: 40))))
        },
    ]
}

@Suite("what a policy is refused for")
struct PolicyRefusalTests {
    static func context(type: UInt32) -> SecurityContext {
        SecurityContext(
            user: 1, role: objectRole, type: type,
            range: SecurityRange(SecurityLevel(Sensitivity(rank: 0))))
    }

    private static func model() throws -> PolicyDatabaseModel {
        LoweredPolicy(try TestSystem.minimal().proved.policy).database
    }

    private func error(_ bytes: [UInt8]) -> PolicyDatabaseError? {
        do throws(PolicyDatabaseError) {
            _ = try PolicyDatabase(validating: bytes.span)
            return nil
        } catch {
            return error
        }
    }

    @Test("a broken policy is refused for its break", arguments: Refusal.all)
    func broken(refusal: Refusal) throws {
        var model = try PolicyRefusalTests.model()
        #expect(error(try model.encoded()) == nil)
        refusal.change(&model)
        #expect(error(try model.encoded()) == refusal.error)
    }

    @Test("what stands just inside the rules is accepted")
    func justInside() throws {
        var model = try PolicyRefusalTests.model()
        model.deviceContexts = [
            PolicyDatabaseModel.DeviceContext(
                .ports(4, 4), PolicyRefusalTests.context(type: 8)),
            PolicyDatabaseModel.DeviceContext(
                .frames(1, 1 << 40), PolicyRefusalTests.context(type: 8)),
            PolicyDatabaseModel.DeviceContext(
                .interrupt(9), PolicyRefusalTests.context(type: 8)),
            PolicyDatabaseModel.DeviceContext(.pci(0x300), PolicyRefusalTests.context(type: 8)),
            PolicyDatabaseModel.DeviceContext(
                .deviceTree("/soc/uart"), PolicyRefusalTests.context(type: 8)),
        ]
        model.roleAllows = [PolicyDatabaseModel.RoleAllow(role: 2, newRole: 3)]
        model.categories = (0..<256).map { PolicyDatabaseModel.NamedCategory(name: "k\($0)") }
        #expect(error(try model.encoded()) == nil)
        #expect(throws: PolicyWriterError.deviceNeedsVersion30) {
            try model.encoded(version: .xen24)
        }
    }

    @Test("stock Xen's thirteen classes suffice, without ours")
    func thirteenClasses() throws {
        var model = try PolicyRefusalTests.model()
        model.classes.removeLast(2)
        let rules = model.accessRules
        var stock = PolicyDatabaseModel()
        stock.classes = model.classes
        stock.roles = model.roles
        stock.types = model.types
        stock.users = model.users
        stock.sensitivities = model.sensitivities
        stock.initialContexts = model.initialContexts
        for (key, data) in rules where key.objectClass <= 13 { stock.set(key, data) }
        #expect(error(try stock.encoded()) == nil)
        #expect(error(try model.encoded()) == .badAccessRule)
        stock.types[3].aliases = ["another"]
        #expect(error(try stock.encoded()) == nil)
    }

    @Test("a policy without rules is refused")
    func noRules() throws {
        var model = PolicyDatabaseModel()
        let full = try PolicyRefusalTests.model()
        model.classes = full.classes
        model.roles = full.roles
        model.types = full.types
        model.users = full.users
        model.sensitivities = full.sensitivities
        model.initialContexts = full.initialContexts
        #expect(error(try model.encoded()) == .noAccessRules)
    }

    @Test("a file that is cut short is refused at every length, and one that is too long")
    func truncation() throws {
        let bytes = try PolicyRefusalTests.model().encoded()
        for length in 0..<bytes.count where error(Array(bytes.prefix(length))) == nil {
            Issue.record("\(length) of \(bytes.count) bytes were accepted")
        }
        #expect(error(bytes + [0]) == .trailingBytes)
    }

    @Test("a header with a wrong field is refused for that field")
    func header() throws {
        let bytes = try PolicyRefusalTests.model().encoded()
        func patched(_ offset: Int, _ replacement: [UInt8]) -> [UInt8] {
            var copy = bytes
            copy.replaceSubrange(offset..<offset + replacement.count, with: replacement)
            return copy
        }
        #expect(error(patched(0, [0])) == .badMagic)
        #expect(error(Array("not a policy, but some text".utf8)) == .badMagic)
        #expect(error(patched(8, Array("SE Linux".utf8))) == .foreignTarget)
        #expect(error(patched(4, [9])) == .foreignTarget)
        for version in [UInt8(23), 25, 29, 31] {
            #expect(error(patched(16, [version])) == .unsupportedVersion)
        }
        #expect(error(patched(20, [9])) == .unknownConfiguration)
        #expect(error(patched(20, [0])) == .multiLevelSecurityDisabled)
        #expect(error(patched(24, [7])) == .badTableCount)
        #expect(error(patched(28, [5])) == .badTableCount)
        let permissive: [UInt8] = [
            64, 0, 0, 0, 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
        ]
        var copy = bytes
        copy.replaceSubrange(44..<56, with: permissive)
        #expect(error(copy) == .permissiveType)
        copy = bytes
        copy.replaceSubrange(32..<44, with: permissive)
        #expect(error(copy) == nil, "policy capabilities are ignored")
    }

    @Test("rules in any order are accepted, a rule that stands twice is not")
    func order() throws {
        let model = try PolicyRefusalTests.model()
        var bytes = try model.encoded()
        let count = model.accessRules.count
        let start =
            try #require(
                (0..<bytes.count - 4).first { offset in
                    // The table: its count, then the lowest key, whose source is attribute 1.
                    Array(bytes[offset..<offset + 6]) == [UInt8(count), 0, 0, 0, 1, 0]
                }) + 4
        let first = Array(bytes[start..<start + 12])
        let second = Array(bytes[start + 12..<start + 24])
        bytes.replaceSubrange(start..<start + 24, with: second + first)
        #expect(error(bytes) == nil)
        bytes.replaceSubrange(start..<start + 24, with: first + first)
        #expect(error(bytes) == .duplicateAccessRule)
    }
}
