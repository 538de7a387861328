import CompilerTestSupport
import Foundation
import KernelPolicyLanguage
import PolicyDatabaseModel
import TestSupport
import Testing

/// What a policy is compiled for.
struct Wish: Sendable, CustomTestStringConvertible {
    let target: PolicyFormat.Target
    let version: UInt32
    var isMultilevel = true

    var testDescription: String {
        "\(target.rawValue) \(version)\(isMultilevel ? "" : ", no levels")"
    }

    static let all =
        [UInt32](24...33).flatMap { version in
            [true, false].map { Wish(target: .linux, version: version, isMultilevel: $0) }
        }
        + [UInt32(24), 30].flatMap { version in
            [true, false].map { Wish(target: .xen, version: version, isMultilevel: $0) }
        }

    var options: KernelPolicy.Options {
        get throws {
            var options = KernelPolicy.Options(
                try #require(PolicyFormat(target, version: version)))
            options.isMultilevel = isMultilevel
            return options
        }
    }

    /// Runs Debian's checkpolicy.
    ///
    /// - Returns: nil when it refuses.
    func checkpolicy(_ source: String) throws -> [UInt8]? {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let input = try folder.write(source, to: "policy.conf")
        let run = try ToolRun(
            "/usr/bin/checkpolicy",
            (isMultilevel ? ["-M"] : [])
                + [
                    "-t", target == .xen ? "Xen" : "selinux", "-c", "\(version)",
                    "-o", folder.path("policy"), input,
                ])
        guard run.status == 0 else { return nil }
        return try RepositoryFiles.bytes(of: folder.url("policy"))
    }

    func ours(_ source: String) throws -> KernelPolicy {
        try KernelPolicy(compiling: Array(source.utf8), name: "policy.conf", options: try options)
    }
}

/// The sources that have every statement, without what checkpolicy refuses in a version.
enum Sources {
    static func text(for wish: Wish) throws -> String {
        let name = wish.target == .xen ? "xen.conf" : "linux.conf"
        let folder = "Tests/PolicyFileTests/Policies/"
        let url = RepositoryFiles.root.appending(path: folder + name)
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
        let kept = lines.filter { line in
            (wish.version >= 30
                || !line.contains("xperm ") && !line.hasPrefix("iomemcon 0x100000000"))
                && (wish.isMultilevel || !isAboutLevels(line))
        }
        return kept.map { wish.isMultilevel ? String($0) : withoutLevels($0) }
            .joined(separator: "\n") + "\n"
    }

    private static func isAboutLevels(_ line: Substring) -> Bool {
        [
            "sensitivity", "category", "dominance", "level", "mls", "range_transition",
            "default_range",
        ].contains { line.hasPrefix($0) }
    }

    private static func withoutLevels(_ line: Substring) -> String {
        String(line).replacing(/\ level s[^;]*;/, with: ";")
            .replacing(/(_u:[a-z_]+_r:[a-z0-9_]+):s[0-9][^ ;]*( - s[^ ;]*)?/) { "\($0.output.1)" }
    }
}

@Test("a policy means what checkpolicy makes it mean, in every version", arguments: Wish.all)
func sameMeaning(wish: Wish) throws {
    let source = try Sources.text(for: wish)
    let theirs = try #require(try wish.checkpolicy(source))
    let ours = try wish.ours(source)
    let expected = PolicyMeaning(try PolicyFile(validating: theirs)).parts
    let found = PolicyMeaning(ours.file).parts
    for (one, other) in zip(found, expected) {
        #expect(one.name == other.name)
        // Before version 26 checkpolicy drops all that are not of class 2, whatever its name.
        if one.name == "role transitions", wish.version < 26 { continue }
        #expect(
            one.lines == other.lines,
            """
            \(one.name): only ours \(one.lines.subtracting(other.lines).sorted()); \
            only theirs \(other.lines.subtracting(one.lines).sorted())
            """)
    }
    #expect(!expected[8].lines.isEmpty)
    // What we write is read, by us and by them.
    let bytes = try ours.file.encoded()
    #expect(try PolicyFile(validating: bytes) == ours.file)
}

@Test("checkpolicy reads what is written, for both targets")
func readByCheckpolicy() throws {
    for wish in [Wish(target: .linux, version: 33), Wish(target: .xen, version: 30)] {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let policy = folder.url("policy")
        try Data(try wish.ours(try Sources.text(for: wish)).file.encoded()).write(to: policy)
        let run = try ToolRun(
            "/usr/bin/checkpolicy",
            [
                "-M", "-b", "-t", wish.target == .xen ? "Xen" : "selinux", "-c",
                "\(wish.version)", "-o",
                folder.path("again"), folder.path("policy"),
            ])
        #expect(run.status == 0, "\(run.errors)")
        let again = try PolicyFile(validating: RepositoryFiles.bytes(of: folder.url("again")))
        let expected = try PolicyFile(validating: RepositoryFiles.bytes(of: policy))
        for (one, other) in zip(PolicyMeaning(again).parts, PolicyMeaning(expected).parts)
        where one.name != "head" {
            #expect(one.lines == other.lines, "\(one.name)")
        }
    }
}

@Test("random policies mean what checkpolicy makes them mean")
func randomPolicies() throws {
    var generator = SeededGenerator.announced(20_261_122)
    let wish = Wish(target: .linux, version: 33)
    var accepted = 0
    for _ in 0..<TestLevel.repetitions(40) {
        let source = RandomSource(&generator).text
        let theirs = try wish.checkpolicy(source)
        let ours = try? wish.ours(source)
        #expect((theirs == nil) == (ours == nil), "\(source)")
        guard let theirs, let ours else { continue }
        accepted += 1
        let expected = PolicyMeaning(try PolicyFile(validating: theirs)).parts
        for (one, other) in zip(PolicyMeaning(ours.file).parts, expected) {
            #expect(one.lines == other.lines, "\(one.name) of \(source)")
        }
    }
    #expect(accepted > TestLevel.repetitions(40) / 4)
}

/// A policy of random types, attributes, rules, conditionals and optional blocks.
struct RandomSource {
    // Names that checkpolicy cannot take for parts of an IPv6 address.
    private static let types = ["ta", "tb", "tc", "td", "te"]
    private static let attributes = ["x", "y", "z"]
    private static let head = [
        "class process", "class file", "sid kernel", "class process { fork transition }",
        "class file { read write ioctl }", "sensitivity s0;", "dominance { s0 }",
        "category c0;", "level s0:c0;", "mlsconstrain file read l1 dom l2;",
    ]

    private var generator: SeededGenerator
    private var lines = RandomSource.head

    var text: String { lines.joined(separator: "\n") + "\n" }

    init(_ generator: inout SeededGenerator) {
        self.generator = SeededGenerator(seed: generator.next())
        addTypes()
        for _ in 0..<12 { lines.append(rule()) }
        addBlocks()
        addForbidden()
        addRoles()
        lines += [
            "role r;", "role r types { ta tb };",
            "user u roles r level s0 range s0 - s0:c0;",
            "constrain file write ( t1 == t2 or t1 == \(pick(Self.attributes)) );",
            "sid kernel u:r:ta:s0",
        ]
    }

    private mutating func pick(_ items: [String]) -> String {
        items[Int.random(in: 0..<items.count, using: &generator)]
    }

    private mutating func addTypes() {
        lines += Self.attributes.map { "attribute \($0);" }
        for type in Self.types {
            let count = Int.random(in: 0...3, using: &generator)
            let held = Self.attributes.shuffled(using: &generator).prefix(count)
            lines.append("type " + ([type] + held).joined(separator: ", ") + ";")
        }
        lines += ["bool p true;", "bool q false;"]
    }

    private mutating func set(isNever: Bool = false) -> String {
        let any = Self.types + Self.attributes
        return switch Int.random(in: isNever ? 0..<8 : 2..<8, using: &generator) {
        case 0: "*"
        case 1: "~" + pick(any)
        case 2: "{ \(pick(any)) \(pick(any)) }"
        case 3: "{ \(pick(Self.attributes)) -\(pick(any)) }"
        case 4 where isNever: "~{ \(pick(any)) \(pick(Self.types)) }"
        default: pick(any)
        }
    }

    private mutating func rule() -> String {
        let word = pick(["allow", "allow", "auditallow", "dontaudit", "type_transition"])
        if word == "type_transition" {
            return "type_transition \(pick(Self.types)) \(set()):file \(pick(Self.types));"
        }
        let isPlain = Bool.random(using: &generator)
        let target = isPlain ? set() : pick(["self", "{ ta self }", "tb"])
        let permissions = pick(["read", "{ read write }", "~read", "*", "ioctl"])
        return "\(word) \(set()) \(target):file \(permissions);"
    }

    private mutating func addBlocks() {
        let expression = pick(
            ["p", "not p", "p and q", "p or not q", "p ^ q", "p == q", "(p != q) and p"])
        lines.append(
            "if (\(expression)) { allow ta tb:file read; } else { allow tc td:file write; }")
        lines.append(
            "optional { require { type \(pick(["ta", "missing"])); } \(rule()) } "
                + "else { allow td te:process fork; }")
    }

    private mutating func addForbidden() {
        if Bool.random(using: &generator) {
            lines.append(
                "neverallow \(set(isNever: true)) \(set(isNever: true)):process transition;")
        }
        if Int.random(in: 0..<4, using: &generator) == 0 {
            lines.append("neverallow \(pick(Self.types)) \(set(isNever: true)):file ioctl;")
        }
    }

    /// Roles with the types of attributes, which blocks before and behind add to.
    private mutating func addRoles() {
        for name in ["x", "y"].shuffled(using: &generator) {
            lines.append("optional { require { attribute \(name); } type t\(name), \(name); }")
            let statement = "role role_\(name) types { x z };"
            lines.append("role role_\(name);")
            lines.append(
                Bool.random(using: &generator)
                    ? statement : "optional { require { attribute x, z; } \(statement) }")
        }
    }
}
