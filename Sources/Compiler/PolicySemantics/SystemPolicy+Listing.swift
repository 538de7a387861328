import PolicySyntax

extension SystemPolicy {
    /// The system as lines: one for each declaration, by its index, with names resolved to indices;
    /// what belongs to it is indented. A place stands after `@`.
    ///
    /// - Source: docs/commands.md, the stage `resolve`.
    public var listing: String {
        let target = further.targets.map {
            $0.target.rawValue + ($0.version.map { " \($0)" } ?? "")
        }.joined(separator: ", ")
        var lines = ["system \(name) version \(version) target \(target) \(at(source))"]
        lines += sensitivities.enumerated().map {
            "sensitivity \($0) \($1.name) \(at($1.source))"
        }
        lines += categories.enumerated().map { "category \($0) \($1.name) \(at($1.source))" }
        lines += further.integrities.enumerated().map {
            "integrity \($0) \($1.name) \(at($1.source))"
        }
        for (index, compartment) in compartments.enumerated() {
            let range = describe(compartment.range)
            lines.append(
                "compartment \(index) \(compartment.name) \(range) \(at(compartment.source))")
            lines += self.lines(of: compartment).map { "  \($0)" }
        }
        for (index, link) in links.enumerated() {
            lines.append("link \(index) \(link.name) \(kind(of: link)) \(at(link.source))")
            lines += link.edges.map { "  \($0.from) -> \($0.to)" }
        }
        lines += further.devices.enumerated().map { line(of: $1, $0) }
        for (index, exemption) in further.exemptions.enumerated() {
            let links = "\(exemption.from) -> \(exemption.to)"
            lines.append(
                "exemption \(index) of \(exemption.subject) links \(links) \(at(exemption.source))")
            lines.append("  reason \(exemption.reason)")
        }
        lines += further.conflicts.enumerated().map { index, conflict in
            let members = SystemPolicy.list(conflict.members.indices)
            return "conflict \(index) \(conflict.name) of \(members) \(at(conflict.source))"
        }
        lines += assertions.enumerated().map { line(of: $1, $0) }
        lines += further.powerAssertions.enumerated().map { index, claim in
            let holders = SystemPolicy.list(claim.holders.indices)
            return "power \(index) \(claim.power.rawValue) of \(holders) \(at(claim.source))"
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func at(_ span: SourceSpan) -> String { "@\(span.description)" }

    /// Indices with commas; `-` for none.
    private static func list(_ indices: some Sequence<Int>) -> String {
        let text = indices.map(String.init).joined(separator: ",")
        return text.isEmpty ? "-" : text
    }

    private func lines(of compartment: Compartment) -> [String] {
        let options = compartment.options
        var lines: [String] = []
        switch compartment.kernel {
        case .debian: lines.append("kernel debian")
        case .file(let name): lines.append("kernel file \(name)")
        }
        if let initrd = compartment.initrd { lines.append("initrd \(initrd)") }
        lines.append("command line \(compartment.commandLine)")
        lines.append("memory \(compartment.memoryInBytes) bytes")
        lines.append("vcpus \(compartment.vcpuCount)")
        if !further.integrities.isEmpty { lines.append("integrity \(options.integrity)") }
        if let service = options.service { lines.append("service \(service.rawValue)") }
        switch options.schedule?.value {
        case .fixed(let slot): lines.append("schedule fixed slot \(slot) us")
        case .fair(let weight, let cap):
            lines.append(
                "schedule fair weight \(weight)" + (cap.map { " cap \($0) percent" } ?? ""))
        case nil: break
        }
        let after = SystemPolicy.list(options.startsAfter.indices)
        lines.append(options.startsAutomatically ? "start auto after \(after)" : "start manual")
        if let limit = options.restartLimit { lines.append("restart \(limit.value) times") }
        if options.consoleNoneSource != nil { lines.append("console none") }
        lines += options.uses.map { "uses \($0.service.rawValue) of \($0.provider)" }
        lines += options.storeQuota.bounds.map { "quota store \($0.bound.value) \($0.text)" }
        lines += options.tpmCommands.map { "command \($0.value.name)" }
        lines += options.powers.map { "may \($0.power.rawValue)" }
        return lines
    }

    private func kind(of link: Link) -> String {
        switch link.kind {
        case .use(let service): return "use of \(service.rawValue)"
        case .subtree(let index):
            let subtree = further.subtrees[index]
            let quota =
                (subtree.quotaNodes.map { " quota \($0) nodes" } ?? "")
                + (subtree.quotaBytes.map { " quota \($0) bytes" } ?? "")
            return "store \(subtree.path) of \(subtree.owner)" + quota
                + SystemPolicy.rate(subtree.ratePerSecond)
        case .channel(let index):
            let channel = channels[index]
            return channel.kind.rawValue + (channel.pages > 0 ? " \(channel.pages) pages" : "")
                + SystemPolicy.rate(channel.ratePerSecond)
        }
    }

    private static func rate(_ rate: UInt64?) -> String {
        rate.map { " rate \($0) per second" } ?? ""
    }

    private func line(of device: Device, _ index: Int) -> String {
        var parts = ["device \(index) \(device.name) of \(device.owner)"]
        if let pci = device.pci { parts.append("pci \(pci)") }
        parts += device.interrupts.map { "irq \($0)" }
        parts += device.memory.map { "io memory \(SystemPolicy.hexadecimal($0))" }
        parts += device.ports.map { "io ports \(SystemPolicy.hexadecimal($0))" }
        if !device.needsIOMMU { parts.append("without iommu") }
        return parts.joined(separator: " ") + " " + at(device.source)
    }

    private static func hexadecimal(_ range: Device.Range) -> String {
        "0x\(String(range.first, radix: 16))-0x\(String(range.last, radix: 16))"
    }

    private func line(of assertion: Assertion, _ index: Int) -> String {
        let from = SystemPolicy.list(assertion.from.compartments.indices)
        let to = SystemPolicy.list(assertion.to.compartments.indices)
        let claim: String
        switch assertion.claim {
        case .never(let via):
            claim = "never" + (via.isEmpty ? "" : " except via \(SystemPolicy.list(via.indices))")
        case .everyPath(let passes):
            claim = "every path passes \(SystemPolicy.list(passes.indices))"
        case .control(let through):
            claim = "control only through links \(SystemPolicy.list(through))"
        }
        return "assertion \(index) \(claim): \(from) -> \(to) \(at(assertion.source))"
    }
}
