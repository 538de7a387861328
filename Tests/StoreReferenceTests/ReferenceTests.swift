import Foundation
import StoreCore
import TestSupport
import Testing

/// Debian's C xenstored and our store, asked the same random requests of four domains. Each
/// difference must be one of those that `docs/abi/xenstore.md` lists; here they are named where
/// they are let pass.
///
/// `CASEMATE_XENSTORED` is the folder into which `Tests/ReferenceStore/fetch` has put the peer, as
/// `Tests/run` has it done; without it nothing is compared.
@Suite(.serialized) struct ReferenceTests {
    private static let environment = ProcessInfo.processInfo.environment
    static let isThere = environment["CASEMATE_XENSTORED"] != nil

    private static var requestCount: Int {
        if let text = environment["CASEMATE_REFERENCE_REQUESTS"], let count = Int(text) {
            return count
        }
        return environment["CASEMATE_TEST_LEVEL"] == "fast" ? 5_000 : 100_000
    }

    /// Both stores, and what is known about the open transactions.
    private final class Run {
        let theirs: Reference
        let ours: Ours
        var generator: SeededGenerator
        /// The open transactions of each domain: their number, whether they made nodes, and
        /// removed any, and whether an answer in them was different.
        var open: [[Open]] = [[], [], [], []]
        var passed: [String: Int] = [:]
        var watches: [Set<String>] = [[], [], [], []]
        var asked: [String] = []

        struct Open {
            var number: UInt32
            var hasMade = false
            var hasRemoved = false
            var mustFail = false
        }

        init(_ theirs: Reference, seed: SeededGenerator) throws {
            self.theirs = theirs
            ours = try Ours.make()
            generator = seed
        }

        func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }
    }

    @Test(
        "the store answers as Debian's C xenstored does, but for what is listed",
        .enabled(if: isThere))
    func reference() throws {
        let root = RepositoryFiles.root.appending(path: "Tests/ReferenceStore/run")
        let theirs = try #require(Reference(script: root.path(percentEncoded: false)))
        let run = try Run(theirs, seed: SeededGenerator.announced(4_177))
        for domain in 1...3 {
            #expect(compare(run, 0, 12, "/local/domain/\(domain)¦", nil) == nil)
            let list = "/local/domain/\(domain)¦n\(domain)¦"
            #expect(compare(run, 0, 14, list, nil) == nil)
        }
        var different = 0
        for number in 0..<ReferenceTests.requestCount {
            if let difference = step(run) {
                different += 1
                Issue.record("request \(number): \(difference)")
            }
            if number % 64 == 63, let difference = compareEvents(run) {
                different += 1
                Issue.record("before request \(number): \(difference)")
            }
            if different > 3 { break }
        }
        let isSound = run.ours.isSound()
        #expect(isSound)
        for (reason, count) in run.passed.sorted(by: { $0.key < $1.key }) {
            print("let pass: \(reason): \(count)")
        }
    }

    // MARK: Requests

    private func path(_ run: Run) -> String {
        let names = ["a", "b", "c"]
        let top = ["", "/x", "/local/domain/1", "/local/domain/2", "/y"][run.pick(5)]
        let depth = run.pick(3)
        let path = top + (0..<depth).map { _ in "/" + names[run.pick(3)] }.joined()
        return path.isEmpty ? "/" : path
    }

    private func permissions(_ run: Run, _ domain: Int) -> String {
        let owner = domain == 0 || run.pick(8) == 0 ? run.pick(4) : domain
        let first = ["n", "r", "w", "b"][run.pick(4)] + "\(owner)¦"
        return first
            + (0..<run.pick(3)).map { _ in ["n", "r", "w", "b"][run.pick(4)] + "\(run.pick(4))¦" }
            .joined()
    }

    private func step(_ run: Run) -> String? {
        let domain = run.pick(4)
        let open = run.open[domain]
        let inside = !open.isEmpty && run.pick(3) > 0 ? run.pick(open.count) : nil
        let tx = inside.map { open[$0].number } ?? 0
        let path = path(run)
        // One that is not one text with its NUL ends C xenstored, sooner or later.
        let bad = ["¦", "//¦", "/a/¦", "/a b¦", "/\u{7f}¦", "@foo¦"]
        switch run.pick(20) {
        case 0, 1, 2: return compare(run, domain, 2, "\(path)¦", inside)
        case 3, 4, 5:
            let value = String(repeating: "v", count: run.pick(60)) + "\(run.pick(10))"
            return write(run, domain, 11, path, value, inside)
        case 6: return write(run, domain, 12, path, nil, inside)
        case 7: return remove(run, domain, path, inside)
        case 8, 9: return compare(run, domain, 1, "\(path)¦", inside)
        case 10: return compare(run, domain, 3, "\(path)¦", inside)
        case 11, 12:
            return compare(run, domain, 14, "\(path)¦\(permissions(run, domain))", inside)
        case 13: return watch(run, domain, 4, path)
        case 14: return watch(run, domain, 5, path)
        case 15:
            guard open.count < 4, tx == 0 else { return nil }
            return start(run, domain)
        case 16, 17:
            guard let inside else { return nil }
            return end(run, domain, inside, commits: run.pick(4) > 0)
        case 18:
            let type: UInt32 = [2, 1, 3, 12, 13][run.pick(5)]
            return malformed(run, domain, type, bad[run.pick(bad.count)])
        default: return other(run, domain)
        }
    }

    private func other(_ run: Run, _ domain: Int) -> String? {
        let requests: [(UInt32, String)] = [
            (10, "\(run.pick(5))¦"), (17, "\(run.pick(5))¦"), (20, "x¦"), (23, "¦"),
            (22, "\(path(run))¦\(run.pick(6))¦"), (2, "data/a¦"), (7, "X¦"), (5, "/none¦tok¦"),
            (18, "7¦"), (9, "7¦"), (19, "7¦1¦"), (8, "1¦1¦0¦"),
        ]
        let (type, payload) = requests[run.pick(requests.count)]
        return compare(run, domain, type, payload, nil)
    }

    /// What is no text with its NUL gets the error of some request before in C xenstored.
    private func malformed(
        _ run: Run, _ domain: Int, _ type: UInt32, _ payload: String
    ) -> String? {
        let difference = compare(run, domain, type, payload, nil)
        guard difference != nil, payload.firstIndex(of: "¦") != payload.indices.last,
            difference?.contains("ours !EINVAL¦, theirs !") == true
        else { return difference }
        return pass(run, "error of the previous request")
    }

    /// Asks both; returns how they differ where that is not listed.
    private func compare(
        _ run: Run, _ domain: Int, _ type: UInt32, _ payload: String, _ inside: Int?
    ) -> String? {
        let tx = inside.map { run.open[domain][$0].number } ?? 0
        let theirs = run.theirs.ask(domain, type, payload, tx)
        let ours = run.ours.ask(domain, type, payload, tx)
        if theirs == ours { return nil }
        let what = "\(domain) \(tx) \(type) \(payload)"
        if type == 22, !theirs.isError, !ours.isError {
            // Generations count per label.
            func names(_ answer: Answer) -> Substring {
                answer.text.drop { $0 != "¦" }
            }
            if names(theirs) == names(ours) { return pass(run, "generation") }
        }
        if type == 1, inside != nil, !theirs.isError, !ours.isError {
            // Children that the transaction made stand in the order of first access.
            if theirs.text.split(separator: "¦").sorted()
                == ours.text.split(separator: "¦").sorted()
            {
                return pass(run, "order of a list in a transaction")
            }
        }
        if let inside {
            // What others changed shows in C xenstored, in part, to a transaction that looked
            // before: it can only fail, and `end` sees to it that both do.
            run.open[domain][inside].mustFail = true
            return pass(run, "answer in a transaction that fails")
        }
        return "\(what): ours \(ours), theirs \(theirs)"
    }

    private func pass(_ run: Run, _ reason: String) -> String? {
        run.passed[reason, default: 0] += 1
        return nil
    }

    private func write(
        _ run: Run, _ domain: Int, _ type: UInt32, _ path: String, _ value: String?, _ inside: Int?
    ) -> String? {
        if let inside {
            // What a transaction makes and removes again is another matter: see the list.
            if run.open[domain][inside].hasRemoved { return nil }
            run.open[domain][inside].hasMade = true
        }
        return compare(run, domain, type, "\(path)¦\(value ?? "")", inside)
    }

    private func remove(_ run: Run, _ domain: Int, _ path: String, _ inside: Int?) -> String? {
        // Everything but the tops goes from time to time.
        guard path != "/", !path.hasPrefix("/local") || path.split(separator: "/").count > 3
        else { return nil }
        if let inside {
            if run.open[domain][inside].hasMade { return nil }
            run.open[domain][inside].hasRemoved = true
        }
        return compare(run, domain, 13, "\(path)¦", inside)
    }

    private func watch(_ run: Run, _ domain: Int, _ type: UInt32, _ path: String) -> String? {
        let watch = "\(path)¦t\(run.pick(2))¦"
        return compare(run, domain, type, watch, nil)
    }

    private func start(_ run: Run, _ domain: Int) -> String? {
        let theirs = run.theirs.ask(domain, 6, "¦", 0)
        let ours = run.ours.ask(domain, 6, "¦", 0)
        guard theirs == ours, let number = UInt32(ours.text.dropLast()) else {
            return "\(domain) start: ours \(ours), theirs \(theirs)"
        }
        run.open[domain].append(Run.Open(number: number))
        return nil
    }

    private func end(_ run: Run, _ domain: Int, _ inside: Int, commits: Bool) -> String? {
        let open = run.open[domain].remove(at: inside)
        let commits = commits || open.mustFail
        let payload = commits ? "T¦" : "F¦"
        let theirs = run.theirs.ask(domain, 7, payload, open.number)
        let ours = run.ours.ask(domain, 7, payload, open.number)
        if commits, open.mustFail, !ours.isError {
            return "\(domain) \(open.number) end: an answer was different, and it did not fail"
        }
        guard theirs != ours else { return nil }
        return "\(domain) \(open.number) end: ours \(ours), theirs \(theirs)"
    }

    // MARK: Events

    /// Compares what each domain was told of meanwhile; how often, and in which order of the
    /// watches of one change, is not.
    private func compareEvents(_ run: Run) -> String? {
        run.theirs.settle()
        defer {
            run.theirs.events = [[], [], [], []]
            run.ours.events = [[], [], [], []]
        }
        for domain in 0..<4 {
            let ours = Set(run.ours.events[domain])
            // What a transaction changes, and removes again from above, C xenstored reports to the
            // watches in between too, which are told of a removal in any case.
            var theirs = Set(run.theirs.events[domain])
            let count = theirs.count
            if domain == 0 {
                theirs = theirs.filter { ours.contains($0) || !isBelowEvent($0, ours) }
            }
            if theirs.count < count {
                run.passed["events below a removal", default: 0] += count - theirs.count
            }
            // Where a node is closed to a watcher, C xenstored fires by the parent, or by what the
            // permissions were before: those events are extra. None of ours may be, and domain 0
            // has no closed nodes.
            guard ours.isSubset(of: theirs), domain > 0 || ours == theirs else {
                let differing = ours.symmetricDifference(theirs).sorted()
                return "events of \(domain): \(differing)"
            }
            if ours != theirs {
                run.passed["events of closed nodes", default: 0] += theirs.count - ours.count
            }
        }
        return nil
    }

    /// Whether one of the events is about a node above, for the same token.
    private func isBelowEvent(_ event: String, _ events: Set<String>) -> Bool {
        let parts = event.split(separator: "¦", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return false }
        var path = parts[0]
        while let end = path.lastIndex(of: "/"), end > path.startIndex {
            path = path[..<end]
            if events.contains("\(path)¦\(parts[1])") { return true }
        }
        return false
    }
}
