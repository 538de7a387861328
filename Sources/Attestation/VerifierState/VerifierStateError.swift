/// What a verifier remembers from one judgement to the next: the machines that it enrolled, the
/// nonces that it gave out, and its answers.
///
/// For: `casemate attest` with `--state`. Not for: judging; `Appraisal` does that, and knows
/// nothing of this. It trusts the file as the verifier's own; nothing in it is secret, and whoever
/// can write it can enrol. Invariants:
/// - a nonce is used once, whatever the judgement was, also when two judgements run at once;
/// - nothing is changed in part: each operation is one transaction.

/// Why the state does not do what was asked. Codes are stable.
public enum VerifierStateError: Error, Equatable, Sendable {
    /// The file cannot be opened, or is no state of ours; what SQLite says.
    case unusable(String)
    /// A machine of this name is enrolled already.
    case machineExists(String)
    /// No machine has this name.
    case machineUnknown(String)
    /// The attestation key is enrolled already, under this machine's name.
    case keyExists(machine: String)
    /// A name is empty, longer than 63 bytes, or has a control character in it.
    case nameUnfit
    /// The nonce was not given out by this verifier, or for another machine.
    case nonceUnknown
    /// The nonce was used before.
    case nonceUsed
    /// The nonce is older than its lifetime.
    case nonceExpired
    /// The TPM's reset counter is lower than it was at an acceptance; both values.
    case resetCountWentBack(from: UInt32, to: UInt32)
    /// The TPM's restart counter is lower than it was at an acceptance in the same boot.
    case restartCountWentBack(from: UInt32, to: UInt32)
    /// The TPM told its time at an acceptance, and now it does not.
    case timeMissing
    /// The TPM's clock is lower than it was at an acceptance in the same boot; in milliseconds.
    case clockWentBack(from: UInt64, to: UInt64)

    /// The stable code.
    public var code: String {
        switch self {
        case .unusable: "ATT-STA-001"
        case .machineExists: "ATT-STA-002"
        case .machineUnknown: "ATT-STA-003"
        case .keyExists: "ATT-STA-004"
        case .nameUnfit: "ATT-STA-005"
        case .nonceUnknown: "ATT-STA-006"
        case .nonceUsed: "ATT-STA-007"
        case .nonceExpired: "ATT-STA-008"
        case .resetCountWentBack: "ATT-STA-009"
        case .clockWentBack: "ATT-STA-010"
        case .restartCountWentBack: "ATT-STA-011"
        case .timeMissing: "ATT-STA-012"
        }
    }

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .unusable(let what): "the state file cannot be used: \(what)"
        case .machineExists(let name): "a machine `\(name)` is enrolled already"
        case .machineUnknown(let name): "no machine `\(name)` is enrolled"
        case .keyExists(let machine): "this key is enrolled already, as machine `\(machine)`"
        case .nameUnfit: "a machine's name has 1 to 63 bytes and no control character"
        case .nonceUnknown: "the quote's nonce is none that was given out for this machine"
        case .nonceUsed: "the quote's nonce was used before: this may be a replay"
        case .nonceExpired: "the quote's nonce is older than its lifetime"
        case .resetCountWentBack(let from, let to):
            "the TPM's reset counter went back from \(from) to \(to): it is not the same TPM, or "
                + "its state was put back"
        case .restartCountWentBack(let from, let to):
            "the TPM's restart counter went back from \(from) to \(to) within one boot"
        case .timeMissing: "the TPM told its time before, and does not any more"
        case .clockWentBack(let from, let to):
            "the TPM's clock went back from \(from) to \(to) ms within one boot"
        }
    }
}
