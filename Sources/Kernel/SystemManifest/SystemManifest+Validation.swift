import Digests

/// The longest name of a compartment or channel, in bytes.
public let maximumNameLength = 63
/// The longest name of a source or module, in bytes.
public let maximumFileNameLength = 255
/// The longest kernel command line, in bytes: Linux keeps 2,048 with the final NUL.
public let maximumCommandLineLength = 2047

extension SystemManifest {
    func validateStrings() throws(SystemManifestError) {
        let text = bytes.extracting(sections[.strings].offset..<sections[.strings].end)
        guard isText(text) else { throw .badText }
    }

    func validateSources() throws(SystemManifestError) {
        for index in 0..<sourceCount {
            let offset = offset(of: index, in: sections[.sources])
            try validateString(at: offset, lengths: 1...maximumFileNameLength)
        }
    }

    func validateLabels() throws(SystemManifestError) {
        for index in 0..<labelCount {
            let offset = offset(of: index, in: sections[.labels])
            guard bytes.littleEndian32(at: offset + 20) == 0 else { throw .reservedNotZero }
            guard readLabel(at: index) != nil else { throw .badLabel }
        }
    }

    func validateModules() throws(SystemManifestError) {
        for index in 0..<moduleCount {
            let offset = offset(of: index, in: sections[.modules])
            try validateString(at: offset, lengths: 1...maximumFileNameLength)
            guard ModuleKind(rawValue: bytes.littleEndian32(at: offset + 64)) != nil,
                bytes.littleEndian64(at: offset + 8) > 0
            else { throw .badModule }
            guard bytes.littleEndian32(at: offset + 68) == 0 else { throw .reservedNotZero }
            let digest = digest(at: offset + 16)
            for earlier in 0..<index
            where self.digest(at: self.offset(of: earlier, in: sections[.modules]) + 16) == digest {
                throw .duplicateModule
            }
        }
    }

    func validateCompartments() throws(SystemManifestError) {
        for index in 0..<compartmentCount {
            let offset = offset(of: index, in: sections[.compartments])
            try validateName(at: offset, index: index, in: sections[.compartments])
            try validateString(at: offset + 8, lengths: 0...maximumCommandLineLength)
            guard bytes.littleEndian32(at: offset + 16) == UInt32(index) + 1 else {
                throw .badDomainID
            }
            try validateCompartmentIndices(at: offset)
            try validateResources(at: offset)
            try validateServices(at: offset)
            guard bytes.schedule(at: offset + 72) != nil else { throw .badSchedule }
            guard bytes.littleEndian32(at: offset + 100) == 0 else { throw .reservedNotZero }
            try validateSourceReference(at: offset + 48)
        }
        try validateProviders()
    }

    /// Checks flags, service, used services and powers of one compartment.
    private func validateServices(at offset: Int) throws(SystemManifestError) {
        let service = bytes.littleEndian32(at: offset + 60)
        let used = bytes.littleEndian32(at: offset + 64)
        guard bytes.littleEndian32(at: offset + 44) & ~CompartmentFlag.all == 0,
            service == 0 || ServiceKind(rawValue: service) != nil,
            used & ~ServiceKind.allBits == 0,
            bytes.littleEndian32(at: offset + 68) & ~CompartmentPower.all == 0
        else { throw .badService }
    }

    /// Checks that each service that is used is provided, by one compartment, and not by its user.
    private func validateProviders() throws(SystemManifestError) {
        var provided: UInt32 = 0
        var used: UInt32 = 0
        for index in 0..<compartmentCount {
            let offset = offset(of: index, in: sections[.compartments])
            let bit = ServiceKind(rawValue: bytes.littleEndian32(at: offset + 60))?.bit ?? 0
            let uses = bytes.littleEndian32(at: offset + 64)
            guard provided & bit == 0, uses & bit == 0 else { throw .badService }
            provided |= bit
            used |= uses
        }
        guard used & ~provided == 0 else { throw .badService }
    }

    private func validateCompartmentIndices(at offset: Int) throws(SystemManifestError) {
        guard bytes.littleEndian32(at: offset + 20) < UInt32(labelCount),
            moduleKind(bytes.littleEndian32(at: offset + 24)) == .kernel
        else { throw .badIndex }
        let initrd = bytes.littleEndian32(at: offset + 28)
        guard Int(initrd) == noModule || moduleKind(initrd) == .initrd else { throw .badIndex }
    }

    private func validateResources(at offset: Int) throws(SystemManifestError) {
        let memory = bytes.littleEndian64(at: offset + 32)
        guard memory % 4096 == 0, memory >= 32 << 20, memory <= 64 << 30 else {
            throw .badMemorySize
        }
        guard (1...8).contains(bytes.littleEndian32(at: offset + 40)) else {
            throw .badVirtualCPUCount
        }
    }

    func validateChannels() throws(SystemManifestError) {
        for index in 0..<channelCount {
            let offset = offset(of: index, in: sections[.channels])
            try validateString(at: offset, lengths: 1...maximumNameLength)
            let from = bytes.littleEndian32(at: offset + 8)
            let to = bytes.littleEndian32(at: offset + 12)
            guard from < UInt32(compartmentCount), to < UInt32(compartmentCount) else {
                throw .badIndex
            }
            let pages = bytes.littleEndian32(at: offset + 36)
            guard from != to,
                let kind = ChannelKind(rawValue: bytes.littleEndian32(at: offset + 16)),
                bytes.littleEndian32(at: offset + 20) & ~channelTwoWayFlag == 0,
                kind == .ring ? (1...256).contains(pages) : pages == 0
            else { throw .badChannel }
            try validateSourceReference(at: offset + 24)
        }
    }

    /// Checks that the names of channels differ: in the given order they rise, so that no two are
    /// the same and none is left out.
    func validateChannelOrder() throws(SystemManifestError) {
        for position in 0..<sections[.channelOrder].count {
            let index = channelIndex(at: position)
            guard index < UInt32(channelCount) else { throw .badIndex }
            guard position > 0 else { continue }
            let order = string(at: offset(of: Int(index), in: sections[.channels])).order(
                after: string(
                    at: offset(of: Int(channelIndex(at: position - 1)), in: sections[.channels])))
            guard order != .same else { throw .duplicateName }
            guard order == .rising else { throw .badChannelOrder }
        }
    }

    private func channelIndex(at position: Int) -> UInt32 {
        bytes.littleEndian32(at: offset(of: position, in: sections[.channelOrder]))
    }

    // MARK: Parts of records

    /// Returns the kind of the module of an index; nil when there is no such module.
    private func moduleKind(_ index: UInt32) -> ModuleKind? {
        guard index < UInt32(moduleCount) else { return nil }
        let offset = offset(of: Int(index), in: sections[.modules])
        return ModuleKind(rawValue: bytes.littleEndian32(at: offset + 64))
    }

    func validateString(
        at offset: Int, lengths: ClosedRange<Int>
    ) throws(SystemManifestError) {
        let start = UInt64(bytes.littleEndian32(at: offset))
        let length = UInt64(bytes.littleEndian32(at: offset + 4))
        guard start + length <= UInt64(sections[.strings].count), lengths.contains(Int(length))
        else {
            throw .badStringReference
        }
        guard isCharacterBoundary(Int(start)), isCharacterBoundary(Int(start + length)) else {
            throw .badText
        }
    }

    private func isCharacterBoundary(_ position: Int) -> Bool {
        position == sections[.strings].count
            || !isContinuation(bytes[sections[.strings].offset + position])
    }

    /// Checks a name, and that no earlier record of the section has the same.
    func validateName(
        at offset: Int, index: Int, in section: Section
    ) throws(SystemManifestError) {
        try validateString(at: offset, lengths: 1...maximumNameLength)
        let name = string(at: offset)
        for earlier in 0..<index {
            let other = string(at: self.offset(of: earlier, in: section))
            if other.hasSameBytes(as: name) { throw .duplicateName }
        }
    }

    func validateSourceReference(at offset: Int) throws(SystemManifestError) {
        let reference = bytes.sourceReference(at: offset)
        guard reference.source < sourceCount, reference.line > 0, reference.column > 0 else {
            throw .badSourceReference
        }
    }
}
