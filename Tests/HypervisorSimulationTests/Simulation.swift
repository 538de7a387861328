import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import SystemManifest

/// A system that runs on a fake machine: a core with one domain for each compartment.
struct Simulation: ~Copyable {
    var core: HypervisorCore
    var machine: FakeMachine
    let memory = FakeMemory()
    /// In how many parts the last call was done; 1,000: it did not end.
    var parts = 0

    /// What one compartment may do to another besides what the system says, by index.
    struct Right {
        let source: Int
        let target: Int
        let permissions: [Permission]
    }

    /// How many handles each domain has.
    static let handleCount = 24

    /// - Parameters:
    ///   - policy: the policy in force; unless said, the system's, with the rights.
    ///   - change: changes what the system says about the lives of its domains; unless said, who
    ///     may not be started again may be without end.
    init(
        _ system: TestSystem, rights: [Right] = [], policy other: [UInt8]? = nil,
        arenaSize: Int = 24 << 20,
        reloadCapacity: Int = Simulation.reloadCapacity,
        _ change: (inout LifePlan) -> Void = {
            if $0.restartLimit == 0 { $0.restartLimit = .max }
        }
    ) throws {
        let bytes = try other ?? Simulation.policy(system, rights)
        let policy = try PolicyDatabase(validating: bytes.span)
        let manifest = try SystemManifest(
            validating: system.compiled.manifest.span, accepting: ManifestFeature.known)
        var arena = BootArena(hostSizeInBytes: arenaSize)
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let count = manifest.compartmentCount
        var plans = (0..<count).map { LifePlan(manifest.compartment(at: $0)) }
        for index in 0..<count { change(&plans[index]) }
        var domains = try arena.reserve(
            count: count, repeating: Simulation.domain(0, plans[0], monitor))
        for index in 0..<count {
            domains[index] = Simulation.domain(index, plans[index], monitor)
        }
        let grants = try GrantTables(
            domainCount: count, handleCount: Simulation.handleCount, arena: &arena)
        var frames = try FrameLedger(domainCount: count, arena: &arena)
        for index in 0..<count {
            let first = FakeMachine.firstFrame(domains[index].id)
            frames.adopt(
                OwnedFrames(first: MachineFrame(number: first), count: FakeMachine.frameCount),
                by: index)
        }
        let budgets = try EventBudgets(domainCount: count, arena: &arena)
        let reload = try Simulation.reload(
            policy, manifest, monitor, bytes, capacity: reloadCapacity, &arena)
        var core = HypervisorCore(
            domains: domains, monitor: monitor, grants: grants, frames: frames, budgets: budgets,
            records: try AuditRing(arena: &arena))
        try core.setBounds(of: manifest, arena: &arena)
        for right in rights where right.permissions.contains(GrantPermission.mapRead) {
            core.allowMapping(grantee: right.source, grantor: right.target, pages: 8)
        }
        core.allowReload(reload)
        self.core = core
        machine = FakeMachine(memory: memory)
        memory.manifest = system.compiled.manifest
        for index in 0..<manifest.deviceRangeCount {
            let device = DeviceRules.range(index, manifest)
            self.core.adopt(device)
            machine.setDevice(device, isPermitted: true)
        }
    }

    /// The system's policy, with further rights.
    private static func policy(_ system: TestSystem, _ rights: [Right]) throws -> [UInt8] {
        guard !rights.isEmpty else { return system.compiled.policy }
        let lowered = LoweredPolicy(system.proved.policy)
        var database = lowered.database
        for right in rights {
            database.allow(
                lowered.labels[right.source].type, lowered.labels[right.target].type,
                right.permissions)
        }
        return try database.encoded()
    }

    private static func domain(
        _ index: Int, _ plan: LifePlan, _ monitor: borrowing ReferenceMonitor
    ) -> Domain {
        let id = DomainID(number: UInt16(index + 1))
        let label = monitor.label(ofCompartment: index)
        let pages = FakeMachine.firstFrame(id) + 16
        return Domain(
            id: id, label: label,
            pages: SharedPages(first: MachineFrame(number: pages)), cpuCount: 4, plan: plan)
    }

    /// Makes a hypercall whose argument structure lies at 0x1000 in the caller's memory.
    mutating func call(
        _ number: UInt64, _ operation: UInt64, from domain: UInt16, _ argument: [UInt32] = [],
        cpu: Int = 0, second: UInt64 = 0x1000, third: UInt64 = 0x1000, isNarrow: Bool = false
    ) -> Int64 {
        let frame = FakeMachine.firstFrame(DomainID(number: domain)) + 1
        for (index, word) in argument.enumerated() {
            memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
        var arguments: InlineArray<4, UInt64> = [operation, second, third, 0]
        parts = 0
        // As the guest does: it makes the call again until it is done.
        while parts < 1_000 {
            parts += 1
            let result = core.hypercall(
                HypercallRequest(call: number, arguments: arguments, isNarrow: isNarrow),
                from: VirtualCPUID(domain: DomainID(number: domain), number: cpu),
                machine: &machine)
            switch result {
            case .finished(let value): return value
            case .unfinished(let second, let third):
                arguments = [operation, second, third, 0]
                examine()
            }
        }
        return .min
    }

    /// Has a domain that crashed, and was retired, start again.
    mutating func renew(_ domain: UInt16) -> Bool {
        let id = DomainID(number: domain)
        guard core.beginAnew(id, .restart, &machine) else { return false }
        while !core.clearSome(id, &machine) {}
        core.launch(id, &machine)
        return true
    }

    /// The word at `index` of the argument structure, after the call.
    func answer(_ index: Int, of domain: UInt16) -> UInt32 {
        let frame = FakeMachine.firstFrame(DomainID(number: domain)) + 1
        return UInt32(memory.number(frame, index * 4, 4))
    }

    /// `EVTCHNOP_alloc_unbound`; nil when it was refused, with the result in `lastResult`.
    mutating func allocate(_ domain: UInt16, remote: UInt16) -> (result: Int64, port: UInt32) {
        let result = call(32, 6, from: domain, [0x7ff0 | UInt32(remote) << 16, 0])
        return (result, answer(1, of: domain))
    }

    /// `EVTCHNOP_bind_interdomain`.
    mutating func bind(
        _ domain: UInt16, remote: UInt16, port: UInt32
    ) -> (result: Int64, port: UInt32) {
        let result = call(32, 0, from: domain, [UInt32(remote), port, 0])
        return (result, answer(2, of: domain))
    }

    /// `EVTCHNOP_send`.
    mutating func send(_ domain: UInt16, port: UInt32) -> Int64 {
        call(32, 4, from: domain, [port])
    }

    /// Whether a processor has been told of an event.
    func isTold(_ domain: DomainID, cpu: Int) -> Bool {
        let processor = core.domains[Int(domain.number) - 1].cpus[cpu]
        return memory.byte(processor.infoFrame.number, processor.infoOffset) == 1
    }

    /// Whether a port's pending bit is set.
    func isPending(_ domain: UInt16, port: UInt32) -> Bool {
        let page = FakeMachine.firstFrame(DomainID(number: domain)) + 16
        return memory.number(page, 2048 + Int(port / 64) * 8, 8) >> UInt64(port % 64) & 1 == 1
    }

    /// What a port is bound to.
    func binding(_ domain: UInt16, port: UInt32) -> EventChannel.Binding {
        core.domains[Int(domain) - 1].channels[Int(port)].binding
    }

    /// Checks the invariant *(joined)*: the ends of every channel name each other.
    func brokenPort() -> (domain: UInt16, port: UInt32)? {
        for index in core.domains.indices {
            for number in 1..<UInt32(Domain.portCount) {
                let id = UInt16(index + 1)
                guard case .interdomain(let remote, let port) = binding(id, port: number) else {
                    continue
                }
                let back = EventChannel.Binding.interdomain(
                    remote: DomainID(number: id), port: EventChannelPort(number: number))
                if binding(remote.number, port: port.number) != back { return (id, number) }
            }
        }
        return nil
    }

    /// Everything that a domain can see: its memory, its shared pages.
    func view(of domain: UInt16) -> [UInt8] { memory.view(DomainID(number: domain)) }
}

extension HypervisorCore {
    /// As for one physical processor, for all of them.
    mutating func expireTimers(_ machine: inout FakeMachine) {
        expireTimers(home: nil, domain: nil, &machine)
    }

    /// As for one physical processor, for all of them.
    func nextDeadline() -> UInt64? { nextDeadline(home: nil, domain: nil) }
}
