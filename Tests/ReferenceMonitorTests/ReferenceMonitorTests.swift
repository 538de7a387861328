import BootArena
import CompilerTestSupport
import Digests
import FlowCertificate
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import ReferenceMonitor
import SecurityLattice
import SystemManifest
import Testing

@Suite("the reference monitor")
struct ReferenceMonitorTests {
    /// Makes a monitor for the minimal system with a changed policy, and asks it something.
    private func ask<Result>(
        _ change: (inout PolicyDatabaseModel) -> Void = { _ in },
        arena size: Int = 1 << 20, labels: (inout [SecurityContext]) -> Void = { _ in },
        _ body: (borrowing ReferenceMonitor) -> Result
    ) throws -> Result {
        let system = try TestSystem.minimal()
        var model = LoweredPolicy(system.proved.policy).database
        change(&model)
        var manifestModel = system.compiled.model
        labels(&manifestModel.labels)
        let policyBytes = try model.encoded()
        let manifestBytes = manifestModel.encoded
        let policy = try PolicyDatabase(validating: policyBytes.span)
        let manifest = try SystemManifest(validating: manifestBytes.span)
        var arena = BootArena(hostSizeInBytes: size)
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        return body(monitor)
    }

    private func flows(_ monitor: borrowing ReferenceMonitor) -> [UInt32] {
        var rows: [UInt32] = Array(repeating: .max, count: monitor.compartmentCount)
        var span = rows.mutableSpan
        monitor.observeFlows(into: &span)
        return rows
    }

    private static func types(_ model: PolicyDatabaseModel) -> (sensor: UInt32, collector: UInt32) {
        func number(_ name: String) -> UInt32 {
            UInt32((model.types.firstIndex { $0.name == name } ?? 0) + 1)
        }
        return (number("sensor-t"), number("collector-t"))
    }

    @Test("the sender may signal, the receiver may not")
    func oneWay() throws {
        let decisions = try ask { monitor in
            let (sensor, collector) = (
                monitor.label(ofCompartment: 0), monitor.label(ofCompartment: 1)
            )
            let forward = monitor.eventLabel(source: sensor, target: collector)
            let backward = monitor.eventLabel(source: collector, target: sensor)
            return [
                monitor.decide(source: sensor, target: forward, permission: EventPermission.send),
                monitor.decide(
                    source: collector, target: backward, permission: EventPermission.send),
                monitor.decide(
                    source: collector, target: backward, permission: EventPermission.create),
                monitor.decide(
                    source: collector, target: forward, permission: EventPermission.send),
            ]
        }
        #expect(decisions == [.allowed, .denied, .allowed, .denied])
    }

    @Test("every row is what the policy database computes for that request alone")
    func rowsAreExact() throws {
        let system = try TestSystem.generated(compartments: 5, seed: 11)
        try system.withMonitor { policy, _, monitor in
            for source in 0..<monitor.labelCount {
                for target in 0..<monitor.labelCount {
                    for number in 1...ObjectClass.count {
                        guard let objectClass = ObjectClass(number: number),
                            let one = monitor.label(at: source),
                            let other = monitor.label(at: target)
                        else { continue }
                        let row = monitor.accessVector(
                            source: one, target: other, class: objectClass)
                        let computed = policy.computeAccessVector(
                            source: monitor.context(of: one), target: monitor.context(of: other),
                            class: objectClass)
                        #expect(row == computed)
                    }
                }
            }
            let (rows, labels) = (monitor.distinctRowCount, monitor.labelCount)
            #expect(rows < labels, "equal rows are stored once")
        }
    }

    @Test("observed flows are the declared channels, and the certificate holds for them")
    func observedFlows() throws {
        for seed in [UInt64(1), 2, 3] {
            let system = try TestSystem.generated(compartments: 10, seed: seed)
            let observed = try system.withMonitor { _, _, monitor in flows(monitor) }
            let declared = system.proved.flows.direct.enumerated().map { index, row in
                UInt32(row.removing(index).word(at: 0))
            }
            #expect(observed == declared)
            #expect(try system.compiled.permittedFlows().rows == observed)
            let certificate = try FlowCertificate(
                validating: system.compiled.model.certificate.span, compartmentCount: 10)
            let ranges = system.proved.policy.compartments.map(\.range)
            try certificate.check(labels: ranges.span, observedFlows: observed.span)
        }
    }

    @Test("a hole in the types is closed by the levels, where they differ")
    func levelsCloseHoles() throws {
        let observed = try ask { model in
            let (sensor, collector) = ReferenceMonitorTests.types(model)
            model.allow(sensor, collector, [GrantPermission.mapRead, MMUPermission.mapWrite])
            model.allow(collector, sensor, [GrantPermission.mapWrite, GrantPermission.transfer])
            model.allow(collector, sensor, [GrantPermission.copy, ArgoPermission.send])
            model.allow(collector, sensor, [XenstorePermission.write, DomainPermission.pause])
        } _: { monitor in
            flows(monitor)
        }
        #expect(observed == [0b10, 0])
    }

    @Test("reading the lower compartment is a flow upwards, and is seen as one")
    func readingIsSeen() throws {
        let observed = try ask { model in
            let (sensor, collector) = ReferenceMonitorTests.types(model)
            for (key, _) in model.accessRules where key.objectClass == 9 && key.kind == .allowed {
                model.set(key, 0)
            }
            model.allow(collector, sensor, [GrantPermission.mapRead])
        } _: { monitor in
            flows(monitor)
        }
        #expect(observed == [0b10, 0])
    }

    @Test("without constraints every hole is observed, and refused by the certificate")
    func holesAreSeen() throws {
        let system = try TestSystem.minimal()
        let holes: [(Permission, [UInt32])] = [
            (GrantPermission.mapRead, [0b10, 0]), (GrantPermission.mapWrite, [0b10, 0b01]),
            (ArgoPermission.send, [0b10, 0b01]), (DomainPermission.pause, [0b10, 0b01]),
            (XenstorePermission.write, [0b10, 0b01]), (XenstorePermission.read, [0b10, 0]),
            (MMUPermission.stat, [0b10, 0]), (GrantPermission.unmap, [0b10, 0]),
            (GrantPermission.copy, [0b10, 0b01]), (HypercallPermission.timer, [0b10, 0b01]),
        ]
        for (permission, wanted) in holes {
            let observed = try ask { model in
                for index in model.classes.indices { model.classes[index].constraints = [] }
                let (sensor, collector) = ReferenceMonitorTests.types(model)
                model.allow(collector, sensor, [permission])
            } _: { monitor in
                flows(monitor)
            }
            #expect(observed == wanted, "\(permission.name)")
            guard wanted[1] != 0 else { continue }
            let certificate = try FlowCertificate(
                validating: system.compiled.model.certificate.span, compartmentCount: 2)
            var found: FlowCertificateError?
            do throws(FlowCertificateError) {
                let ranges = system.proved.policy.compartments.map(\.range)
                try certificate.check(labels: ranges.span, observedFlows: observed.span)
            } catch {
                found = error
            }
            #expect(found == .flowNotCertified)
        }
    }

    @Test("rules read one by one permit what all decisions together do")
    func rulesOneByOne() throws {
        let system = try TestSystem.minimal()
        let types = system.compiled.model.labels.map(\.type)
        for objectClass in (1...ObjectClass.count).compactMap({ ObjectClass(number: $0) }) {
            for bit in 0..<objectClass.permissionCount {
                let permission = try #require(Permission(objectClass, at: bit))
                var rules: [UInt32] = []
                let observed = try ask { model in
                    for index in model.classes.indices { model.classes[index].constraints = [] }
                    let (sensor, collector) = ReferenceMonitorTests.types(model)
                    model.allow(collector, sensor, [permission])
                    guard let bytes = try? model.encoded(),
                        let file = try? PolicyFile(validating: bytes)
                    else { return }
                    rules = PermittedFlows(of: file, types: types).rows
                } _: { monitor in
                    flows(monitor)
                }
                #expect(rules == observed, "\(objectClass.name) \(permission.name)")
            }
        }
    }

    @Test("a monitor is refused for what it cannot do")
    func refusals() throws {
        #expect(throws: ReferenceMonitorError.arenaExhausted) { try ask(arena: 4096) { _ in } }
        #expect(throws: ReferenceMonitorError.auditRulesUnsupported) {
            try ask { model in
                let key = PolicyDatabaseModel.AccessRuleKey(
                    source: 4, target: 4, objectClass: 9, kind: .auditAllowed)
                model.set(key, 1)
            } _: { _ in
            }
        }
        #expect(throws: ReferenceMonitorError.invalidCompartmentLabel) {
            try ask(labels: { $0[0] = $0[1].withUser($0[0].user) }) { _ in }
        }
    }

    @Test("the largest system fits into the arena that is asked for it")
    func largest() throws {
        let system = try TestSystem.generated(compartments: 32, seed: 5)
        let policy = try PolicyDatabase(validating: system.compiled.policy.span)
        let manifest = try SystemManifest(validating: system.compiled.manifest.span)
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(compartmentCount: 32))
        let clock = ContinuousClock()
        let start = clock.now
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let (labels, rows, used) = (
            monitor.labelCount, monitor.distinctRowCount, arena.usedSizeInBytes
        )
        print(
            "32 compartments: \(labels) labels, \(rows) rows, \(used) bytes, "
                + "\(start.duration(to: clock.now))")
        #expect(rows < labels)
    }
}

extension SecurityContext {
    fileprivate func withUser(_ user: UInt32) -> SecurityContext {
        SecurityContext(user: user, role: role, type: type, range: range)
    }
}
