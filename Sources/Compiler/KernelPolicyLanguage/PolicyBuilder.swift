import PolicyDatabaseModel

/// Makes the records of a binary policy from what a source says.
struct PolicyBuilder {
    let source: SourcePolicy
    let options: KernelPolicy.Options
    var file: PolicyFile
    var warnings: [String] = []
    var failures: [SourceFailure] = []
    /// For each `optional` block whether what it says holds.
    let isEnabled: [Bool]
    var typeSets: TypeSets
    /// The masks of sets of permissions: by the set, then the class.
    var masks: [UInt64: UInt32] = [:]
    /// How many pairs of types, times classes, the rules so far stand for.
    var pairs = 0
    /// For each role attribute its roles, by number.
    var roleMembers: [Set<UInt32>] = []

    init(_ source: SourcePolicy, _ options: KernelPolicy.Options) {
        self.source = source
        self.options = options
        file = PolicyFile(format: options.format)
        isEnabled = PolicyBuilder.enabledBlocks(source)
        typeSets = TypeSets(source, isEnabled: isEnabled)
    }

    /// Builds everything, or leaves what is wrong in `failures`.
    mutating func build() {
        file.isMultilevel = options.isMultilevel
        file.unknownHandling = options.unknownHandling
        attempt { (builder) throws(SourceFailure) in try builder.checkWhole() }
        addClasses()
        attempt { (builder) throws(SourceFailure) in try builder.addLevels() }
        attempt { (builder) throws(SourceFailure) in try builder.addTypes() }
        attempt { (builder) throws(SourceFailure) in try builder.addRoles() }
        attempt { (builder) throws(SourceFailure) in try builder.addUsers() }
        attempt { (builder) throws(SourceFailure) in try builder.addDefaults() }
        attempt { (builder) throws(SourceFailure) in try builder.addCapabilities() }
        addBooleans()
        guard failures.isEmpty else { return }
        addRules()
        addConstraints()
        addLabels()
    }

    /// Does a step, and keeps what is wrong with it.
    mutating func attempt(_ step: (inout PolicyBuilder) throws(SourceFailure) -> Void) {
        guard failures.count < KernelPolicyRefusal.most else { return }
        do throws(SourceFailure) {
            try step(&self)
        } catch {
            failures.append(error)
        }
    }

    func text(_ name: Name) -> String { source.names.text(name) }

    func undeclared(_ what: String, _ name: Name, _ offset: Int) -> SourceFailure {
        SourceFailure(.undeclared, "no \(what) `\(text(name))` is declared", at: offset)
    }

    /// Says that the format leaves something out; once.
    mutating func leaveOut(_ what: String) {
        let warning = "version \(options.format.version) has no place for \(what): left out"
        if !warnings.contains(warning) { warnings.append(warning) }
    }

    // MARK: Blocks

    private static func enabledBlocks(_ source: SourcePolicy) -> [Bool] {
        var enabled = Array(repeating: true, count: source.blocks.count)
        for index in source.blocks.indices.dropFirst() {
            let block = source.blocks[index]
            let isWanted = block.elseOf.map { !enabled[Int($0)] } ?? true
            enabled[index] =
                enabled[Int(block.parent)] && isWanted
                && block.required.allSatisfy { isDeclared($0.kind, $0.name, source) }
                && block.requiredPermissions.allSatisfy { hasPermissions($0, source) }
        }
        return enabled
    }

    private static func isDeclared(
        _ kind: Block.Kind, _ name: Name, _ source: SourcePolicy
    ) -> Bool {
        switch kind {
        case .type, .attribute: source.types.numbering[name] != nil
        case .role: source.roles[name] != nil
        case .roleAttribute: source.roleAttributes[name] != nil
        case .user: source.users.contains { $0.name == name }
        case .bool: source.booleans[name] != nil
        case .sensitivity: source.levels.order[name] != nil
        case .category: source.levels.categories[name] != nil
        }
    }

    private static func hasPermissions(
        _ required: (class: Name, permissions: SetID), _ source: SourcePolicy
    ) -> Bool {
        guard let number = source.classNumbers[required.class] else { return false }
        let holder = source.classes[Int(number) - 1]
        let known = (holder.common.map { source.commons[$0].own } ?? []) + holder.own
        return source.sets.items(required.permissions).allSatisfy { known.contains($0.name) }
    }

    // MARK: What must be there

    /// The first version with attributes and bounds in it.
    private static let oldestVersion: UInt32 = 24

    /// Whether a source declares so much that not even its sets of types can be made.
    ///
    /// - Returns: what is wrong; nil when nothing is.
    static func excess(of source: SourcePolicy) -> SourceFailure? {
        let types = source.types.isAttribute
        guard types.count < 0xffff, source.classes.count < 0xffff else {
            return SourceFailure(.limit, "there are more than 65,534 types or classes", at: 0)
        }
        guard types.count(where: \.self) * types.count <= 1 << 29 else {
            return SourceFailure(
                .limit, "attributes times types are more than 536,870,912", at: 0)
        }
        return nil
    }

    private func checkWhole() throws(SourceFailure) {
        guard options.format.version >= PolicyBuilder.oldestVersion else {
            throw SourceFailure(
                .wrongTarget,
                "version \(options.format.version) is not written: 24 is the oldest", at: 0)
        }
        let missing: (isThere: Bool, what: String)? = [
            (!source.classes.isEmpty, "a class"), (!source.types.isAttribute.isEmpty, "a type"),
            (!source.users.isEmpty, "a user"),
            (!source.initialIdentifiers.names.isEmpty, "an initial identifier"),
        ].first { !$0.0 }
        if let missing {
            throw SourceFailure(
                .missing, "the policy declares no \(missing.what.dropFirst(2))", at: 0)
        }
        if let first = source.blocks[0].required.first(where: {
            !PolicyBuilder.isDeclared($0.kind, $0.name, source)
        }) {
            throw undeclared("such thing as", first.name, first.offset)
        }
        guard options.isMultilevel != source.levels.sensitivities.isEmpty else {
            throw SourceFailure(
                .levelsOff,
                options.isMultilevel
                    ? "the policy declares no levels" : "the policy declares levels, which are off",
                at: offset(ofSensitivity: source.levels.sensitivities.first))
        }
    }

    // MARK: Classes

    /// Every class has its record, whatever is wrong with it: what follows counts on that.
    private mutating func addClasses() {
        for (index, common) in source.commons.enumerated() {
            var record = PolicyFile.CommonRecord()
            record.name = text(common.name)
            record.number = UInt32(index) + 1
            record.permissions = permissions(common.own, after: 0)
            file.commons.symbols.append(record)
        }
        file.commons.primaryCount = UInt32(source.commons.count)
        for (index, holder) in source.classes.enumerated() {
            if !holder.isComplete, failures.count < KernelPolicyRefusal.most {
                failures.append(
                    SourceFailure(
                        .missing, "the class `\(text(holder.name))` has no permissions",
                        at: holder.offset))
            }
            var record = PolicyFile.ClassRecord()
            record.name = text(holder.name)
            record.number = UInt32(index) + 1
            let common = holder.common.map { source.commons[$0] }
            record.common = common.map { text($0.name) } ?? ""
            record.permissions = permissions(holder.own, after: common?.own.count ?? 0)
            file.classes.symbols.append(record)
        }
        file.classes.primaryCount = UInt32(source.classes.count)
    }

    private func permissions(
        _ names: [Name], after inherited: Int
    ) -> PolicyFile.SymbolTable<PolicyFile.PermissionRecord> {
        var table = PolicyFile.SymbolTable<PolicyFile.PermissionRecord>()
        for (index, name) in names.enumerated() {
            var record = PolicyFile.PermissionRecord()
            record.name = text(name)
            record.number = UInt32(inherited + index) + 1
            table.symbols.append(record)
        }
        table.primaryCount = UInt32(inherited + names.count)
        return table
    }

    /// Returns the numbers of the classes of a set.
    ///
    /// - Throws: `.undeclared`; `.syntax` for anything but names.
    func classNumbers(_ set: SetID) throws(SourceFailure) -> [UInt16] {
        var found: [UInt16] = []
        guard source.sets.flags(set).isEmpty else {
            throw SourceFailure(
                .syntax, "classes are named one by one", at: source.sets.offset(set))
        }
        for item in source.sets.items(set) {
            guard let number = source.classNumbers[item.name] else {
                throw undeclared("class", item.name, source.sets.offset(set))
            }
            found.append(UInt16(truncatingIfNeeded: number))
        }
        return found
    }

    /// Returns the permissions of a set as bits, in one class.
    ///
    /// - Throws: `.noPermission` for a name that the class does not have.
    mutating func mask(
        _ set: SetID, _ objectClass: UInt16, at offset: Int
    ) throws(SourceFailure) -> UInt32 {
        let key = UInt64(set.index) << 16 | UInt64(objectClass)
        if let known = masks[key] { return known }
        let holder = source.classes[Int(objectClass) - 1]
        let names = (holder.common.map { source.commons[$0].own } ?? []) + holder.own
        let all = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(names.count)) - 1)
        let flags = source.sets.flags(set)
        var mask: UInt32 = flags.contains(.all) ? all : 0
        for item in source.sets.items(set) {
            guard let place = names.firstIndex(of: item.name), !item.isExcluded else {
                throw SourceFailure(
                    .noPermission,
                    "the class `\(text(holder.name))` has no permission `\(text(item.name))`",
                    at: offset)
            }
            mask |= 1 << UInt32(place)
        }
        if flags.contains(.complement) { mask = all & ~mask }
        masks[key] = mask
        return mask
    }

    private mutating func addDefaults() throws(SourceFailure) {
        for rule in source.defaults {
            guard options.format.version >= (rule.part == .type ? 28 : 27) else {
                leaveOut("defaults of new objects")
                continue
            }
            for number in try classNumbers(rule.classes) {
                let index = Int(number) - 1
                let path: WritableKeyPath<PolicyFile.ClassRecord, UInt32> =
                    switch rule.part {
                    case .user: \.defaultUser
                    case .role: \.defaultRole
                    case .type: \.defaultType
                    case .range: \.defaultRange
                    }
                let old = file.classes.symbols[index][keyPath: path]
                guard old == 0 || old == rule.value else {
                    throw SourceFailure(
                        .conflict,
                        "`\(file.classes.symbols[index].name)` has another default already",
                        at: source.sets.offset(rule.classes))
                }
                file.classes.symbols[index][keyPath: path] = rule.value
            }
        }
    }

    private mutating func addCapabilities() throws(SourceFailure) {
        var numbers: [UInt32] = []
        for (name, offset) in source.capabilities {
            guard let number = PolicyBuilder.capabilities.firstIndex(of: text(name)) else {
                throw undeclared("capability", name, offset)
            }
            numbers.append(UInt32(number))
        }
        file.capabilities = PolicyBitmap(numbers)
    }

    /// - Source: libsepol 3.4, `polcaps.c`, `polcap_names`.
    private static let capabilities = [
        "network_peer_controls", "open_perms", "extended_socket_class", "always_check_network",
        "cgroup_seclabel", "nnp_nosuid_transition", "genfs_seclabel_symlinks",
        "ioctl_skip_cloexec",
    ]

    private mutating func addBooleans() {
        for (index, name) in source.booleans.names.enumerated() {
            guard !source.booleanStates[index].isTunable else { continue }
            var record = PolicyFile.BooleanRecord()
            record.name = text(name)
            file.booleans.primaryCount += 1
            record.number = file.booleans.primaryCount
            record.state = source.booleanStates[index].isTrue ? 1 : 0
            file.booleans.symbols.append(record)
        }
    }

    /// Returns the number of a Boolean in the policy; tunables have none.
    func booleanNumber(_ name: Name) -> UInt32? {
        guard let declared = source.booleans[name] else { return nil }
        guard !source.booleanStates[Int(declared) - 1].isTunable else { return nil }
        let tunables = source.booleanStates.prefix(Int(declared)).count { $0.isTunable }
        return declared - UInt32(tunables)
    }
}
