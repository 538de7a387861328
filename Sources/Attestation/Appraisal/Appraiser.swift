internal import Crypto
public import Digests
internal import EventLog
internal import FoundationEssentials
public import TPMStructures

/// What the relying party knows beside the reference values.
public struct AppraisalPolicy: Equatable, Sendable {
    /// The nonce that the quote must carry; `nil`: freshness is not checked, and the result says
    /// so.
    public var nonce: [UInt8]?
    /// The name of the attestation key (`TPM2B_NAME`'s content); `nil`: any key is taken, and the
    /// result says so.
    public var attestationKeyName: [UInt8]?
    /// The platform's firmware, as it was enrolled; `nil`: any is taken, and the result says so.
    public var platform: FirmwarePlatform?
    /// Whether a TPM 1.2 may vouch, whose only hash is SHA-1.
    public var permitsOnePointTwo: Bool

    /// States what is known.
    public init(
        nonce: [UInt8]?, attestationKeyName: [UInt8]?, platform: FirmwarePlatform? = nil,
        permitsOnePointTwo: Bool = false
    ) {
        self.permitsOnePointTwo = permitsOnePointTwo
        self.nonce = nonce
        self.attestationKeyName = attestationKeyName
        self.platform = platform
    }
}

/// What a TPM 2.0 counted when it quoted.
public struct QuoteTime: Equatable, Sendable {
    /// How often the TPM was reset.
    public let resetCount: UInt32
    /// How often it was restarted since its last reset.
    public let restartCount: UInt32
    /// Its clock.
    /// - Units: milliseconds of the TPM's life.
    public let clockInMilliseconds: UInt64
}

/// What is known of a machine whose evidence was accepted.
public struct AcceptedMachine: Equatable, Sendable {
    /// The system that it runs; after a reload the one that was loaded.
    public let system: ReferenceSystem
    /// SHA-384 of the policy in force.
    public let policyDigest: Digest384
    /// SHA-384 of the manifest in force.
    public let manifestDigest: Digest384
    /// The names of its compartments.
    public let compartments: [String]
    /// The attestation key's name.
    public let attestationKeyName: [UInt8]
    /// Whether the key was the one that the relying party named.
    public let isKeyKnown: Bool
    /// Whether the quote carried the relying party's nonce.
    public let isFresh: Bool
    /// The family of its TPM.
    public let family: TPMFamily
    /// What the TPM counted; `nil`: a TPM 1.2, whose quotes do not tell.
    public let time: QuoteTime?
    /// What has changed since the machine booted.
    public let changes: [RunningChange]
    /// Whether what the boot loader measured was compared.
    public let isBootLoaderKnown: Bool
    /// The platform whose firmware it was; `nil`: the firmware was not compared.
    public let platform: String?
}

/// The answer to: does that machine run exactly this system?
public enum AttestationResult: Equatable, Sendable {
    /// It does, as far as the machine's measurements reach.
    case accepted(AcceptedMachine)
    /// It does not, or cannot show it; at least one reason, the first being the gravest.
    case refused([Refusal])
}

/// Compares evidence with reference values.
public struct Appraiser: Sendable {
    let reference: ReferenceValues
    private let successors: [ReferenceValues]
    let policy: AppraisalPolicy

    /// Prepares to judge machines that should run the system of `reference`.
    ///
    /// - Parameter successors: the systems that may have replaced it while the machine ran, in
    ///   this order; what replaces it otherwise is refused.
    public init(
        reference: ReferenceValues, successors: [ReferenceValues] = [], policy: AppraisalPolicy
    ) {
        self.reference = reference
        self.successors = successors
        self.policy = policy
    }

    /// Judges one machine.
    public func appraise(_ evidence: Evidence) -> AttestationResult {
        do throws(Refusal) {
            let quote = try Appraiser.believed(evidence, policy, registers)
            let log = quote.log
            var refusals = platformRefusals(log) + bootLoaderRefusals(log) + compare(log)
            guard refusals.isEmpty else { return .refused(refusals) }
            let run = try replayChanges(log)
            refusals = run.refusals
            guard refusals.isEmpty else { return .refused(refusals) }
            return .accepted(
                AcceptedMachine(
                    system: run.system.system, policyDigest: run.system.policy,
                    manifestDigest: run.system.manifest,
                    compartments: reference.compartments.map(\.name),
                    attestationKeyName: quote.keyName,
                    isKeyKnown: policy.attestationKeyName != nil, isFresh: policy.nonce != nil,
                    family: evidence.family, time: quote.time, changes: run.changes,
                    isBootLoaderKnown: reference.bootLoader != nil,
                    platform: policy.platform?.name))
        } catch {
            return .refused([error])
        }
    }

    /// Follows what happened since the boot.
    ///
    /// - Throws: the first change that is not permitted.
    private func replayChanges(_ log: EventLog<Replayed>) throws(Refusal) -> ChangeReplay {
        var replay = ChangeReplay(of: reference, successors: successors)
        for (index, entry) in log.entries.enumerated()
        where entry.pcr == PCRIndex.changes.rawValue {
            try replay.take(entry.data, index: index)
        }
        return replay
    }

    /// The registers that the quote must be over: the boot chain's, when there is something to
    /// compare them with.
    private var registers: [UInt32] {
        QuotePlan.registers(withBootChain: reference.bootLoader != nil || policy.platform != nil)
    }

    /// Believes what the TPM has signed, and the log as far as that covers it.
    ///
    /// - Throws: the first reason not to.
    private static func believed(
        _ evidence: Evidence, _ policy: AppraisalPolicy, _ registers: [UInt32]
    ) throws(Refusal) -> BelievedQuote {
        if evidence.family == .onePointTwo {
            return try believedOnePointTwo(evidence, policy, registers)
        }
        let key = try attestationKey(evidence, policy)
        let quote = try quote(evidence, key: key, policy, registers)
        let log = try EventLog<Unverified>(validating: evidence.eventLog)
            .replay(against: quote.pcrDigest, registers: registers)
        let time = QuoteTime(
            resetCount: quote.resetCount, restartCount: quote.restartCount,
            clockInMilliseconds: quote.clockInMilliseconds)
        return BelievedQuote(keyName: key.name, time: time, log: log)
    }

    /// The log of evidence that covers the boot chain.
    static func replayedBootChain(
        _ evidence: Evidence, _ policy: AppraisalPolicy
    ) throws(Refusal) -> EventLog<Replayed> {
        try believed(evidence, policy, QuotePlan.registers(withBootChain: true)).log
    }

    /// Reads the key and, if the relying party named one, checks that it is that one.
    private static func attestationKey(
        _ evidence: Evidence, _ policy: AppraisalPolicy
    ) throws(Refusal) -> AttestationPublicKey {
        let key: AttestationPublicKey
        do throws(TPMStructureError) {
            key = try AttestationPublicKey(validating: evidence.attestationKey)
        } catch {
            throw .attestationKeyUnsuitable(text(error))
        }
        if let expected = policy.attestationKeyName, expected != key.name {
            throw .attestationKeyUnknown(found: hexadecimalText(key.name))
        }
        return key
    }

    /// Checks signature, form, signer, nonce and selection of the quote, in this order.
    private static func quote(
        _ evidence: Evidence, key: AttestationPublicKey, _ policy: AppraisalPolicy,
        _ registers: [UInt32]
    ) throws(Refusal) -> QuoteStatement {
        guard isSigned(evidence.quote, by: key, evidence.signature) else {
            throw .signatureInvalid
        }
        let quote: QuoteStatement
        do throws(TPMStructureError) {
            quote = try QuoteStatement(validating: evidence.quote)
        } catch {
            throw .quoteMalformed(text(error))
        }
        guard quote.qualifiedSigner == key.qualifiedNameInEndorsementHierarchy else {
            throw .signerMismatch
        }
        if let nonce = policy.nonce, nonce != quote.qualifyingData { throw .nonceMismatch }
        let selection = PCRSelection(algorithm: tpmAlgorithmSHA256, registers: registers)
        guard quote.selections == [selection] else { throw .selectionUnexpected }
        return quote
    }

    /// Returns why what we measured at boot is not exactly the expected sequence; nothing if it is.
    private func compare(_ log: EventLog<Replayed>) -> [Refusal] {
        let expected = expectedEvents
        let found = log.entries.filter { QuotePlan.atBoot.contains($0.pcr) }
            .map { MeasuredEvent(pcr: $0.pcr, data: $0.data) }
        guard found != expected else { return [] }
        var refusals = policyRefusals(found) + compartmentRefusals(found) + stopRefusals(found)
        if refusals.isEmpty {
            // NOTE: what differs has no better name; it is refused all the same.
            let pairs = zip(found, expected)
            let index = pairs.enumerated().first { $1.0 != $1.1 }?.offset
            refusals = [.sequenceUnexpected(index: index ?? min(found.count, expected.count))]
        }
        return refusals
    }

    /// The events of a machine that runs as compiled.
    private var expectedEvents: [MeasuredEvent] {
        let fixed = [
            MeasuredEvent(pcr: 12, data: PolicyMeasurement(reference.policy).eventData),
            MeasuredEvent(pcr: 12, data: ManifestMeasurement(reference.manifest).eventData),
        ]
        return fixed + reference.compartments.map { MeasuredEvent(pcr: 13, data: $0.eventData) }
    }

    /// Explains stops: the machine said itself that it would not go on.
    private func stopRefusals(_ found: [MeasuredEvent]) -> [Refusal] {
        found.compactMap { event in
            guard event.pcr == PCRIndex.policy.rawValue,
                let reason = taggedPayload(event.data, tag: .stop)
            else { return nil }
            return .machineStopped(reason: String(decoding: reason, as: UTF8.self))
        }
    }

    /// Explains PCR 12 but for stops: policy and manifest.
    private func policyRefusals(_ found: [MeasuredEvent]) -> [Refusal] {
        var refusals: [Refusal] = []
        var expected: [(EventTag, String)] = [
            (.policy, reference.policy.hexadecimal), (.manifest, reference.manifest.hexadecimal),
        ]
        for (index, event) in found.enumerated() where event.pcr == PCRIndex.policy.rawValue {
            if taggedPayload(event.data, tag: .stop) != nil { continue }
            guard let (tag, digest) = expected.first,
                let payload = taggedPayload(event.data, tag: tag)
            else {
                refusals.append(.sequenceUnexpected(index: index))
                continue
            }
            expected.removeFirst()
            let measured = hexadecimalText(payload)
            guard measured != digest else { continue }
            refusals.append(
                tag == .policy
                    ? .policyDiffers(expected: digest, found: measured)
                    : .manifestDiffers(expected: digest, found: measured))
        }
        for (tag, digest) in expected {
            refusals.append(
                tag == .policy
                    ? .policyDiffers(expected: digest, found: "none")
                    : .manifestDiffers(expected: digest, found: "none"))
        }
        return refusals
    }

    /// Explains PCR 13: the compartments, in their order.
    private func compartmentRefusals(_ found: [MeasuredEvent]) -> [Refusal] {
        var refusals: [Refusal] = []
        var declared = reference.compartments[...]
        for (index, event) in found.enumerated() where event.pcr == PCRIndex.compartments.rawValue {
            guard let measured = CompartmentEvent(eventData: event.data) else {
                refusals.append(.sequenceUnexpected(index: index))
                continue
            }
            guard let expected = declared.first, expected.name == measured.name else {
                refusals.append(.compartmentUnexpected(name: measured.name))
                continue
            }
            declared.removeFirst()
            refusals += measured.differences(from: expected).map { .compartmentDiffers($0) }
        }
        for missing in declared {
            refusals.append(.compartmentMissing(name: missing.name, source: missing.source))
        }
        return refusals
    }
}

/// A quote whose signature is the key's, with the log that gives its registers.
struct BelievedQuote {
    let keyName: [UInt8]
    let time: QuoteTime?
    let log: EventLog<Replayed>
}

/// An event as far as it is compared.
private struct MeasuredEvent: Equatable {
    let pcr: UInt32
    let data: [UInt8]
}

/// Returns whether `signature` is the key's over `statement`.
private func isSigned(
    _ statement: [UInt8], by key: AttestationPublicKey, _ signature: [UInt8]
) -> Bool {
    guard let signature = try? ECDSASignature(validating: signature),
        let publicKey = try? P256.Signing.PublicKey(rawRepresentation: key.rawRepresentation),
        let value = try? P256.Signing.ECDSASignature(
            rawRepresentation: signature.rawRepresentation)
    else { return false }
    return publicKey.isValidSignature(value, for: statement)
}

/// Says what is wrong with a TPM structure.
func text(_ error: TPMStructureError) -> String {
    switch error {
    case .truncated: "it is truncated"
    case .trailingBytes: "bytes follow it"
    case .unexpectedValue(let field): "the field `\(field)` has an unexpected value"
    }
}
