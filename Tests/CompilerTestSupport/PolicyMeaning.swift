public import PolicyDatabaseModel

/// What a policy means, in names and without order: equal for two files that decide and label
/// alike.
///
/// Attributes in access rules are replaced by their types, as a kernel does it.
public struct PolicyMeaning {
    private let file: PolicyFile
    private let classes: [UInt32: PolicyFile.ClassRecord]
    private let types: [UInt32: String]
    private let roles: [UInt32: String]
    private let users: [UInt32: String]
    private let booleans: [UInt32: String]
    private let sensitivities: [UInt32: String]
    private let categories: [UInt32: String]
    /// For each number of a type or attribute the types that it stands for.
    private var members: [UInt32: [UInt32]] = [:]

    /// Creates the meaning of a policy.
    public init(_ file: PolicyFile) {
        self.file = file
        classes = Dictionary(uniqueKeysWithValues: file.classes.symbols.map { ($0.number, $0) })
        types = PolicyMeaning.names(file.types.symbols.filter { $0.properties & 1 == 1 }) {
            ($0.number, $0.name)
        }
        roles = PolicyMeaning.names(file.roles.symbols) { ($0.number, $0.name) }
        users = PolicyMeaning.names(file.users.symbols) { ($0.number, $0.name) }
        booleans = PolicyMeaning.names(file.booleans.symbols) { ($0.number, $0.name) }
        sensitivities = PolicyMeaning.names(file.sensitivities.symbols.filter { $0.isAlias == 0 }) {
            ($0.level.sensitivity, $0.name)
        }
        categories = PolicyMeaning.names(file.categories.symbols.filter { $0.isAlias == 0 }) {
            ($0.number, $0.name)
        }
        let attributes = Set(
            file.types.symbols.filter { $0.properties & 2 == 2 }.map(\.number))
        for (index, bits) in file.typeAttributes.enumerated() {
            let number = UInt32(index) + 1
            guard !attributes.contains(number) else { continue }
            for holder in bits.numbers { members[holder + 1, default: []].append(number) }
        }
    }

    private static func names<Item>(
        _ items: [Item], _ body: (Item) -> (UInt32, String)
    ) -> [UInt32: String] {
        Dictionary(items.map(body)) { first, _ in first }
    }

    // MARK: What is compared

    /// Every part by its name, as lines without order.
    public var parts: [(name: String, lines: Set<String>)] {
        [
            ("head", [head]), ("classes", Set(file.classes.symbols.map(describe))),
            ("types", Set(file.types.symbols.map(describe))),
            ("roles", Set(file.roles.symbols.map(describe))),
            ("users", Set(file.users.symbols.map(describe))),
            ("booleans", Set(file.booleans.symbols.map { "\($0.name) \($0.state)" })),
            ("levels", Set(file.sensitivities.symbols.map(describe))),
            ("categories", Set(file.categories.symbols.map { "\($0.name) \($0.number)" })),
            ("rules", Set(lines(of: file.accessRules))),
            ("conditionals", conditionals), ("role transitions", roleTransitions),
            (
                "role allows",
                Set(file.roleAllows.map { "\(role($0.role)) \(role($0.newRole))" })
            ),
            ("named transitions", namedTransitions), ("range transitions", rangeTransitions),
            ("labels", labels), ("paths", paths),
        ]
    }

    private var head: String {
        "\(file.format.target) \(file.format.version) \(file.isMultilevel) "
            + "\(file.unknownHandling) \(file.capabilities.numbers) "
            + "\(file.permissiveTypes.numbers.map { type($0) }.sorted())"
    }

    private func type(_ number: UInt32) -> String { types[number] ?? "type \(number)" }
    private func role(_ number: UInt32) -> String { roles[number] ?? "role \(number)" }
    private func className(_ number: UInt32) -> String { classes[number]?.name ?? "\(number)" }

    /// The permissions that a class has, as bits; compilers set bits beyond them for `*` and `~`.
    private func all(_ objectClass: UInt32) -> UInt32 {
        let count = classes[objectClass]?.permissions.primaryCount ?? 0
        return UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(count)) - 1)
    }

    private func describe(_ record: PolicyFile.ClassRecord) -> String {
        let permissions = record.permissions.symbols.map { "\($0.name)=\($0.number)" }.sorted()
        let constraints = record.constraints.map(describe).sorted()
        let changes = record.transitionConstraints.map(describe).sorted()
        return "\(record.name) \(record.number) \(record.common) \(permissions) \(constraints) "
            + "\(changes) \(record.defaultUser) \(record.defaultRole) \(record.defaultRange) "
            + "\(record.defaultType)"
    }

    private func describe(_ record: PolicyFile.ConstraintRecord) -> String {
        let terms = record.terms.map { term in
            let place = term.attribute & 7
            let names = term.names.numbers.map {
                place == 1 ? users[$0 + 1] ?? "?" : place == 2 ? role($0 + 1) : type($0 + 1)
            }
            return "\(term.kind) \(term.attribute) \(term.comparison) \(names.sorted())"
        }
        return "\(record.permissions): \(terms)"
    }

    private func describe(_ record: PolicyFile.TypeRecord) -> String {
        let attributes =
            record.properties & 2 == 2
            ? [] : file.typeAttributes[Int(record.number) - 1].numbers.map { type($0 + 1) }.sorted()
        return "\(record.name) is \(type(record.number)) \(record.properties) "
            + "\(record.bounds == 0 ? "" : type(record.bounds)) \(attributes)"
    }

    private func describe(_ record: PolicyFile.RoleRecord) -> String {
        "\(record.name) \(record.types.numbers.map { type($0 + 1) }.sorted())"
    }

    private func describe(_ record: PolicyFile.UserRecord) -> String {
        "\(record.name) \(record.roles.numbers.map { role($0 + 1) }.sorted()) "
            + "\(describe(record.range)) \(describe(record.defaultLevel))"
    }

    private func describe(_ record: PolicyFile.SensitivityRecord) -> String {
        "\(record.name) \(record.isAlias) \(describe(record.level))"
    }

    private func describe(_ level: PolicyFile.LevelRecord) -> String {
        guard level.sensitivity > 0 else { return "none" }
        let names = level.categories.numbers.map { categories[$0 + 1] ?? "?" }
        return "\(sensitivities[level.sensitivity] ?? "?") \(names)"
    }

    private func describe(_ range: PolicyFile.RangeRecord) -> String {
        "\(describe(range.low)) to \(describe(range.high ?? range.low))"
    }

    private func describe(_ context: PolicyFile.ContextRecord) -> String {
        "\(users[context.user] ?? "?"):\(role(context.role)):\(type(context.type)):"
            + describe(context.range)
    }

    // MARK: Rules

    private func lines(of table: PolicyFile.AccessRuleTable) -> [String] {
        var found: [String: UInt32] = [:]
        var operations: [String] = []
        for rule in table.rules {
            for source in members[UInt32(rule.source)] ?? [] {
                for target in members[UInt32(rule.target)] ?? [] {
                    let key =
                        "\(type(source)) \(type(target)) "
                        + "\(className(UInt32(rule.objectClass))) \(rule.kind)"
                    switch rule.kind {
                    case .allowed, .auditAllowed:
                        found[key, default: 0] |= rule.data & all(UInt32(rule.objectClass))
                    case .auditDenied:
                        found[key, default: all(UInt32(rule.objectClass))] &= rule.data
                    case .transition, .member, .change:
                        operations.append("\(key) \(type(rule.data))")
                    default:
                        operations.append("\(key) \(table.operations[Int(rule.data)])")
                    }
                }
            }
        }
        return found.map { "\($0.key) \($0.value)" } + operations
    }

    /// An expression that denies is told as the one that it denies, with the branches exchanged,
    /// and every expression by its table of truth.
    private var conditionals: Set<String> {
        Set(
            file.conditionals.map { record in
                let used = Set(record.terms.filter { $0.kind == 1 }.map(\.boolean)).sorted {
                    booleans[$0] ?? "" < booleans[$1] ?? ""
                }
                var table = (0..<(1 << used.count)).map { row in
                    value(of: record.terms, used, row)
                }
                var branches = [
                    lines(of: record.whenTrue).sorted(), lines(of: record.whenFalse).sorted(),
                ]
                if table[0] {
                    table = table.map { !$0 }
                    branches.reverse()
                }
                return "\(used.map { booleans[$0] ?? "?" }) \(table) \(branches)"
            })
    }

    private func value(
        of terms: [PolicyFile.ConditionalTerm], _ used: [UInt32], _ row: Int
    ) -> Bool {
        var stack: [Bool] = []
        for term in terms {
            if term.kind == 1 {
                stack.append(row >> (used.firstIndex(of: term.boolean) ?? 0) & 1 == 1)
                continue
            }
            let right = stack.removeLast()
            if term.kind == 2 {
                stack.append(!right)
                continue
            }
            let left = stack.removeLast()
            switch term.kind {
            case 3: stack.append(left || right)
            case 4: stack.append(left && right)
            case 6: stack.append(left == right)
            default: stack.append(left != right)
            }
        }
        return stack[0]
    }

    private var roleTransitions: Set<String> {
        Set(
            file.roleTransitions.map {
                "\(role($0.role)) \(type($0.type)) \(className($0.objectClass)) \(role($0.newRole))"
            })
    }

    private var namedTransitions: Set<String> {
        Set(
            file.filenameTransitions.flatMap { record in
                record.results.flatMap { result in
                    result.sources.numbers.map {
                        "\(record.name) \(type($0 + 1)) \(type(record.target)) "
                            + "\(className(record.objectClass)) \(type(result.newType))"
                    }
                }
            })
    }

    private var rangeTransitions: Set<String> {
        Set(
            file.rangeTransitions.map {
                "\(type($0.source)) \(type($0.target)) \(className($0.objectClass)) "
                    + describe($0.range)
            })
    }

    // MARK: Labels

    private var labels: Set<String> {
        let tables = file.objectContexts
        var found: [String] = []
        found += tables.initialIdentifiers.map { "sid \($0.number) \(describe($0.context))" }
        found += tables.interrupts.map { "pirq \($0.number) \(describe($0.context))" }
        found += tables.pciDevices.map { "pci \($0.number) \(describe($0.context))" }
        found += tables.ports.map { "ioport \($0.first) \($0.last) \(describe($0.context))" }
        found += tables.frames.map { "iomem \($0.first) \($0.last) \(describe($0.context))" }
        found += tables.deviceTreePaths.map { "tree \($0.name) \(describe($0.context))" }
        found += (tables.fileSystems + tables.networkInterfaces).map {
            "\($0.name) \(describe($0.context)) \(describe($0.contentContext))"
        }
        found += tables.fileSystemUses.map {
            "use \($0.name) \($0.behavior) \(describe($0.context))"
        }
        found += tables.networkPorts.map {
            "port \($0.networkProtocol) \($0.first) \($0.last) \(describe($0.context))"
        }
        found += tables.nodes.map { "node \($0.address) \($0.mask) \(describe($0.context))" }
        found += tables.wideNodes.map { "node \($0.address) \($0.mask) \(describe($0.context))" }
        found += tables.infinibandKeys.map {
            "key \($0.prefixHigh) \($0.prefixLow) \($0.first) \($0.last) \(describe($0.context))"
        }
        found += tables.infinibandPorts.map { "\($0.device) \($0.port) \(describe($0.context))" }
        return Set(found)
    }

    /// In order: the first path that fits counts.
    private var paths: Set<String> {
        Set(
            file.genericFileSystems.map { system in
                let paths = system.paths.map {
                    "\($0.path) \(className($0.objectClass)) \(describe($0.context))"
                }
                return "\(system.name) \(paths)"
            })
    }
}
