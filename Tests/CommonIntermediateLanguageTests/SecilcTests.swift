import CommonIntermediateLanguage
import CompilerTestSupport
import Foundation
import KernelPolicyLanguage
import PolicyDatabaseModel
import TestSupport
import Testing

/// What policies are compiled for.
struct Target: Sendable, CustomTestStringConvertible {
    let target: PolicyFormat.Target
    let version: UInt32
    let isMultilevel: Bool

    var testDescription: String {
        "\(target.rawValue) \(version)\(isMultilevel ? "" : ", no levels")"
    }

    static let linux33 = Target(target: .linux, version: 33, isMultilevel: true)

    static let all = [true, false].flatMap { isMultilevel in
        (30...33).map { Target(target: .linux, version: $0, isMultilevel: isMultilevel) }
            + [24, 30].map { Target(target: .xen, version: $0, isMultilevel: isMultilevel) }
    }

    /// Runs Debian's secilc.
    ///
    /// - Returns: nil when it refuses.
    func secilc(_ sources: [String], _ options: [String] = []) throws -> [UInt8]? {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let files = try sources.enumerated().map { try folder.write($1, to: "\($0).cil") }
        let run = try ToolRun(
            "/usr/bin/secilc",
            [
                "-t", target == .xen ? "xen" : "selinux", "-c", "\(version)",
                "-M", isMultilevel ? "true" : "false", "-f", "/dev/null",
                "-o", folder.path("policy"),
            ] + options + files)
        guard run.status == 0 else { return nil }
        return try RepositoryFiles.bytes(of: folder.url("policy"))
    }

    func ours(
        _ sources: [String],
        _ change: (inout CommonIntermediatePolicy.Options) -> Void = { _ in }
    ) throws -> CommonIntermediatePolicy {
        var options = CommonIntermediatePolicy.Options(
            try #require(PolicyFormat(target, version: version)))
        options.isMultilevel = isMultilevel
        change(&options)
        var left = sources.enumerated().makeIterator()
        return try CommonIntermediatePolicy(options: options) {
            left.next().map { ("\($0).cil", Array($1.utf8)) }
        }
    }
}

/// Compares what two policies mean, without attributes that no rule needs, which secilc leaves out.
func expectSame(_ ours: PolicyFile, _ theirs: [UInt8], _ comment: String = "") throws {
    let expected = PolicyMeaning(try PolicyFile(validating: theirs)).parts
    for (one, other) in zip(PolicyMeaning(ours).parts, expected) {
        #expect(one.name == other.name)
        // Before version 26 secilc drops all that are not of class 2, whatever its name.
        if one.name == "role transitions", ours.format.version < 26 { continue }
        let (left, right) = (plain(one), plain(other))
        #expect(
            left == right,
            """
            \(one.name): only ours \(left.subtracting(right).sorted()); \
            only theirs \(right.subtracting(left).sorted()); \(comment)
            """)
    }
}

private func plain(_ part: (name: String, lines: Set<String>)) -> Set<String> {
    switch part.name {
    case "types":
        Set(part.lines.filter { !$0.hasSuffix(" 3  []") }.map { $0.replacing(/\ \[.*$/, with: "") })
    // The kernel sorts paths when it reads them.
    case "paths": Set(part.lines.map { String($0.sorted()) })
    default: part.lines
    }
}

/// The sources in the tests' folder.
func policySource(_ name: String) throws -> String {
    let url = RepositoryFiles.root.appending(path: "Tests/PolicyFileTests/Policies/\(name)")
    return try String(contentsOf: url, encoding: .utf8)
}

@Test("every statement means what secilc makes it mean", arguments: Target.all)
func sameMeaning(target: Target) throws {
    let sources = [
        try policySource("common.cil"),
        try policySource(target.target == .xen ? "xen.cil" : "linux.cil"),
    ]
    let theirs = try #require(try target.secilc(sources))
    let ours = try target.ours(sources)
    try expectSame(ours.file, theirs)
    #expect(try PolicyFile(validating: ours.file.encoded()) == ours.file)
}

@Test("what copies, chooses and names means what secilc makes it mean")
func containers() throws {
    for isMultilevel in [true, false] {
        let target = Target(target: .linux, version: 33, isMultilevel: isMultilevel)
        let source = try policySource("containers.cil")
        let theirs = try #require(try target.secilc([source]))
        try expectSame(target.ours([source]).file, theirs)
    }
}

@Test("a tunable that is preserved is a Boolean, as secilc makes it")
func preservedTunables() throws {
    let sources = [try policySource("common.cil"), try policySource("linux.cil")]
    let ours = try Target.linux33.ours(sources) { $0.preservesTunables = true }
    let theirs = try #require(try Target.linux33.secilc(sources, ["-P"]))
    try expectSame(ours.file, theirs)
    #expect(ours.file.booleans.symbols.map(\.name).sorted() == ["is_odd", "is_on", "is_static"])
    // What a tunable declares by choice a Boolean cannot.
    let containers = try policySource("containers.cil")
    #expect(try Target.linux33.secilc([containers], ["-P"]) == nil)
    #expect(throws: KernelPolicyRefusal.self) {
        try Target.linux33.ours([containers]) { $0.preservesTunables = true }
    }
}

@Test("with points in names one whole name is declared once")
func qualifiedNames() throws {
    let head = RandomPolicy.head + "(type ta)\n"
    _ = try Target.linux33.ours([head + "(type x.y)"]) { $0.hasQualifiedNames = true }
    for twice in ["(type x.y) (block x (type y))", "(boolean x.p true) (block x (boolean p true))"]
    {
        let refusal = #expect(throws: KernelPolicyRefusal.self) {
            try Target.linux33.ours([head + twice]) { $0.hasQualifiedNames = true }
        }
        #expect(try #require(refusal).errors.contains { $0.reason == .declaredTwice })
    }
}

@Test("random policies mean what secilc makes them mean, or both refuse them")
func randomPolicies() throws {
    var generator = SeededGenerator.announced(20_261_123)
    var accepted = 0
    let repetitions = TestLevel.repetitions(40)
    for _ in 0..<repetitions {
        let source = RandomPolicy(&generator).text
        let theirs = try Target.linux33.secilc([source])
        let ours = try? Target.linux33.ours([source])
        #expect((theirs == nil) == (ours == nil), "\(source)")
        guard let theirs, let ours else { continue }
        accepted += 1
        try expectSame(ours.file, theirs, source)
    }
    #expect(accepted >= max(1, repetitions / 4))
}

/// A policy of random blocks, macros, optional statements and expressions.
struct RandomPolicy {
    static let head = """
        (sid kernel) (sidorder (kernel)) (class process (fork transition))
        (class file (read write ioctl)) (classorder (process file))
        (sensitivity s0) (sensitivityorder (s0)) (category c0) (categoryorder (c0))
        (sensitivitycategory s0 (c0)) (role object_r) (role r) (user u) (userrole u r)
        (userlevel u (s0)) (userrange u ((s0) (s0 (c0)))) (roletype r ta)
        (sidcontext kernel (u r ta ((s0) (s0)))) (boolean p true) (boolean q false)
        (tunable t true) (macro m ((type X)) (allow X self (process (fork)))
        (optional om (allow X missing (file (read)))))

        """

    private static let types = ["ta", "tb", "tc", "td", "b1.x", "b2.x", "b2.b1.x", "b1.y"]
    private static let attributes = ["aa", "ab", "ac"]
    private var generator: SeededGenerator
    private(set) var text = RandomPolicy.head

    init(_ generator: inout SeededGenerator) {
        self.generator = SeededGenerator(seed: generator.next())
        for type in Self.types.prefix(4) { text += "(type \(type)) " }
        for attribute in Self.attributes {
            text += "(typeattribute \(attribute)) "
            text += "(typeattributeset \(attribute) \(expression(2)))\n"
        }
        text += "(block b1 (type x) (type y) \(statements(2)))\n"
        text += "(block b2 (type x) \(pick(["(blockinherit b3)", "(block b1 (type x))"])))\n"
        text +=
            "(block b3 (block b1 (type x)) \(statements(1)) \(pick(["", "(blockabstract b3)"])))\n"
        text += statements(8)
        for _ in 0..<3 { text += "(optional o\(pick(["1", "2"])) \(statements(2)))\n" }
        text += "(booleanif \(condition()) (true \(rule())) (false \(rule())))\n"
        text += "(tunableif \(pick(["t", "(not t)"])) (true (type tt)) (false \(rule())))\n"
        if Int.random(in: 0..<4, using: &self.generator) == 0 {
            text += "(neverallow \(any()) \(any()) (file (write)))\n"
        }
        text += "(in \(pick(["", "after "]))\(pick(["b1", "b2", "b3"])) \(rule()))\n"
    }

    private mutating func pick(_ items: [String]) -> String {
        items[Int.random(in: 0..<items.count, using: &generator)]
    }

    private mutating func any() -> String {
        let isOdd = Int.random(in: 0..<20, using: &generator) == 0
        return isOdd ? pick(["x", "none", "b1.none"]) : pick(Self.types + Self.attributes)
    }

    private mutating func expression(_ depth: Int) -> String {
        guard depth > 0 else { return "(\(pick(Self.types)))" }
        return switch Int.random(in: 0..<6, using: &generator) {
        case 0: "(and \(expression(depth - 1)) \(expression(depth - 1)))"
        case 1: "(or \(expression(depth - 1)) \(pick(Self.types)))"
        case 2: "(xor \(expression(depth - 1)) (all))"
        case 3: "(not \(expression(depth - 1)))"
        default: "(\(pick(Self.types)) \(pick(Self.types)))"
        }
    }

    private mutating func condition() -> String {
        pick(["p", "(not p)", "(and p q)", "(or p (not q))", "(xor p q)", "(eq p q)", "(neq p q)"])
    }

    private mutating func rule() -> String {
        let word = pick(["allow", "allow", "auditallow", "dontaudit"])
        let target = Bool.random(using: &generator) ? any() : "self"
        let set = pick([
            "(file (read))", "(file (not (read)))", "(process (fork))", "(file (all))",
            "(file (xor (read write) (write ioctl)))",
        ])
        return "(\(word) \(any()) \(target) \(set))"
    }

    private mutating func statements(_ count: Int) -> String {
        var found = ""
        for _ in 0..<count {
            found += Int.random(in: 0..<4, using: &generator) == 0 ? "(call m (\(any())))" : rule()
        }
        return found
    }
}
