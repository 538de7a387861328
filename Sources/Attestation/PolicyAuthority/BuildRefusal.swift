/// Why a build is not to be installed: each case has its own code and sentence.
public enum BuildRefusal: Error, Equatable {
    /// The manifest breaks a rule of its format; the text is the hypervisor's reason.
    case manifestUnreadable(String)
    /// The manifest has no signature.
    case unsigned
    /// The manifest is signed by another key; ids in hexadecimal.
    case foreignKey(expected: String, found: String)
    /// The signature is not the key's over these bytes.
    case badSignature
    /// The policy is not the one that the manifest is bound to; digests in hexadecimal.
    case policyDiffers(expected: String, found: String)
    /// The hypervisor's readers refuse policy or certificate; the text is their reason.
    case proofRefused(String)
    /// The manifest is of another system; ids in hexadecimal.
    case otherSystem(expected: String, found: String)
    /// The version is that of the manifest that is to be replaced.
    case sameVersion(UInt64)
    /// The version is below that of the manifest that is to be replaced.
    case olderVersion(UInt64, than: UInt64)
    /// The manifest names no predecessor.
    case noPredecessor
    /// The manifest replaces another one than this; digests in hexadecimal.
    case otherPredecessor(expected: String, found: String)
    /// The boot bundle is not the one that the manifest describes; the text says where.
    case bundleDiffers(String)
    /// The reference values are not those of the manifest; the text says what.
    case referenceValuesDiffer(String)

    /// The stable code.
    public var code: String {
        switch self {
        case .manifestUnreadable: "BLD-MAN-001"
        case .unsigned: "BLD-SIG-001"
        case .foreignKey: "BLD-SIG-002"
        case .badSignature: "BLD-SIG-003"
        case .policyDiffers: "BLD-POL-001"
        case .proofRefused: "BLD-POL-002"
        case .otherSystem: "BLD-SYS-001"
        case .sameVersion: "BLD-VER-001"
        case .olderVersion: "BLD-VER-002"
        case .noPredecessor: "BLD-PRE-001"
        case .otherPredecessor: "BLD-PRE-002"
        case .bundleDiffers: "BLD-BUN-001"
        case .referenceValuesDiffer: "BLD-REF-001"
        }
    }

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .manifestUnreadable(let reason): "the manifest is malformed: \(reason)"
        case .unsigned: "the manifest is not signed"
        case .foreignKey(let expected, let found):
            "the manifest is signed by the key \(found), not by \(expected)"
        case .badSignature: "the manifest's signature is not the key's over these bytes"
        case .policyDiffers(let expected, let found):
            "the manifest is bound to the policy sha384:\(expected), policy.30 is sha384:\(found)"
        case .proofRefused(let reason): "the hypervisor would refuse the build: \(reason)"
        case .otherSystem(let expected, let found):
            "the manifest is of the system with id \(found), not of \(expected)"
        case .sameVersion(let version):
            "the manifest has version \(version), as the one that it is to replace"
        case .olderVersion(let version, let old):
            "the manifest has version \(version), and is to replace version \(old)"
        case .noPredecessor: "the manifest does not name the one that it replaces"
        case .otherPredecessor(let expected, let found):
            "the manifest replaces sha384:\(found), not sha384:\(expected)"
        case .bundleDiffers(let what):
            "the boot bundle is not the one that the manifest describes: \(what)"
        case .referenceValuesDiffer(let what):
            "the reference values are not those of policy and manifest: \(what)"
        }
    }
}
