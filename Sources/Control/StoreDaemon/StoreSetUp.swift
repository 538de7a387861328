import StoreCore
import SystemManifest

/// What the store holds before anybody is served.
enum StoreSetUp {
    /// Puts a policy in force: its labels, its rules for paths, its compartments' domains.
    static func install(
        _ policy: StorePolicy, _ quota: StoreQuota, _ core: inout StoreCore
    ) throws {
        try core.install(policy, root: policy.root)
        if policy.asksFile { core.askForLabels() }
        for path in ["/", "/local", "/local/domain", "/channel"] {
            let bytes = Array(path.utf8)
            try core.openWay(bytes.span)
        }
        for compartment in policy.compartments {
            try core.declare(
                domain: compartment.domain, quota: compartment.quota(quota),
                label: compartment.label)
            let home = Array("/local/domain/\(compartment.domain)".utf8)
            try core.label(home.span, compartment.label)
        }
        for (path, label) in policy.pathLabels where path != "/" {
            let bytes = Array(path.utf8)
            try core.label(bytes.span, label)
        }
    }

    /// Bounds what the manifest bounds.
    static func limit(_ policy: StorePolicy, _ core: inout StoreCore) throws {
        for subtree in policy.subtrees { try core.limit(subtree.label, to: subtree.quota) }
    }

    /// Looks up what the file of contexts says about nodes that are to be made.
    static func provideLabels(_ policy: StorePolicy, _ core: inout StoreCore) {
        let path = StoreServer.array(core.requestPath)
        var end = core.existingLength
        while end < path.count {
            end = path[(end + 1)...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            let part = String(decoding: path[..<end], as: UTF8.self)
            guard let label = policy.fileLabel(of: part) else { continue }
            // A label that the store does not take is one to which nothing is permitted.
            do {
                try core.provide(label, length: end)
            } catch {
                try? core.provide(policy.closed, length: end)
            }
        }
    }

    /// Makes the nodes that C xenstored starts with; under a policy also each compartment's own
    /// directory, and what leads there is open to be read as far as labels permit.
    static func makeFirstNodes(_ policy: StorePolicy?, _ core: inout StoreCore) throws {
        let label = policy?.own ?? StoreLabel(index: 0)
        let client = try core.connect(domain: 0, label: label, isPrivileged: true)
        defer { core.disconnect(client) }
        func send(_ type: StoreMessageType, _ path: String, _ words: String = "") {
            let payload = Array("\(path)\0\(words)".utf8)
            let header = [type.rawValue, 0, 0, UInt32(payload.count)].flatMap { number in
                (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
            }
            let message = header + payload
            _ = core.handle(message.span, from: client)
            if core.isWaitingForLabels, let policy {
                provideLabels(policy, &core)
                _ = core.handle(message.span, from: client)
            }
        }
        send(.makeDirectory, "/tool/xenstored")
        guard let policy else { return }
        for path in ["/tool", "/tool/xenstored"] { send(.setPermissions, path, "r0\0") }
        send(.setPermissions, "/", "r0\0")
        for compartment in policy.compartments {
            let home = "/local/domain/\(compartment.domain)"
            send(.makeDirectory, home)
            send(.setPermissions, home, "n\(compartment.domain)\0")
        }
        // Labels alone protect what compartments share.
        for path in policy.sharedPaths where path != "/" {
            send(.makeDirectory, path)
            send(.setPermissions, path, "b0\0")
        }
    }
}

extension StoreCompartment {
    /// What it may use: what its manifest says, and for the rest what everybody may.
    func quota(_ general: StoreQuota) -> StoreQuota {
        guard let bounds else { return general }
        var quota = general
        quota.replace(by: bounds)
        return quota
    }
}
