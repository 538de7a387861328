import Appraisal
import AttestationTestSupport
import Crypto
import Digests
import EventLog
import Foundation
import Testing

private func life(
    _ change: LifeChange, _ name: String, _ generation: UInt32
) throws -> (pcr: Int, data: [UInt8]) {
    let all = try Vector.reference().compartments
    let declared = try #require(all.first { $0.name == name })
    let bytes = Array(name.utf8)
    let isEnd = change == .destroy
    return (
        15,
        LifeMeasurement(
            change: change, name: bytes.span, domainID: declared.domainID,
            generation: generation, kernel: isEnd ? nil : declared.kernel.sha384,
            initrd: isEnd ? nil : declared.initrd?.sha384
        ).eventData
    )
}

private func judge(
    _ changes: [(pcr: Int, data: [UInt8])], successors: [ReferenceValues] = []
) throws -> AttestationResult {
    let booted = try events(Vector.evidence().eventLog)
    return try Vector.appraise(
        ForgingTPM().evidence(measuring: booted + changes),
        reference: Vector.permissiveReference(), successors: successors)
}

private func accepted(
    _ changes: [(pcr: Int, data: [UInt8])], successors: [ReferenceValues] = []
) throws -> AcceptedMachine {
    let result = try judge(changes, successors: successors)
    guard case .accepted(let machine) = result else {
        throw UnexpectedRefusal(codes: codes(result))
    }
    return machine
}

private struct UnexpectedRefusal: Error { let codes: [String] }

@Suite("what changes while a machine runs") struct ChangeTests {
    @Test("nothing changed, and nothing is told") func none() throws {
        let machine = try accepted([])
        #expect(machine.changes.isEmpty)
        #expect(machine.system.version == 3)
    }

    @Test("restarts within the limit are accepted and told") func restarts() throws {
        let one = try accepted([life(.restart, "sensor", 2)])
        #expect(one.changes == [.restarted(compartment: "sensor", times: 1)])
        #expect(
            one.changes[0].message == "restarted compartment `sensor` once after a failure")
        let two = try accepted([life(.restart, "sensor", 2), life(.restart, "sensor", 3)])
        #expect(
            two.changes.map(\.message) == [
                "restarted compartment `sensor` 2 times after a failure"
            ])
    }

    @Test(
        "an order to start is accepted of what waits for one, and sets the count of restarts back")
    func orders() throws {
        let machine = try accepted([
            life(.deploy, "collector", 2), life(.restart, "sensor", 2),
            life(.restart, "sensor", 3), life(.destroy, "sensor", 3), life(.deploy, "sensor", 4),
            life(.restart, "sensor", 5), life(.destroy, "collector", 2),
        ])
        #expect(
            machine.changes == [
                .restarted(compartment: "sensor", times: 3),
                .deployed(compartment: "sensor", times: 1),
                .ended(compartment: "sensor", times: 1),
                .deployed(compartment: "collector", times: 1),
                .ended(compartment: "collector", times: 1),
            ])
    }

    @Test("another policy is accepted with its reference values, and is the one that is told")
    func reloads() throws {
        let second = try Vector.permissiveReference(version: 4, policy: [4])
        let third = try Vector.permissiveReference(version: 7, policy: [7])
        let machine = try accepted(
            [reload(second), life(.restart, "sensor", 2), reload(third)],
            successors: [second, third])
        #expect(machine.system.version == 7)
        #expect(machine.policyDigest == third.policy && machine.manifestDigest == third.manifest)
        let told = try #require(machine.changes.last).message
        #expect(told.hasPrefix("policy replaced by sha384:\(third.policy.hexadecimal), "))
        #expect(machine.changes.count == 3)
        // A successor that never came is no matter: the machine still runs the first.
        #expect(try accepted([], successors: [second]).system.version == 3)
    }

    @Test("a reload to another place in the row, to an older version or another system is refused")
    func wrongReloads() throws {
        let second = try Vector.permissiveReference(version: 4, policy: [4])
        let third = try Vector.permissiveReference(version: 7, policy: [7])
        func code(
            _ changes: [(pcr: Int, data: [UInt8])], _ successors: [ReferenceValues]
        ) throws -> [String] { codes(try judge(changes, successors: successors)) }
        #expect(try code([reload(third)], [second, third]) == ["ATT-RUN-004"])
        #expect(try code([reload(second), reload(second)], [second]) == ["ATT-RUN-004"])
        #expect(
            try code([reload(third), reload(second)], [third, second]) == ["ATT-RUN-005"])
        let same = try Vector.permissiveReference(version: 3, policy: [4])
        #expect(try code([reload(same)], [same]) == ["ATT-RUN-005"])
        let stranger = ReferenceValues(
            system: ReferenceSystem(name: "other", version: 4), policy: second.policy,
            manifest: second.manifest, compartments: second.compartments)
        #expect(try code([reload(stranger)], [stranger]) == ["ATT-RUN-005"])
        let fewer = ReferenceValues(
            system: second.system, policy: second.policy, manifest: second.manifest,
            compartments: Array(second.compartments.dropLast()))
        #expect(try code([reload(fewer)], [fewer]) == ["ATT-RUN-005"])
        let stricter = ReferenceValues(
            system: second.system, policy: second.policy, manifest: second.manifest,
            compartments: try Vector.reference().compartments)
        #expect(try code([reload(stricter)], [stricter]) == ["ATT-RUN-005"])
        // Its digests are the next one's, and its version is not.
        var forged = reload(second)
        forged.data[forged.data.count - 8] = 5
        #expect(try code([forged], [second]) == ["ATT-RUN-004"])
    }

    @Test("reference values that permit changes round-trip, and those that say nothing permit none")
    func referenceFile() throws {
        let permissive = try Vector.permissiveReference()
        #expect(try ReferenceValues(json: permissive.encoded()) == permissive)
        let silent = try Vector.reference()
        #expect(silent.compartments.allSatisfy { $0.restartLimit == 0 && $0.startsByItself })
        let booted = try events(Vector.evidence().eventLog)
        let restarted = try ForgingTPM().evidence(
            measuring: booted + [life(.restart, "sensor", 2)])
        #expect(codes(try Vector.appraise(restarted)) == ["ATT-RUN-002"])
    }
}

@Suite("tokens") struct TokenTests {
    private func payload(_ text: Substring) throws -> [String: Any] {
        let padded = text.replacing("-", with: "+").replacing("_", with: "/")
        let bytes = try #require(
            Data(base64Encoded: padded + String(repeating: "=", count: (4 - padded.count % 4) % 4)))
        return try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    }

    private func check(_ token: String, _ key: P384.Signing.PublicKey) throws -> [String: Any] {
        let parts = token.split(separator: ".")
        #expect(parts.count == 3)
        #expect(try payload(parts[0]) as? [String: String] == ["alg": "ES384", "typ": "JWT"])
        let padded = parts[2].replacing("-", with: "+").replacing("_", with: "/")
        let signature = try P384.Signing.ECDSASignature(
            rawRepresentation: try #require(Data(base64Encoded: String(padded))))
        #expect(key.isValidSignature(signature, for: Array("\(parts[0]).\(parts[1])".utf8)))
        return try payload(parts[1])
    }

    @Test("a token says what the answer says, under a signature that others can check")
    func tokens() throws {
        let key = P384.Signing.PrivateKey()
        let sign = { (bytes: [UInt8]) -> [UInt8]? in
            (try? key.signature(for: bytes)).map { [UInt8]($0.rawRepresentation) }
        }
        var tpm = ForgingTPM()
        (tpm.resetCount, tpm.restartCount, tpm.clock) = (7, 1, 5_000_000_000)
        let booted = try events(Vector.evidence().eventLog)
        let result = try Vector.appraise(tpm.evidence(measuring: booted))
        guard case .accepted(let machine) = result else {
            Issue.record("refused")
            return
        }
        let time = try #require(machine.time)
        #expect(time.resetCount == 7 && time.restartCount == 1)
        #expect(time.clockInMilliseconds == 5_000_000_000)
        let now = Date(timeIntervalSince1970: 1_800_000_000.5)
        let good = AttestationToken(
            accepted: machine, refusals: [], machine: "rack-7", nonce: [0xFB, 0xFF], at: now,
            verifier: ("us", "1"))
        let claims = try check(try #require(good.signed(by: sign)), key.publicKey)
        #expect(claims["iat"] as? Int == 1_800_000_000)
        #expect(claims["eat_nonce"] as? String == "-_8")
        #expect(
            claims["ear.verifier-id"] as? [String: String] == ["developer": "us", "build": "1"])
        let machines = try #require(claims["submods"] as? [String: [String: Any]])
        let told = try #require(machines["rack-7"])
        #expect(told["ear.status"] as? String == "affirming")
        #expect(told["casemate.policy-sha384"] as? String == machine.policyDigest.hexadecimal)
        #expect(told["casemate.compartments"] as? [String] == ["sensor", "collector"])
        #expect(told["casemate.reset-count"] as? Int == 7)
        #expect(told["casemate.refusals"] == nil)
        let bad = AttestationToken(
            accepted: nil, refusals: [("ATT-SYS-001", "no")], machine: "rack-7", nonce: nil,
            at: now, verifier: ("us", "1"))
        let other = try check(try #require(bad.signed(by: sign)), key.publicKey)
        #expect(other["eat_nonce"] == nil)
        let refused = try #require((other["submods"] as? [String: [String: Any]])?["rack-7"])
        #expect(refused["ear.status"] as? String == "contraindicated")
        #expect(refused["casemate.refusals"] as? [String] == ["ATT-SYS-001: no"])
        #expect(refused["casemate.system"] == nil)
        #expect(good.signed(by: { _ in nil }) == nil)
    }
}
