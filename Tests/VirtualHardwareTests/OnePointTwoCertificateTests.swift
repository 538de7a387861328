import Appraisal
import Foundation
import TPMDevice
import TPMSoftwareStack
import Testing
import VirtualHardware

/// A TPM 1.2 that a manufacturer of its own certified, and that manufacturer.
private struct CertifiedMachine {
    let machine: EmulatedMachine
    let authority: ManufacturerAuthority

    init() throws {
        let directory = try makeTemporaryDirectory()
        authority = try ManufacturerAuthority(directory: directory)
        machine = try EmulatedMachine(.onePointTwo, certifiedBy: directory)
        var device = TPMDevice(registers: ForwardingRegisters(machine))
        try device.start()
    }

    func authorities(withIssuer: Bool = true) throws -> EndorsementAuthorities {
        func bytes(_ path: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(filePath: path)))
        }
        return try EndorsementAuthorities(
            roots: try bytes(authority.rootPath),
            intermediates: withIssuer ? try bytes(authority.issuerPath) : [])
    }

    /// Locks the TPM's areas, as its manufacturer does before it leaves the house
    /// (`TPM_NV_DefineSpace` of `TPM_NV_INDEX_LOCK`): from then on permissions count.
    func lock() throws {
        let registers: [UInt8] = [0, 3, 0, 0, 0, 0x1F] + [UInt8](repeating: 0, count: 20)
        let area =
            [0, 0x18, 0xFF, 0xFF, 0xFF, 0xFF] + registers + registers
            + [0, 0x17, 0, 0, 0, 0] + [0, 0, 0] + [0, 0, 0, 0]
        let parameters = area + [UInt8](repeating: 0, count: 20)
        let size = UInt8(10 + parameters.count)
        try machine.data.writeAll([0, 0xC1, 0, 0, 0, size, 0, 0, 0, 0xCC] + parameters)
        let response = try machine.data.readExactly(10)
        #expect(response == [0, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0])
    }

    func end() {
        machine.end()
        removeTemporaryDirectory((authority.rootPath as NSString).deletingLastPathComponent)
    }
}

private func request(_ tpm: any AttestingTPM, certificate: [UInt8]?) throws -> EnrolmentRequest {
    let identity = try tpm.identity()
    return EnrolmentRequest(
        endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey,
        endorsementCertificate: certificate)
}

@Suite("certificates of TPM 1.2", .serialized) struct OnePointTwoCertificateTests {
    @Test("a TPM 1.2's own certificate names its endorsement key, to those who know its issuers")
    func accepted() async throws {
        let certified = try CertifiedMachine()
        defer { certified.end() }
        let tpm = try reach(certified.machine)
        let certificate = try #require(try tpm.endorsementCertificate())
        let asked = try request(tpm, certificate: certificate)
        let name = try await asked.endorsementKeyName(certifiedBy: certified.authorities())
        #expect(name == (try asked.endorsementKeyName()))
        let other = try CertifiedMachine()
        defer { other.end() }
        let nobody = EnrolmentRefusal.certificateRefused("none of the authorities issued it")
        for authorities in [try other.authorities(), try certified.authorities(withIssuer: false)] {
            await #expect(throws: nobody) {
                _ = try await asked.endorsementKeyName(certifiedBy: authorities)
            }
        }
        let borrowed = try request(
            tpm, certificate: try reach(other.machine).endorsementCertificate())
        await #expect(throws: EnrolmentRefusal.certificateRefused("it is of another key")) {
            _ = try await borrowed.endorsementKeyName(certifiedBy: other.authorities())
        }
    }

    @Test("a TPM 1.2 without a certificate says so, and nobody vouches for it") func none()
        async throws
    {
        let certified = try CertifiedMachine()
        defer { certified.end() }
        let plain = try EmulatedMachine(.onePointTwo)
        defer { plain.end() }
        var device = TPMDevice(registers: ForwardingRegisters(plain))
        try device.start()
        let tpm = try reach(plain)
        #expect(try tpm.endorsementCertificate() == nil)
        let asked = try request(tpm, certificate: nil)
        await #expect(throws: EnrolmentRefusal.certificateMissing) {
            _ = try await asked.endorsementKeyName(certifiedBy: certified.authorities())
        }
    }

    @Test("a locked TPM 1.2 shows its certificate to its owner") func locked() throws {
        let certified = try CertifiedMachine()
        defer { certified.end() }
        let before = try reach(certified.machine).endorsementCertificate()
        try certified.lock()
        #expect(before != nil)
        #expect(try reach(certified.machine).endorsementCertificate() == before)
        let stranger = OnePointTwoConnection(
            over: SocketTransport(
                takingSocket: try connectUnix(certified.machine.socketPath).duplicate()))
        #expect(throws: TPMConnectionError.callFailed("nvReadValue", code: 1)) {
            _ = try stranger.endorsementCertificate()
        }
    }

    @Test("TrouSerS shows the same certificate, locked or not", .enabled(if: getuid() == 0))
    func throughTrouSerS() throws {
        let certified = try CertifiedMachine()
        defer { certified.end() }
        let daemon = try EmulatedDaemon(certified.machine)
        defer { daemon.end() }
        let expected = try reach(certified.machine).endorsementCertificate()
        #expect(expected != nil)
        func shown(_ secrets: OnePointTwoSecrets) throws -> [UInt8]? {
            try TrouSerSConnection(to: daemon.place, secrets: secrets).endorsementCertificate()
        }
        #expect(try shown(emulatedSecrets()) == expected)
        try certified.lock()
        #expect(try shown(emulatedSecrets()) == expected)
        #expect(throws: TPMConnectionError.callFailed("Tspi_NV_ReadValue", code: 1)) {
            _ = try shown(.wellKnown)
        }
        let plain = try EmulatedMachine(.onePointTwo)
        defer { plain.end() }
        var device = TPMDevice(registers: ForwardingRegisters(plain))
        try device.start()
        let other = try EmulatedDaemon(plain)
        defer { other.end() }
        let none = try TrouSerSConnection(to: other.place, secrets: emulatedSecrets())
        #expect(try none.endorsementCertificate() == nil)
    }
}
