import Appraisal
import Foundation
import TPMDevice
import TPMSoftwareStack
import TestSupport
import Testing
import VirtualHardware

/// A TPM that a manufacturer of its own certified, and that manufacturer.
private struct CertifiedMachine {
    let machine: EmulatedMachine
    let authority: ManufacturerAuthority
    let request: EnrolmentRequest
    let certificate: [UInt8]

    init() throws {
        let directory = try makeTemporaryDirectory()
        authority = try ManufacturerAuthority(directory: directory)
        machine = try EmulatedMachine(certifiedBy: directory)
        var device = TPMDevice(registers: ForwardingRegisters(machine))
        try device.start()
        let tpm = try connect(machine)
        let identity = try tpm.identity()
        certificate = try #require(try tpm.endorsementCertificate())
        request = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey,
            endorsementCertificate: certificate)
    }

    func authorities(withIssuer: Bool = true) throws -> EndorsementAuthorities {
        try EndorsementAuthorities(
            roots: try bytes(authority.rootPath),
            intermediates: withIssuer ? try bytes(authority.issuerPath) : [])
    }

    func end() {
        machine.end()
        removeTemporaryDirectory((authority.rootPath as NSString).deletingLastPathComponent)
    }
}

private func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// What OpenSSL says of the same chain.
private func isVerifiedByOpenSSL(_ machine: CertifiedMachine, withIssuer: Bool) throws -> Bool {
    let path = machine.machine.directory + "/ek.pem"
    let text = Data(machine.certificate).base64EncodedString(options: .lineLength64Characters)
    try Data("-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n".utf8)
        .write(to: URL(fileURLWithPath: path))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments =
        ["verify", "-x509_strict", "-ignore_critical", "-CAfile", machine.authority.rootPath]
        + (withIssuer ? ["-untrusted", machine.authority.issuerPath] : []) + [path]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.runBound()
    process.waitUntilExit()
    return process.terminationStatus == 0
}

@Suite(.serialized) struct EndorsementCertificateTests {
    @Test("a TPM's own certificate names its endorsement key, for us as for OpenSSL")
    func accepted() async throws {
        let certified = try CertifiedMachine()
        defer { certified.end() }
        let name = try await certified.request.endorsementKeyName(
            certifiedBy: certified.authorities())
        #expect(name == (try certified.request.endorsementKeyName()))
        #expect(try isVerifiedByOpenSSL(certified, withIssuer: true))
        await #expect(
            throws: EnrolmentRefusal.certificateRefused("none of the authorities issued it")
        ) {
            _ = try await certified.request.endorsementKeyName(
                certifiedBy: certified.authorities(withIssuer: false))
        }
        #expect(try !isVerifiedByOpenSSL(certified, withIssuer: false))
    }

    @Test("another manufacturer, another TPM's certificate and none at all are refused")
    func refused() async throws {
        let certified = try CertifiedMachine()
        defer { certified.end() }
        let other = try CertifiedMachine()
        defer { other.end() }
        await #expect(
            throws: EnrolmentRefusal.certificateRefused("none of the authorities issued it")
        ) {
            _ = try await certified.request.endorsementKeyName(certifiedBy: other.authorities())
        }
        let identity = try connect(certified.machine).identity()
        let borrowed = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey,
            endorsementCertificate: other.certificate)
        await #expect(throws: EnrolmentRefusal.certificateRefused("it is of another key")) {
            _ = try await borrowed.endorsementKeyName(certifiedBy: other.authorities())
        }
        let plain = try EmulatedMachine()
        defer { plain.end() }
        var device = TPMDevice(registers: ForwardingRegisters(plain))
        try device.start()
        #expect(try connect(plain).endorsementCertificate() == nil)
        let without = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey)
        await #expect(throws: EnrolmentRefusal.certificateMissing) {
            _ = try await without.endorsementKeyName(certifiedBy: certified.authorities())
        }
    }
}
