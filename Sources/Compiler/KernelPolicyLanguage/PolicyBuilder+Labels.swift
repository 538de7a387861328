import PolicyDatabaseModel

extension PolicyBuilder {
    mutating func addLabels() {
        attempt { (builder) throws(SourceFailure) in try builder.addInitialIdentifiers() }
        switch options.format.target {
        case .xen:
            attempt { (builder) throws(SourceFailure) in try builder.addXenLabels() }
        case .linux:
            attempt { (builder) throws(SourceFailure) in try builder.addFileSystems() }
            attempt { (builder) throws(SourceFailure) in try builder.addNetworks() }
            attempt { (builder) throws(SourceFailure) in try builder.addInfiniband() }
        }
        attempt { (builder) throws(SourceFailure) in try builder.checkTarget() }
        for text in source.checkedContexts {
            attempt { (builder) throws(SourceFailure) in _ = try builder.context(text) }
        }
        for text in source.checkedRanges {
            attempt { (builder) throws(SourceFailure) in _ = try builder.range(text) }
        }
    }

    /// Labels of the other target are refused, as they would be lost.
    private func checkTarget() throws(SourceFailure) {
        let labels = source.labels
        var others: [ContextText?]
        switch options.format.target {
        case .linux:
            others = [labels.interrupts.first?.context, labels.ports.first?.context]
            others += [labels.frames.first?.context, labels.pciDevices.first?.context]
            others += [labels.deviceTreePaths.first?.context]
        case .xen:
            others = [labels.fileSystems.first?.context, labels.fileSystemUses.first?.context]
            others += [labels.genericFileSystems.first?.context]
            others += [labels.networkPorts.first?.context]
            others += [labels.networkInterfaces.first?.context, labels.nodes.first?.context]
            others += [labels.wideNodes.first?.context, labels.infinibandKeys.first?.context]
            others += [labels.infinibandPorts.first?.context]
        }
        guard let first = others.compactMap(\.self).first else { return }
        throw SourceFailure(
            .wrongTarget, "the target `\(options.format.target)` has no such labels",
            at: first.offset)
    }

    // MARK: Contexts

    /// Returns a label whose user, role, type and range go together.
    ///
    /// - Throws: `.undeclared`, `.badContext`, `.badLevel`, `.levelsOff`.
    private func context(_ text: ContextText) throws(SourceFailure) -> PolicyFile.ContextRecord {
        let name = self.text(text.user)
        guard let user = file.users.symbols.first(where: { $0.name == name }) else {
            throw undeclared("user", text.user, text.offset)
        }
        guard let role = source.roles[text.role] else {
            throw undeclared("role", text.role, text.offset)
        }
        var record = PolicyFile.ContextRecord()
        record.user = user.number
        record.role = role
        record.type = UInt32(try type(text.type, text.offset))
        guard options.isMultilevel == (text.range != nil) else {
            throw SourceFailure(
                .levelsOff,
                options.isMultilevel ? "the label has no level" : "levels are off in this policy",
                at: text.offset)
        }
        if let range = text.range { record.range = try self.range(range) }
        // Objects have the first role, which goes with every user, type and level.
        guard role != 1 else { return record }
        guard user.roles.contains(role - 1),
            file.roles.symbols[Int(role) - 1].types.contains(record.type - 1)
        else {
            throw SourceFailure(
                .badContext, "the label's user, role and type do not go together",
                at: text.offset)
        }
        let high = record.range.high ?? record.range.low
        guard
            !options.isMultilevel
                || record.range.low.dominates(user.range.low)
                    && (user.range.high ?? user.range.low).dominates(high)
        else {
            throw SourceFailure(
                .badContext, "the label's range is not within that of its user",
                at: text.offset)
        }
        return record
    }

    private mutating func addInitialIdentifiers() throws(SourceFailure) {
        var isLabelled = Array(
            repeating: false, count: source.initialIdentifiers.names.count)
        for (name, text) in source.labels.initialIdentifiers {
            guard let number = source.initialIdentifiers[name] else {
                throw undeclared("initial identifier", name, text.offset)
            }
            guard !isLabelled[Int(number) - 1] else {
                throw SourceFailure(
                    .badRange, "`\(self.text(name))` has a label already", at: text.offset)
            }
            isLabelled[Int(number) - 1] = true
            file.objectContexts.initialIdentifiers.append(try numbered(number, text))
        }
        if let place = isLabelled.firstIndex(of: false) {
            let name = self.text(source.initialIdentifiers.names[place])
            warnings.append("the initial identifier `\(name)` has no label")
        }
    }

    private func numbered(
        _ number: UInt32, _ text: ContextText
    ) throws(SourceFailure) -> PolicyFile.NumberedContext {
        var record = PolicyFile.NumberedContext()
        record.number = number
        record.context = try context(text)
        return record
    }

    // MARK: Xen

    private mutating func addXenLabels() throws(SourceFailure) {
        let labels = source.labels
        for (number, text) in labels.interrupts {
            file.objectContexts.interrupts.append(try numbered(number, text))
        }
        for (number, text) in labels.pciDevices {
            file.objectContexts.pciDevices.append(try numbered(number, text))
        }
        for (first, last, text) in labels.ports {
            var record = PolicyFile.PortRangeContext()
            (record.first, record.last, record.context) = (first, last, try context(text))
            guard
                !file.objectContexts.ports.contains(where: {
                    $0.first <= last && first <= $0.last
                })
            else { throw overlap(text) }
            file.objectContexts.ports.append(record)
        }
        for (first, last, text) in labels.frames {
            var record = PolicyFile.FrameRangeContext()
            (record.first, record.last, record.context) = (first, last, try context(text))
            guard options.format.version >= 30 || last <= 0xffff_ffff else {
                leaveOut("frames of I/O memory above 32 bits")
                continue
            }
            guard
                !file.objectContexts.frames.contains(where: {
                    $0.first <= last && first <= $0.last
                })
            else { throw overlap(text) }
            file.objectContexts.frames.append(record)
        }
        for (path, text) in labels.deviceTreePaths {
            guard options.format.version >= 30 else {
                leaveOut("paths in the device tree")
                continue
            }
            var record = PolicyFile.NamedContext()
            (record.name, record.context) = (path, try context(text))
            file.objectContexts.deviceTreePaths.append(record)
        }
    }

    private func overlap(_ text: ContextText) -> SourceFailure {
        SourceFailure(.badRange, "another statement labels a part of this range", at: text.offset)
    }

    // MARK: Linux

    private mutating func addFileSystems() throws(SourceFailure) {
        for (name, text, content) in source.labels.fileSystems {
            var record = PolicyFile.NamedContextPair()
            record.name = name
            (record.context, record.contentContext) = (try context(text), try context(content))
            file.objectContexts.fileSystems.append(record)
        }
        for (behavior, name, text) in source.labels.fileSystemUses {
            var record = PolicyFile.FileSystemUseRecord()
            record.behavior = behavior
            record.name = name
            record.context = try context(text)
            guard !file.objectContexts.fileSystemUses.contains(where: { $0.name == name }) else {
                throw SourceFailure(
                    .badRange, "another statement labels `\(name)`", at: text.offset)
            }
            file.objectContexts.fileSystemUses.append(record)
        }
        var paths: [String: [PolicyFile.GenericPathRecord]] = [:]
        for statement in source.labels.genericFileSystems {
            var record = PolicyFile.GenericPathRecord()
            record.path = statement.path
            if let name = statement.objectClass {
                guard let found = file.classes.symbols.first(where: { $0.name == name }) else {
                    throw SourceFailure(
                        .undeclared, "no class `\(name)` is declared",
                        at: statement.context.offset)
                }
                record.objectClass = found.number
            }
            record.context = try context(statement.context)
            let known = paths[statement.fileSystem, default: []]
            guard
                !known.contains(where: {
                    $0.path == record.path
                        && ($0.objectClass == record.objectClass || $0.objectClass == 0
                            || record.objectClass == 0)
                })
            else {
                throw SourceFailure(
                    .badRange, "another statement labels `\(statement.path)`",
                    at: statement.context.offset)
            }
            paths[statement.fileSystem] = known + [record]
        }
        for (name, records) in paths.sorted(by: { $0.key < $1.key }) {
            var fileSystem = PolicyFile.GenericFileSystemRecord()
            fileSystem.name = name
            fileSystem.paths = records.enumerated().sorted {
                ($1.element.path.utf8.count, $0.offset) < ($0.element.path.utf8.count, $1.offset)
            }.map(\.element)
            file.genericFileSystems.append(fileSystem)
        }
    }

    private mutating func addNetworks() throws(SourceFailure) {
        for port in source.labels.networkPorts {
            var record = PolicyFile.NetworkPortContext()
            record.networkProtocol = port.networkProtocol
            (record.first, record.last) = (port.first, port.last)
            record.context = try context(port.context)
            file.objectContexts.networkPorts.append(record)
        }
        for (name, text, content) in source.labels.networkInterfaces {
            var record = PolicyFile.NamedContextPair()
            record.name = name
            (record.context, record.contentContext) = (try context(text), try context(content))
            file.objectContexts.networkInterfaces.append(record)
        }
        for (address, mask, text) in source.labels.nodes {
            var record = PolicyFile.NodeContext()
            (record.address, record.mask) = (address, mask)
            record.context = try context(text)
            file.objectContexts.nodes.append(record)
        }
        for (address, mask, text) in source.labels.wideNodes {
            var record = PolicyFile.WideNodeContext()
            (record.address, record.mask) = (address, mask)
            record.context = try context(text)
            file.objectContexts.wideNodes.append(record)
        }
    }

    private mutating func addInfiniband() throws(SourceFailure) {
        let labels = source.labels
        guard options.format.version >= 31 else {
            if !labels.infinibandKeys.isEmpty || !labels.infinibandPorts.isEmpty {
                leaveOut("labels of InfiniBand")
            }
            return
        }
        for (prefix, first, last, text) in labels.infinibandKeys {
            var record = PolicyFile.InfinibandKeyContext()
            (record.prefixHigh, record.prefixLow) = (prefix.first, prefix.second)
            (record.first, record.last) = (first, last)
            record.context = try context(text)
            file.objectContexts.infinibandKeys.append(record)
        }
        for (device, port, text) in labels.infinibandPorts {
            var record = PolicyFile.InfinibandPortContext()
            (record.device, record.port) = (device, port)
            record.context = try context(text)
            file.objectContexts.infinibandPorts.append(record)
        }
    }
}
