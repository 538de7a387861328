import BootArena
import CompilerTestSupport
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicySemantics
import ReferenceMonitor
import SystemManifest
import TestSupport
import Testing

/// The store of whole systems of `policy/systems`, deciding by the reference monitor's own rows of
/// the compiled policy, as the hypervisor answers it.
@Suite struct CompiledPolicyTests {
    /// A store that serves every user of a system, with the decisions of its policy.
    private func service(_ name: String) throws -> TestService {
        let system = try TestSystem.ofRepository(name)
        let policyBytes = system.compiled.policy
        let bytes = system.compiled.manifest
        let policy = try PolicyDatabase(validating: policyBytes.span)
        let manifest = try SystemManifest(validating: bytes.span, accepting: ManifestFeature.known)
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest))
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        var vectors: [[UInt32]] = []
        for subject in 0..<monitor.labelCount {
            vectors.append(
                (0..<monitor.labelCount).map { object in
                    guard let source = monitor.label(at: subject),
                        let target = monitor.label(at: object)
                    else { return 0 }
                    return monitor.accessVector(source: source, target: target, class: .xenstore)
                        .bits
                })
        }
        let users = (0..<manifest.compartmentCount).filter {
            manifest.compartment(at: $0).uses(.store)
        }.map { manifest.compartment(at: $0).domainID }
        let rows = vectors
        return try TestService(system, users: users) { machine in
            machine.policy = { subject, object in
                subject < rows.count && object < rows.count ? rows[subject][object] : 0
            }
        }
    }

    @Test("of two levels under one store each sees its own, and what the channel lets pass")
    func levels() throws {
        let service = try service("levels")
        let (low, high): (UInt16, UInt16) = (3, 4)
        #expect(service.servedCount == 2)
        #expect(service.layoutRefusals == 0)
        #expect(try service.send(low, Wire.write, "/channel/reports/port¦7") == ["11 OK¦"])
        #expect(try service.send(high, Wire.read, "/channel/reports/port¦") == ["2 7"])
        #expect(try service.send(high, Wire.read, "/channel/reports/domain¦") == ["2 3"])
        #expect(try service.send(high, Wire.write, "/channel/reports/port¦8") == ["16 EACCES¦"])
        #expect(try service.send(high, Wire.write, "data/secret¦99") == ["11 OK¦"])
        for user in [low, high] {
            #expect(try service.send(user, Wire.directory, "/¦") == ["1 channel¦local¦"])
        }
        // Who only writes a directory may not list it, so it is not in his way.
        #expect(try service.send(low, Wire.directory, "/channel¦") == ["1 "])
        #expect(try service.send(high, Wire.directory, "/channel¦") == ["1 reports¦"])
        #expect(try service.send(low, Wire.directory, "/local/domain¦") == ["1 3¦"])
        #expect(try service.send(high, Wire.directory, "/local/domain¦") == ["1 4¦"])
        // Compartments have the numbers from 1, behind all four stands the directory of `reports`.
        #expect(service.machine.denials == ["4 5 write"])
        for name in ["/local/domain/4/name", "/local/domain/9/name"] {
            #expect(try service.send(low, Wire.read, "\(name)¦") == ["16 ENOENT¦"])
            #expect(try service.send(low, Wire.write, "\(name)¦x") == ["16 EACCES¦"])
        }
        // What is there and kept from him is recorded; what is not there is nobody's.
        #expect(service.machine.denials.dropFirst() == ["3 4 read", "3 4 write"])
        #expect(service.isSound())
    }

    @Test("a user of the TPM finds what its driver expects, and the service nothing else of it")
    func virtualTPM() throws {
        let service = try service("vault")
        let names = ["tpm", "vault", "visitor"]
        let domains = try names.map { try #require(service.domain(named: $0)) }
        let (tpm, vault, visitor) = (domains[0], domains[1], domains[2])
        let home = "/local/domain/\(vault)"
        let frontend = "\(home)/device/vtpm/0"
        #expect(service.layoutRefusals == 0)
        func read(_ reader: UInt16, _ path: String) throws -> [String] {
            try service.send(reader, Wire.read, "\(path)¦")
        }
        for (name, value) in [
            ("backend", "\(home)/tpm"), ("backend-id", "\(tpm)"), ("handle", "0"), ("state", "1"),
        ] {
            #expect(try read(vault, "\(frontend)/\(name)") == ["2 \(value)"])
        }
        for (name, value) in [
            ("frontend", frontend), ("frontend-id", "\(vault)"), ("state", "4"),
            ("feature-protocol-v2", "1"),
        ] {
            #expect(try read(vault, "\(home)/tpm/\(name)") == ["2 \(value)"])
        }
        #expect(try service.send(vault, Wire.write, "\(home)/tpm/state¦6") == ["16 EACCES¦"])
        // The service is told when the driver has written down its ring.
        #expect(
            try service.send(tpm, Wire.watch, "\(frontend)/state¦0¦").contains("4 OK¦"))
        #expect(try service.send(vault, Wire.write, "\(frontend)/ring-ref¦8") == ["11 OK¦"])
        #expect(try service.send(vault, Wire.write, "\(frontend)/state¦3") == ["11 OK¦"])
        let told = TestService.messages(try service.settle(tpm))
        #expect(told.contains("15 \(frontend)/state¦0¦"))
        #expect(try read(tpm, "\(frontend)/ring-ref") == ["2 8"])
        #expect(try service.send(tpm, Wire.write, "\(frontend)/state¦4") == ["16 EACCES¦"])
        // Nothing else of the user's is open to it, nor has another compartment a TPM.
        for path in ["\(home)/name", "\(home)/tpm/state", "\(home)/data"] {
            #expect(try read(tpm, path) == ["16 EACCES¦"])
        }
        let none = "/local/domain/\(visitor)"
        #expect(try service.send(visitor, Wire.directory, "\(none)/device¦") == ["1 "])
        #expect(try read(visitor, "\(frontend)/state") == ["16 ENOENT¦"])
        #expect(try read(tpm, "\(none)/name") == ["16 ENOENT¦"])
        #expect(service.isSound())
    }

    @Test("the guard's filter is the administrator's to write, within its quota, and the guard's")
    func subtree() throws {
        let service = try service("guard")
        let names = ["red_app", "black_app", "content_guard", "admin"]
        let users = try names.map { try #require(service.domain(named: $0)) }
        let (admin, filter, path) = (users[3], users[2], "/guard/filter")
        #expect(service.layoutRefusals == 0)
        #expect(try service.send(admin, Wire.write, "\(path)/rule¦deny") == ["11 OK¦"])
        #expect(try service.send(filter, Wire.read, "\(path)/rule¦") == ["2 deny"])
        #expect(try service.send(filter, Wire.write, "\(path)/rule¦x") == ["16 EACCES¦"])
        // The label of the only subtree follows those of the hypervisor and the compartments.
        let subtree = 1 + service.system.proved.policy.compartments.count
        #expect(service.machine.denials == ["\(filter) \(subtree) write"])
        for user in users[..<2] {
            #expect(try service.send(user, Wire.read, "\(path)/rule¦") == ["16 ENOENT¦"])
            #expect(service.machine.denials.last == "\(user) \(subtree) read")
            #expect(try service.send(user, Wire.directory, "/¦").first?.contains("guard") == false)
        }
        // 64 nodes, of which the name that leads there, the topmost one and the rule are three.
        for number in 0..<61 {
            #expect(try service.send(admin, Wire.write, "\(path)/n\(number)¦") == ["11 OK¦"])
        }
        #expect(try service.send(admin, Wire.write, "\(path)/more¦") == ["16 ENOSPC¦"])
        // The ends of the channels of the guard meet, across the levels that it joins.
        #expect(try service.send(users[0], Wire.write, "/channel/to_guard/port¦7") == ["11 OK¦"])
        #expect(try service.send(filter, Wire.read, "/channel/to_guard/port¦") == ["2 7"])
        #expect(
            try service.send(users[1], Wire.read, "/channel/to_guard/port¦") == ["16 ENOENT¦"])
        #expect(try service.send(filter, Wire.write, "/channel/from_guard/port¦8") == ["11 OK¦"])
        #expect(try service.send(users[1], Wire.read, "/channel/from_guard/port¦") == ["2 8"])
        #expect(
            try service.send(users[0], Wire.read, "/channel/from_guard/port¦") == ["16 ENOENT¦"])
        #expect(service.isSound())
    }
}
