import Foundation
import TestSupport
import Testing

/// The guard's programs outside any guest: what they judge and how they seal.
@Suite struct GuardProgramTests {
    private static let products = URL(filePath: CommandLine.arguments[0])
        .deletingLastPathComponent()

    private func run(_ arguments: [String], by program: String = "guard-demo") throws -> ToolRun {
        let path = GuardProgramTests.products.appending(path: program)
        return try ToolRun(path.path(percentEncoded: false), arguments)
    }

    /// Has the filter of the system `guard` judge a text.
    private func judge(_ text: [UInt8], named name: String = "a.txt") throws -> String {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let file = folder.url(name)
        try Data(text).write(to: file)
        let run = try run([
            "judge", "--marking", "RELEASABLE TO ALL", "--forbidden", "codename,grid reference",
            "--largest", "64", file.path(percentEncoded: false),
        ])
        #expect(run.status == (run.output.contains("passed") ? 0 : 1))
        return String(run.output.dropFirst("casemate-guest: ".count).dropLast())
    }

    @Test("what is marked for release, plain, short and free of some words passes")
    func passes() throws {
        #expect(try judge(Array("RELEASABLE TO ALL\nrain\n".utf8)) == "passed a.txt")
        #expect(try judge(Array("RELEASABLE TO ALL".utf8)) == "passed a.txt")
        let longest = "RELEASABLE TO ALL\n" + String(repeating: "x", count: 46)
        #expect(try judge(Array(longest.utf8)) == "passed a.txt")
    }

    @Test("what lacks one of these is kept back, and why is said")
    func keepsBack() throws {
        let marking = "RELEASABLE TO ALL\n"
        for (text, reason) in [
            ("", "it is not marked for release"),
            (" RELEASABLE TO ALL\nx", "it is not marked for release"),
            ("RELEASABLE TO ALL ALLIES\nx", "it is not marked for release"),
            (marking + "the CodeName is", "it says `codename`"),
            (marking + "a grid\nreference", "it says `grid reference`"),
            (marking + String(repeating: "x", count: 47), "it is longer than 64 bytes"),
            (marking + "tab\tstop", "it is not plain text"),
            (marking + "\u{e9}", "it is not plain text"),
            (marking + "\u{0}", "it is not plain text"),
            (marking + "blank \nx", "a line ends in blanks"),
        ] {
            #expect(try judge(Array(text.utf8)) == "kept back a.txt: \(reason)")
        }
        #expect(try judge(Array(marking.utf8), named: "A.txt").hasSuffix("its name is not plain"))
    }

    @Test("rules that say nothing are no rules")
    func noRules() throws {
        for arguments in [
            ["", "word", "64"], ["m", "", "64"], ["m", "word", ""], ["m", "word", "x"],
        ] {
            let run = try run([
                "judge", "--marking", arguments[0], "--forbidden", arguments[1], "--largest",
                arguments[2], "Package.swift",
            ])
            #expect(run.status == 2)
        }
    }

    @Test("a role without the domain of the audit is none: who cannot be audited does not begin")
    func noLog() throws {
        for words in [
            ["filter"], ["offer", "--far", "4", "a.txt"], ["filter", "--log", "x"], ["gateway"],
            ["uplink", "--log", "11", "more"],
        ] {
            let run = try run(words)
            #expect(run.status == 2 && run.output.contains("usage: guard-demo"), "\(words)")
        }
        let gateway = try run(["run"], by: "crypto-gateway")
        #expect(gateway.status == 2 && gateway.output.contains("usage: crypto-gateway"))
        // Outside a guest there are no event channels.
        let outside = try run(["filter", "--log", "11"])
        #expect(outside.status == 1 && outside.output.contains("cannot open /dev/xen/evtchn"))
    }

    /// The example of RFC 8439, section 2.8.2.
    private static let key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
    private static let nonce = "070000004041424344454647"
    private static let data = "50515253c0c1c2c3c4c5c6c7"
    private static let tag = "1ae10b594f09e26a7e902ecbd0600691"
    private static let sealed =
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69"
        + "da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad67594"
        + "5585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"
    private static let text = Array(
        ("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
            + "future, sunscreen would be it.").utf8)

    private func crypt(
        _ word: String, _ bytes: String, key: String = key, nonce: String = nonce,
        data: String = data
    ) throws -> ToolRun {
        try run(
            [word, "--key", key, "--nonce", nonce, "--data", data, bytes], by: "crypto-gateway")
    }

    @Test("the gateway seals and opens as RFC 8439 does")
    func vector() throws {
        let text = GuardProgramTests.text.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0\(digits)" : digits
        }.joined()
        let sealed = GuardProgramTests.sealed + GuardProgramTests.tag
        #expect(try crypt("seal", text).output == "casemate-guest: \(sealed)\n")
        #expect(try crypt("open", sealed).output == "casemate-guest: \(text)\n")
    }

    @Test("one bit of key, nonce, data, text or tag changed, and nothing is opened")
    func mutations() throws {
        let sealed = GuardProgramTests.sealed + GuardProgramTests.tag
        func flipped(_ text: String, at place: Int) -> String {
            var digits = Array(text)
            let value = Int(String(digits[place]), radix: 16) ?? 0
            digits[place] = Character(String(value ^ 1, radix: 16))
            return String(digits)
        }
        for place in stride(from: 0, to: sealed.count, by: 31) {
            let run = try crypt("open", flipped(sealed, at: place))
            #expect(run.status == 1 && run.output == "casemate-guest: does not authenticate\n")
        }
        let others = [
            try crypt("open", sealed, key: flipped(GuardProgramTests.key, at: 63)),
            try crypt("open", sealed, nonce: flipped(GuardProgramTests.nonce, at: 0)),
            try crypt("open", sealed, data: flipped(GuardProgramTests.data, at: 5)),
            try crypt("open", String(sealed.dropLast(2))), try crypt("open", "00"),
        ]
        for run in others { #expect(run.status == 1) }
    }
}
