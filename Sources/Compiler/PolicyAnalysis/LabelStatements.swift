package import PolicyDatabaseModel

extension IndexedPolicy {
    /// The labelling statements of a component: what each is for, and its text.
    func labelStatements(_ component: PolicyComponent) -> [(name: String, text: String)] {
        let tables = file.objectContexts
        switch component {
        case .initialsids:
            return tables.initialIdentifiers.map { record in
                let name = InitialIdentifier.name(
                    record.number, file.format.target, count: tables.initialIdentifiers.count)
                return (name, "sid \(name) \(text(record.context))")
            }
        case .fsuses:
            return tables.fileSystemUses.map { record in
                let word = Self.fileSystemUse(record.behavior)
                return (record.name, "\(word) \(record.name) \(text(record.context));")
            }
        case .genfscons:
            return file.genericFileSystems.flatMap { system in
                system.paths.map { path in (system.name, statement(path, of: system.name)) }
            }
        case .pirqcons, .ioportcons, .iomemcons, .pcidevicecons, .devicetreecons:
            return deviceStatements(component)
        default: return networkStatements(component)
        }
    }

    static func fileSystemUse(_ behavior: UInt32) -> String {
        switch behavior {
        case 1: "fs_use_xattr"
        case 2: "fs_use_trans"
        default: "fs_use_task"
        }
    }

    private func statement(_ path: PolicyFile.GenericPathRecord, of system: String) -> String {
        let words = [
            "file": "--", "dir": "-d", "chr_file": "-c", "blk_file": "-b", "sock_file": "-s",
            "fifo_file": "-p", "lnk_file": "-l",
        ]
        let kind = path.objectClass == 0 ? nil : words[classes[Int(path.objectClass) - 1].name]
        let middle = kind.map { " " + $0 } ?? ""
        return "genfscon \(system) \(path.path)\(middle) \(text(path.context))"
    }

    private func deviceStatements(_ component: PolicyComponent) -> [(name: String, text: String)] {
        let tables = file.objectContexts
        func digits(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
        func span(_ first: UInt64, _ last: UInt64) -> String {
            first == last ? digits(first) : "\(digits(first))-\(digits(last))"
        }
        switch component {
        case .pirqcons:
            return tables.interrupts.map {
                (String($0.number), "pirqcon \($0.number) \(text($0.context))")
            }
        case .ioportcons:
            return tables.ports.map {
                let ports = span(UInt64($0.first), UInt64($0.last))
                return (ports, "ioportcon \(ports) \(text($0.context))")
            }
        case .iomemcons:
            return tables.frames.map {
                let frames = span($0.first, $0.last)
                return (frames, "iomemcon \(frames) \(text($0.context))")
            }
        case .pcidevicecons:
            return tables.pciDevices.map {
                let device = digits(UInt64($0.number))
                return (device, "pcidevicecon \(device) \(text($0.context))")
            }
        default:
            return tables.deviceTreePaths.map {
                ($0.name, "devicetreecon \"\($0.name)\" \(text($0.context))")
            }
        }
    }

    private func networkStatements(_ component: PolicyComponent) -> [(name: String, text: String)] {
        let tables = file.objectContexts
        func span(_ first: UInt32, _ last: UInt32) -> String {
            first == last ? "\(first)" : "\(first)-\(last)"
        }
        switch component {
        case .portcons:
            return tables.networkPorts.map { record in
                let protocols: [UInt32: String] = [6: "tcp", 17: "udp", 33: "dccp", 132: "sctp"]
                let name = protocols[record.networkProtocol] ?? "#\(record.networkProtocol)"
                let ports = span(record.first, record.last)
                return (ports, "portcon \(name) \(ports) \(text(record.context))")
            }
        case .netifcons:
            return tables.networkInterfaces.map {
                let labels = "\(text($0.context)) \(text($0.contentContext))"
                return ($0.name, "netifcon \($0.name) \(labels)")
            }
        case .nodecons:
            let narrow = tables.nodes.map { record in
                let address = Self.address(record.address)
                let mask = Self.address(record.mask)
                return (address, "nodecon \(address) \(mask) \(text(record.context))")
            }
            return narrow
                + tables.wideNodes.map { record in
                    let address = Self.address(record.address)
                    let mask = Self.address(record.mask)
                    return (address, "nodecon \(address) \(mask) \(text(record.context))")
                }
        default: return infinibandStatements(component)
        }
    }

    private func infinibandStatements(
        _ component: PolicyComponent
    ) -> [(name: String, text: String)] {
        let tables = file.objectContexts
        switch component {
        case .ibpkeycons:
            return tables.infinibandKeys.map { record in
                var prefix = PolicyFile.WideAddress()
                prefix.first = record.prefixHigh
                prefix.second = record.prefixLow
                func digits(_ number: UInt32) -> String { "0x" + String(number, radix: 16) }
                let keys =
                    record.first == record.last
                    ? digits(record.first) : "\(digits(record.first))-\(digits(record.last))"
                return (keys, "ibpkeycon \(Self.address(prefix)) \(keys) \(text(record.context))")
            }
        case .ibendportcons:
            return tables.infinibandPorts.map {
                ($0.device, "ibendportcon \($0.device) \($0.port) \(text($0.context))")
            }
        default: return []
        }
    }

    /// An IPv4 address.
    static func address(_ word: UInt32) -> String {
        [24, 16, 8, 0].map { String(word >> UInt32($0) & 0xff) }.joined(separator: ".")
    }

    /// An IPv6 address, the longest run of zeros left out.
    ///
    /// - Source: RFC 5952, section 4.
    static func address(_ address: PolicyFile.WideAddress) -> String {
        let groups = [address.first, address.second, address.third, address.fourth]
            .flatMap { [$0 >> 16, $0 & 0xffff] }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > best.count, end - start > 1 { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ part: ArraySlice<UInt32>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !best.isEmpty else { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}

/// The names of initial identifiers, which a binary policy does not have.
package enum InitialIdentifier {
    /// Linux's names, from number 1.
    ///
    /// - Source: Linux `initial_sid_to_string.h`, as libsepol 3.4 has it.
    static let linux = [
        "kernel", "security", "unlabeled", "fs", "file", "file_labels", "init", "any_socket",
        "port", "netif", "netmsg", "node", "igmp_packet", "icmp_socket", "tcp_socket",
        "sysctl_modprobe", "sysctl", "sysctl_fs", "sysctl_kernel", "sysctl_net",
        "sysctl_net_unix", "sysctl_vm", "sysctl_dev", "kmod", "policy", "scmp_packet", "devnull",
    ]
    /// Xen's names, from number 1; before 4.17 the first was not there.
    ///
    /// - Source: Xen 4.14 to 4.22 `xsm/flask/policy/initial_sids`.
    static let xen = [
        "xenboot", "xen", "dom0", "domio", "domxen", "unlabeled", "security", "ioport", "iomem",
        "irq", "device", "domU", "domDM",
    ]

    /// The names for a policy with so many initial identifiers.
    static func names(_ target: PolicyFormat.Target, count: Int) -> [String] {
        switch target {
        case .linux: linux
        case .xen: count == xen.count - 1 ? Array(xen.dropFirst()) : xen
        }
    }

    /// The name of a number; `#` and the number for one without a name.
    package static func name(
        _ number: UInt32, _ target: PolicyFormat.Target, count: Int
    ) -> String {
        let names = names(target, count: count)
        guard number > 0, number <= UInt32(names.count) else { return "#\(number)" }
        return names[Int(number) - 1]
    }
}
