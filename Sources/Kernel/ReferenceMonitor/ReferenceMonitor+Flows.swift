import PolicyDatabase

extension ReferenceMonitor {
    /// Writes, for each compartment, the compartments that the decisions let it send to, as bits.
    ///
    /// A flow from A to B is observed when A may create and send on its event channel's end towards
    /// B and that end may be bound to B; when A may write to B's pages or transfer them; when B may
    /// read A's; when A may change nodes of a label of the store and B may observe them. Any other
    /// permission of one compartment on another counts both ways: it is control over it, and
    /// control is seen. So does a device that both may use. A compartment's own bit is never set.
    ///
    /// - Parameter flows: overwritten; for each compartment a row of as many 32-bit words as hold a
    ///   bit for each compartment.
    /// - Precondition: `flows` has `compartmentCount` rows.
    /// - Complexity: compartments squared, and labels of nodes times compartments, times the
    ///   permissions.
    /// - Source: which way information goes, Xen `xsm/flask/hooks.c`.
    public func observeFlows(into flows: inout MutableSpan<UInt32>) {
        let width = (compartmentCount + 31) / 32
        precondition(
            flows.count == compartmentCount * width, "there is not one row for each compartment")
        for word in 0..<flows.count { flows[word] = 0 }
        for source in 0..<compartmentCount {
            for target in 0..<compartmentCount where source != target {
                let flow = observeFlow(from: source, to: target)
                if flow.forward { observe(source, target, &flows) }
                if flow.backward { observe(target, source, &flows) }
            }
        }
        let size = labels.size
        for label in size.firstSubtree..<size.firstDeviceRange {
            observeNodes(id(label), &flows)
        }
        for label in size.firstDeviceRange..<size.denied { observeDevice(id(label), &flows) }
    }

    private func observe(_ source: Int, _ target: Int, _ flows: inout MutableSpan<UInt32>) {
        guard source != target else { return }
        let width = (compartmentCount + 31) / 32
        flows[source * width + target >> 5] |= 1 << UInt32(target & 31)
    }

    /// Returns which ways information can go by what compartment `source` may do to `target`.
    private func observeFlow(
        from source: Int, to target: Int
    ) -> (forward: Bool, backward: Bool) {
        let subject = label(ofCompartment: source)
        let object = label(ofCompartment: target)
        let end = eventLabel(source: subject, target: object)
        let forwardEvent =
            decide(source: subject, target: end, permission: EventPermission.create) == .allowed
            && decide(source: subject, target: end, permission: EventPermission.send) == .allowed
            && decide(source: end, target: object, permission: EventPermission.bind) == .allowed
        var (forward, backward) = (forwardEvent, false)
        for number in 1...ObjectClass.count {
            guard let objectClass = ObjectClass(number: number) else { continue }
            let direction = Direction(of: objectClass)
            let vector =
                accessVector(source: subject, target: object, class: objectClass).bits
                & ~direction.neither
            if vector & ~direction.backwardOnly != 0 { forward = true }
            if vector & ~direction.forwardOnly != 0 { backward = true }
        }
        return (forward, backward)
    }

    /// From each compartment that may change nodes of a label to each that may observe them.
    private func observeNodes(_ node: SecurityID, _ flows: inout MutableSpan<UInt32>) {
        let reading = Direction(of: .xenstore).backwardOnly
        for source in 0..<compartmentCount {
            let writer = label(ofCompartment: source)
            let vector = accessVector(source: writer, target: node, class: .xenstore).bits
            guard vector & ~reading != 0 else { continue }
            for target in 0..<compartmentCount where target != source {
                let reader = label(ofCompartment: target)
                let seen = accessVector(source: reader, target: node, class: .xenstore).bits
                if seen & reading != 0 { observe(source, target, &flows) }
            }
        }
    }

    /// Between any two compartments that may do something with a device.
    private func observeDevice(_ device: SecurityID, _ flows: inout MutableSpan<UInt32>) {
        for source in 0..<compartmentCount where mayUse(source, device) {
            for target in 0..<compartmentCount where mayUse(target, device) {
                observe(source, target, &flows)
            }
        }
    }

    private func mayUse(_ compartment: Int, _ device: SecurityID) -> Bool {
        let user = label(ofCompartment: compartment)
        return accessVector(source: user, target: device, class: .resource).bits != 0
    }
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
        case .event:
            // On a compartment's own label, without an end of a channel, only signals count.
            forwardOnly = EventPermission.send.mask | EventPermission.create.mask
        case .grant:
            forwardOnly = GrantPermission.copy.mask
            backwardOnly = GrantPermission.mapRead.mask
            neither = GrantPermission.unmap.mask
        case .mmu:
            backwardOnly = MMUPermission.mapRead.mask | MMUPermission.stat.mask
        case .xenstore:
            backwardOnly =
                XenstorePermission.read.mask | XenstorePermission.list.mask
                | XenstorePermission.watch.mask
        case .argo:
            forwardOnly = ArgoPermission.send.mask
        default: break
        }
    }
}
