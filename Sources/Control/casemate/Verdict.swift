import Appraisal
import Digests
import FoundationEssentials
import PolicySyntax
import TPMStructures
import VerifierState

/// What is judged: evidence, and what the relying party has to compare it with.
struct EvidenceAppraisal {
    let reference: ReferenceValues
    let successors: [ReferenceValues]
    let platform: FirmwarePlatform?
    let permitsOnePointTwo: Bool
    let proofs: ProofCheck
    /// The evidence file's bytes.
    let evidence: [UInt8]

    /// Judges with what the command line says.
    ///
    /// - Parameters:
    ///   - nonce: what the quote must carry; nil: anything.
    ///   - key: the name of the attestation key; nil: any.
    func judge(nonce: [UInt8]?, key: [UInt8]?) -> Verdict {
        var verdict = Verdict(nonce: nonce)
        if let reason = proofs.refusal([reference] + successors) {
            verdict.refusals = [reason]
            return verdict
        }
        verdict.isProofReplayed = !proofs.builds.isEmpty
        do throws(Refusal) {
            let appraiser = Appraiser(
                reference: reference, successors: successors,
                policy: AppraisalPolicy(
                    nonce: nonce, attestationKeyName: key, platform: platform,
                    permitsOnePointTwo: permitsOnePointTwo))
            switch appraiser.appraise(try Evidence(json: evidence)) {
            case .accepted(let machine): verdict.accepted = machine
            case .refused(let refusals): verdict.refusals = refusals.map(Verdict.Reason.init)
            }
        } catch {
            verdict.refusals = [Verdict.Reason(error)]
        }
        return verdict
    }

    /// Judges with what a verifier remembers, and has it remember the answer.
    ///
    /// The nonce that the quote claims is used up before anything else is looked at: of two
    /// judgements of one quote one is refused, whatever they run beside.
    ///
    /// - Throws: `ExitStatus.inputOutput` when the state cannot be used.
    func judge(_ machine: String, by state: VerifierState) throws -> Verdict {
        let now = Date()
        var verdict = Verdict(nonce: nil)
        do throws(VerifierStateError) {
            let key = try state.machine(machine).attestationKeyName
            let claimed = (try? Evidence(json: evidence))?.claimedNonce
            if let claimed { try redeem(claimed, machine, state, now) }
            verdict = judge(nonce: claimed ?? [], key: key)
            guard let accepted = verdict.accepted else {
                try state.refuse(machine, codes: verdict.refusals.map(\.code), at: now)
                return verdict
            }
            let time = accepted.time.map {
                MachineTime(
                    resetCount: $0.resetCount, restartCount: $0.restartCount,
                    clock: $0.clockInMilliseconds)
            }
            verdict.continuity = try state.accept(
                machine, system: accepted.system.name, version: accepted.system.version,
                time: time, at: now)
            return verdict
        } catch {
            let reason = Verdict.Reason(code: error.code, message: error.message)
            if error.exitStatus == ExitStatus.inputOutput {
                StandardError.write("casemate: error[\(reason.code)]: \(reason.message)\n")
                throw error.exitStatus
            }
            verdict.accepted = nil
            verdict.refusals = [reason]
            return verdict
        }
    }

    /// Uses a nonce up; one that is refused is remembered as a refusal of the machine.
    private func redeem(
        _ nonce: [UInt8], _ machine: String, _ state: VerifierState, _ now: Date
    ) throws(VerifierStateError) {
        do throws(VerifierStateError) {
            try state.redeem(nonce, for: machine, at: now)
        } catch {
            try state.refuse(machine, codes: [error.code], at: now)
            throw error
        }
    }
}

/// An answer about a machine, by whichever part of the verifier.
struct Verdict {
    struct Reason: Encodable {
        let code: String
        let message: String

        init(code: String, message: String) {
            self.code = code
            self.message = message
        }

        init(_ refusal: Refusal) {
            self.init(code: refusal.code, message: refusal.message)
        }
    }

    /// The nonce that was asked for.
    let nonce: [UInt8]?
    /// What is known of the machine; nil: it is refused.
    var accepted: AcceptedMachine?
    var refusals: [Reason] = []
    /// Whether the policy's proof was replayed, and holds.
    var isProofReplayed = false
    /// How this answer follows on the last; nil: nobody remembers.
    var continuity: Continuity?

    init(nonce: [UInt8]?) { self.nonce = nonce }

    /// Prints it for a person.
    func show() {
        for refusal in refusals {
            StandardError.write(
                "refused[\(refusal.code)]: \(DiagnosticRenderer.harmless(refusal.message))\n")
        }
        guard let machine = accepted else { return }
        print(
            "accepted: the machine runs `\(machine.system.name)` "
                + "version \(machine.system.version)")
        print("policy: sha384:\(machine.policyDigest.hexadecimal)")
        print("compartments: \(machine.compartments.joined(separator: ", "))")
        if isProofReplayed { print("proof: replayed against the policy, and holds") }
        print("attestation key: \(hexadecimalText(machine.attestationKeyName))")
        if let continuity { print("boots: \(continuity.sentence)") }
        for change in machine.changes { print("since its boot: \(change.message)") }
        if !machine.isFresh { print("note: freshness was not checked: no nonce was given") }
        if !machine.isKeyKnown {
            print("note: any TPM's key was taken: no key was given")
        }
        if machine.family == .onePointTwo {
            print("note: the TPM is a 1.2: its only hash is SHA-1, and it tells no time")
        }
        if machine.isBootLoaderKnown { print("boot loader: as the image's reference values") }
        if let platform = machine.platform {
            print("firmware: as the platform `\(DiagnosticRenderer.harmless(platform))`")
        } else {
            print("note: the firmware was not compared: no platform was given")
        }
    }
}

extension Continuity {
    /// In words.
    var sentence: String {
        switch self {
        case .first: "this is the first acceptance"
        case .sameBoot(let since): "none since \(since.formatted(.iso8601))"
        case .rebooted(let times, let since):
            "\(times == 1 ? "once" : "\(times) times") since \(since.formatted(.iso8601))"
        case .untold(let since):
            "not told by this TPM; accepted before at \(since.formatted(.iso8601))"
        }
    }

    /// How often the machine was started since the last acceptance; nil: nobody knows.
    var bootCount: UInt32? {
        switch self {
        case .first, .untold: nil
        case .sameBoot: 0
        case .rebooted(let times, _): times
        }
    }

    /// When the last acceptance was.
    var since: Date? {
        switch self {
        case .first: nil
        case .sameBoot(let since), .rebooted(_, let since), .untold(let since): since
        }
    }
}

/// The JSON form of a verdict.
struct AttestationReport: Encodable {
    let accepted: Bool
    let system: String?
    let systemVersion: UInt64?
    let policy: String?
    let manifest: String?
    let compartments: [String]?
    let changes: [String]?
    let attestationKey: String?
    let freshnessChecked: Bool?
    let keyChecked: Bool?
    let bootLoaderChecked: Bool?
    let proofReplayed: Bool?
    let platform: String?
    let resetCount: UInt32?
    let restartCount: UInt32?
    let clockInMilliseconds: UInt64?
    let bootsSince: UInt32?
    let since: String?
    let refusals: [Verdict.Reason]

    init(_ verdict: Verdict) {
        let machine = verdict.accepted
        accepted = machine != nil
        system = machine?.system.name
        systemVersion = machine?.system.version
        policy = machine?.policyDigest.hexadecimal
        manifest = machine?.manifestDigest.hexadecimal
        compartments = machine?.compartments
        changes = machine?.changes.map(\.message)
        attestationKey = machine.map { hexadecimalText($0.attestationKeyName) }
        freshnessChecked = machine?.isFresh
        keyChecked = machine?.isKeyKnown
        bootLoaderChecked = machine?.isBootLoaderKnown
        proofReplayed = machine.map { _ in verdict.isProofReplayed }
        platform = machine?.platform
        resetCount = machine?.time?.resetCount
        restartCount = machine?.time?.restartCount
        clockInMilliseconds = machine?.time?.clockInMilliseconds
        bootsSince = verdict.continuity?.bootCount
        since = verdict.continuity?.since?.formatted(.iso8601)
        refusals = verdict.refusals
    }

    /// The document as text.
    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return String(decoding: data, as: UTF8.self)
    }
}
