/// Why a key is not enrolled. Codes are stable.
public enum EnrolmentRefusal: Error, Equatable, Sendable {
    /// A file is not of the documented shape; what is wrong.
    case fileMalformed(String)
    /// A file has another format version than 1.
    case versionUnknown(Int)
    /// The endorsement key is not of the template that this version knows; what is wrong.
    case endorsementKeyUnsuitable(String)
    /// The endorsement key is not the one that the relying party named; the name found.
    case endorsementKeyUnknown(found: String)
    /// The attestation key is no restricted P-256 signing key; what is wrong.
    case attestationKeyUnsuitable(String)
    /// The machine did not give back what it could only read with both keys in one TPM.
    case responseWrong
    /// The request has no certificate for its endorsement key.
    case certificateMissing
    /// The endorsement key's certificate is not taken; why.
    case certificateRefused(String)
    /// A file of authorities cannot be read; what is wrong.
    case authoritiesMalformed(String)

    /// The stable code.
    public var code: String {
        switch self {
        case .fileMalformed: "ATT-ENR-001"
        case .versionUnknown: "ATT-ENR-002"
        case .endorsementKeyUnsuitable: "ATT-ENR-003"
        case .endorsementKeyUnknown: "ATT-ENR-004"
        case .attestationKeyUnsuitable: "ATT-ENR-005"
        case .responseWrong: "ATT-ENR-006"
        case .certificateMissing: "ATT-ENR-007"
        case .certificateRefused: "ATT-ENR-008"
        case .authoritiesMalformed: "ATT-ENR-009"
        }
    }

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .fileMalformed(let what): "the file is malformed: \(what)"
        case .versionUnknown(let version): "the file has format version \(version); 1 is known"
        case .endorsementKeyUnsuitable(let what):
            "the endorsement key is no P-384 key of the template H-3, nor a TPM 1.2's: \(what)"
        case .endorsementKeyUnknown(let found):
            "the endorsement key is not the one that was named: found \(found)"
        case .attestationKeyUnsuitable(let what):
            "the attestation key is no restricted P-256 signing key, nor a TPM 1.2's: \(what)"
        case .responseWrong:
            "the response is not the secret: the attestation key is not shown to be in that TPM"
        case .certificateMissing:
            "the request holds no certificate: the TPM has, or shows, none for its endorsement key"
        case .certificateRefused(let what): "the endorsement key's certificate is refused: \(what)"
        case .authoritiesMalformed(let what): "the file of authorities is malformed: \(what)"
        }
    }
}
