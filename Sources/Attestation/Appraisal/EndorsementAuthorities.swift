internal import Crypto
internal import CryptoExtras
internal import SwiftASN1
internal import TPMStructures
internal import X509

/// The certificate authorities whose word a relying party takes that an endorsement key is in a
/// TPM: those of TPM manufacturers, chosen by the relying party. No authority is built in.
///
/// For: enrolment. Not for: revocation, which nobody here asks about: a list or a responder would
/// need a network, and a manufacturer's certificate rarely names one.
///
/// - Source: TCG EK Credential Profile for TPM 2.0, section 3 (X.509 certificate); TCG Credential
///   Profiles for TPM family 1.2, section 3.2; RFC 5280, section 6.
public struct EndorsementAuthorities: Sendable {
    private let roots: [Certificate]
    private let intermediates: [Certificate]

    /// Reads the authorities.
    ///
    /// - Parameters:
    ///   - roots: PEM, at least one certificate; each is trusted as it stands.
    ///   - intermediates: PEM, or nothing; trusted as far as a root's chain reaches them.
    /// - Throws: `.authoritiesMalformed` if either is no PEM of certificates, or `roots` is empty.
    public init(roots: [UInt8], intermediates: [UInt8] = []) throws(EnrolmentRefusal) {
        let trusted = try certificates(roots)
        guard !trusted.isEmpty else { throw .authoritiesMalformed("there is no certificate in it") }
        self.roots = trusted
        self.intermediates = try certificates(intermediates)
    }

    /// Checks that a certificate is one of an endorsement key, valid now, issued below one of the
    /// roots, and that of `key`.
    ///
    /// - Parameter certificate: DER, as the TPM's NV index 0x01C00016 holds it.
    /// - Throws: `.certificateRefused`, with the reason.
    func check(
        _ certificate: [UInt8], of key: EndorsementPublicKey
    ) async throws(EnrolmentRefusal) {
        let point = try? P384.Signing.PublicKey(rawRepresentation: key.rawRepresentation)
        try await check(certificate, of: point.map { Certificate.PublicKey($0) })
    }

    /// The same of a TPM 1.2.
    ///
    /// - Parameter certificate: DER, as it stands in the TPM's NV index 0x1000F000.
    /// - Throws: `.certificateRefused`, with the reason.
    func check(
        _ certificate: [UInt8], ofOnePointTwo key: OnePointTwoKey
    ) async throws(EnrolmentRefusal) {
        let number = try? _RSA.Signing.PublicKey(n: key.modulus, e: OnePointTwoKey.exponent)
        try await check(certificate, of: number.map { Certificate.PublicKey($0) })
    }

    private func check(
        _ certificate: [UInt8], of key: Certificate.PublicKey?
    ) async throws(EnrolmentRefusal) {
        if let leaf = EncryptionOnlyCertificate(derEncoded: certificate) {
            guard leaf.publicKey == key else { throw .certificateRefused("it is of another key") }
            return try await check(leaf)
        }
        let leaf: Certificate
        do {
            leaf = try Certificate(derEncoded: certificate)
        } catch {
            throw .certificateRefused("it is no X.509 certificate")
        }
        guard let key, leaf.publicKey == key else {
            throw .certificateRefused("it is of another key")
        }
        var verifier = Verifier(rootCertificates: CertificateStore(roots)) {
            RFC5280Policy()
            EndorsementPolicy()
        }
        let judged = await verifier.validate(
            leaf: leaf, intermediates: CertificateStore(intermediates))
        switch judged {
        case .validCertificate: return
        case .couldNotValidate(let failures):
            let reason = failures.first.map { "\($0.policyFailureReason)" }
            throw .certificateRefused(reason ?? Self.nobody)
        }
    }

    /// Says that no chain leads from a certificate to a root.
    private static var nobody: String { "none of the authorities issued it" }

    /// Checks a certificate whose key swift-certificates does not read: finds who signed it, chains
    /// from there to a root, and has the whole judged as any other.
    private func check(_ leaf: EncryptionOnlyCertificate) async throws(EnrolmentRefusal) {
        var reason: String?
        for issuer in roots + intermediates where leaf.isIssued(by: issuer) {
            var verifier = Verifier(rootCertificates: CertificateStore(roots)) {
                RFC5280Policy()
                IssuerPolicy()
            }
            let chained = await verifier.validate(
                leaf: issuer, intermediates: CertificateStore(intermediates))
            switch chained {
            case .validCertificate(let chain):
                let failure = await leaf.failure(below: Array(chain)) {
                    RFC5280Policy()
                    EndorsementPolicy()
                }
                guard let failure else { return }
                reason = reason ?? failure
            case .couldNotValidate(let failures):
                reason = reason ?? failures.first.map { "\($0.policyFailureReason)" }
            }
        }
        throw .certificateRefused(reason ?? Self.nobody)
    }
}

/// What an issuer's certificate must say beyond RFC 5280 before the whole chain is judged: nothing.
private struct IssuerPolicy: VerifierPolicy {
    let verifyingCriticalExtensions = EndorsementPolicy().verifyingCriticalExtensions

    func chainMeetsPolicyRequirements(
        chain: UnverifiedCertificateChain
    ) -> PolicyEvaluationResult { .meetsPolicy }
}

/// What an endorsement key's certificate must say beyond RFC 5280.
private struct EndorsementPolicy: VerifierPolicy {
    /// The alternative name holds the TPM's manufacturer, model and version, about which nobody
    /// here has an opinion; all else is judged below.
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
        .X509ExtensionID.subjectAlternativeName, .X509ExtensionID.extendedKeyUsage,
    ]

    /// `tcg-kp-EKCertificate`.
    private static var purpose: ExtendedKeyUsage.Usage {
        ExtendedKeyUsage.Usage(oid: [2, 23, 133, 8, 1])
    }

    func chainMeetsPolicyRequirements(
        chain: UnverifiedCertificateChain
    ) -> PolicyEvaluationResult {
        guard let usage = try? chain.leaf.extensions.extendedKeyUsage,
            usage.contains(Self.purpose)
        else { return .failsToMeetPolicy(reason: "it is not for an endorsement key") }
        if case .isCertificateAuthority = try? chain.leaf.extensions.basicConstraints {
            return .failsToMeetPolicy(reason: "it is an authority's own")
        }
        // RFC5280Policy leaves key usages to the caller.
        for issuer in chain.dropFirst() {
            let usage: KeyUsage?
            do {
                usage = try issuer.extensions.keyUsage
            } catch {
                return .failsToMeetPolicy(reason: "an issuer's key usage is malformed")
            }
            guard usage?.keyCertSign ?? true else {
                return .failsToMeetPolicy(reason: "an issuer's key may not sign certificates")
            }
        }
        return .meetsPolicy
    }
}

/// Reads the certificates of a PEM file; an empty file has none.
private func certificates(_ pem: [UInt8]) throws(EnrolmentRefusal) -> [Certificate] {
    guard !pem.isEmpty else { return [] }
    do {
        return try PEMDocument.parseMultiple(pemString: String(decoding: pem, as: UTF8.self))
            .map { try Certificate(pemDocument: $0) }
    } catch {
        throw .authoritiesMalformed("it is no PEM of certificates")
    }
}
