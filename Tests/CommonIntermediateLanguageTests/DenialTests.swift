import CommonIntermediateLanguage
import Foundation
import KernelPolicyLanguage
import TestSupport
import Testing

// Debian's secilc knows neither `deny` nor `notself` nor `other`. It judges all the same: what a
// policy with them must allow is written without them, pair by pair, and secilc compiles that.

@Test("random policies with denials and targets that depend on sources mean what pairs say")
func randomDenials() throws {
    var generator = SeededGenerator.announced(20_261_124)
    var taken = 0
    var refused = 0
    // With fewer, none may be refused.
    for _ in 0..<max(20, TestLevel.repetitions(60)) {
        let policy = DenialPolicy(&generator)
        let plain = try Target.linux33.secilc([policy.plain])
        let ours = try? Target.linux33.ours([policy.text])
        #expect((plain == nil) == (ours == nil), "\(policy.text)\nis not\n\(policy.plain)")
        guard let plain, let ours else {
            refused += 1
            continue
        }
        taken += policy.taken
        try expectSame(ours.file, plain, "\(policy.text)\nis not\n\(policy.plain)")
    }
    #expect(taken > TestLevel.repetitions(60), "denials take something away")
    #expect(refused > 0, "a neverallow refuses some")
}

@Test("what a denial leaves of a rule is as the language's guide says")
func guideOfDenials() throws {
    let more = """
        (type t1) (type t2) (allow t1 t2 (file (read))) (deny t1 t2 (file (read)))
        (type t3) (type t4) (allow t3 t4 (file (read write))) (deny t3 t4 (file (read)))
        (type t5) (type t6) (typeattribute a1) (typeattributeset a1 (t5 t6))
        (allow a1 a1 (process (fork))) (deny t5 t6 (process (fork)))

        """
    let expected = """
        (type t1) (type t2) (type t3) (type t4) (allow t3 t4 (file (write)))
        (type t5) (type t6) (typeattribute a1) (typeattributeset a1 (t5 t6))
        (allow t6 a1 (process (fork))) (allow t5 t5 (process (fork)))

        """
    let head = DenialPolicy.head
    let theirs = try #require(try Target.linux33.secilc([head + expected]))
    try expectSame(Target.linux33.ours([head + more]).file, theirs)
}

@Test("a denial comes before `neverallow` and bounds, and is not for conditionals")
func orderOfDenials() throws {
    let head = DenialPolicy.head + "(type tx) (type ty)"
    let broken = head + "(allow tx ty (file (read))) (neverallow tx notself (file (read)))"
    #expect(throws: KernelPolicyRefusal.self) { try Target.linux33.ours([broken]) }
    _ = try Target.linux33.ours([broken + "(deny tx other (file (read)))(deny tx ty (file (read)))"]
    )
    let bound = head + "(typebounds ty tx) (allow tx ty (file (read)))"
    #expect(throws: KernelPolicyRefusal.self) { try Target.linux33.ours([bound]) }
    _ = try Target.linux33.ours([bound + "(deny tx notself (file (read)))"])
    let refusal = #expect(throws: KernelPolicyRefusal.self) {
        try Target.linux33.ours([head + "(booleanif p (true (deny tx ty (file (read)))))"])
    }
    #expect(try #require(refusal).errors.first?.message.contains("booleanif") ?? false)
}

@Test("a type with the name of a newer word is that type, as for secilc 3.4")
func typesNamedAsWords() throws {
    let source =
        DenialPolicy.head + "(type other) (type notself) (type tx) (allow tx other (file (read)))"
        + "(allow tx notself (file (write)))"
    let theirs = try #require(try Target.linux33.secilc([source]))
    try expectSame(Target.linux33.ours([source]).file, theirs)
    for word in ["notself", "other"] {
        let rule = "(type tx) (optional o (allow tx \(word) (file (read))))"
        let ours = try Target.linux33.ours([DenialPolicy.head + rule])
        #expect(ours.warnings.contains { $0.contains("secilc 3.4") })
        for statement in ["allow \(word) self", "typeattributeset tx", "roletype r"] {
            let bad = DenialPolicy.head + "(type tx) (\(statement) \(word) (file (read)))"
            #expect(throws: KernelPolicyRefusal.self) { try Target.linux33.ours([bad]) }
        }
    }
}

/// A random policy with denials, and the same policy without, pair by pair.
struct DenialPolicy {
    static let head = """
        (sid kernel) (sidorder (kernel)) (class process (fork transition))
        (class file (read write ioctl)) (classorder (process file))
        (sensitivity s0) (sensitivityorder (s0)) (category c0) (categoryorder (c0))
        (sensitivitycategory s0 (c0)) (role object_r) (role r) (user u) (userrole u r)
        (userlevel u (s0)) (userrange u ((s0) (s0 (c0)))) (type t0) (roletype r t0)
        (sidcontext kernel (u r t0 ((s0) (s0)))) (boolean p true)

        """

    /// Source, target and permission, where the rule stands, and its kind.
    private struct Pair: Hashable, Comparable {
        let place: Int
        let kind: String
        let source: Int
        let target: Int
        let permission: Int

        static func < (one: Pair, other: Pair) -> Bool {
            (one.place, one.kind, one.source, one.target, one.permission)
                < (other.place, other.kind, other.source, other.target, other.permission)
        }
    }

    private static let typeCount = 5
    private static let permissions = ["read", "write", "ioctl"]
    private var attributes: [Set<Int>] = []
    private var generator: SeededGenerator
    private var pairs: Set<Pair> = []
    /// With denials.
    private(set) var text = DenialPolicy.head
    /// Without.
    private(set) var plain = DenialPolicy.head
    /// How many pairs denials take away.
    private(set) var taken = 0

    init(_ generator: inout SeededGenerator) {
        self.generator = SeededGenerator(seed: generator.next())
        declare()
        let places = (0..<12).map { $0 < 8 ? 0 : $0 % 2 + 1 }
        var branches = ["", "", ""]
        for place in places {
            let kind = pick(["allow", "allow", "allow", "auditallow", "dontaudit"])
            let (rule, found) = rule(kind, place)
            branches[place] += rule
            pairs.formUnion(found)
        }
        let always = "(allow t0 t0 (process (fork)))"
        text += branches[0]
        text += "(booleanif p (true \(always) \(branches[1])) (false \(always) \(branches[2])))\n"
        for _ in 0..<Int.random(in: 1...4, using: &self.generator) { deny() }
        operations()
        for pair in pairs.sorted() where pair.place == 0 { plain += statement(pair) }
        let inside = (1...2).map { place in
            pairs.sorted().filter { $0.place == place }.map(statement).joined()
        }
        plain += "(booleanif p (true \(always) \(inside[0])) (false \(always) \(inside[1])))\n"
        if Int.random(in: 0..<3, using: &self.generator) == 0 { forbid() }
    }

    private mutating func declare() {
        for type in 1..<Self.typeCount { text += "(type t\(type)) " }
        for index in 0..<3 {
            let members = Set((0..<Self.typeCount).filter { _ in Bool.random(using: &generator) })
            attributes.append(members)
            text += "(typeattribute a\(index))\n"
            for member in members.sorted() {
                text += "(typeattributeset a\(index) (t\(member)))\n"
            }
        }
        plain = text
    }

    private mutating func pick(_ items: [String]) -> String {
        items[Int.random(in: 0..<items.count, using: &generator)]
    }

    /// A type or an attribute, and its types.
    private mutating func some() -> (name: String, types: Set<Int>) {
        let number = Int.random(in: 0..<Self.typeCount + 3, using: &generator)
        guard number >= Self.typeCount else { return ("t\(number)", [number]) }
        return ("a\(number - Self.typeCount)", attributes[number - Self.typeCount])
    }

    private mutating func subject() -> (name: String, pairs: [(Int, Int)]) {
        let source = some()
        let target: (name: String, types: Set<Int>) =
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: ("self", [])
            case 1: ("notself", [])
            case 2: ("other", [])
            default: some()
            }
        var pairs: [(Int, Int)] = []
        for one in source.types {
            for other in 0..<Self.typeCount {
                let isMeant =
                    switch target.name {
                    case "self": one == other
                    case "notself": one != other
                    case "other": one != other && source.types.contains(other)
                    default: target.types.contains(other)
                    }
                if isMeant { pairs.append((one, other)) }
            }
        }
        return ("\(source.name) \(target.name)", pairs)
    }

    private mutating func rule(_ kind: String, _ place: Int) -> (String, Set<Pair>) {
        let subject = subject()
        let chosen = Self.permissions.indices.filter { _ in Bool.random(using: &generator) }
        guard let last = chosen.last else { return ("", []) }
        let names = chosen.map { Self.permissions[$0] }.joined(separator: " ")
        let set = chosen.count == 1 && last == 2 ? "(not (read write))" : "(\(names))"
        var found: Set<Pair> = []
        for (one, other) in subject.pairs {
            for permission in chosen {
                found.insert(
                    Pair(
                        place: place, kind: kind, source: one, target: other,
                        permission: permission))
            }
        }
        return ("(\(kind) \(subject.name) (file \(set)))\n", found)
    }

    private mutating func deny() {
        let (rule, denied) = rule("deny", 0)
        text += rule
        let left = pairs.filter { pair in
            pair.kind != "allow"
                || !denied.contains {
                    ($0.source, $0.target, $0.permission)
                        == (pair.source, pair.target, pair.permission)
                }
        }
        taken += pairs.count - left.count
        pairs = left
    }

    /// Rules about operations, which no denial is about.
    private mutating func operations() {
        for kind in ["allowx", "dontauditx"] {
            let subject = subject()
            let numbers = "(ioctl file (0x1234 (range 0x2000 0x20ff)))"
            text += "(\(kind) \(subject.name) \(numbers))\n"
            for (one, other) in subject.pairs {
                plain += "(\(kind) t\(one) t\(other) \(numbers))\n"
            }
        }
    }

    private mutating func forbid() {
        let word = pick(["neverallow", "neverallowx"])
        let subject = subject()
        let what = word == "neverallow" ? "(file (write))" : "(ioctl file (0x1234))"
        text += "(\(word) \(subject.name) \(what))\n"
        for (one, other) in subject.pairs { plain += "(\(word) t\(one) t\(other) \(what))\n" }
    }

    private func statement(_ pair: Pair) -> String {
        "(\(pair.kind) t\(pair.source) t\(pair.target) "
            + "(file (\(Self.permissions[pair.permission]))))\n"
    }
}
