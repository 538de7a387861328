public import Digests

/// What one system consists of: a validated view of `system.manifest`, version 1.
///
/// For: the hypervisor, which builds its compartments from it, and verifiers. It copies nothing and
/// needs no heap. Not for: deciding anything; that is the policy's. It trusts nothing about the
/// bytes: a value of this type exists only after every rule of `docs/abi/manifest.md` was checked,
/// so accessors neither throw nor trap for indices below the counts.
///
/// - Invariant (valid): `bytes` satisfies every rule of `docs/abi/manifest.md` that can be checked
///   without the policy and the modules themselves.
public struct SystemManifest: ~Escapable {
    /// The whole file.
    public let bytes: Span<UInt8>
    let sections: SectionTable

    /// Validates a manifest.
    ///
    /// - Parameters:
    ///   - bytes: the whole file.
    ///   - features: the required features that the reader enforces. A reader that enforces
    ///     nothing, such as a verifier, passes `ManifestFeature.known`.
    /// - Throws: the first rule that does not hold, in the order header, directory, records.
    /// - Trust: none. The policy and the modules are *not* compared with their digests here.
    /// - Complexity: linear in the file, and quadratic in modules, compartments, subtrees and
    ///   devices, of which there are at most 1,024, 512, 1,024 and 1,024.
    @_lifetime(copy bytes)
    public init(
        validating bytes: Span<UInt8>,
        accepting features: UInt64 = ManifestFeature.enforcedByHypervisor
    ) throws(SystemManifestError) {
        try validateHeader(bytes, accepting: features)
        let sections = try SectionTable(validating: bytes)
        self.bytes = bytes
        self.sections = sections
        try validateRecords()
    }

    private func validateRecords() throws(SystemManifestError) {
        try validateStrings()
        try validateSources()
        try validateLabels()
        try validateModules()
        try validateCompartments()
        try validateChannels()
        try validateChannelOrder()
        try validateSubtrees()
        try validateDirectories()
        try validateDevices()
        try validateDeviceRanges()
        try validateExemptions()
        try validateStoreQuotas()
        try validateTPMCommands()
        try validateFeatures()
    }
}

// MARK: Header

/// The size of the header, in bytes.
let headerSize = 320
/// The largest manifest, in bytes.
let maximumFileSize: UInt64 = 8 << 20

extension SystemManifest {
    /// Must-understand feature bits; all of them are among those that the reader accepts.
    public var requiredFeatures: UInt64 { bytes.littleEndian64(at: 24) }

    /// The first 16 bytes of SHA-384 over `casemate system ` and the system's name.
    public var systemID: Span<UInt8> {
        @_lifetime(copy self) get { bytes.extracting(32..<48) }
    }

    /// The version of the system; it rises with every release, from 1.
    public var systemVersion: UInt64 { bytes.littleEndian64(at: 48) }

    /// SHA-384 of the policy that this manifest belongs to.
    public var policyDigest: Digest384 { digest(at: 56) }

    /// SHA-384 of the manifest that this one replaces; all zero for none.
    public var predecessorDigest: Digest384 { digest(at: 104) }

    /// The flow certificate (`docs/abi/certificate.md`), not yet checked; empty for none.
    public var certificate: Span<UInt8> {
        @_lifetime(copy self) get {
            bytes.extracting(sections[.certificate].offset..<sections[.certificate].end)
        }
    }

    func digest(at offset: Int) -> Digest384 {
        guard let digest = Digest384(bytes.extracting(offset..<offset + 48)) else {
            preconditionFailure("48 bytes are no SHA-384 digest")
        }
        return digest
    }
}

/// Checks every rule of the header that needs no other part of the file.
private func validateHeader(
    _ bytes: Span<UInt8>, accepting features: UInt64
) throws(SystemManifestError) {
    guard bytes.count >= headerSize else { throw .truncated }
    guard bytes.littleEndian64(at: 0) == 0x4554_414d_4553_4143 else { throw .badMagic }
    guard bytes.littleEndian32(at: 8) == 1 else { throw .unsupportedVersion }
    guard bytes.littleEndian32(at: 12) == UInt32(headerSize) else { throw .badHeaderSize }
    let size = bytes.littleEndian64(at: 16)
    guard size == UInt64(bytes.count), size <= maximumFileSize else { throw .badFileSize }
    guard bytes.littleEndian64(at: 24) & ~(features & ManifestFeature.known) == 0 else {
        throw .unknownFeature
    }
    guard bytes.littleEndian64(at: 48) >= 1 else { throw .badSystemVersion }
    guard bytes.littleEndian16(at: 154) == 0, bytes.isZero(292..<320) else {
        throw .reservedNotZero
    }
    guard bytes.isZero(156..<160) else { throw .protectionUnsupported }
    try validateSignatureFields(bytes)
}
