/// Which permissions let information flow, in which direction, and how wide a channel each is.
///
/// A subject that reads gets information from the object, one that writes gives it. The weight,
/// 1 to 10, says how much: 10 contents, 7 attributes, 5 control, 3 signals, 1 hardly anything.
/// A permission that the map does not know counts as both with weight 1: an unknown way is never
/// taken for none. Those are named, so that a person can say better.
package struct PermissionMap: Equatable, Sendable {
    /// Where information flows when a permission is used.
    package enum Direction: Character, Sendable {
        /// From the object to the subject.
        case read = "r"
        /// From the subject to the object.
        case write = "w"
        /// Both.
        case both = "b"
        /// Nowhere.
        case none = "n"

        var reads: Bool { self == .read || self == .both }
        var writes: Bool { self == .write || self == .both }
    }

    /// What a permission does.
    package struct Effect: Equatable, Sendable {
        /// Where information flows.
        package var direction: Direction
        /// How much, 1 to 10.
        package var weight: Int

        /// Creates an effect.
        package init(_ direction: Direction, _ weight: Int) {
            self.direction = direction
            self.weight = weight
        }
    }

    private var byClass: [String: [String: Effect]] = [:]
    private var byName: [String: Effect] = [:]

    /// The map that is used when nobody gives another.
    ///
    /// Xen's classes are told by `PermissionFacts.xen`, all others by their permissions' names.
    package static let standard: PermissionMap = {
        var map = PermissionMap()
        for line in PermissionFacts.names { map.add(line, to: nil) }
        for (objectClass, lines) in PermissionFacts.classes {
            for line in lines { map.add(line, to: objectClass) }
        }
        return map
    }()

    /// Adds `r10 read recv`: a direction, a weight, and permissions.
    private mutating func add(_ line: String, to objectClass: String?) {
        let words = line.split(separator: " ")
        guard let first = words.first, let letter = first.first,
            let direction = Direction(rawValue: letter), let weight = Int(first.dropFirst())
        else { return }
        for word in words.dropFirst() {
            let effect = Effect(direction, weight)
            if let objectClass {
                byClass[objectClass, default: [:]][String(word)] = effect
            } else {
                byName[String(word)] = effect
            }
        }
    }

    private init() {}

    /// Reads a map in the form of SETools: how many classes; then for each `class NAME COUNT` and
    /// lines of permission, direction and weight.
    ///
    /// - Throws: `.badQuestion` with the line's number when it has another form.
    /// - Source: SETools 4, `perm_map`.
    package init(parsing text: String) throws(PolicyAnalysisError) {
        var current: String?
        var isFirst = true
        for (index, line) in text.split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            if isFirst, words.count == 1, Int(first) != nil {
                isFirst = false
                continue
            }
            isFirst = false
            if words.count == 3, first == "class", Int(words[2]) != nil {
                current = String(words[1])
                byClass[String(words[1])] = byClass[String(words[1])] ?? [:]
                continue
            }
            guard let current, words.count >= 3, let letter = words[1].first,
                words[1].count == 1,
                let direction = Direction(rawValue: letter == "u" ? "b" : letter),
                let weight = Int(words[2]), (1...10).contains(weight)
            else {
                throw PolicyAnalysisError(
                    .badQuestion, "line \(index + 1) of the permission map has no known form")
            }
            byClass[current]?[String(first)] = Effect(direction, letter == "u" ? 1 : weight)
        }
    }

    /// What a permission of a class does; nil when the map does not know it.
    package func effect(of permission: String, in objectClass: String) -> Effect? {
        byClass[objectClass]?[permission] ?? byName[permission]
    }

    /// The map for a policy's classes, in the form of SETools.
    package func text(for policy: IndexedPolicy) -> String {
        let entries = policy.classes.filter { $0.mask != 0 }
        var text = "\(entries.count)\n"
        for entry in entries {
            let names = entry.permissions.compactMap(\.self)
            text += "\nclass \(entry.name) \(names.count)\n"
            for name in names {
                let effect = effect(of: name, in: entry.name) ?? Effect(.both, 1)
                text += "\(name) \(effect.direction.rawValue) \(effect.weight)\n"
            }
        }
        return text
    }
}

/// The bits of a class's permissions that read and write.
struct DirectionMasks {
    /// By class: the permissions that read.
    private(set) var read: [UInt32] = []
    /// By class: the permissions that write.
    private(set) var write: [UInt32] = []
    /// The permissions that the map does not know, as `class:permission`.
    private(set) var unknown: [String] = []

    init(_ policy: IndexedPolicy, _ options: FlowOptions) {
        for entry in policy.classes {
            var (reads, writes) = (UInt32(0), UInt32(0))
            for (bit, name) in entry.permissions.enumerated() {
                guard let name else { continue }
                let known = options.map.effect(of: name, in: entry.name)
                if known == nil { unknown.append("\(entry.name):\(name)") }
                let effect = known ?? PermissionMap.Effect(.both, 1)
                guard effect.weight >= options.leastWeight,
                    options.permissions?.contains(name) ?? true
                else { continue }
                if effect.direction.reads { reads |= 1 << UInt32(bit) }
                if effect.direction.writes { writes |= 1 << UInt32(bit) }
            }
            read.append(reads)
            write.append(writes)
        }
    }
}
