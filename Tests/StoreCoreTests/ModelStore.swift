import StoreCore

/// The contract in the plainest way: dictionaries by path, copied whole. It has no quotas and no
/// labels, and shares no code with the store.
struct ModelStore {
    struct Node {
        var value = ""
        var permissions: [String] = []
        var version = 0
        var children: [String] = []
    }

    /// What a transaction has seen and made of a path.
    struct Access {
        var baseVersion = 0
        var node: Node?
        /// The node itself was made, changed or removed; its list of children is changed by those.
        var isModified = false
        var hides = false
        var removedAt = 0
        var fires = false
        var changesChildren = false
    }

    struct Transaction {
        var order: [String] = []
        var accesses: [String: Access] = [:]
    }

    struct Watch: Hashable {
        var client: String
        var path: String
        var token: String
    }

    var nodes: [String: Node] = ["/": Node(permissions: ["n0"], version: 1)]
    var changes: [String: Int] = [:]
    var version = 1
    var transactions: [String: [UInt32: Transaction]] = [:]
    var lastNumber: [String: UInt32] = [:]
    var watches: [Watch] = []
    var events: [String: Set<String>] = [:]

    struct Failure: Error { var name: String }

    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    static func name(_ path: String) -> String {
        String(path[path.index(after: path.lastIndex(of: "/") ?? path.startIndex)...])
    }

    static func isBelow(_ path: String, _ top: String) -> Bool {
        path != top && (top == "/" || path.hasPrefix(top + "/"))
    }

    // MARK: Seeing

    func look(_ client: String, _ tx: UInt32, _ path: String) -> (Node?, isRecorded: Bool) {
        guard tx != 0, let transaction = transactions[client]?[tx] else {
            return (nodes[path], true)
        }
        if let access = transaction.accesses[path] { return (access.node, true) }
        return (isHidden(transaction, path) ? nil : nodes[path], false)
    }

    /// Whether the transaction has removed something above the path.
    func isHidden(_ transaction: Transaction, _ path: String) -> Bool {
        var above = path
        while above != "/" {
            above = ModelStore.parent(above)
            if transaction.accesses[above]?.hides == true { return true }
        }
        return false
    }

    mutating func see(_ client: String, _ tx: UInt32, _ path: String) -> Node? {
        let (node, isRecorded) = look(client, tx, path)
        if !isRecorded {
            transactions[client]?[tx]?.order.append(path)
            transactions[client]?[tx]?.accesses[path] = Access(
                baseVersion: nodes[path]?.version ?? 0, node: node)
        }
        return node
    }

    static func may(_ client: String, _ need: Character, _ permissions: [String]) -> Bool {
        let domain = String(client.prefix(1))
        if domain == "0" || permissions[0].dropFirst() == domain { return true }
        guard need != "o" else { return false }
        let entry = permissions.dropFirst().first { $0.dropFirst() == domain } ?? permissions[0]
        return entry.first == need || entry.first == "b"
    }

    mutating func obtain(
        _ client: String, _ tx: UInt32, _ path: String, _ need: Character
    ) throws -> Node {
        let node = see(client, tx, path)
        if let node, ModelStore.may(client, need, node.permissions) { return node }
        var above = path
        while above != "/" {
            above = ModelStore.parent(above)
            guard let ancestor = see(client, tx, above) else { continue }
            let isOpen =
                ModelStore.may(client, need, ancestor.permissions)
                || need == "o" && ModelStore.may(client, "w", ancestor.permissions)
            throw Failure(name: node == nil && isOpen ? "!ENOENT" : "!EACCES")
        }
        throw Failure(name: "!EACCES")
    }

    // MARK: Changing

    private mutating func touch(_ path: String) {
        version += 1
        nodes[path]?.version = version
        var above = path
        while true {
            changes[above] = version
            if above == "/" { return }
            above = ModelStore.parent(above)
        }
    }

    private mutating func put(_ path: String, _ node: Node) {
        if nodes[path] == nil {
            nodes[path] = node
            nodes[path]?.children = []
            let parent = ModelStore.parent(path)
            nodes[parent]?.children.append(ModelStore.name(path))
            touch(parent)
        } else {
            nodes[path]?.value = node.value
            nodes[path]?.permissions = node.permissions
        }
        touch(path)
    }

    private mutating func drop(_ path: String) {
        for other in nodes.keys where ModelStore.isBelow(other, path) { nodes[other] = nil }
        nodes[path] = nil
        let parent = ModelStore.parent(path)
        nodes[parent]?.children.removeAll { $0 == ModelStore.name(path) }
        touch(parent)
    }

    mutating func write(
        _ client: String, _ tx: UInt32, _ path: String, _ value: String?
    ) throws {
        do {
            var node = try obtain(client, tx, path, "w")
            guard let value else { return }
            node.value = value
            change(client, tx, path, node)
        } catch let failure as Failure {
            guard failure.name == "!ENOENT" else { throw failure }
            create(client, tx, path, value ?? "")
        }
    }

    private mutating func change(
        _ client: String, _ tx: UInt32, _ path: String, _ node: Node
    ) {
        if tx == 0 {
            put(path, node)
            fire(path)
        } else {
            transactions[client]?[tx]?.accesses[path]?.node = node
            transactions[client]?[tx]?.accesses[path]?.isModified = true
            transactions[client]?[tx]?.accesses[path]?.fires = true
        }
    }

    private mutating func create(
        _ client: String, _ tx: UInt32, _ path: String, _ value: String
    ) {
        var missing: [String] = [path]
        var above = ModelStore.parent(path)
        while see(client, tx, above) == nil {
            missing.append(above)
            above = ModelStore.parent(above)
        }
        guard var permissions = see(client, tx, above)?.permissions else { return }
        let domain = client.prefix(1)
        if domain != "0" { permissions[0] = String(permissions[0].prefix(1) + domain) }
        for level in missing.reversed() {
            let node = Node(value: level == path ? value : "", permissions: permissions)
            if tx == 0 {
                put(level, node)
            } else {
                transactions[client]?[tx]?.accesses[level]?.node = node
                transactions[client]?[tx]?.accesses[level]?.isModified = true
                let parent = ModelStore.parent(level)
                transactions[client]?[tx]?.accesses[parent]?.changesChildren = true
            }
        }
        if tx == 0 {
            fire(path)
        } else {
            transactions[client]?[tx]?.accesses[path]?.fires = true
        }
    }

    mutating func remove(_ client: String, _ tx: UInt32, _ path: String) throws {
        do {
            _ = try obtain(client, tx, path, "w")
        } catch let failure as Failure {
            guard failure.name == "!ENOENT" else { throw failure }
            guard see(client, tx, ModelStore.parent(path)) != nil else { throw failure }
            return
        }
        guard path != "/" else { throw Failure(name: "!EINVAL") }
        let parent = ModelStore.parent(path)
        _ = see(client, tx, parent)
        if tx == 0 {
            fireRemoval(path)
            drop(path)
            return
        }
        guard let accesses = transactions[client]?[tx]?.accesses else { return }
        for other in accesses.keys where ModelStore.isBelow(other, path) {
            guard accesses[other]?.node != nil else { continue }
            transactions[client]?[tx]?.accesses[other]?.node = nil
            transactions[client]?[tx]?.accesses[other]?.isModified = true
            transactions[client]?[tx]?.accesses[other]?.fires = false
        }
        transactions[client]?[tx]?.accesses[path]?.node = nil
        transactions[client]?[tx]?.accesses[path]?.isModified = true
        if accesses[path]?.hides != true {
            transactions[client]?[tx]?.accesses[path]?.removedAt = version
        }
        transactions[client]?[tx]?.accesses[path]?.hides = true
        transactions[client]?[tx]?.accesses[path]?.fires = true
        transactions[client]?[tx]?.accesses[parent]?.changesChildren = true
    }

    mutating func setPermissions(
        _ client: String, _ tx: UInt32, _ path: String, _ permissions: [String]
    ) throws {
        var node = try obtain(client, tx, path, "o")
        guard client.hasPrefix("0") || node.permissions[0].dropFirst() == permissions[0].dropFirst()
        else { throw Failure(name: "!EPERM") }
        node.permissions = permissions
        change(client, tx, path, node)
    }

    mutating func list(_ client: String, _ tx: UInt32, _ path: String) throws -> [String] {
        _ = try obtain(client, tx, path, "r")
        guard tx != 0, let transaction = transactions[client]?[tx],
            let own = transaction.accesses[path]
        else { return nodes[path]?.children ?? [] }
        let accesses = transaction.accesses
        let order = transaction.order
        let hides = own.hides || isHidden(transaction, path)
        let inTree = hides ? [] : nodes[path]?.children ?? []
        guard own.changesChildren else { return inTree }
        let prefix = path == "/" ? "/" : path + "/"
        var found = inTree.filter { name in
            guard let access = accesses[prefix + name] else { return true }
            return access.node != nil && !access.hides && access.baseVersion != 0
        }
        for other in order where other != "/" && ModelStore.parent(other) == path {
            guard let access = accesses[other], access.node != nil else { continue }
            if access.baseVersion != 0, !access.hides, !hides { continue }
            found.append(ModelStore.name(other))
        }
        return found
    }

    // MARK: Transactions

    mutating func start(_ client: String) -> UInt32 {
        lastNumber[client, default: 0] += 1
        let number = lastNumber[client, default: 0]
        transactions[client, default: [:]][number] = Transaction()
        return number
    }

    mutating func end(_ client: String, _ tx: UInt32, commits: Bool) throws {
        guard let transaction = transactions[client]?.removeValue(forKey: tx) else {
            throw Failure(name: "!ENOENT")
        }
        guard commits else { return }
        for (path, access) in transaction.accesses {
            guard (nodes[path]?.version ?? 0) == access.baseVersion else {
                throw Failure(name: "!EAGAIN")
            }
            if access.hides, nodes[path] != nil, changes[path, default: 0] > access.removedAt {
                throw Failure(name: "!EAGAIN")
            }
        }
        for path in transaction.order {
            guard let access = transaction.accesses[path], access.hides else { continue }
            guard nodes[path] != nil else { continue }
            if access.node == nil, access.fires { fireRemoval(path) }
            drop(path)
        }
        let made = transaction.order.filter { path in
            transaction.accesses[path].map { $0.node != nil && $0.isModified } ?? false
        }
        for path in made {
            for level in ModelStore.levels(path) {
                guard nodes[level] == nil || level == path else { continue }
                guard let node = transaction.accesses[level]?.node else { continue }
                put(level, node)
            }
        }
        for path in made where transaction.accesses[path]?.fires == true { fire(path) }
    }

    /// The path with all above it but the root, from above.
    static func levels(_ path: String) -> [String] {
        var found: [String] = []
        var level = path
        while level != "/" {
            found.append(level)
            level = parent(level)
        }
        return path == "/" ? ["/"] : found.reversed()
    }

    // MARK: Watches

    private mutating func tell(_ watch: Watch, _ path: String, _ permissions: [String]) {
        guard ModelStore.may(watch.client, "r", permissions) else { return }
        events[watch.client, default: []].insert("\(path)¦\(watch.token)")
    }

    private mutating func fire(_ path: String) {
        guard let permissions = nodes[path]?.permissions else { return }
        for watch in watches where watch.path == path || ModelStore.isBelow(path, watch.path) {
            tell(watch, path, permissions)
        }
    }

    private mutating func fireRemoval(_ path: String) {
        for watch in watches where ModelStore.isBelow(watch.path, path) {
            if let node = nodes[watch.path] { tell(watch, watch.path, node.permissions) }
        }
        fire(path)
    }
}
