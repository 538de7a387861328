import Digests

/// The longest name of a compartment or channel, in bytes.
public let maximumNameLength = 63
/// The longest name of a source or module, in bytes.
public let maximumFileNameLength = 255
/// The longest kernel command line, in bytes: Linux keeps 2,048 with the final NUL.
public let maximumCommandLineLength = 2047

extension SystemManifest {
    func validateStrings() throws(SystemManifestError) {
        let text = bytes.extracting(sections.strings.offset..<sections.strings.end)
        guard isText(text) else { throw .badText }
    }

    func validateSources() throws(SystemManifestError) {
        for index in 0..<sourceCount {
            let offset = offset(of: index, in: sections.sources)
            try validateString(at: offset, lengths: 1...maximumFileNameLength)
        }
    }

    func validateLabels() throws(SystemManifestError) {
        for index in 0..<labelCount {
            let offset = offset(of: index, in: sections.labels)
            guard bytes.littleEndian32(at: offset + 20) == 0 else { throw .reservedNotZero }
            guard readLabel(at: index) != nil else { throw .badLabel }
        }
    }

    func validateModules() throws(SystemManifestError) {
        for index in 0..<moduleCount {
            let offset = offset(of: index, in: sections.modules)
            try validateString(at: offset, lengths: 1...maximumFileNameLength)
            guard ModuleKind(rawValue: bytes.littleEndian32(at: offset + 64)) != nil,
                bytes.littleEndian64(at: offset + 8) > 0
            else { throw .badModule }
            guard bytes.littleEndian32(at: offset + 68) == 0 else { throw .reservedNotZero }
            let digest = digest(at: offset + 16)
            for earlier in 0..<index
            where self.digest(at: self.offset(of: earlier, in: sections.modules) + 16) == digest {
                throw .duplicateModule
            }
        }
    }

    func validateCompartments() throws(SystemManifestError) {
        for index in 0..<compartmentCount {
            let offset = offset(of: index, in: sections.compartments)
            try validateName(at: offset, index: index, in: sections.compartments)
            try validateString(at: offset + 8, lengths: 0...maximumCommandLineLength)
            guard bytes.littleEndian32(at: offset + 16) == UInt32(index) + 1 else {
                throw .badDomainID
            }
            try validateCompartmentIndices(at: offset)
            try validateResources(at: offset)
            guard bytes.isZero(offset + 44..<offset + 48), bytes.isZero(offset + 60..<offset + 72)
            else { throw .reservedNotZero }
            try validateSourceReference(at: offset + 48)
        }
    }

    private func validateCompartmentIndices(at offset: Int) throws(SystemManifestError) {
        guard bytes.littleEndian32(at: offset + 20) < UInt32(labelCount),
            moduleKind(bytes.littleEndian32(at: offset + 24)) == .kernel
        else { throw .badIndex }
        let initrd = bytes.littleEndian32(at: offset + 28)
        guard initrd == noModule || moduleKind(initrd) == .initrd else { throw .badIndex }
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
            let offset = offset(of: index, in: sections.channels)
            try validateName(at: offset, index: index, in: sections.channels)
            let from = bytes.littleEndian32(at: offset + 8)
            let to = bytes.littleEndian32(at: offset + 12)
            guard from < UInt32(compartmentCount), to < UInt32(compartmentCount) else {
                throw .badIndex
            }
            guard from != to, ChannelKind(rawValue: bytes.littleEndian32(at: offset + 16)) != nil
            else { throw .badChannel }
            guard bytes.isZero(offset + 20..<offset + 24), bytes.isZero(offset + 36..<offset + 48)
            else { throw .reservedNotZero }
            try validateSourceReference(at: offset + 24)
        }
    }

    // MARK: Parts of records

    /// Returns the kind of the module of an index; nil when there is no such module.
    private func moduleKind(_ index: UInt32) -> ModuleKind? {
        guard index < UInt32(moduleCount) else { return nil }
        let offset = offset(of: Int(index), in: sections.modules)
        return ModuleKind(rawValue: bytes.littleEndian32(at: offset + 64))
    }

    private func validateString(
        at offset: Int, lengths: ClosedRange<Int>
    ) throws(SystemManifestError) {
        let start = UInt64(bytes.littleEndian32(at: offset))
        let length = UInt64(bytes.littleEndian32(at: offset + 4))
        guard start + length <= UInt64(sections.strings.count), lengths.contains(Int(length)) else {
            throw .badStringReference
        }
        guard isCharacterBoundary(Int(start)), isCharacterBoundary(Int(start + length)) else {
            throw .badText
        }
    }

    private func isCharacterBoundary(_ position: Int) -> Bool {
        position == sections.strings.count
            || !isContinuation(bytes[sections.strings.offset + position])
    }

    /// Checks a name, and that no earlier record of the section has the same.
    private func validateName(
        at offset: Int, index: Int, in section: Section
    ) throws(SystemManifestError) {
        try validateString(at: offset, lengths: 1...maximumNameLength)
        let name = string(at: offset)
        for earlier in 0..<index {
            let other = string(at: self.offset(of: earlier, in: section))
            if other.hasSameBytes(as: name) { throw .duplicateName }
        }
    }

    private func validateSourceReference(at offset: Int) throws(SystemManifestError) {
        let reference = sourceReference(at: offset)
        guard reference.source < sourceCount, reference.line > 0, reference.column > 0 else {
            throw .badSourceReference
        }
    }
}
