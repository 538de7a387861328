import Foundation
import KernelPolicyLanguage
import PolicyDatabaseModel
import TestSupport
import Testing

/// A change of the source that has every statement, and why it is then refused.
struct Damage: Sendable, CustomTestStringConvertible {
    let old: String
    let new: String
    let reason: KernelPolicyError.Reason
    /// Part of the message.
    let says: String
    /// Whether checkpolicy takes it all the same.
    var isOurs = false

    init(
        _ old: String, _ new: String, _ reason: KernelPolicyError.Reason, _ says: String,
        isOurs: Bool = false
    ) {
        (self.old, self.new, self.reason, self.says) = (old, new, reason, says)
        self.isOurs = isOurs
    }

    var testDescription: String { "\(reason.rawValue): \(new)" }

    static let all =
        syntax + undeclared + twice + kinds + rules + checks + levels + labels

    private static let syntax = [
        Damage("class domain\n", "klass domain\n", .syntax, "expected a statement"),
        Damage("type xen_t;", "type xen_t", .syntax, "expected `;`"),
        Damage("type xen_t;", "type ;", .syntax, "expected a type"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t self xen *;", .syntax, "expected `:`"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t { }:xen *;", .syntax, "empty"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t { self:xen *;", .syntax, "or `}`"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t self:xen;", .syntax, "permissions"),
        Damage("bool is_on true;", "bool is_on yes;", .syntax, "`true` or `false`"),
        Damage(
            "default_user { domain } source;", "default_user { domain } low;", .syntax, "source"),
        Damage("portcon tcp 80", "portcon smtp 80", .syntax, "protocols"),
        Damage("portcon tcp 80", "portcon tcp eighty", .syntax, "a number"),
        Damage("nodecon 10.0.0.0 255.0.0.0", "nodecon 10.0.0 255.0.0.0", .syntax, "no address"),
        Damage("sid dom0 system_u:", "sid dom0 system_u;", .syntax, "expected `:`"),
        Damage("if (is_on and not is_odd", "if (is_on and and is_odd", .syntax, "expected"),
        Damage("( l1 domby l2 or", "( l1 domby u2 or", .syntax, "compared"),
        Damage("u1 == u2 or r1", "u1 dom u2 or r1", .syntax, "a comparison"),
        Damage("genfscon proc /kmsg -c", "genfscon proc /kmsg -x", .syntax, "no kind of file"),
        Damage("role guest_r;", "role ;", .syntax, "a role"),
        Damage("allow dom0_t self:xen *;", "allow * self:xen *;", .syntax, "`*`"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t ~xen_t:xen *;", .syntax, "`~`"),
    ]

    private static let undeclared = [
        Damage(
            "allowxperm dom0_t guest_t:file ioctl 0x8927;",
            "allowxperm dom0_t guest_t:file ioctl 0x8926-0x8927;", .syntax, "expected `;`"),
        Damage("allow dom0_t self:xen *;", "allow dom1_t self:xen *;", .undeclared, "dom1_t"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t self:yen *;", .undeclared, "yen"),
        Damage("allow dom0_t self:xen *;", "allow dom0_t self:xen z;", .noPermission, "`z`"),
        Damage("allow system_r guest_r;", "allow system_r other_r;", .undeclared, "other_r"),
        Damage(
            "typeattribute loader_t privileged", "typeattribute loader_t other",
            .undeclared, "other"),
        Damage("typealias guest_t", "typealias none_t", .undeclared, "none_t"),
        Damage("permissive loader_t", "permissive none_t", .undeclared, "none_t"),
        Damage("policycap network_peer_controls", "policycap none", .undeclared, "none"),
        Damage("typebounds guest_t", "typebounds none_t", .undeclared, "none_t"),
        Damage(
            "inherits shared { create", "inherits other { create", .undeclared, "other"),
        Damage(
            "class domain inherits shared", "class realm inherits shared",
            .undeclared, "realm"),
        Damage(
            "user guest_u roles { guest_r", "user guest_u roles { none_r",
            .undeclared, "none_r"),
        Damage("if (is_on and", "if (is_off and", .undeclared, "is_off"),
        Damage("t1 == privileged );\nmlsc", "t1 == none );\nmlsc", .undeclared, "none"),
        Damage("sid domio guest_u", "sid domio none_u", .undeclared, "none_u"),
        Damage("sid domio guest_u:guest_r", "sid domio guest_u:none_r", .undeclared, "none_r"),
        Damage(
            "sid domio guest_u:guest_r:guest_t", "sid domio guest_u:guest_r:none_t",
            .undeclared, "none_t"),
        Damage("sid domio guest_u", "sid none guest_u", .undeclared, "none"),
    ]

    private static let twice = [
        Damage("class domain\n", "class domain\nclass domain\n", .declaredTwice, "domain"),
        Damage("sid dom0\n", "sid dom0\nsid dom0\n", .declaredTwice, "dom0"),
        Damage("type xen_t;", "type xen_t; type xen_t;", .declaredTwice, "xen_t"),
        Damage(
            "attribute devices;", "attribute devices; attribute devices;",
            .declaredTwice, "devices"),
        Damage(
            "bool is_odd false;", "bool is_odd false; bool is_odd false;",
            .declaredTwice, "is_odd"),
        Damage("{ bind send status }", "{ bind send bind }", .declaredTwice, "bind"),
        Damage("common shared {", "common shared { x }\ncommon shared {", .declaredTwice, "shared"),
        Damage("category c1;", "category c1; category c1;", .declaredTwice, "c1"),
        Damage("class event {", "class event { x }\nclass event {", .declaredTwice, "event"),
    ]

    private static let kinds = [
        Damage(
            "type_member dom0_t guest_t:domain loader_t",
            "type_member dom0_t guest_t:domain devices",
            .wrongKind, "devices"),
        Damage(
            "typeattribute loader_t privileged", "typeattribute loader_t xen_t",
            .wrongKind, "xen_t"),
        Damage(
            "sid domio guest_u:guest_r:guest_t", "sid domio guest_u:guest_r:compartment",
            .wrongKind, "compartment"),
    ]

    private static let rules = [
        Damage(
            "type_member dom0_t guest_t:domain loader_t;",
            "type_member dom0_t guest_t:domain loader_t;\ntype_member dom0_t guest_t:domain xen_t;",
            .conflict, "xen_t"),
        Damage(
            "range_transition loader_t guest_t:event s1;",
            "range_transition loader_t guest_t:event s1;\n"
                + "range_transition loader_t guest_t:event s0;",
            .conflict, "range"),
        Damage(
            "role_transition system_r guest_t guest_r;",
            "role_transition system_r guest_t guest_r;\nrole_transition system_r guest_t system_r;",
            .conflict, "role"),
        Damage(
            "neverallow guest_t xen_t:xen b;", "neverallow dom0_t self:xen b;",
            .neverAllowed, "`dom0_t` may `b`"),
        Damage(
            "neverallow guest_t xen_t:xen b;", "neverallow * *:resource add;",
            .neverAllowed, "resource"),
        Damage(
            "type_transition guest_t guest_t:event channel_t;\n}",
            "type_transition dom0_t guest_t:event xen_t;\n}", .conflict, "always"),
        Damage(
            "irq_t \"name\";",
            "irq_t \"name\";\ntype_transition dom0_t guest_t:file xen_t \"name\";",
            .conflict, "name"),
        Damage("irq_t \"name\";", "irq_t \"\";", .syntax, "name is empty"),
    ]

    private static let checks = [
        Damage(
            "neverallow guest_t xen_t:xen b;", "neverallowxperm dom0_t guest_t:file ioctl 0x8927;",
            .neverAllowed, "operation on `guest_t:file`"),
        Damage(
            "neverallow guest_t xen_t:xen b;", "neverallowxperm dom0_t xen_t:file ioctl 1;",
            .neverAllowed, "`dom0_t` may do"),
        Damage(
            "neverallow guest_t xen_t:xen b;",
            "neverallowxperm loader_t { guest_t }:file ioctl { 0x6000-0x60ff };",
            .neverAllowed, "`loader_t`"),
        Damage(
            "neverallow guest_t xen_t:xen b;", "allow child_t xen_t:chr_file read;",
            .boundsExceeded, "`child_t` may `read` on `xen_t:chr_file`"),
    ]

    private static let levels = [
        Damage("dominance { s0 s1 s2 }", "dominance { s0 s1 }", .badLevel, "every sensitivity"),
        Damage("level s1:c0.c66;", "", .missing, "s1"),
        Damage("level s1:c0.c66;", "level s1:c0.c66; level s1:c0;", .declaredTwice, "s1"),
        Damage("level s1:c0.c66;", "level s1:c66.c0;", .badLevel, "ends before"),
        Damage("level s1:c0.c66;", "level s1:c0.c7;", .undeclared, "c0.c7"),
        Damage("range s0 - s2:c0.c66;\nuser", "range s2 - s0;\nuser", .badLevel, "dominate"),
        Damage(
            "sid dom0 system_u:system_r:dom0_t:s1:c66",
            "sid dom0 system_u:system_r:dom0_t:s0:c66", .badLevel, "does not go with"),
        Damage(
            "sid dom0 system_u:system_r:dom0_t:s1:c66", "sid dom0 system_u:system_r:dom0_t",
            .levelsOff, "no level"),
        Damage(
            "sid domio guest_u:guest_r:guest_t:s1:c1", "sid domio guest_u:guest_r:guest_t:s0",
            .badContext, "range"),
    ]

    private static let labels = [
        Damage(
            "sid domio guest_u:guest_r:guest_t", "sid domio guest_u:guest_r:xen_t",
            .badContext, "go together"),
        Damage(
            "portcon udp 1024-65535", "portcon udp 1024-65536", .badRange, "range",
            isOurs: true),
        Damage("portcon udp 1024-65535", "portcon udp 1024-80", .badRange, "range"),
        Damage("fs_use_task pipefs", "fs_use_task ext4", .badRange, "ext4"),
        Damage("genfscon proc /net/tcp", "genfscon proc /", .badRange, "/"),
        Damage("ibendportcon mlx4_0 2", "ibendportcon mlx4_0 0", .badRange, "ports"),
        Damage("portcon tcp 80 ", "pirqcon 5 ", .wrongTarget, "no such labels"),
    ]
}

@Test("a version before the oldest is refused, not written without what it has no place for")
func oldestVersion() throws {
    let good = try Sources.text(for: Wish(target: .linux, version: 24))
    for version in [UInt32(15), 18, 20, 23] {
        let refusal = #expect(throws: KernelPolicyRefusal.self) {
            try Wish(target: .linux, version: version).ours(good)
        }
        let errors = try #require(refusal).errors
        #expect(errors.contains { $0.reason == .wrongTarget && $0.message.contains("oldest") })
    }
}

@Test("what is wrong is refused, as checkpolicy does, with its reason", arguments: Damage.all)
func refused(damage: Damage) throws {
    let wish = Wish(target: .linux, version: 33)
    let good = try Sources.text(for: wish)
    let place = try #require(good.firstRange(of: damage.old), "the source lacks what is replaced")
    let bad = good.replacingCharacters(in: place, with: damage.new)
    let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(bad) }
    let found = try #require(refusal).errors
    #expect(
        found.contains { $0.reason == damage.reason && $0.message.contains(damage.says) },
        "\(found.map { "\($0.line): \($0.reason): \($0.message)" })")
    #expect(try damage.isOurs || wish.checkpolicy(bad) == nil, "checkpolicy takes it")
}

@Test("an error names the user's file and line, by the markers")
func lineMarkers() throws {
    let wish = Wish(target: .linux, version: 33)
    let bad = try Sources.text(for: wish).replacing(
        "allow dom0_t self:xen *;",
        with: "#line 40 \"policy/modules/a.te\"\n\n\tallow dom0_t self:xen z;\n#line 7\n")
    let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(bad) }
    let error = try #require(refusal?.errors.first)
    #expect(error.file == "policy/modules/a.te")
    #expect(error.line == 41)
    #expect(error.column == 2)
}

@Test("what is missing is reported where it is missed")
func missingPlaces() throws {
    let wish = Wish(target: .linux, version: 33)
    let good = try Sources.text(for: wish)
    let damages = [
        ("class grant { map_read map_write }\n", "", "class grant\n", "the class `grant`"),
        ("dominance { s0 s1 s2 }", "", "sensitivity s0 ", "no order"),
        ("level s1:c0.c66;", "", "sensitivity s1;", "`s1`"),
        ("level s2:c0.c66;", "", "sensitivity s2 ", "`s2`"),
    ]
    for (old, new, missed, says) in damages {
        let bad = good.replacing(old, with: new)
        let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(bad) }
        let errors = try #require(refusal).errors.filter { $0.reason == .missing }
        let error = try #require(errors.first { $0.message.contains(says) }, "\(errors)")
        let place = try #require(bad.firstRange(of: missed)).lowerBound
        #expect(error.line == bad[..<place].count { $0 == "\n" } + 1, "\(error)")
        #expect(error.column > 1)
    }
    var options = try wish.options
    options.isMultilevel = false
    let off = #expect(throws: KernelPolicyRefusal.self) {
        try KernelPolicy(compiling: Array(good.utf8), name: "p", options: options)
    }
    let error = try #require(off).errors.first { $0.message.contains("which are off") }
    let place = try #require(good.firstRange(of: "sensitivity s0")).lowerBound
    #expect(try #require(error).line == good[..<place].count { $0 == "\n" } + 1)
}

@Test("a class without permissions stops no statement that names it")
func classWithoutPermissions() throws {
    let wish = Wish(target: .linux, version: 33)
    let bad = try Sources.text(for: wish).replacing(
        "class domain inherits shared { create destroy transition }\n", with: "")
    let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(bad) }
    #expect(try #require(refusal).errors.contains { $0.message.contains("`domain`") })
}

@Test("rules that stand for more pairs of types than a limit are refused, and less are not")
func manyPairs() throws {
    let wish = Wish(target: .linux, version: 33)
    let good = try Sources.text(for: wish)
    func source(_ count: Int) -> String {
        let names = (0..<count).map { "many\($0)" }
        return good.replacing(
            "type xen_t;",
            with: "type xen_t;\n" + names.map { "type \($0);\n" }.joined()
                + "allow { \(names.joined(separator: " ")) } { \(names.joined(separator: " ")) }:"
                + "{ file chr_file process domain } *;\n")
    }
    _ = try wish.ours(source(400))
    let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(source(2_100)) }
    let error = try #require(refusal?.errors.first)
    #expect(error.reason == .limit && error.message.contains("16,777,216"), "\(error)")
}

@Test("several errors are found in one run, and no more than the most")
func severalErrors() throws {
    let wish = Wish(target: .linux, version: 33)
    let good = try Sources.text(for: wish)
    let bad = good.replacing("type xen_t;", with: "type ;").replacing(
        "role guest_r;", with: "role ;")
    let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(bad) }
    #expect(try #require(refusal).errors.count == 2)
    let many = good + String(repeating: "type ;\n", count: 500)
    let most = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(many) }
    #expect(try #require(most).errors.count == KernelPolicyRefusal.most)
}

@Test("deep nesting is refused by a limit")
func nesting() throws {
    let wish = Wish(target: .linux, version: 33)
    let good = try Sources.text(for: wish)
    let deep = [
        "allow " + String(repeating: "{", count: 100_000) + " dom0_t",
        "if (" + String(repeating: "(", count: 100_000) + "is_on",
        "if (" + String(repeating: "not ", count: 100_000) + "is_on",
        String(repeating: "optional { ", count: 100_000),
    ]
    for text in deep {
        let refusal = #expect(throws: KernelPolicyRefusal.self) { try wish.ours(good + text) }
        #expect(try #require(refusal).errors.contains { $0.reason == .limit })
    }
}

@Test("no source of damaged bytes or exchanged words traps or goes on for long")
func fuzz() throws {
    var generator = SeededGenerator.announced(8)
    let wish = Wish(target: .linux, version: 33)
    let options = try wish.options
    let good = Array(try Sources.text(for: wish).utf8)
    let words = good.split(separator: UInt8(ascii: " "))
    var accepted = 0
    for _ in 0..<TestLevel.repetitions(2_000) {
        var bytes = good
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.removeSubrange(place..<min(bytes.count, place + 5))
            case 2:
                bytes.insert(contentsOf: words.randomElement(using: &generator) ?? [], at: place)
            default: bytes.removeSubrange(place...)
            }
            if bytes.isEmpty { bytes = good }
        }
        let policy = try? KernelPolicy(compiling: bytes, name: "fuzz", options: options)
        if let policy {
            accepted += 1
            _ = try policy.file.encoded()
        }
    }
    #expect(accepted > 0)
}

@Test("what a check permits is compiled, and without checks everything is")
func checks() throws {
    let wish = Wish(target: .linux, version: 33)
    let old = "neverallow guest_t xen_t:xen b;"
    let good = try Sources.text(for: wish)
    for new in [
        "neverallowxperm dom0_t guest_t:file ioctl { 0x8926 0x8928 };",
        "neverallowxperm loader_t guest_t:file ioctl { 0x5000-0x50ff };",
        "neverallowxperm guest_t loader_t:file ioctl 1;", "allow guest_t child_t:file read;",
    ] {
        let source = good.replacing(old, with: new)
        #expect(try wish.checkpolicy(source) != nil, "\(new)")
        _ = try wish.ours(source)
    }
    var options = try wish.options
    options.checksNeverAllow = false
    for damage in Damage.all where [.neverAllowed, .boundsExceeded].contains(damage.reason) {
        let source = good.replacing(damage.old, with: damage.new)
        _ = try KernelPolicy(compiling: Array(source.utf8), name: "p", options: options)
    }
}
