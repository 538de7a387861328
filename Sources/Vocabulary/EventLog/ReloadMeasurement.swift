public import Digests

extension EventTag {
    /// Another policy is about to take effect, in PCR 15.
    public static var reload: EventTag { EventTag(rawValue: 0x4353_4D05) }
}

/// The event of a policy and a manifest that are about to replace those in force.
///
/// - Layout: SHA-384 of the policy, SHA-384 of the manifest, `u64` system version.
/// - Source: docs/abi/evidence.md, "Reload".
public struct ReloadMeasurement: Measurement {
    private let policy: Digest384
    private let manifest: Digest384
    private let systemVersion: UInt64

    /// Measures a reload.
    public init(policy: Digest384, manifest: Digest384, systemVersion: UInt64) {
        self.policy = policy
        self.manifest = manifest
        self.systemVersion = systemVersion
    }

    /// Returns PCR 15.
    public var pcr: PCRIndex { .changes }
    /// Returns the reload's tag.
    public var tag: EventTag { .reload }
    /// Appends the 104 bytes.
    public func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        sink.append(policy.bytes)
        sink.append(manifest.bytes)
        for position in 0..<8 {
            sink.append(UInt8(truncatingIfNeeded: systemVersion >> UInt64(8 * position)))
        }
    }
}
