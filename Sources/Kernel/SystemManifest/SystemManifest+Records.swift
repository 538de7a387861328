import SecurityLattice

extension SystemManifest {
    /// The number of sources, 1 to 64.
    public var sourceCount: Int { sections[.sources].count }
    /// The number of labels, 1 to 16,384.
    public var labelCount: Int { sections[.labels].count }
    /// The number of modules, 1 to 1,024.
    public var moduleCount: Int { sections[.modules].count }
    /// The number of compartments, 1 to 512.
    public var compartmentCount: Int { sections[.compartments].count }
    /// The number of channels, 0 to 4,096.
    public var channelCount: Int { sections[.channels].count }

    /// Returns a source.
    ///
    /// - Precondition: `index` is below `sourceCount`.
    @_lifetime(copy self)
    public func source(at index: Int) -> SourceRecord {
        SourceRecord(self, at: offset(of: index, in: sections[.sources]))
    }

    /// Returns a label.
    ///
    /// - Precondition: `index` is below `labelCount`.
    public func label(at index: Int) -> LabelRecord {
        guard let label = readLabel(at: index) else {
            preconditionFailure("a validated label is invalid")
        }
        return label
    }

    /// Returns a module.
    ///
    /// - Precondition: `index` is below `moduleCount`.
    @_lifetime(copy self)
    @inline(never)
    public func module(at index: Int) -> ModuleRecord {
        ModuleRecord(self, at: offset(of: index, in: sections[.modules]))
    }

    /// Returns the 88 bytes of a label's record, which a compartment's measurement repeats.
    ///
    /// - Precondition: `index` is below `labelCount`.
    @_lifetime(copy self)
    public func labelBytes(at index: Int) -> Span<UInt8> {
        let offset = offset(of: index, in: sections[.labels])
        return bytes.extracting(offset..<offset + sections[.labels].recordSize)
    }

    /// Returns a compartment.
    ///
    /// - Precondition: `index` is below `compartmentCount`.
    @_lifetime(copy self)
    @inline(never)
    public func compartment(at index: Int) -> CompartmentRecord {
        CompartmentRecord(self, at: offset(of: index, in: sections[.compartments]))
    }

    /// Returns a channel.
    ///
    /// - Precondition: `index` is below `channelCount`.
    @_lifetime(copy self)
    @inline(never)
    public func channel(at index: Int) -> ChannelRecord {
        ChannelRecord(self, at: offset(of: index, in: sections[.channels]))
    }

    // MARK: Reading, also before everything is validated

    @inline(never)
    func offset(of index: Int, in section: Section) -> Int {
        precondition(index >= 0 && index < section.count, "a record index is out of range")
        return section.offset + index * section.recordSize
    }

    /// Returns the string that the reference at `offset` names, having been validated.
    @_lifetime(copy self)
    @inline(never)
    func string(at offset: Int) -> Span<UInt8> {
        let start = sections[.strings].offset + Int(bytes.littleEndian32(at: offset))
        return bytes.extracting(start..<start + Int(bytes.littleEndian32(at: offset + 4)))
    }

    /// Returns the label at `index`; nil when it breaks a rule of labels.
    func readLabel(at index: Int) -> LabelRecord? {
        let offset = offset(of: index, in: sections[.labels])
        guard
            let low = level(sensitivityAt: offset + 12, categoriesAt: offset + 24),
            let high = level(sensitivityAt: offset + 16, categoriesAt: offset + 56),
            let range = SecurityRange(low: low, high: high)
        else { return nil }
        let (user, role) = (bytes.littleEndian32(at: offset), bytes.littleEndian32(at: offset + 4))
        let type = bytes.littleEndian32(at: offset + 8)
        guard user > 0, role > 0, type > 0 else { return nil }
        return LabelRecord(user: user, role: role, type: type, range: range)
    }

    @inline(never) private func level(sensitivityAt: Int, categoriesAt: Int) -> SecurityLevel? {
        guard
            let sensitivity = Sensitivity(databaseValue: bytes.littleEndian32(at: sensitivityAt))
        else { return nil }
        return SecurityLevel(
            sensitivity,
            CategorySet(
                words: bytes.littleEndian64(at: categoriesAt),
                bytes.littleEndian64(at: categoriesAt + 8),
                bytes.littleEndian64(at: categoriesAt + 16),
                bytes.littleEndian64(at: categoriesAt + 24)))
    }
}
