extension Refusal {
    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .evidenceMalformed(let what): "the evidence is malformed: \(what)"
        case .evidenceVersionUnknown(let version):
            "the evidence has format version \(version), this program knows 1"
        case .evidenceFeatureUnknown(let name):
            "the evidence requires the feature `\(name)`, which this program does not know"
        case .familyForbidden:
            "the evidence is a TPM 1.2's, whose only hash is SHA-1; it is taken when that is said"
        case .attestationKeyUnsuitable(let what): "the attestation key is unsuitable: \(what)"
        case .attestationKeyUnknown(let found):
            "the attestation key is another one than expected: its name is \(found)"
        case .signatureInvalid: "the quote's signature is not the attestation key's"
        case .quoteMalformed(let what): "the quote is malformed: \(what)"
        case .signerMismatch:
            "the quote was not signed by the attestation key in the endorsement hierarchy"
        case .nonceMismatch: "the quote does not carry the nonce: it is not fresh"
        case .selectionUnexpected:
            "the quote is not over exactly the registers that the reference values ask for"
        case .eventLogMalformed(let what): "the event log is malformed: \(what)"
        case .eventOutsidePlan(let index): "event \(index) of the log is none of ours"
        case .eventDigestMissing(let index):
            "event \(index) of the log has no digest of the bank that is quoted"
        case .eventDigestMismatch(let index):
            "event \(index) of the log has a digest that is not its data's"
        case .replayMismatch: "the event log does not give the quoted registers"
        case .sequenceUnexpected(let index):
            "event \(index) of the log is malformed or out of order"
        case .bootLoaderDiffers(let pcr, let number, let expected, let found):
            "the boot loader's event \(number) in PCR \(pcr) differs: expected \(expected), "
                + "found \(found)"
        case .platformDiffers(let platform, let pcr, let expected, let found):
            "the firmware is not that of the platform `\(platform)`: PCR \(pcr) was \(expected), "
                + "is \(found)"
        case .changeMalformed(let index):
            "event \(index) of the log, in PCR 15, is malformed or out of order"
        case .changeForbidden(let name, let source, let what):
            "\(source): compartment `\(name)` was \(what)"
        case .compartmentEnded(let name, let source):
            "\(source): compartment `\(name)` was ended by order, and does not run"
        case .policyReplaced(let policy, let manifest, let version):
            "the policy was replaced while the machine ran, by sha384:\(policy), manifest "
                + "sha384:\(manifest), system version \(version): no reference values of it were "
                + "given"
        case .successorUnfit(let why): "the successor's reference values do not fit: \(why)"
        case .policyDiffers(let expected, let found):
            "the policy differs: SHA-384 expected \(expected), found \(found)"
        case .manifestDiffers(let expected, let found):
            "the manifest differs: SHA-384 expected \(expected), found \(found)"
        case .compartmentDiffers(let difference): difference.message
        case .compartmentMissing(let name, let source):
            "\(source): compartment `\(name)` was not measured"
        case .compartmentUnexpected(let name): "the compartment `\(name)` is not declared here"
        case .machineStopped(let reason): "the machine refused to go on: \(reason)"
        }
    }
}
