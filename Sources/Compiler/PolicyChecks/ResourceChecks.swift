import PolicySemantics
public import PolicySyntax

extension DiagnosticCode {
    /// `POL-LIV-001`
    public static let unrealisable = DiagnosticCode(
        "POL-LIV-001", "Who shares something in the store uses the service `store`.")
    /// `POL-LIV-002`
    public static let startCycle = DiagnosticCode(
        "POL-LIV-002",
        "A compartment starts after others that start by themselves, and never after itself.")
    /// `POL-LIV-003`
    public static let mixedSchedules = DiagnosticCode(
        "POL-LIV-003", "When one compartment has a fixed schedule, all have.")
    /// `POL-DEV-001`
    public static let deviceShared = DiagnosticCode(
        "POL-DEV-001", "No two devices claim the same address, port, interrupt or PCI function.")
    /// `POL-DEV-002`
    public static let deviceEmpty = DiagnosticCode(
        "POL-DEV-002", "A device is a PCI function, or has interrupts, memory or ports.")
}

/// Finds the links through the store whose ends do not use it, and the quotas of who does not: they
/// are UNREALISABLE.
func unrealisableLinks(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    unrealisableQuotas(of: policy)
        + policy.links.compactMap { link in
            let ends: CompartmentSet
            switch link.kind {
            case .channel(let index):
                let channel = policy.channels[index]
                guard channel.kind == .store else { return nil }
                ends = CompartmentSet([channel.from, channel.to])
            case .subtree(let index):
                let subtree = policy.further.subtrees[index]
                ends = subtree.readers.union(subtree.writers)
            case .use(.tpm):
                // The user's driver and the service find one another there.
                ends = CompartmentSet(link.edges.flatMap { [$0.from, $0.to] })
            case .use: return nil
            }
            let outside = ends.indices.filter { index in
                guard policy.compartments.indices.contains(index) else { return false }
                let compartment = policy.compartments[index]
                return compartment.options.service != .store
                    && !compartment.uses.contains { $0.service == .store }
            }
            guard !outside.isEmpty else { return nil }
            let names = outside.map { "`\(policy.compartments[$0].name)`" }
            let verb = names.count == 1 ? "does" : "do"
            return Diagnostic(
                .unrealisable, at: link.source,
                "UNREALISABLE: \(link.description) needs the store, which "
                    + "\(names.joined(separator: ", ")) \(verb) not use",
                help: "write `uses store` in the compartment, and declare `service store`")
        }
}

private func unrealisableQuotas(of policy: SystemPolicy) -> [Diagnostic] {
    policy.compartments.compactMap { compartment in
        guard let first = compartment.options.storeQuota.bounds.first?.bound,
            !compartment.uses.contains(where: { $0.service == .store })
        else { return nil }
        return Diagnostic(
            .unrealisable, at: first.span,
            "UNREALISABLE: `\(compartment.name)` has a quota of the store, which it does not use",
            help: "write `uses store` in the compartment, and declare `service store`")
    }
}

/// Finds the compartments that would have to start before themselves, or after one that nobody
/// starts.
func startCycles(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    var before = policy.compartments.map(\.options.startsAfter)
    // Warshall's closure: after round *n* whatever leads on through compartments up to *n* is in.
    for middle in before.indices {
        for index in before.indices where before[index].contains(middle) {
            before[index].formUnion(before[middle])
        }
    }
    return policy.compartments.enumerated().compactMap { index, compartment in
        let place = compartment.options.startSource ?? compartment.source
        if before[index].contains(index) {
            return Diagnostic(
                .startCycle, at: place, "`\(compartment.name)` would start after itself")
        }
        let never = compartment.options.startsAfter.indices.first {
            $0 < before.count && !policy.compartments[$0].options.startsAutomatically
        }
        guard let never, compartment.options.startsAutomatically else { return nil }
        let name = policy.compartments[never].name
        return Diagnostic(
            .startCycle, at: place,
            "`\(compartment.name)` waits for `\(name)`, which does not start by itself")
    }
}

/// Finds the compartments without a fixed schedule in a system where others have one.
func mixedSchedules(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    let fixed = policy.compartments.first { $0.hasFixedSchedule }
    guard let fixed else { return [] }
    return policy.compartments.filter { !$0.hasFixedSchedule }.map { compartment in
        Diagnostic(
            .mixedSchedules, at: compartment.options.schedule?.span ?? compartment.source,
            "`\(compartment.name)` has no slot in the frame",
            help: "write `schedule fixed slot NUMBER ms`",
            notes: [
                .init(
                    "`\(fixed.name)` has one", at: fixed.options.schedule?.span ?? fixed.source)
            ])
    }
}

extension SystemPolicy.Compartment {
    /// Whether the compartment runs at fixed times.
    var hasFixedSchedule: Bool {
        if case .fixed = options.schedule?.value { return true }
        return false
    }
}

/// Finds the devices that claim what an earlier one has.
func sharedDevices(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    let devices = policy.further.devices
    return devices.indices.compactMap { index in
        let device = devices[index]
        guard let earlier = devices[..<index].first(where: { $0.claimsPart(of: device) }) else {
            return nil
        }
        return Diagnostic(
            .deviceShared, at: device.source,
            "the device `\(device.name)` claims what `\(earlier.name)` has",
            notes: [.init("`\(earlier.name)` is declared here", at: earlier.source)])
    }
}

extension SystemPolicy.Device {
    fileprivate func claimsPart(of other: SystemPolicy.Device) -> Bool {
        (pci != nil && pci == other.pci)
            || interrupts.contains { other.interrupts.contains($0) }
            || memory.contains { range in other.memory.contains { $0.overlaps(range) } }
            || ports.contains { range in other.ports.contains { $0.overlaps(range) } }
    }
}

/// Finds the devices that are nothing.
func emptyDevices(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    policy.further.devices.compactMap { device in
        guard device.pci == nil, device.interrupts.isEmpty, device.memory.isEmpty,
            device.ports.isEmpty
        else { return nil }
        return Diagnostic(
            .deviceEmpty, at: device.source, "the device `\(device.name)` is nothing",
            help: "write `pci`, `irq`, `io memory` or `io ports`")
    }
}
