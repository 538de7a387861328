import CommonIntermediateLanguage
import KernelPolicyLanguage
import PolicyDatabaseModel
import TestSupport
import Testing

/// Returns why a policy is refused.
private func refusal(_ text: String) throws -> [KernelPolicyError] {
    let refusal = #expect(throws: KernelPolicyRefusal.self) {
        try Target.linux33.ours([RandomPolicy.head + "(type ta)\n" + text])
    }
    return try #require(refusal).errors
}

@Test("deep nesting is refused by a limit, and less of it is not")
func nesting() throws {
    for (open, close) in [("(block b ", ")"), ("(optional o ", ")"), ("(", ")")] {
        let text =
            String(repeating: open, count: 100_000) + String(repeating: close, count: 100_000)
        #expect(try refusal(text).contains { $0.reason == .limit })
    }
    let good = String(repeating: "(optional o ", count: 100) + String(repeating: ")", count: 100)
    _ = try Target.linux33.ours([RandomPolicy.head + "(type ta)" + good])
}

@Test("macros and blocks that copy themselves, or grow beyond a limit, are refused")
func copies() throws {
    let bomb = (1...30).map { "(macro m\($0) () (call m\($0 - 1)) (call m\($0 - 1)))" }
    let blocks = (1...30).map {
        "(block n\($0) (block i (blockinherit n\($0 - 1))) (blockinherit n\($0 - 1)))"
    }
    let cases = [
        "(macro a () (call b)) (macro b () (call a)) (call a)", "(macro a () (call a)) (call a)",
        "(block a (blockinherit a))", "(block a (block b (blockinherit a)))",
        "(block a (blockinherit b)) (block b (blockinherit a))",
        "(macro m0 () (allow ta self (file (read)))) \(bomb.joined()) (call m30)",
        "(block n0 (type x)) \(blocks.joined())",
        "(typeattribute x1) (typeattribute x2) (typeattributeset x1 x2) (typeattributeset x2 x1)",
        "(categoryset e1 (e2)) (categoryset e2 (e1)) (level v (s0 e1))",
    ]
    for text in cases {
        #expect(try refusal(text).contains { $0.reason == .limit }, "\(text.prefix(80))")
    }
}

@Test("names that double what they stand for with each step are refused")
func doublings() throws {
    let steps = 1...60
    let cases = [
        "(categoryset e0 (c0)) (level v (s0 (e60)))"
            + steps.map { "(categoryset e\($0) (e\($0 - 1) e\($0 - 1)))" }.joined(),
        "(classpermission p0) (classpermissionset p0 (file (read))) (allow ta ta p60)"
            + steps.map {
                "(classpermission p\($0)) (classpermissionset p\($0) ((file (read)) p\($0 - 1) "
                    + "p\($0 - 1)))"
            }.joined(),
        "(classmap k0 (x)) (classmapping k0 x (file (read))) (allow ta ta (k60 (x)))"
            + steps.map {
                "(classmap k\($0) (x)) (classmapping k\($0) x ((k\($0 - 1) (x)) (k\($0 - 1) (x))))"
            }.joined(),
    ]
    for text in cases {
        #expect(try refusal(text).contains { $0.reason == .limit }, "\(text.prefix(80))")
    }
}

@Test("many statements about one attribute, used in another, are no doubling")
func manyParts() throws {
    let parts = (0..<25_000).map { "(typeattributeset x1 (ty\($0 % 50)))" }.joined(separator: "\n")
    let types = (0..<50).map { "(type ty\($0))" }.joined()
    let policy = try Target.linux33.ours([
        RandomPolicy.head + "(type ta) (typeattribute x2) (typeattributeset x2 (not (x1)))",
        types + "(typeattribute x1)" + parts,
    ])
    #expect(policy.file.types.primaryCount == 53)
}

@Test("an argument that is nowhere is looked for once in each call, not twice")
func missingArguments() throws {
    let calls = (1...100).map { "(macro n\($0) ((type X)) (call n\($0 - 1) (X)))" }.joined()
    let leaf =
        "(macro n0 ((type X)) (optional o (allow X X (file (read)))) (allow ta ta (file (read))))"
    _ = try Target.linux33.ours([
        RandomPolicy.head + "(type ta)" + leaf + calls + "(call n100 (missing))"
    ])
    let blocks = (1...60).map {
        "(block b\($0) (blockinherit b\($0 - 1)) (block i (blockinherit b\($0 - 1).i)))"
    }.joined()
    _ = try? Target.linux33.ours([
        RandomPolicy.head
            + "(type ta) (block b0 (block i (optional o (allow none none (file (read))))))"
            + blocks
    ])
}

@Test("what is missing in an order is reported where it is declared")
func missingPlaces() throws {
    for (text, line) in [
        ("(type tb)\n(sensitivity s9)", 2), ("\n\n(category c9)", 3), ("\n(sid other)\n", 2),
        ("(class other (x))", 1),
    ] {
        let refusal = #expect(throws: KernelPolicyRefusal.self) {
            try Target.linux33.ours([RandomPolicy.head + "(type ta)\n", text])
        }
        let errors = try #require(refusal).errors
        let error = try #require(errors.first { $0.reason == .missing }, "\(text)")
        #expect(error.file == "1.cil" && error.line == line, "\(error)")
    }
}

@Test("lists without anything in them stop nothing")
func emptyLists() throws {
    for text in ["(booleanif p ())", "(booleanif p (()))", "(macro n () (type))", "(in m ())"] {
        _ = try? Target.linux33.ours([RandomPolicy.head + "(type ta)\n" + text])
    }
}

@Test("an error names the file of several, and the line that its line marks say")
func lineMarks() throws {
    let bad = """
        (type ok)
        ;;* lms 40 a.te
        (allow ok none (file (read)))
        ;;* lme
        (allow ok none2 (file (read)))
        ;;* lmx 7 b.te
        (type twice)
        (type twice)
        ;;* lme
        """
    let refusal = #expect(throws: KernelPolicyRefusal.self) {
        try Target.linux33.ours([RandomPolicy.head + "(type ta)", bad])
    }
    let found = try #require(refusal).errors.map { "\($0.file):\($0.line):\($0.column)" }
    #expect(found == ["b.te:7:1"])
    let fewer = bad.replacing("(type twice)\n(type twice)", with: "(type twice)")
    let second = #expect(throws: KernelPolicyRefusal.self) {
        try Target.linux33.ours([RandomPolicy.head + "(type ta)", fewer])
    }
    let others = try #require(second).errors.map { "\($0.file):\($0.line):\($0.column)" }
    #expect(others == ["a.te:40:1", "1.cil:5:1"])
}

@Test("no source of damaged bytes or exchanged words traps or goes on for long")
func fuzz() throws {
    var generator = SeededGenerator.announced(9)
    let good = Array((try policySource("common.cil") + policySource("containers.cil")).utf8)
    let words = good.split { $0 == 32 || $0 == 10 }
    let random = Array(try policySource("containers.cil").utf8)
    var accepted = 0
    for round in 0..<TestLevel.repetitions(2_000) {
        var bytes = round % 4 == 0 ? good : random
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.removeSubrange(place..<min(bytes.count, place + 5))
            case 2, 3:
                let start = bytes[place...].firstIndex(of: 32) ?? place
                bytes.insert(
                    contentsOf: [32] + (words.randomElement(using: &generator) ?? []), at: start)
            default: bytes.removeSubrange(place...)
            }
            if bytes.isEmpty { bytes = random }
        }
        let options = CommonIntermediatePolicy.Options(
            try #require(PolicyFormat(.linux, version: 33)))
        var source: CommonIntermediatePolicy.Source? = ("fuzz", bytes)
        let policy = try? CommonIntermediatePolicy(options: options) {
            defer { source = nil }
            return source
        }
        if let policy {
            accepted += 1
            _ = try policy.file.encoded()
        }
    }
    #expect(accepted > 0)
}
