public import Digests

/// The index of a platform configuration register.
///
/// - Units: 0-based, 0 to 23 (TCG PC Client Platform TPM Profile, section 4.6).
public struct PCRIndex: Equatable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt32

    /// Makes an index of a number; `nil` above 23.
    public init?(rawValue: UInt32) {
        guard rawValue < 24 else { return nil }
        self.rawValue = rawValue
    }

    private init(known rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// PCR 12: the policy, the manifest, and the reason when the machine stops.
    public static var policy: PCRIndex { PCRIndex(known: 12) }
    /// PCR 13: one event for each compartment.
    public static var compartments: PCRIndex { PCRIndex(known: 13) }
    /// PCR 15: what changes while the system runs, before it takes effect.
    public static var changes: PCRIndex { PCRIndex(known: 15) }
}

/// The PCR banks that a TPM has active: some of SHA-1, SHA-256 and SHA-384.
///
/// There is no room for others on purpose: an active bank that we cannot extend could be extended
/// by somebody else with anything, so a driver that meets one must refuse the TPM.
public struct PCRBanks: Equatable, Sendable {
    /// Whether the SHA-1 bank is active (`TPM_ALG_SHA1`, 0x0004).
    public var sha1: Bool
    /// Whether the SHA-256 bank is active (`TPM_ALG_SHA256`, 0x000B).
    public var sha256: Bool
    /// Whether the SHA-384 bank is active (`TPM_ALG_SHA384`, 0x000C).
    public var sha384: Bool

    /// Makes a set of banks.
    public init(sha1: Bool, sha256: Bool, sha384: Bool) {
        self.sha1 = sha1
        self.sha256 = sha256
        self.sha384 = sha384
    }

    /// Returns the number of active banks, 0 to 3.
    public var count: Int { (sha1 ? 1 : 0) + (sha256 ? 1 : 0) + (sha384 ? 1 : 0) }

    /// Returns the length of the `TPMT_HA` structures of all active banks: algorithm and digest.
    /// - Units: bytes.
    public var digestListByteCount: Int {
        (sha1 ? 2 + 20 : 0) + (sha256 ? 2 + 32 : 0) + (sha384 ? 2 + 48 : 0)
    }
}

/// `TPM_ALG_SHA1` (TPM 2.0 Library, Part 2, section 6.3).
public let tpmAlgorithmSHA1: UInt16 = 0x0004
/// `TPM_ALG_SHA256` (TPM 2.0 Library, Part 2, section 6.3).
public let tpmAlgorithmSHA256: UInt16 = 0x000B
/// `TPM_ALG_SHA384` (TPM 2.0 Library, Part 2, section 6.3).
public let tpmAlgorithmSHA384: UInt16 = 0x000C

/// The digests of one event's data, one for each bank that we know.
public struct EventDigests: Equatable, Sendable {
    /// The digest for the SHA-1 bank.
    public let sha1: Digest160
    /// The digest for the SHA-256 bank.
    public let sha256: Digest256
    /// The digest for the SHA-384 bank.
    public let sha384: Digest384

    /// Computes the digests of `eventData`.
    public init(of eventData: Span<UInt8>) {
        sha1 = SHA1.hash(eventData)
        sha256 = SHA256.hash(eventData)
        sha384 = SHA384.hash(eventData)
    }
}
