/// The commands that users of the service `tpm` can be allowed at all: bit n of word w is command
/// 64 w + n, TPM 1.2's below 256, TPM 2.0's above. Left out is what changes banks, hierarchies, the
/// owner or protection from guessing, starts or stops the TPM, or carries another command.
///
/// - Source: TPM 2.0 Library, Part 2, 6.5.2; TPM Main Specification 1.2, Part 2, 17.
public let grantableTPMCommands: InlineArray<7, UInt64> = [
    0x700c_0007_c1f2_0c00, 0x1600_0020_0019_00c2, 0x0700_000f_0040_0002, 0x0000_0000_4001_8000,
    0x79fa_0405_0000_0000, 0xfddf_ffbf_7bff_ffcc, 0x0000_0000_000f_fff7,
]

extension SystemManifest {
    /// Whether users of the service `tpm` may have the TPM execute a command, by its code.
    public func permitsTPMCommand(_ code: UInt32) -> Bool {
        guard sections[.tpmCommands].count == 1, code < 448 else { return false }
        let word = bytes.littleEndian64(at: sections[.tpmCommands].offset + Int(code >> 6) * 8)
        return word >> UInt64(code & 63) & 1 == 1
    }

    /// Checks that somebody serves the TPM, and that nothing is allowed that cannot be.
    func validateTPMCommands() throws(SystemManifestError) {
        guard sections[.tpmCommands].count == 1 else { return }
        for index in grantableTPMCommands.indices {
            let word = bytes.littleEndian64(at: sections[.tpmCommands].offset + index * 8)
            guard word & ~grantableTPMCommands[index] == 0,
                requiredFeatures & ManifestFeature.tpmService != 0
            else { throw .badTPMCommands }
        }
    }
}
