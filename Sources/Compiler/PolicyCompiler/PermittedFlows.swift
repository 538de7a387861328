import PolicyDatabase
package import PolicyDatabaseModel

/// Which compartments a policy lets send to which, read from its rules one by one.
///
/// For: replaying a certificate where the hypervisor's table of all decisions would be too large
/// for a compiler: it grows with the square of the labels, and the rules do not. Constraints are
/// left out, and they only forbid: what is permitted is here, and perhaps more. Not for: deciding.
///
/// - Source: which way information goes, Xen `xsm/flask/hooks.c`.
package struct PermittedFlows {
    /// For each compartment a row of as many 32-bit words as hold a bit for each compartment.
    package private(set) var rows: [UInt32]

    private let width: Int
    /// The compartments of each type.
    private var compartments: [[Int]]
    /// The types of each type or attribute; a type is one of its own.
    private var members: [[Int]]
    /// What a type may do to the end of an event channel of another: `create` and `send` as bits.
    private var signals: [TypePair: UInt32] = [:]
    /// The types of ends that may be bound to a type.
    private var binds: Set<TypePair> = []

    private struct TypePair: Hashable {
        let source: Int
        let target: Int
    }

    /// Reads the flows of a policy.
    ///
    /// - Parameter types: the type of each compartment's label.
    /// - Complexity: linear in the rules, with their attributes written out.
    package init(of policy: PolicyFile, types: [UInt32]) {
        width = (types.count + 31) / 32
        rows = Array(repeating: 0, count: types.count * width)
        compartments = Array(repeating: [], count: policy.typeAttributes.count + 1)
        members = compartments
        for (index, type) in types.enumerated() where Int(type) < compartments.count {
            compartments[Int(type)].append(index)
        }
        for (index, attributes) in policy.typeAttributes.enumerated() {
            for attribute in attributes.numbers where Int(attribute) + 1 < members.count {
                members[Int(attribute) + 1].append(index + 1)
            }
        }
        for rule in policy.accessRules.rules where rule.kind == .allowed { add(rule) }
        for conditional in policy.conditionals {
            for rule in conditional.whenTrue.rules + conditional.whenFalse.rules
            where rule.kind == .allowed && rule.isEnabled { add(rule) }
        }
        for rule in policy.accessRules.rules
        where rule.kind == .transition && rule.objectClass == ObjectClass.event.number {
            join(Int(rule.source), Int(rule.target), by: Int(rule.data))
        }
        // An end without a transition has the type of the far compartment.
        for pair in signals.keys { join(pair.source, pair.target, by: pair.target) }
    }

    // MARK: Rules

    private func types(of number: UInt16) -> [Int] {
        Int(number) < members.count ? members[Int(number)] : []
    }

    private mutating func add(_ rule: PolicyFile.AccessRule) {
        guard let objectClass = ObjectClass(number: Int(rule.objectClass)) else { return }
        let direction = Direction(of: objectClass)
        let moving = rule.data & ~direction.neither
        let isForward = moving & ~direction.backwardOnly != 0
        let isBackward = moving & ~direction.forwardOnly != 0
        for source in types(of: rule.source) {
            for target in types(of: rule.target) {
                if objectClass == .event {
                    add(rule.data, TypePair(source: source, target: target))
                }
                for one in compartments[source] {
                    for other in compartments[target] where one != other {
                        if isForward { insert(one, other) }
                        if isBackward { insert(other, one) }
                    }
                }
            }
        }
    }

    private mutating func add(_ permissions: UInt32, _ pair: TypePair) {
        let signal = permissions & (EventPermission.create.mask | EventPermission.send.mask)
        if signal != 0, !compartments[pair.source].isEmpty { signals[pair, default: 0] |= signal }
        if permissions & EventPermission.bind.mask != 0 { binds.insert(pair) }
    }

    /// Adds the flow of an event channel whose end has a type.
    private mutating func join(_ source: Int, _ target: Int, by end: Int) {
        guard source < compartments.count, target < compartments.count,
            signals[TypePair(source: source, target: end)]
                == EventPermission.create.mask | EventPermission.send.mask,
            binds.contains(TypePair(source: end, target: target))
        else { return }
        for one in compartments[source] {
            for other in compartments[target] where one != other { insert(one, other) }
        }
    }

    private mutating func insert(_ source: Int, _ target: Int) {
        rows[source * width + target / 32] |= 1 << UInt32(target % 32)
    }

    /// The permissions of one class that let information pass in one direction only.
    private struct Direction {
        /// The subject informs the object, and learns nothing.
        var forwardOnly: UInt32 = 0
        /// The subject learns from the object, and tells it nothing.
        var backwardOnly: UInt32 = 0
        /// Neither: the object learns at most that it was used, a residual channel.
        var neither: UInt32 = 0

        init(of objectClass: ObjectClass) {
            switch objectClass {
            case .event: forwardOnly = EventPermission.send.mask | EventPermission.create.mask
            case .grant:
                forwardOnly = GrantPermission.copy.mask
                backwardOnly = GrantPermission.mapRead.mask
                neither = GrantPermission.unmap.mask
            case .mmu: backwardOnly = MMUPermission.mapRead.mask | MMUPermission.stat.mask
            case .xenstore:
                backwardOnly =
                    XenstorePermission.read.mask | XenstorePermission.list.mask
                    | XenstorePermission.watch.mask
            case .argo: forwardOnly = ArgoPermission.send.mask
            default: break
            }
        }
    }
}

extension CompiledSystem {
    /// What the emitted policy permits, read again from its bytes; constraints are left out.
    ///
    /// - Throws: `.refusedByReader` if the policy cannot be read: a defect of the compiler.
    package func permittedFlows() throws(CompilationError) -> PermittedFlows {
        do throws(PolicyFileError) {
            return PermittedFlows(
                of: try PolicyFile(validating: policy),
                types: model.compartments.map { model.labels[$0.label].type })
        } catch {
            throw .refusedByReader("policy: \(error)")
        }
    }
}
