import BootArena
import CompilerTestSupport
import PolicyCompiler
import PolicyDatabase
import ReferenceMonitor
import SystemManifest
import Testing

/// A store whose policy is replaced while it serves.
@Suite struct ReloadTests {
    private static func system(_ channels: String) throws -> TestSystem {
        let start = TestService.source.firstRange(of: "channel readings")
        let compartments = start.map { TestService.source[..<$0.lowerBound] } ?? ""
        return try TestSystem(compartments + channels)
    }

    private static let alpha = "channel alpha: sensor -> collector signal\n"
    private static let beta = "channel beta: other -> collector signal\n"

    /// What the hypervisor answers under the policy of a system.
    private static func answers(
        _ system: TestSystem
    ) throws -> (_ subject: Int, _ object: Int) -> UInt32 {
        let (policyBytes, bytes) = (system.compiled.policy, system.compiled.manifest)
        let policy = try PolicyDatabase(validating: policyBytes.span)
        let manifest = try SystemManifest(validating: bytes.span, accepting: ManifestFeature.known)
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest))
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let count = monitor.labelCount
        var rows: [UInt32] = []
        for number in 0..<count * count {
            guard let source = monitor.label(at: number / count),
                let target = monitor.label(at: number % count)
            else { continue }
            rows.append(
                monitor.accessVector(source: source, target: target, class: .xenstore).bits)
        }
        let table = rows
        return { subject, object in
            subject < count && object < count ? table[subject * count + object] : 0
        }
    }

    /// The store of a system, which serves domains 2, 3 and 4.
    private func service(_ system: TestSystem) throws -> TestService {
        let answers = try ReloadTests.answers(system)
        return try TestService(system, users: [2, 3, 4]) { $0.policy = answers }
    }

    private func replace(_ service: TestService, by system: TestSystem) throws {
        service.machine.policy = try ReloadTests.answers(system)
        service.machine.manifest = system.compiled.manifest
        service.machine.sequence += 1
    }

    private func isRefused(_ replies: [String]) -> Bool {
        replies.count == 1 && replies[0].hasPrefix("16 ")
    }

    @Test("what a policy no longer permits is closed, and what keeps its name keeps its rights")
    func channels() throws {
        let first = try ReloadTests.system(ReloadTests.alpha + ReloadTests.beta)
        let service = try service(first)
        #expect(try service.send(2, Wire.write, "/channel/alpha/port¦7") == ["11 OK¦"])
        #expect(try service.send(4, Wire.write, "/channel/beta/port¦8") == ["11 OK¦"])
        for path in ["/channel/alpha/port", "/channel/beta/port"] {
            let replies = try service.send(3, Wire.watch, "\(path)¦token¦")
            #expect(replies.contains("4 OK¦"))
        }
        // The second channel's directory has the number that the first one's had.
        try replace(service, by: try ReloadTests.system(ReloadTests.beta))
        _ = try service.settle(3)
        #expect(service.revokedCount == 1)
        #expect(isRefused(try service.send(3, Wire.read, "/channel/alpha/port¦")))
        #expect(isRefused(try service.send(2, Wire.write, "/channel/alpha/port¦9")))
        #expect(try service.send(3, Wire.read, "/channel/beta/port¦") == ["2 8"])
        #expect(try service.send(4, Wire.write, "/channel/beta/port¦10") == ["11 OK¦"])
        let event = try TestService.messages(service.settle(3))
        #expect(event == ["15 /channel/beta/port¦token¦"] || event.isEmpty)
        #expect(isRefused(try service.send(2, Wire.write, "/channel/beta/port¦11")))
        #expect(service.isSound() && service.layoutRefusals == 0)
        // And back: the directory was not removed, only closed.
        try replace(service, by: first)
        #expect(try service.send(3, Wire.read, "/channel/alpha/port¦") == ["2 7"])
    }

    @Test("a transaction that has seen what is closed now cannot be committed")
    func transaction() throws {
        let service = try service(ReloadTests.system(ReloadTests.alpha + ReloadTests.beta))
        #expect(try service.send(2, Wire.write, "/channel/alpha/port¦7") == ["11 OK¦"])
        let started = try service.send(3, Wire.start, "¦")
        let number = try #require(UInt32(started[0].dropFirst(2).dropLast()))
        #expect(
            try service.send(3, Wire.read, "/channel/alpha/port¦", transaction: number) == ["2 7"])
        try replace(service, by: try ReloadTests.system(ReloadTests.beta))
        let ended = try service.send(3, 7, "T¦", transaction: number)
        #expect(isRefused(ended), "\(ended)")
        #expect(service.isSound())
    }

    @Test("nobody is served before the new policy is known, nor by one that cannot be read")
    func unknown() throws {
        let first = try ReloadTests.system(ReloadTests.alpha)
        let service = try service(first)
        #expect(try service.send(2, Wire.write, "/channel/alpha/port¦7") == ["11 OK¦"])
        service.machine.sequence = 2
        #expect(try service.send(3, Wire.read, "/channel/alpha/port¦") == [])
        service.machine.manifest = [UInt8](repeating: 0, count: 300)
        #expect(isRefused(TestService.messages(try service.settle(3))))
        service.machine.sequence = 3
        service.machine.manifest = first.compiled.manifest
        #expect(try service.send(3, Wire.read, "/channel/alpha/port¦") == ["2 7"])
        let long = [UInt8](repeating: 0, count: 1 << 20)
        service.machine.sequence = 4
        service.machine.manifest = long
        #expect(isRefused(try service.send(3, Wire.read, "/channel/alpha/port¦")))
    }
}
