/// Why a machine's evidence is refused. Codes are stable; a new reason must break every switch.
public enum Refusal: Error, Equatable, Sendable {
    /// The evidence file is not of the documented shape; what is wrong.
    case evidenceMalformed(String)
    /// The evidence file has another format version than 1.
    case evidenceVersionUnknown(Int)
    /// The evidence requires a feature that this program does not know.
    case evidenceFeatureUnknown(String)
    /// The evidence is a TPM 1.2's, and the relying party did not say that it takes such.
    case familyForbidden
    /// The attestation key is no key that signs nothing but quotes; what is wrong.
    case attestationKeyUnsuitable(String)
    /// The attestation key is not the one that the relying party named; the name found.
    case attestationKeyUnknown(found: String)
    /// The signature is malformed, or not the key's over the quote.
    case signatureInvalid
    /// The quote is no `TPMS_ATTEST` of a quote; what is wrong.
    case quoteMalformed(String)
    /// The quote names another signer than the attestation key in the endorsement hierarchy.
    case signerMismatch
    /// The quote does not carry the relying party's nonce.
    case nonceMismatch
    /// The quote is not over exactly the registers that the reference values ask for, of the
    /// SHA-256 bank, or of a TPM 1.2.
    case selectionUnexpected
    /// The event log's structure is not whole; what is wrong.
    case eventLogMalformed(String)
    /// An event extends another register, or is of another type, than the plan allows.
    case eventOutsidePlan(index: Int)
    /// An event has no digest for the quoted bank.
    case eventDigestMissing(index: Int)
    /// An event's digest is not that of its data.
    case eventDigestMismatch(index: Int)
    /// Replaying the log does not give the quoted registers.
    case replayMismatch
    /// The policy that was measured is another one; digests in hexadecimal.
    case policyDiffers(expected: String, found: String)
    /// The manifest that was measured is another one; digests in hexadecimal.
    case manifestDiffers(expected: String, found: String)
    /// A compartment differs from its declaration.
    case compartmentDiffers(CompartmentDifference)
    /// A compartment was not measured.
    case compartmentMissing(name: String, source: SourceReference)
    /// Another compartment than declared was measured at a place; its name.
    case compartmentUnexpected(name: String)
    /// The machine refused to go on; its reason.
    case machineStopped(reason: String)
    /// An event of PCR 15 is malformed, or tells a life that does not follow on the one before.
    case changeMalformed(index: Int)
    /// While the machine ran, a compartment did what its declaration does not permit.
    case changeForbidden(name: String, source: SourceReference, what: String)
    /// A compartment that starts by itself was ended by order, and not started again.
    case compartmentEnded(name: String, source: SourceReference)
    /// The policy was replaced while the machine ran, by one of which no reference values were
    /// given in this place; digests in hexadecimal.
    case policyReplaced(policy: String, manifest: String, version: UInt64)
    /// The reference values of the policy that replaced the first one may not follow on it; why.
    case successorUnfit(String)
    /// An event is malformed, superfluous or out of order.
    case sequenceUnexpected(index: Int)
    /// The boot loader measured something else than the image's reference values say; `nothing`
    /// where one has an event and the other has not.
    case bootLoaderDiffers(pcr: UInt32, number: Int, expected: String, found: String)
    /// A register of the firmware has not the value that it had when the platform was enrolled.
    case platformDiffers(platform: String, pcr: UInt32, expected: String, found: String)

    /// The stable code.
    public var code: String {
        switch self {
        case .evidenceMalformed: "ATT-EVI-001"
        case .evidenceVersionUnknown: "ATT-EVI-002"
        case .evidenceFeatureUnknown: "ATT-EVI-003"
        case .familyForbidden: "ATT-EVI-004"
        case .attestationKeyUnsuitable: "ATT-KEY-001"
        case .attestationKeyUnknown: "ATT-KEY-002"
        case .signatureInvalid: "ATT-QUO-001"
        case .quoteMalformed: "ATT-QUO-002"
        case .signerMismatch: "ATT-QUO-003"
        case .nonceMismatch: "ATT-QUO-004"
        case .selectionUnexpected: "ATT-QUO-005"
        case .eventLogMalformed: "ATT-LOG-001"
        case .eventOutsidePlan: "ATT-LOG-002"
        case .eventDigestMissing: "ATT-LOG-003"
        case .eventDigestMismatch: "ATT-LOG-004"
        case .replayMismatch: "ATT-LOG-005"
        case .sequenceUnexpected: "ATT-LOG-006"
        case .bootLoaderDiffers: "ATT-BOOT-001"
        case .platformDiffers: "ATT-BOOT-002"
        case .changeMalformed: "ATT-RUN-001"
        case .changeForbidden: "ATT-RUN-002"
        case .compartmentEnded: "ATT-RUN-003"
        case .policyReplaced: "ATT-RUN-004"
        case .successorUnfit: "ATT-RUN-005"
        case .policyDiffers: "ATT-SYS-001"
        case .manifestDiffers: "ATT-SYS-002"
        case .compartmentDiffers: "ATT-SYS-003"
        case .compartmentMissing: "ATT-SYS-004"
        case .compartmentUnexpected: "ATT-SYS-005"
        case .machineStopped: "ATT-SYS-006"
        }
    }
}

/// How one compartment differs from its declaration.
public struct CompartmentDifference: Equatable, Sendable {
    /// What of a compartment can differ.
    public enum Part: Equatable, Sendable {
        /// The domain's number.
        case domainID
        /// The label.
        case label
        /// The kernel module of this name.
        case kernel(module: String)
        /// The initrd module of this name; `none` if none is declared.
        case initrd(module: String)
        /// The command line.
        case commandLine
        /// The memory.
        case memory
        /// The number of virtual processors.
        case vcpuCount
    }

    /// The compartment's name.
    public let compartment: String
    /// Where it is declared.
    public let source: SourceReference
    /// What differs.
    public let part: Part
    /// The declared value, as text.
    public let expected: String
    /// The measured value, as text.
    public let found: String

    /// Returns one line for a person, beginning with the source line.
    public var message: String {
        let what =
            switch part {
            case .domainID: "has another domain id"
            case .label: "has another label"
            case .kernel(let module): "runs another kernel than module `\(module)`"
            case .initrd(let module): "runs another initrd than module `\(module)`"
            case .commandLine: "has another command line"
            case .memory: "has another memory size"
            case .vcpuCount: "has another number of virtual processors"
            }
        return
            "\(source): compartment `\(compartment)` \(what): expected \(expected), found \(found)"
    }
}
