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

    @Test(
        "every decision is what the policy database computes for that request alone",
        arguments: ["generated", "minimal", "guard", "tenants", "factory", "workstation"])
    func rowsAreExact(_ name: String) throws {
        let system =
            name == "generated"
            ? try TestSystem.generated(compartments: 5, seed: 11)
            : try TestSystem.ofRepository(name)
        try system.withMonitor { policy, _, monitor in
            let denied = monitor.deniedLabel
            var granted = 0
            for source in 0..<monitor.labelCount {
                for target in 0..<monitor.labelCount {
                    for number in 1...ObjectClass.count {
                        guard let objectClass = ObjectClass(number: number),
                            let one = monitor.label(at: source),
                            let other = monitor.label(at: target)
                        else { continue }
                        let row = monitor.accessVector(
                            source: one, target: other, class: objectClass)
                        guard one != denied, other != denied else {
                            #expect(row.bits == 0)
                            continue
                        }
                        let computed = policy.computeAccessVector(
                            source: monitor.context(of: one), target: monitor.context(of: other),
                            class: objectClass)
                        granted += row.bits == 0 ? 0 : 1
                        #expect(row == computed)
                    }
                }
            }
            let (rows, labels) = (monitor.distinctRowCount, monitor.labelCount)
            #expect(rows < labels, "equal rows are stored once")
            #expect(granted > 10)
            print(
                "\(name): \(labels) labels, \(rows) rows, \(monitor.rowsSizeInBytes) bytes of rows")
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
            #expect(observed == wanted, "\(String(permission.policyName))")
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

    @Test("each permission of one compartment on another is seen the way that it lets flow")
    func everyPermission() throws {
        // What is not listed counts both ways.
        let none: Set = ["grant unmap"]
        let forward: Set = ["grant copy", "argo send", "event send", "event create"]
        let backward: Set = [
            "grant map_read", "mmu map_read", "mmu stat", "xenstore read", "xenstore list",
            "xenstore watch",
        ]
        for objectClass in (1...ObjectClass.count).compactMap({ ObjectClass(number: $0) }) {
            for bit in 0..<objectClass.permissionCount {
                let permission = try #require(Permission(objectClass, at: bit))
                let name = "\(String(objectClass.policyName)) \(String(permission.policyName))"
                let observed = try ask { model in
                    for index in model.classes.indices { model.classes[index].constraints = [] }
                    let (sensor, collector) = ReferenceMonitorTests.types(model)
                    model.allow(collector, sensor, [permission])
                } _: { monitor in
                    flows(monitor)
                }
                let isBack =
                    forward.contains(name)
                    || !none.contains(name) && !backward.contains(name)
                #expect(observed == [0b10, isBack ? 0b01 : 0], "\(name)")
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

    @Test("the largest systems fit into the arena that is asked for them", arguments: [32, 400])
    func largest(_ count: Int) throws {
        let system =
            count == 32
            ? try TestSystem.generated(compartments: 32, seed: 5)
            : try TestSystem(
                LargeSystem.source(compartments: 400, channels: 1600, seed: 5),
                enforced: ManifestFeature.known)
        let policy = try PolicyDatabase(validating: system.compiled.policy.span)
        let manifest = try SystemManifest(
            validating: system.compiled.manifest.span, accepting: ManifestFeature.known)
        let size = ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest)
        var arena = BootArena(hostSizeInBytes: size)
        let clock = ContinuousClock()
        let start = clock.now
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let made = start.duration(to: clock.now)
        var flows: [UInt32] = Array(repeating: 0, count: count * ((count + 31) / 32))
        var span = flows.mutableSpan
        monitor.observeFlows(into: &span)
        let (labels, rows, used) = (
            monitor.labelCount, monitor.distinctRowCount, arena.usedSizeInBytes
        )
        print(
            "\(count) compartments: \(labels) labels, \(rows) rows, "
                + "\(monitor.rowsSizeInBytes) bytes of rows, \(used) of \(size) bytes, made in "
                + "\(made), flows after \(start.duration(to: clock.now))")
        #expect(rows < labels)
        #expect(size < 16 << 20)
        let ranges = system.proved.policy.compartments.map(\.range)
        let certificate = try FlowCertificate(
            validating: system.compiled.model.certificate.span, compartmentCount: count)
        try certificate.check(labels: ranges.span, observedFlows: flows.span)
        let direct = system.proved.flows.direct
        let isExact = (0..<count).allSatisfy { from in
            let row = direct[from].removing(from)
            return (0..<count).allSatisfy { to in
                row.contains(to)
                    == (flows[from * ((count + 31) / 32) + to / 32] >> (to % 32) & 1 != 0)
            }
        }
        #expect(isExact)
    }

    @Test("the guard's rows stay within 64 KiB")
    func guardRows() throws {
        let size = try TestSystem.ofRepository("guard").withMonitor { _, _, monitor in
            monitor.rowsSizeInBytes
        }
        #expect(size <= 64 << 10)
    }

    @Test("one label stands for every pair without a rule, to which the policy permits nothing")
    func deniedLabel() throws {
        for name in ["minimal", "guard", "tenants"] {
            try TestSystem.ofRepository(name).withMonitor { policy, _, monitor in
                let parties =
                    [SecurityID.hypervisor]
                    + (0..<monitor.compartmentCount).map { monitor.label(ofCompartment: $0) }
                var (denied, named) = (0, 0)
                for source in parties {
                    for target in parties {
                        let end = monitor.eventLabel(source: source, target: target)
                        let context = policy.computeTransition(
                            source: monitor.context(of: source),
                            target: monitor.context(of: target), class: .event)
                        let computed = try #require(context)
                        guard end == monitor.deniedLabel else {
                            named += 1
                            #expect(monitor.context(of: end) == computed)
                            continue
                        }
                        denied += 1
                        // What the policy itself would call that end may do nothing, and nobody
                        // may do anything to it.
                        for other in parties {
                            let peer = monitor.context(of: other)
                            #expect(
                                policy.computeAccessVector(
                                    source: peer, target: computed, class: .event
                                ).bits == 0)
                            #expect(
                                policy.computeAccessVector(
                                    source: computed, target: peer, class: .event
                                ).bits == 0)
                        }
                    }
                }
                #expect(denied > 0 && named > 0)
            }
        }
    }

    @Test("the labels of subtrees, directories and devices are those of the manifest's records")
    func recordLabels() throws {
        let guarded = try TestSystem.ofRepository("guard")
        try guarded.withMonitor { policy, manifest, monitor in
            #expect(manifest.subtreeCount > 0 && manifest.directoryCount > 0)
            for index in 0..<manifest.subtreeCount {
                let label = manifest.label(at: manifest.subtree(at: index).label)
                let found = monitor.context(of: monitor.label(ofSubtree: index))
                #expect(found.type == label.type && found.range == label.range)
                #expect(
                    monitor.label(ofSubtree: index).index
                        == UInt16(1 + manifest.compartmentCount + index))
            }
            for index in 0..<manifest.directoryCount {
                let label = manifest.label(at: manifest.directory(at: index).label)
                let found = monitor.context(of: monitor.label(ofDirectory: index))
                #expect(found.type == label.type && found.range == label.range)
            }
            let names = guarded.proved.policy.compartments.map(\.name)
            let admin = try #require(names.firstIndex(of: "admin"))
            let judge = try #require(names.firstIndex(of: "content_guard"))
            let audit = try #require(names.firstIndex(of: "audit"))
            let cases: [(Int, Permission, AccessDecision)] = [
                (admin, XenstorePermission.write, .allowed),
                (judge, XenstorePermission.read, .allowed),
                (judge, XenstorePermission.write, .denied),
                (audit, XenstorePermission.read, .denied),
            ]
            for (compartment, permission, wanted) in cases {
                let decision = monitor.decide(
                    source: monitor.label(ofCompartment: compartment),
                    target: monitor.label(ofSubtree: 0), permission: permission)
                #expect(decision == wanted)
            }
        }
    }

    @Test("who owns a device may use what has its label, and nobody else may")
    func deviceLabels() throws {
        let workstation = try TestSystem.ofRepository("workstation")
        try workstation.withMonitor { policy, manifest, monitor in
            let (ranges, devices) = (manifest.deviceRangeCount, manifest.deviceCount)
            var (owned, functions) = (0, 0)
            for index in 0..<ranges {
                let device = manifest.deviceRange(at: index).device
                let owner = manifest.device(at: device).owner
                for other in 0..<manifest.compartmentCount {
                    let decision = monitor.decide(
                        source: monitor.label(ofCompartment: other),
                        target: monitor.label(ofDeviceRange: index),
                        permission: ResourcePermission.use)
                    if (decision == .allowed) == (other == owner) { owned += 1 }
                }
            }
            for index in 0..<devices {
                let device = manifest.device(at: index)
                let decision = monitor.decide(
                    source: monitor.label(ofCompartment: device.owner),
                    target: monitor.label(ofFunctionOfDevice: index),
                    permission: ResourcePermission.use)
                if (decision == .allowed) == (device.pciAddress != nil) { functions += 1 }
            }
            #expect(ranges > 0 && owned == ranges * monitor.compartmentCount)
            #expect(devices > 0 && functions == devices)
        }
    }

    @Test("a flow through nodes of the store is observed")
    func nodesAreSeen() throws {
        let system = try TestSystem.ofRepository("guard")
        let names = system.proved.policy.compartments.map(\.name)
        let admin = try #require(names.firstIndex(of: "admin"))
        let judge = try #require(names.firstIndex(of: "content_guard"))
        let observed = try system.withMonitor { _, _, monitor in flows(monitor) }
        // Only the shared subtree joins these two directly.
        #expect(observed[admin] >> judge & 1 == 1)
        #expect(observed[judge] >> admin & 1 == 0)
        let certificate = try FlowCertificate(
            validating: system.compiled.model.certificate.span, compartmentCount: names.count)
        let ranges = system.proved.policy.compartments.map(\.range)
        try certificate.check(labels: ranges.span, observedFlows: observed.span)
    }
}

extension SecurityContext {
    fileprivate func withUser(_ user: UInt32) -> SecurityContext {
        SecurityContext(user: user, role: role, type: type, range: range)
    }
}
