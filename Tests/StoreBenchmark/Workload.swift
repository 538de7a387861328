import VirtualHardware

/// What is measured: requests on random nodes of a tree of directories of 100.
struct Workload {
    enum Kind: String, CaseIterable { case read, write, directory, transaction }

    let nodes: Int
    var top = "/t"

    func path(_ number: Int) -> String { "\(top)/\(number / 100)/k\(number % 100)" }

    /// The requests that make the nodes of a range.
    func fill(_ range: Range<Int>) -> Requests {
        var requests = Requests()
        for number in range { requests.add(11, "\(path(number))\0value of 16 byte") }
        return requests
    }

    /// So many requests; of a transaction each of its four.
    func requests(_ kind: Kind, _ count: Int, seed: UInt64) -> Requests {
        var requests = Requests()
        var state = seed
        for index in 0..<count {
            // WRAPS: a linear congruence modulo 2^64.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = Int(state >> 33) % nodes
            switch kind {
            case .read: requests.add(2, "\(path(number))\0")
            case .write: requests.add(11, "\(path(number))\0other 16 bytes..")
            case .directory: requests.add(1, "\(top)/\(number / 100)\0")
            case .transaction:
                requests.add(6, "\0")
                requests.add(2, "\(path(number))\0")
                requests.add(11, "\(path((index &* 7919) % nodes))\0transacted bytes")
                requests.add(7, "T\0")
            }
        }
        return requests
    }

    /// Runs requests; returns wall time and the daemon's processor time for each, in microseconds:
    /// of a transaction, for its four together.
    func measure(
        _ kind: Kind, _ count: Int, depth: Int, seed: UInt64, on served: Served
    ) throws -> (wall: Double, processor: Double) {
        let list = requests(kind, count, seed: seed)
        let before = served.processorMicroseconds
        let start = ContinuousClock.now
        try run(list, isTransaction: kind == .transaction, depth: depth, on: served.client)
        let passed = (ContinuousClock.now - start) / .microseconds(1)
        let used = served.processorMicroseconds - before
        return (passed / Double(count), used / Double(count))
    }

    /// Asks what `requests` says of a kind.
    func run(
        _ requests: Requests, isTransaction: Bool, depth: Int, on client: Descriptor
    ) throws {
        guard isTransaction else { return try client.exchange(requests, depth: depth) }
        var list = requests
        for first in stride(from: 0, to: list.count, by: 4) {
            let reply = try client.exchange(list, first..<first + 1, depth: 1)
            let number = Requests.number(in: reply)
            for index in first + 1..<first + 4 {
                list.enter(number, at: index)
                _ = try client.exchange(list, index..<index + 1, depth: 1)
            }
        }
    }
}
