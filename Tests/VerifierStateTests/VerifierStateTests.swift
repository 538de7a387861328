import Foundation
import TestSupport
import Testing
import VerifierState

private let now = Date(timeIntervalSince1970: 1_800_000_000)
private let key: [UInt8] = [0, 0x0B] + [UInt8](repeating: 5, count: 32)

/// A state in a folder of its own.
private final class Fixture {
    let path: String
    let state: VerifierState

    init() throws {
        path = NSTemporaryDirectory() + "verifier-\(UUID().uuidString).db"
        state = try VerifierState(path: path)
        try state.enrol("alpha", attestationKeyName: key, endorsementKeyName: [9], at: now)
    }

    func time(_ reset: UInt32, _ restart: UInt32 = 0, clock: UInt64 = 1000) -> MachineTime {
        MachineTime(resetCount: reset, restartCount: restart, clock: clock)
    }

    func accept(_ time: MachineTime?) throws -> Continuity {
        try state.accept("alpha", system: "guard", version: 3, time: time, at: now)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct VerifierStateTests {
    @Test("what is enrolled is there when the file is opened again, for its owner alone")
    func persistence() throws {
        let fixture = try Fixture()
        let again = try VerifierState(path: fixture.path)
        let machine = try again.machine("alpha")
        #expect(machine.attestationKeyName == key)
        #expect(machine.endorsementKeyName == [9])
        #expect(machine.enrolledAt == now)
        #expect(try again.machines() == [machine])
        let attributes = try FileManager.default.attributesOfItem(atPath: fixture.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("a name or a key is enrolled once; a forgotten machine leaves nothing")
    func enrolment() throws {
        let fixture = try Fixture()
        let state = fixture.state
        #expect(throws: VerifierStateError.machineExists("alpha")) {
            try state.enrol("alpha", attestationKeyName: [1], endorsementKeyName: [], at: now)
        }
        #expect(throws: VerifierStateError.keyExists(machine: "alpha")) {
            try state.enrol("beta", attestationKeyName: key, endorsementKeyName: [], at: now)
        }
        for name in ["", String(repeating: "x", count: 64), "a\nb"] {
            #expect(throws: VerifierStateError.nameUnfit) {
                try state.enrol(name, attestationKeyName: [2], endorsementKeyName: [], at: now)
            }
        }
        let nonce = try state.issueNonce(for: "alpha", lifetime: 60, at: now)
        _ = try fixture.accept(fixture.time(7))
        try state.forget("alpha")
        #expect(throws: VerifierStateError.machineUnknown("alpha")) { try state.forget("alpha") }
        try state.enrol("alpha", attestationKeyName: key, endorsementKeyName: [], at: now)
        #expect(throws: VerifierStateError.nonceUnknown) {
            try state.redeem(nonce, for: "alpha", at: now)
        }
        #expect(try state.judgements(of: "alpha", limit: 9).isEmpty)
    }

    @Test("a nonce serves one machine, once, within its lifetime") func nonces() throws {
        let fixture = try Fixture()
        let state = fixture.state
        try state.enrol("beta", attestationKeyName: [1], endorsementKeyName: [], at: now)
        let nonce = try state.issueNonce(for: "alpha", lifetime: 60, at: now)
        #expect(nonce.count == 20)
        #expect(try state.issueNonce(for: "alpha", lifetime: 60, at: now) != nonce)
        #expect(throws: VerifierStateError.nonceUnknown) {
            try state.redeem(nonce, for: "beta", at: now)
        }
        #expect(throws: VerifierStateError.nonceUnknown) {
            try state.redeem([], for: "alpha", at: now)
        }
        try state.redeem(nonce, for: "alpha", at: now + 60)
        #expect(throws: VerifierStateError.nonceUsed) {
            try state.redeem(nonce, for: "alpha", at: now)
        }
        let old = try state.issueNonce(for: "alpha", lifetime: 60, at: now)
        #expect(throws: VerifierStateError.nonceExpired) {
            try state.redeem(old, for: "alpha", at: now + 61)
        }
        #expect(throws: VerifierStateError.machineUnknown("gamma")) {
            _ = try state.issueNonce(for: "gamma", lifetime: 1, at: now)
        }
    }

    @Test("a nonce is used once, however many ask at the same time") func race() async throws {
        let fixture = try Fixture()
        let nonce = try fixture.state.issueNonce(for: "alpha", lifetime: 60, at: now)
        let path = fixture.path
        let successes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    guard let state = try? VerifierState(path: path) else { return false }
                    return (try? state.redeem(nonce, for: "alpha", at: now)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(successes == 1)
    }

    @Test("a TPM's time only goes on; what goes back is refused and remembered")
    func continuity() throws {
        let fixture = try Fixture()
        #expect(try fixture.accept(fixture.time(5, clock: 100)) == .first)
        #expect(try fixture.accept(fixture.time(5, clock: 100)) == .sameBoot(since: now))
        #expect(try fixture.accept(fixture.time(5, clock: 900)) == .sameBoot(since: now))
        #expect(throws: VerifierStateError.clockWentBack(from: 900, to: 899)) {
            _ = try fixture.accept(fixture.time(5, clock: 899))
        }
        // The clock may fall behind when the machine is restarted without notice.
        #expect(try fixture.accept(fixture.time(5, 1, clock: 800)) == .sameBoot(since: now))
        #expect(try fixture.accept(fixture.time(8, clock: 1)) == .rebooted(times: 3, since: now))
        #expect(throws: VerifierStateError.resetCountWentBack(from: 8, to: 7)) {
            _ = try fixture.accept(fixture.time(7, clock: 5000))
        }
        try fixture.state.refuse("alpha", codes: ["ATT-SYS-003", "ATT-SYS-006"], at: now)
        let answers = try fixture.state.judgements(of: "alpha", limit: 3)
        #expect(
            answers.map(\.outcome) == [
                .refused(["ATT-SYS-003", "ATT-SYS-006"]), .refused(["ATT-STA-009"]),
                .accepted(system: "guard", version: 3, time: fixture.time(8, clock: 1)),
            ])
        // What was refused does not move the time on.
        #expect(try fixture.accept(fixture.time(8, clock: 2)) == .sameBoot(since: now))
    }

    @Test("within one boot the restart counter only rises; a TPM that told its time goes on to")
    func restartsAndSilence() throws {
        let fixture = try Fixture()
        #expect(try fixture.accept(nil) == .first)
        #expect(try fixture.accept(nil) == .untold(since: now))
        #expect(try fixture.accept(fixture.time(3, 2)) == .untold(since: now))
        #expect(throws: VerifierStateError.restartCountWentBack(from: 2, to: 1)) {
            _ = try fixture.accept(fixture.time(3, 1, clock: 9000))
        }
        #expect(try fixture.accept(fixture.time(3, 2)) == .sameBoot(since: now))
        #expect(throws: VerifierStateError.timeMissing) { _ = try fixture.accept(nil) }
        // Another boot counts its restarts anew.
        #expect(try fixture.accept(fixture.time(4)) == .rebooted(times: 1, since: now))
    }

    @Test("a file that is no state is refused, and left as it is") func foreign() throws {
        let path = NSTemporaryDirectory() + "verifier-\(UUID().uuidString).db"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let noise = Data((0..<4096).map { _ in UInt8.random(in: 0...255) })
        try noise.write(to: URL(fileURLWithPath: path))
        #expect(throws: VerifierStateError.self) { _ = try VerifierState(path: path) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == noise)
        #expect(throws: VerifierStateError.self) { _ = try VerifierState(path: "/nothing/here") }
    }

    @Test("a database of another program, and one of a later version, are refused")
    func otherDatabases() throws {
        let fixture = try Fixture()
        let file = URL(fileURLWithPath: fixture.path)
        let good = try Data(contentsOf: file)
        // SQLite's header: `user_version` at 60, `application_id` at 68, big-endian.
        for (place, reason) in [
            (63, "a later version of this program made it"), (71, "it is another program's file"),
        ] {
            var changed = good
            changed[place] = 2
            try changed.write(to: file)
            #expect(throws: VerifierStateError.unusable(reason)) {
                _ = try VerifierState(path: fixture.path)
            }
        }
        try good.write(to: file)
        #expect(try VerifierState(path: fixture.path).machines().count == 1)
    }

    @Test("what a name says is data, and never a statement") func injection() throws {
        let fixture = try Fixture()
        let name = "x'); DELETE FROM machine; --"
        try fixture.state.enrol(name, attestationKeyName: [2], endorsementKeyName: [], at: now)
        #expect(try fixture.state.machines().map(\.name) == ["alpha", name])
        #expect(throws: VerifierStateError.machineUnknown("' OR ''='")) {
            _ = try fixture.state.machine("' OR ''='")
        }
    }
}
