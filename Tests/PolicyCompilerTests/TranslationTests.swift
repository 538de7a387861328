import CompilerTestSupport
import Foundation
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import PolicySyntax
import SecurityModel
import TestSupport
import Testing

/// Method: a policy is changed after it was emitted, as a defect of compiler or writer would; the
/// check has to refuse it, and for the right reason.
@Suite("translation validation")
struct TranslationTests {
    /// The systems of the repository, lowered whatever their target enforces.
    private static let systems = [
        "minimal", "shared", "levels", "guard", "tenants", "factory", "workstation", "vault",
    ]

    private static func system(_ name: String) throws -> SystemPolicy {
        let folder = RepositoryFiles.root.appending(path: "policy/systems/\(name)")
        func read(_ file: String) -> SourceFile? {
            (try? RepositoryFiles.bytes(of: folder.appending(path: file))).map {
                SourceFile(name: file, bytes: $0)
            }
        }
        let source = try #require(read("system.casemate"))
        let proved = try #require(CheckResult.check(source, reading: read).proved)
        return proved.policy
    }

    private func error(
        _ system: SystemPolicy, _ change: (inout PolicyFile) -> Void = { _ in }
    ) throws -> TranslationError? {
        let lowered = LoweredPolicy(system)
        var file = try PolicyFile(validating: try lowered.database.encoded())
        change(&file)
        let bytes = try file.encoded()
        do throws(TranslationError) {
            try TranslationCheck.check(bytes, of: system, labels: lowered.labels)
            return nil
        } catch { return error }
    }

    private func number(_ name: String, _ file: PolicyFile) -> UInt32 {
        file.types.symbols.first { $0.name == name }?.number ?? 0
    }

    private func rule(
        _ source: String, _ target: String, _ objectClass: ObjectClass, _ file: PolicyFile
    ) -> PolicyFile.AccessRule {
        var rule = PolicyFile.AccessRule()
        rule.source = UInt16(number(source, file))
        rule.target = UInt16(number(target, file))
        rule.objectClass = UInt16(objectClass.number)
        return rule
    }

    private func index(_ rule: PolicyFile.AccessRule, _ file: PolicyFile) -> Int? {
        file.accessRules.rules.firstIndex {
            $0.source == rule.source && $0.target == rule.target
                && $0.objectClass == rule.objectClass && $0.kind == rule.kind
        }
    }

    @Test("what is emitted for a system is justified, to the last rule", arguments: systems)
    func faithful(_ name: String) throws {
        #expect(try error(TranslationTests.system(name)) == nil)
    }

    @Test("what is emitted for random systems is justified", arguments: [UInt64(1), 2, 3])
    func random(_ seed: UInt64) throws {
        let system = try TestSystem.generated(compartments: 9, seed: seed).proved.policy
        #expect(try error(system) == nil)
    }

    @Test("a rule that nothing declared is refused, and one that is missing") func rules() throws {
        let system = try TranslationTests.system("guard")
        let added = try error(system) { file in
            var rule = rule("black_app-t", "red_app-t", .grant, file)
            rule.data = GrantPermission.mapRead.mask
            file.accessRules.rules.append(rule)
        }
        #expect(added == .rule("`black_app-t` on `red_app-t`: grant map_read"))
        let widened = try error(system) { file in
            let rule = rule("red_app-t", "red_app-t", .grant, file)
            if let place = index(rule, file) {
                file.accessRules.rules[place].data |= GrantPermission.copy.mask
            }
        }
        #expect(widened == .rule("`red_app-t` on `red_app-t`: grant copy"))
        let lost = try error(system) { file in
            let rule = rule("red_app-to-audit", "audit-t", .event, file)
            if let place = index(rule, file) { file.accessRules.rules.remove(at: place) }
        }
        #expect(lost == .rule("`red_app-to-audit` on `audit-t`: event bind"))
    }

    @Test("what no policy may say is refused as such") func forbidden() throws {
        let system = try TranslationTests.system("guard")
        for (source, target, permission) in [
            ("admin-t", "security_t", SecurityPermission.setenforce),
            ("control-t", "security_t", SecurityPermission.setbool),
            ("admin-t", "security_t", SecurityPermission.loadPolicy),
            ("admin-t", "red_app-t", DomainPermission.pause),
            ("red_app-t", "red_net-t", GrantPermission.transfer),
        ] {
            let found = try error(system) { file in
                var rule = rule(source, target, permission.objectClass, file)
                rule.data = permission.mask
                if let place = index(rule, file) {
                    file.accessRules.rules[place].data |= permission.mask
                } else {
                    file.accessRules.rules.append(rule)
                }
            }
            guard case .forbidden(let text) = found else {
                let name = String(permission.policyName)
                Issue.record("\(source) \(name): \(String(describing: found))")
                continue
            }
            #expect(text.hasPrefix("`\(source)` on `\(target)`"))
        }
    }

    @Test("an attribute that holds another type is refused") func attributes() throws {
        let system = try TranslationTests.system("guard")
        let found = try error(system) { file in
            let end = Int(number("red_app-to-audit", file)) - 1
            let attribute = number("compartment", file) - 1
            file.typeAttributes[end] = PolicyBitmap(
                file.typeAttributes[end].numbers + [attribute])
        }
        #expect(found == .attribute("`red_app-to-audit`"))
    }

    @Test("a constraint that is dropped, weakened or has another exception is refused")
    func constraints() throws {
        let system = try TranslationTests.system("guard")
        func classIndex(_ objectClass: ObjectClass, _ file: PolicyFile) -> Int {
            file.classes.symbols.firstIndex { $0.number == UInt32(objectClass.number) } ?? 0
        }
        let dropped = try error(system) { file in
            file.classes.symbols[classIndex(.argo, file)].constraints.removeLast()
        }
        #expect(dropped == .constraint("`argo enable`"))
        let weakened = try error(system) { file in
            let place = classIndex(.event, file)
            for index in file.classes.symbols[place].constraints.indices {
                let mask = file.classes.symbols[place].constraints[index].permissions
                guard mask == EventPermission.bind.mask else { continue }
                for term in file.classes.symbols[place].constraints[index].terms.indices
                where file.classes.symbols[place].constraints[index].terms[term].kind == 4 {
                    file.classes.symbols[place].constraints[index].terms[term].comparison = 2
                }
            }
        }
        #expect(weakened == .constraint("`event bind`"))
        let exempted = try error(system) { file in
            let place = classIndex(.event, file)
            let wide = number("crypto-to-black_net", file) - 1
            for index in file.classes.symbols[place].constraints.indices {
                let terms = file.classes.symbols[place].constraints[index].terms
                for term in terms.indices where terms[term].names.numbers == [wide] {
                    file.classes.symbols[place].constraints[index].terms[term].names =
                        PolicyBitmap([wide, number("red_app-to-audit", file) - 1])
                }
            }
        }
        #expect(exempted == .constraint("`event send`"))
    }

    @Test(
        "store, console and tpm know of their users' lives, at any level; control orders its own's")
    func lives() throws {
        let system = try TranslationTests.system("guard")
        let model = SecurityModel(system)
        for (one, service) in system.compartments.enumerated() {
            for (index, other) in system.compartments.enumerated() where index != one {
                let isServed = other.uses.contains {
                    $0.provider == one && [.store, .console, .tpm].contains($0.service)
                }
                let isOrdered = other.uses.contains {
                    $0.provider == one && $0.service == .control
                }
                let permissions = model.permissions(
                    of: .compartment(one), on: .compartment(index)
                ).filter { $0.hasPrefix("domain") }
                var expected: Set<String> = isServed ? ["domain getdomaininfo"] : []
                if isOrdered {
                    expected = ["domain getdomaininfo", "domain unpause", "domain destroy"]
                }
                #expect(permissions == expected, "\(service.name) on \(other.name)")
            }
        }
    }

    /// Changes the constraints of a class.
    private func change(
        _ objectClass: ObjectClass, _ file: inout PolicyFile,
        _ body: (inout PolicyFile.ConstraintRecord) -> Void
    ) {
        let number = UInt32(objectClass.number)
        guard let place = file.classes.symbols.firstIndex(where: { $0.number == number })
        else { return }
        for index in file.classes.symbols[place].constraints.indices {
            body(&file.classes.symbols[place].constraints[index])
        }
    }

    @Test("that exception for one more user, service, permission or rule is refused")
    func livesOfOthers() throws {
        let system = try TranslationTests.system("guard")
        let knowing = DomainPermission.getdomaininfo.mask
        // Wherever the first type stands in a set, the second joins it.
        for (known, added) in [("black_app-t", "control-t"), ("store-t", "crypto-t")] {
            let found = try error(system) { file in
                let types = [number(known, file) - 1, number(added, file) - 1]
                change(.domain, &file) { constraint in
                    for term in constraint.terms.indices
                    where constraint.terms[term].names.numbers.contains(types[0]) {
                        constraint.terms[term].names = PolicyBitmap(
                            constraint.terms[term].names.numbers + [types[1]])
                    }
                }
            }
            #expect(found == .constraint("`domain getdomaininfo`"), "\(added)")
        }
        let more = try error(system) { file in
            let destroy = DomainPermission.destroy.mask
            change(.domain, &file) { constraint in
                if constraint.permissions == knowing {
                    constraint.permissions |= destroy
                } else if constraint.permissions & knowing == 0 {
                    constraint.permissions &= ~destroy
                }
            }
        }
        #expect(more == .constraint("`domain destroy`"))
        let allowed = try error(system) { file in
            var rule = rule("store-t", "audit-t", .domain, file)
            rule.data = knowing
            file.accessRules.rules.append(rule)
        }
        #expect(allowed == .rule("`store-t` on `audit-t`: domain getdomaininfo"))
    }

    @Test("a transition to another type or level is refused") func transitions() throws {
        let system = try TranslationTests.system("guard")
        let type = try error(system) { file in
            var rule = rule("red_app-t", "audit-t", .event, file)
            rule.kind = .transition
            if let place = index(rule, file) {
                file.accessRules.rules[place].data = number("red_app-to-content_guard", file)
            }
        }
        #expect(type == .transition("`red_app-t` towards `audit-t`"))
        let level = try error(system) { file in
            let source = number("black_app-t", file)
            let target = number("audit-t", file)
            for index in file.rangeTransitions.indices
            where file.rangeTransitions[index].source == source
                && file.rangeTransitions[index].target == target
            {
                file.rangeTransitions[index].range.low.sensitivity = 1
            }
        }
        #expect(level == .transition("the level of `black_app-t` towards `audit-t`"))
    }

    @Test("a device for another owner, and a user of other levels, are refused") func labels()
        throws
    {
        let system = try TranslationTests.system("factory")
        let device = try error(system) { file in
            file.objectContexts.interrupts[0].context.type = number("sensors-t", file)
        }
        #expect(device == .label("irq 11 of the device `drive`"))
        let user = try error(system) { file in
            for index in file.users.symbols.indices
            where file.users.symbols[index].name == "label1_u" {
                file.users.symbols[index].range.low.sensitivity = 2
                file.users.symbols[index].range.high = nil
                file.users.symbols[index].defaultLevel = file.users.symbols[index].range.low
                file.users.symbols[index].roles = PolicyBitmap([1])
            }
        }
        #expect(user == .label("the user `label1_u`"))
    }

    @Test("a policy of another system is refused, and one that is cut short") func others() throws {
        let system = try TranslationTests.system("guard")
        let other = LoweredPolicy(try TranslationTests.system("factory"))
        let bytes = try other.database.encoded()
        #expect(throws: TranslationError.self) {
            try TranslationCheck.check(bytes, of: system, labels: other.labels)
        }
        #expect(throws: TranslationError.self) {
            try TranslationCheck.check(
                Array(bytes.dropLast(9)), of: system, labels: other.labels)
        }
    }
}
