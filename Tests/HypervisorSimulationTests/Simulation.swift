import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyCompiler
import PolicyDatabase
import ReferenceMonitor
import SystemManifest

/// A system that runs on a fake machine: a core with one domain for each compartment.
struct Simulation: ~Copyable {
    var core: HypervisorCore
    var machine: FakeMachine
    let memory = FakeMemory()

    init(_ system: TestSystem) throws {
        let policy = try PolicyDatabase(validating: system.compiled.policy.span)
        let manifest = try SystemManifest(validating: system.compiled.manifest.span)
        var arena = BootArena(hostSizeInBytes: 16 << 20)
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let count = manifest.compartmentCount
        var domains = try arena.reserve(
            count: count, repeating: Simulation.domain(0, monitor))
        for index in 0..<count { domains[index] = Simulation.domain(index, monitor) }
        core = HypervisorCore(domains: domains, monitor: monitor)
        machine = FakeMachine(memory: memory)
    }

    private static func domain(_ index: Int, _ monitor: borrowing ReferenceMonitor) -> Domain {
        let id = DomainID(number: UInt16(index + 1))
        let label = monitor.label(ofCompartment: index)
        let pages = FakeMachine.firstFrame(id) + 1_000
        return Domain(
            id: id, label: label,
            consoleLabel: monitor.eventLabel(source: label, target: .hypervisor),
            sharedInfo: MachineFrame(number: pages), grantFrames: MachineFrame(number: pages + 2),
            consoleRing: MachineFrame(number: pages + 1),
            consoleGuestFrame: GuestFrame(number: 0xfefff), cpuCount: 4)
    }

    /// Makes a hypercall whose argument structure lies at 0x1000 in the caller's memory.
    mutating func call(
        _ number: UInt64, _ operation: UInt64, from domain: UInt16, _ argument: [UInt32] = [],
        cpu: Int = 0, second: UInt64 = 0x1000
    ) -> Int64 {
        let frame = FakeMachine.firstFrame(DomainID(number: domain)) + 1
        for (index, word) in argument.enumerated() {
            memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
        return core.hypercall(
            HypercallRequest(call: number, arguments: [operation, second, 0x1000, 0]),
            from: VirtualCPUID(domain: DomainID(number: domain), number: cpu),
            machine: &machine)
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
        let page = FakeMachine.firstFrame(DomainID(number: domain)) + 1_000
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

    /// Everything that a domain can see: its memory, its shared pages, its console.
    func view(of domain: UInt16) -> [UInt64: [UInt8]] {
        let first = FakeMachine.firstFrame(DomainID(number: domain))
        return memory.frames.filter { $0.key >= first && $0.key < first + 10_000 }
    }
}
