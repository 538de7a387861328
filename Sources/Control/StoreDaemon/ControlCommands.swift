import StoreCore

/// What the daemon answers to `XS_CONTROL` beside the store's own `check`: words with their NULs.
extension StoreServer {
    static let controlHelp = """
        check                    whether the store's accounts add up
        help                     this
        stat [DOMAIN]            what is in force and in use, and what was refused
        label PATH               the label of a node
        relabel PATH CONTEXT     give a node another label
        reload                   read the policy again, and take back what it no longer permits
        live-update [PROGRAM]    hand everything to a new process
        """

    /// Answers a control request; nil when it is the store's.
    mutating func control(
        _ message: Span<UInt8>, _ header: StoreMessageHeader, _ connection: Connection
    ) -> [UInt8]? {
        let payload = StoreServer.array(
            message.extracting(StoreMessageHeader.sizeInBytes..<message.count))
        guard payload.last == 0 else { return nil }
        let words = payload.dropLast().split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard let command = words.first, command != "check" else { return nil }
        guard core.mayAdminister(connection.client) else {
            return StoreServer.reply(header, error: "EACCES")
        }
        switch answer(command, Array(words.dropFirst()), connection) {
        case .success(let text): return StoreServer.reply(header, text: text)
        case .failure(let failure): return StoreServer.reply(header, error: failure.name)
        }
    }

    private struct ControlFailure: Error {
        let name: String
    }

    private mutating func answer(
        _ command: String, _ words: [String], _ connection: Connection
    ) -> Result<String, ControlFailure> {
        switch (command, words.count) {
        case ("help", 0): return .success(StoreServer.controlHelp)
        case ("stat", 0): return .success(summary())
        case ("stat", 1):
            guard let domain = UInt16(words[0]), let text = statistics(domain) else {
                return .failure(ControlFailure(name: "ENOENT"))
            }
            return .success(text)
        case ("label", 1): return label(words[0], connection)
        case ("relabel", 2): return relabel(words[0], words[1], connection)
        case ("reload", 0): return reload()
        case ("live-update", 0), ("live-update", 1):
            // The successor has the request among what it takes over, and answers it.
            guard connection.isSuccession || handOver(to: words.first, for: connection) else {
                return .failure(ControlFailure(name: "EINVAL"))
            }
            connection.isSuccession = false
            return .success("OK")
        default: return .failure(ControlFailure(name: "EINVAL"))
        }
    }

    private static func reply(_ header: StoreMessageHeader, text: String) -> [UInt8] {
        // A text of any length keeps its whole lines that fit.
        var bytes = Array(text.utf8)
        let most = StoreMessageHeader.maximumPayload - 1
        if bytes.count > most {
            let end = bytes[..<most].lastIndex(of: UInt8(ascii: "\n")) ?? most
            bytes.removeSubrange(end...)
        }
        return reply(header, type: StoreMessageType.control.rawValue, bytes + [0])
    }

    private static func reply(_ header: StoreMessageHeader, error: String) -> [UInt8] {
        reply(header, type: StoreMessageType.error.rawValue, Array(error.utf8) + [0])
    }

    private static func reply(
        _ header: StoreMessageHeader, type: UInt32, _ payload: [UInt8]
    ) -> [UInt8] {
        let numbers = [type, header.requestID, header.transactionID, UInt32(payload.count)]
        return numbers.flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
        } + payload
    }

    // MARK: Diagnosis

    /// What is in force, and one line for each domain.
    private func summary() -> String {
        var lines = [
            policy.map { "mandatory control: policy \($0.digest.prefix(16))" }
                ?? "mandatory control: NONE (--no-mac)",
            "memory: at most \(memory.sizeInBytes + connectionLimit * Connection.heldBytes) bytes",
            "nodes: \(core.nodeCount); connections: \(connections.count) of \(connectionLimit)",
            "last refusal: " + explanation(of: core.lastRefusal),
        ]
        for domain in domains {
            guard let usage = core.usage(of: domain), let quota = core.quota(of: domain) else {
                continue
            }
            let refused = StoreRefusal.all.map { core.refusals(of: domain, $0) }.reduce(0, +)
            lines.append(
                "domain \(domain)\(name(ofDomain: domain).map { " \($0)" } ?? ""): "
                    + "nodes \(usage.nodes)/\(quota.nodes), refused \(refused)")
        }
        for subtree in policy?.subtrees ?? [] {
            guard let counted = core.subtree(subtree.label) else { continue }
            func part(_ used: Int, _ limit: Int) -> String {
                "\(used)/\(limit == 0 ? "-" : "\(limit)")"
            }
            lines.append(
                "subtree \(subtree.name): nodes \(part(counted.usage.nodes, counted.quota.nodes)), "
                    + "bytes \(part(counted.usage.sizeInBytes, counted.quota.sizeInBytes)), "
                    + "changes per second -/\(counted.quota.changesPerSecond)")
        }
        return lines.joined(separator: "\n")
    }

    private var connectionLimit: Int { StoreDaemon.connectionLimit }

    private var domains: [UInt16] { [0] + (policy?.compartments.map(\.domain) ?? []) }

    /// Which quotas a domain has, how full they are, and how often it was refused for what.
    private func statistics(_ domain: UInt16) -> String? {
        guard let usage = core.usage(of: domain), let quota = core.quota(of: domain) else {
            return nil
        }
        var lines = ["domain \(domain)\(name(ofDomain: domain).map { " \($0)" } ?? "")"]
        let uses = [
            ("nodes", usage.nodes, quota.nodes), ("blocks", usage.blocks, quota.blocks),
            ("permission-lists", usage.permissionLists, quota.permissionLists),
            ("watches", usage.watches, quota.watches), ("events", usage.events, quota.events),
            ("transactions", usage.transactions, quota.transactions),
            ("transaction-nodes", usage.accesses, quota.accesses),
            ("requests", usage.requests, quota.requests),
        ]
        for (name, used, limit) in uses { lines.append("  \(name) \(used)/\(limit)") }
        lines.append("  requests-per-second -/\(quota.requestsPerSecond)")
        for reason in StoreRefusal.all {
            let count = core.refusals(of: domain, reason)
            if count > 0 { lines.append("  refused \(reason.name) \(count)") }
        }
        if let text = lastRefusals[domain] { lines.append("  last refusal: \(text)") }
        return lines.joined(separator: "\n")
    }

    // MARK: Labels

    private mutating func label(
        _ path: String, _ connection: Connection
    ) -> Result<String, ControlFailure> {
        let bytes = Array(path.utf8)
        do throws(StoreError) {
            let label = try core.label(of: bytes.span, for: connection.client)
            return .success(policy?.name(of: label) ?? "(no policy)")
        } catch {
            return .failure(ControlFailure(name: error == .notFound ? "ENOENT" : "EACCES"))
        }
    }

    private mutating func relabel(
        _ path: String, _ context: String, _ connection: Connection
    ) -> Result<String, ControlFailure> {
        guard let label = policy?.label(named: context) else {
            return .failure(ControlFailure(name: "EINVAL"))
        }
        let bytes = Array(path.utf8)
        do throws(StoreError) {
            try core.relabel(bytes.span, to: label, by: connection.client)
        } catch {
            return .failure(ControlFailure(name: error == .notFound ? "ENOENT" : "EACCES"))
        }
        return .success(revocations())
    }

    /// Takes back all that is no longer permitted, and says what that was.
    private mutating func revocations() -> String {
        var lines: [String] = []
        while let found = core.nextRevocation() {
            let path = String(decoding: StoreServer.array(core.revokedPath), as: UTF8.self)
            lines.append("revoked \(found.kind) of domain \(found.domain): \(path)")
        }
        for line in lines { StandardError.write(line + "\n") }
        return (["\(lines.count) revoked"] + lines).joined(separator: "\n")
    }

    // MARK: Changes of policy and process

    private mutating func reload() -> Result<String, ControlFailure> {
        guard let old = policy else { return .failure(ControlFailure(name: "EINVAL")) }
        do {
            let new = try StoreDaemon.loadPolicy(options)
            // Domains stay who they are: another set of compartments takes a start.
            guard new.compartments.map(\.name) == old.compartments.map(\.name) else {
                throw PolicyFailure(message: "the new policy has other compartments")
            }
            let translation = old.translation(to: new)
            try core.reload(new, root: new.root, translation: translation.span)
            policy = new
            try StoreSetUp.limit(new, &core)
        } catch {
            StandardError.write("reload: \((error as? PolicyFailure)?.message ?? "\(error)")\n")
            return .failure(ControlFailure(name: "EINVAL"))
        }
        let text = revocations()
        closeForgotten()
        return .success(text)
    }
}
