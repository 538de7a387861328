import Foundation
import StoreCore
import TestSupport
import Testing

/// Random requests of several clients and transactions, against `ModelStore`: every reply and every
/// event must be the same, and the accounts must add up.
@Suite struct ModelTests {
    private static let clients = ["0", "1", "2", "0b", "1b"]
    private static let names = ["a", "b", "c"]

    private static var requestCount: Int {
        switch ProcessInfo.processInfo.environment["CASEMATE_TEST_LEVEL"] {
        case "long": 10_000_000
        case "fast": 50_000
        default: 500_000
        }
    }

    /// The store, the model, and what the generator knows of open transactions.
    private struct Pair {
        let store: TestStore
        var model = ModelStore()
        var open: [String: [UInt32]] = [:]

        init() throws {
            var quota = StoreQuota(nodes: 100_000)
            quota.blocks = 200_000
            quota.permissionLists = 1000
            quota.watches = 1000
            // An event without room would become one of the watch's own path, as it should.
            quota.events = 5000
            quota.transactions = 100
            quota.accesses = 10_000
            store = try TestStore(guests: 2, quota: quota, nodes: 100_000)
            try store.connect("0b", 0)
            try store.connect("1b", 1)
        }
    }

    @Test("the store answers as the plain model does") func model() throws {
        var generator = SeededGenerator.announced(20_261_122)
        var pair = try Pair()
        var different = 0
        for number in 0..<ModelTests.requestCount {
            if let failure = step(&pair, &generator) {
                different += 1
                Issue.record("request \(number): \(failure)")
            }
            if number % 5000 == 0, !pair.store.core.holdsInvariants() {
                Issue.record("request \(number): an invariant does not hold")
                return
            }
            if different > 3 { return }
        }
    }

    @Test("the comparison can fail") func canary() throws {
        var pair = try Pair()
        pair.store.send("0", .write, "/a¦unknown to the model")
        let got = pair.store.send("0", .read, "/a¦")
        let expected = answer(&pair, "0", .read, "/a", 0, "", [])
        #expect(got != expected)
    }

    private func path(_ generator: inout SeededGenerator) -> String {
        let depth = Int.random(in: 0...3, using: &generator)
        if depth == 0 { return "/" }
        return (0..<depth).map { _ in
            "/" + ModelTests.names[Int.random(in: 0..<3, using: &generator)]
        }.joined()
    }

    private func permissions(_ generator: inout SeededGenerator) -> [String] {
        (0...Int.random(in: 0...2, using: &generator)).map { _ in
            let letter = ["n", "r", "w", "b"][Int.random(in: 0..<4, using: &generator)]
            return letter + "\(Int.random(in: 0...2, using: &generator))"
        }
    }

    /// Makes one request of both; returns what differs.
    private func step(_ pair: inout Pair, _ generator: inout SeededGenerator) -> String? {
        let client = ModelTests.clients[Int.random(in: 0..<5, using: &generator)]
        let open = pair.open[client, default: []]
        let isInside = !open.isEmpty && Int.random(in: 0..<3, using: &generator) > 0
        let tx = isInside ? open[Int.random(in: 0..<open.count, using: &generator)] : 0
        let kinds: [StoreMessageType] = [
            .read, .read, .write, .write, .write, .makeDirectory, .remove, .directory,
            .getPermissions, .setPermissions, .watch, .unwatch, .transactionStart,
            .transactionEnd, .transactionEnd, .setPermissions,
        ]
        let kind = kinds[Int.random(in: 0..<kinds.count, using: &generator)]
        let path = path(&generator)
        let value =
            String(
                repeating: "v", count: Int.random(in: 0...70, using: &generator)
            ) + "\(generator.next() % 10)"
        let list = permissions(&generator)
        if kind == .transactionStart, tx != 0 || open.count > 3 { return nil }
        if kind == .transactionEnd, tx == 0 { return nil }
        let payload = payload(kind, path, value, list)
        let got = pair.store.send(client, kind, payload, tx: tx)
        let expected = answer(&pair, client, kind, path, tx, value, list)
        let description = "\(client) \(tx) \(kind) \(payload)"
        guard got == expected else { return "\(description): \(got), not \(expected)" }
        for other in ModelTests.clients {
            let told = Set(pair.store.events(other))
            let expectedEvents = pair.model.events.removeValue(forKey: other) ?? []
            guard told == expectedEvents else {
                return "\(description): \(other) told \(told), not \(expectedEvents)"
            }
        }
        return nil
    }

    private func payload(
        _ kind: StoreMessageType, _ path: String, _ value: String, _ list: [String]
    ) -> String {
        switch kind {
        case .write: "\(path)¦\(value)"
        case .setPermissions: "\(path)¦" + list.map { $0 + "¦" }.joined()
        case .watch, .unwatch: "\(path)¦\(list[0])¦"
        case .transactionStart: "¦"
        case .transactionEnd: value.hasSuffix("1") ? "F¦" : "T¦"
        default: "\(path)¦"
        }
    }

    /// What the model answers, in the form of `TestStore.send`.
    private func answer(
        _ pair: inout Pair, _ client: String, _ kind: StoreMessageType, _ path: String,
        _ tx: UInt32, _ value: String, _ list: [String]
    ) -> String {
        do {
            switch kind {
            case .read: return try pair.model.obtain(client, tx, path, "r").value
            case .getPermissions:
                let found = try pair.model.obtain(client, tx, path, "r").permissions
                return found.map { $0 + "¦" }.joined()
            case .directory:
                return try pair.model.list(client, tx, path).map { $0 + "¦" }.joined()
            case .write: try pair.model.write(client, tx, path, value)
            case .makeDirectory: try pair.model.write(client, tx, path, nil)
            case .remove: try pair.model.remove(client, tx, path)
            case .setPermissions:
                try pair.model.setPermissions(client, tx, path, list)
            case .transactionStart:
                let number = pair.model.start(client)
                pair.open[client, default: []].append(number)
                return "\(number)¦"
            case .transactionEnd:
                pair.open[client]?.removeAll { $0 == tx }
                try pair.model.end(client, tx, commits: !value.hasSuffix("1"))
            case .watch, .unwatch: return watchAnswer(&pair, client, kind, path, list[0])
            default: return "no answer"
            }
            return "OK¦"
        } catch let failure as ModelStore.Failure {
            return failure.name
        } catch {
            return "\(error)"
        }
    }

    private func watchAnswer(
        _ pair: inout Pair, _ client: String, _ kind: StoreMessageType, _ path: String,
        _ token: String
    ) -> String {
        let watch = ModelStore.Watch(client: client, path: path, token: token)
        let index = pair.model.watches.firstIndex(of: watch)
        if kind == .unwatch {
            guard let index else { return "!ENOENT" }
            pair.model.watches.remove(at: index)
            return "OK¦"
        }
        guard index == nil else { return "!EEXIST" }
        pair.model.watches.append(watch)
        pair.model.events[client, default: []].insert("\(path)¦\(token)")
        return "OK¦"
    }
}
