import PolicyDatabase
import PolicyDatabaseModel
import SecurityLattice

/// A system's policy in the classes and permissions of one version of stock Xen.
///
/// Xen's first domain builds the others, and serves their store and their consoles: it is trusted
/// with every one of them, and nothing is proved about it. All else is what Casemate's own policy
/// says, permission by permission.
struct XenPolicy {
    /// The policy.
    private(set) var database: PolicyDatabaseModel
    private let xen: XenClassMap
    private var types: [String: UInt32] = [:]

    /// Translates a policy.
    ///
    /// - Parameters:
    ///   - lowered: a system lowered with a host.
    ///   - subjects: the types of the compartments.
    init(_ lowered: LoweredPolicy, subjects: [UInt32], for xen: XenClassMap) {
        self.xen = xen
        database = lowered.database
        database.translate(to: xen)
        for (index, type) in database.types.enumerated() { types[type.name] = UInt32(index) + 1 }
        addHost(subjects)
    }

    private func number(of type: String) -> UInt32 { types[type] ?? 0 }

    /// What the first domain may do: everything but change the policy.
    private mutating func addHost(_ subjects: [UInt32]) {
        let host = number(of: TypeNames.host)
        let hypervisor = number(of: TypeNames.hypervisor)
        for name in ["xen", "xen2", "version", "domain", "domain2", "mmu", "hvm", "resource"] {
            allowAll(host, hypervisor, name)
        }
        allow(
            host, number(of: TypeNames.policy), "security",
            [
                "check_context", "compute_av", "compute_create", "compute_member",
                "compute_relabel", "compute_user",
            ])
        let owned = [host, number(of: "domio_t"), number(of: "domxen_t")] + subjects
        for target in owned {
            for name in ["domain", "domain2", "hvm", "mmu", "shadow", "grant", "resource"] {
                allowAll(host, target, name)
            }
        }
        for name in ["ioport_t", "iomem_t", "irq_t", "device_t"] {
            allowAll(host, number(of: name), "resource")
        }
        // Xen itself makes the first domain.
        allowAll(number(of: "xenboot_t"), host, "domain")
        for subject in subjects {
            // What a kernel asks for itself at its start.
            allow(subject, subject, "mmu", ["adjust", "stat"])
        }
    }

    private mutating func allowAll(_ source: UInt32, _ target: UInt32, _ name: String) {
        guard let objectClass = xen.classes.first(where: { $0.name == name }) else { return }
        allow(source, target, name, objectClass.permissions)
    }

    private mutating func allow(
        _ source: UInt32, _ target: UInt32, _ name: String, _ permissions: [String]
    ) {
        guard let number = xen.number(ofClass: name) else { return }
        let known = xen.classes[Int(number) - 1].permissions
        var mask: UInt32 = 0
        for permission in permissions {
            if let bit = known.firstIndex(of: permission) { mask |= 1 << UInt32(bit) }
        }
        guard mask != 0 else { return }
        let key = PolicyDatabaseModel.AccessRuleKey(
            source: source, target: target, objectClass: number, kind: .allowed)
        database.set(key, (database.accessRules[key] ?? 0) | mask)
    }
}

extension PolicyDatabaseModel {
    /// Gives every class and permission the number that a Xen has for it. What that Xen has not is
    /// left out: it would refuse the policy, or never ask.
    fileprivate mutating func translate(to xen: XenClassMap) {
        let old = classes
        func mask(_ bits: UInt32, _ own: Class, _ other: XenClassMap.SecurityClass) -> UInt32 {
            var mask: UInt32 = 0
            for (bit, name) in own.permissions.enumerated() where bits >> UInt32(bit) & 1 == 1 {
                if let place = other.permissions.firstIndex(of: name) {
                    mask |= 1 << UInt32(place)
                }
            }
            return mask
        }
        // Ours are numbered as those of Xen 4.17; older ones lack the first.
        let contexts = initialContexts
        let known = XenClassMap.of(version: "4.17")?.initialSIDs ?? []
        initialContexts = [:]
        for (index, name) in xen.initialSIDs.enumerated() {
            guard let own = known.firstIndex(of: name) else { continue }
            initialContexts[UInt32(index) + 1] = contexts[UInt32(own) + 1]
        }
        classes = xen.classes.map { wanted in
            var translated = Class(name: wanted.name, permissions: wanted.permissions)
            guard let own = old.first(where: { $0.name == wanted.name }) else { return translated }
            translated.constraints = own.constraints.compactMap { constraint in
                let permissions = mask(constraint.permissions, own, wanted)
                return permissions == 0
                    ? nil
                    : Constraint(permissions: permissions, expression: constraint.expression)
            }
            return translated
        }
        let rules = accessRules
        let ranges = rangeTransitions
        removeRules()
        for (key, data) in rules {
            let own = old[Int(key.objectClass) - 1]
            guard let number = xen.number(ofClass: own.name) else { continue }
            let isVector = key.kind == .allowed || key.kind == .auditAllowed
            let value = isVector ? mask(data, own, xen.classes[Int(number) - 1]) : data
            guard !isVector || value != 0 else { continue }
            set(
                AccessRuleKey(
                    source: key.source, target: key.target, objectClass: number, kind: key.kind),
                value)
        }
        for (key, range) in ranges {
            guard let number = xen.number(ofClass: old[Int(key.objectClass) - 1].name) else {
                continue
            }
            setRange(
                RangeTransitionKey(source: key.source, target: key.target, objectClass: number),
                range)
        }
    }
}
