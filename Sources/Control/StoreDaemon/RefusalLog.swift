import PolicyDatabase
import ReferenceMonitor
import StoreCore

/// Says on standard error what was refused, at most so many lines a second, and how many not.
struct RefusalLog {
    /// The most lines in a second.
    static let linesPerSecond = 20

    private var seen: UInt64 = 0
    private var second: UInt64 = 0
    private var lines = 0
    private var lost: UInt64 = 0

    /// Passes over what a predecessor has said.
    mutating func skip(to sequence: UInt64) { seen = sequence }

    /// Notes the last refusal; returns whether it is new and to be said. Conflicts and what was
    /// merely malformed are counted only.
    mutating func note(_ record: StoreRefusalRecord, _ now: UInt64) -> Bool {
        guard record.sequence != seen else { return false }
        seen = record.sequence
        guard let reason = record.reason, reason != .conflict, reason != .malformed else {
            return false
        }
        if now / 1_000_000 != second {
            if lost > 0 { StandardError.write("refusals not shown: \(lost)\n") }
            (second, lines, lost) = (now / 1_000_000, 0, 0)
        }
        guard lines < RefusalLog.linesPerSecond else {
            lost += 1
            return false
        }
        lines += 1
        return true
    }
}

extension StoreRefusal {
    /// The reason as it stands in the log and in the answer to `stat`.
    var name: String {
        switch self {
        case .nodes: "quota-nodes"
        case .memory: "quota-memory"
        case .permissionLists: "quota-permission-lists"
        case .permissionEntries: "quota-permission-entries"
        case .nodeSize: "quota-node-size"
        case .watches: "quota-watches"
        case .transactions: "quota-transactions"
        case .transactionNodes: "quota-transaction-nodes"
        case .events: "quota-events"
        case .permission: "permission"
        case .label: "label"
        case .malformed: "malformed"
        case .conflict: "conflict"
        case .requests: "quota-requests"
        case .rate: "rate"
        case .subtreeNodes: "subtree-nodes"
        case .subtreeMemory: "subtree-memory"
        case .subtreeRate: "subtree-rate"
        }
    }

    /// All reasons.
    static var all: [StoreRefusal] {
        (0..<StoreRefusal.count).compactMap { StoreRefusal(rawValue: $0) }
    }
}

extension StoreServer {
    /// Says who was refused what, by which rule, and what would permit it.
    func explanation(of record: StoreRefusalRecord) -> String {
        guard let reason = record.reason else { return "nothing was refused" }
        let path = String(decoding: StoreServer.array(core.requestPath), as: UTF8.self)
        let who =
            "domain \(record.domain)" + (name(ofDomain: record.domain).map { " (\($0))" } ?? "")
        var text = "refused: \(who): \(reason.name): \(path)"
        if reason == .label { text += ": " + rule(record) }
        return text
    }

    private func rule(_ record: StoreRefusalRecord) -> String {
        guard let policy else { return "no policy" }
        let permission = StoreServer.permissionName(record.permission)
        let subject = policy.name(of: record.subject)
        let object = policy.name(of: record.object)
        var text = "{ \(permission) } scontext=\(subject) tcontext=\(object) tclass=xenstore"
        if record.object == policy.closed {
            return text + ": the file of contexts gives the path no label of the policy"
        }
        if let levels = policy.levels(record.subject, record.object) {
            let isReading = ["read", "list", "watch"].contains(permission)
            if isReading ? !levels.observes : !levels.changes {
                return text + ": the levels forbid it, whatever rules allow"
            }
        }
        let types = (policy.typeName(record.subject), policy.typeName(record.object))
        text += ": no rule `allow \(types.0) \(types.1) : xenstore { \(permission) }`"
        return text
    }

    static func permissionName(_ mask: UInt32) -> String {
        let names = [
            "read", "write", "create", "remove", "list", "watch", "setperms", "relabelfrom",
            "relabelto",
        ]
        let bit = mask.trailingZeroBitCount
        return bit < names.count ? names[bit] : "?"
    }

    /// The name of a domain's compartment.
    func name(ofDomain domain: UInt16) -> String? {
        policy?.compartments.first { $0.domain == domain }?.name
    }
}

extension StorePolicy {
    /// Whether a label may administer the store: `setperms` on the root's.
    func mayAdminister(_ label: StoreLabel) -> Bool {
        decide(subject: label, object: root, permission: XenstorePermission.setperms) == .allowed
    }

    /// The label of the root: what the file of contexts says, else the manifest, else the
    /// hypervisor's.
    var root: StoreLabel {
        fileLabel(of: "/") ?? pathLabels.last { $0.path == "/" }?.label ?? StoreLabel(index: 0)
    }
}
