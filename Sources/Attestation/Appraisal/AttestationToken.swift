internal import Digests
public import FoundationEssentials

/// A verifier's answer as a signed token that a relying party can check without the verifier: an
/// EAT attestation result in the form of a JSON web token, signed with ECDSA on P-384.
///
/// For: passing an answer on. Not for: anything that the answer does not say; a token is as old as
/// its `iat`, and a relying party that needs a fresh one compares `eat_nonce` with its own.
///
/// - Source: RFC 9711 (Entity Attestation Token); draft-ietf-rats-ear, sections 3 and 4, with the
///   profile of its first implementations; RFC 7515, section 7.1; RFC 7518, section 3.4 (ES384).
public struct AttestationToken: Sendable {
    private let claims: Claims

    /// States the answer to one machine's evidence.
    ///
    /// - Parameters:
    ///   - accepted: what is known of the machine; `nil`: it is refused.
    ///   - refusals: why it is refused; of an accepted machine none.
    ///   - machine: the verifier's name for the machine.
    ///   - nonce: what the quote had to carry; `nil`: none.
    ///   - verifier: the name of the verifier's operator and the version of the program.
    public init(
        accepted: AcceptedMachine?, refusals: [(code: String, message: String)], machine: String,
        nonce: [UInt8]?, at now: Date, verifier: (developer: String, build: String)
    ) {
        var submodule = Submodule(status: "contraindicated")
        if let accepted {
            submodule.status = "affirming"
            submodule.system = accepted.system.name
            submodule.systemVersion = accepted.system.version
            submodule.policy = accepted.policyDigest.hexadecimal
            submodule.manifest = accepted.manifestDigest.hexadecimal
            submodule.compartments = accepted.compartments
            submodule.changes = accepted.changes.map(\.message)
            submodule.attestationKey = hexadecimalText(accepted.attestationKeyName)
            submodule.isKeyKnown = accepted.isKeyKnown
            submodule.resetCount = accepted.time?.resetCount
            submodule.restartCount = accepted.time?.restartCount
            submodule.clock = accepted.time?.clockInMilliseconds
        } else {
            submodule.refusals = refusals.map { "\($0.code): \($0.message)" }
        }
        claims = Claims(
            profile: "tag:github.com,2023:veraison/ear",
            issuedAt: Int64(now.timeIntervalSince1970.rounded(.down)),
            nonce: nonce.map { base64URL($0) },
            verifier: Verifier(developer: verifier.developer, build: verifier.build),
            submodules: [machine: submodule])
    }

    /// Returns the token: header, claims and signature in base64url, with dots between them.
    ///
    /// - Parameter sign: makes an ECDSA signature with P-384 and SHA-384 of these bytes: r and s,
    ///   48 bytes each; `nil`: it cannot.
    /// - Returns: nil when `sign` does.
    public func signed(by sign: ([UInt8]) -> [UInt8]?) -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let document = try? encoder.encode(claims) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        let header = base64URL(Array(#"{"alg":"ES384","typ":"JWT"}"#.utf8))
        let payload = base64URL(Array(document))
        guard let signature = sign(Array("\(header).\(payload)".utf8)) else { return nil }
        return "\(header).\(payload).\(base64URL(signature))"
    }
}

/// The claims, under the names of the specifications.
private struct Claims: Encodable {
    let profile: String
    let issuedAt: Int64
    let nonce: String?
    let verifier: Verifier
    let submodules: [String: Submodule]

    enum CodingKeys: String, CodingKey {
        case profile = "eat_profile"
        case issuedAt = "iat"
        case nonce = "eat_nonce"
        case verifier = "ear.verifier-id"
        case submodules = "submods"
    }
}

private struct Verifier: Encodable {
    let developer: String
    let build: String
}

private struct Submodule: Encodable {
    var status: String
    var system: String?
    var systemVersion: UInt64?
    var policy: String?
    var manifest: String?
    var compartments: [String]?
    var changes: [String]?
    var attestationKey: String?
    var isKeyKnown: Bool?
    var resetCount: UInt32?
    var restartCount: UInt32?
    var clock: UInt64?
    var refusals: [String]?

    enum CodingKeys: String, CodingKey {
        case status = "ear.status"
        case system = "casemate.system"
        case systemVersion = "casemate.system-version"
        case policy = "casemate.policy-sha384"
        case manifest = "casemate.manifest-sha384"
        case compartments = "casemate.compartments"
        case changes = "casemate.changes"
        case attestationKey = "casemate.attestation-key"
        case isKeyKnown = "casemate.key-known"
        case resetCount = "casemate.reset-count"
        case restartCount = "casemate.restart-count"
        case clock = "casemate.clock-milliseconds"
        case refusals = "casemate.refusals"
    }
}

/// Base64 with the alphabet for addresses, without padding (RFC 4648, section 5).
private func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString()
        .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}
