public import BootArena
import PolicyDatabase
public import ReferenceMonitor
import Synchronization

/// The hypervisor's decisions and bookkeeping, without the machine: which domain may do what, which
/// event channels exist, who waits for what.
///
/// It is not the scheduler, knows no page tables and no processor. It trusts the reference monitor
/// and the machine; a guest's arguments are allegations.
///
/// - Invariant: *(indices)* domain number n stands at index n − 1.
/// - Invariant: *(joined)* see `Domain`.
public struct HypervisorCore: ~Copyable {
    /// Keeps the core in one place: of a value without such a member the compiler makes copies,
    /// hundreds of bytes for each call that borrows it.
    private let anchor = Atomic<UInt8>(0)
    /// All domains; their number never changes.
    public internal(set) var domains: ArenaTable<Domain>
    /// Who may do what.
    public internal(set) var monitor: ReferenceMonitor
    /// How far the replacement of the policy is.
    public internal(set) var reload = PolicyReload()
    /// Who uses whose frames.
    public package(set) var grants: GrantTables
    /// Who owns which frames.
    public internal(set) var frames: FrameLedger
    /// How many events a domain may cause at another.
    var budgets: EventBudgets
    /// The domain that is the console; nil: the hypervisor serves the consoles itself.
    public var consoleService: DomainID?
    /// What was typed for it.
    var typedInput = TypedInput()
    /// How often a deadline was set or taken back; what was computed from deadlines before is
    /// stale.
    public internal(set) var deadlineChanges: UInt64 = 0
    /// The domains whose `woken` says something: one bit for each, by index.
    var wokenDomains: UInt32 = 0
    /// The domains that have stopped and were not dealt with: one bit for each, by index.
    var stoppedDomains: UInt32 = 0
    /// What the last call ordered about a domain's life, until it is taken.
    var orders: LifeOrder?
    /// What the last call ordered about a command of the TPM, until it is taken.
    var tpmOrder: TPMOrder?
    /// What the audit service is to read.
    public internal(set) var records: AuditRing
    /// Whether one may start now that could not before.
    var mayStart = true
    /// The interrupt lines of the machine's first controller.
    var lines = InlineArray<24, InterruptLine>(repeating: InterruptLine())

    /// Takes the domains, in the order of their numbers, the monitor, and tables for the grants of
    /// as many domains, with a ledger of their memory, budgets for their events and a ring for
    /// records of them.
    public init(
        domains: consuming ArenaTable<Domain>, monitor: consuming ReferenceMonitor,
        grants: consuming GrantTables, frames: consuming FrameLedger,
        budgets: consuming EventBudgets, records: consuming AuditRing
    ) {
        precondition(grants.domainCount == domains.count, "grant tables for other domains")
        precondition(domains.count <= 32, "more domains than a system has")
        self.domains = domains
        self.monitor = monitor
        self.grants = grants
        self.frames = frames
        self.budgets = budgets
        self.records = records
    }

    /// Serves one hypercall: decode, authorize, and only then look at anything.
    ///
    /// - Returns: what goes to RAX, or that the call goes on.
    public mutating func hypercall(
        _ request: HypercallRequest, from caller: VirtualCPUID, machine: inout some Hardware
    ) -> HypercallResult {
        let call = Call(request: request, processor: caller)
        do throws(XenError) {
            let subOperation =
                request.call == 27
                ? UInt64(try call.arguments(4, machine).u32(at: 0)) : request.arguments[0]
            if machine.omits(.refuseReset), request.call == 32, subOperation == 10 {
                return .finished(resetPorts(caller.domain))
            }
            guard
                let operation = HypercallOperation.decode(
                    call: request.call, subOperation: subOperation),
                !request.isNarrow || operation.isForNarrow
            else { throw .unknownOperation }
            try authorize(operation, caller: caller.domain, machine: &machine)
            if operation == .loadPolicy { return try loadPolicy(call, &machine) }
            if operation.requirement == .onGrant {
                return try grantOperation(operation, call, &machine)
            }
            return .finished(try perform(operation, call, &machine))
        } catch {
            return .finished(error.result)
        }
    }

    /// Does what was authorized, or is when its arguments are known.
    ///
    /// - Returns: what goes to RAX: 0, but for what asks for a number.
    private mutating func perform(
        _ operation: HypercallOperation, _ call: Call, _ machine: inout some Hardware
    ) throws(XenError) -> Int64 {
        switch operation {
        case .version: return 0x40011
        case .features: try features(call, machine)
        case .extraVersion: try extraVersion(call, machine)
        case .addToPhysmap: try addToPhysmap(call, &machine)
        case .memoryMap: try memoryMap(call, machine)
        case .setParameter: try setParameter(call, machine)
        case .getParameter: try getParameter(call, machine)
        case .registerVCPUInfo, .registerRunstateArea, .isUp, .setSingleshotTimer,
            .stopSingleshotTimer, .stopPeriodicTimer:
            return try vcpuOperation(operation, call, machine)
        case .vmAssist: try vmAssist(call)
        case .setTimer: setTimer(call)
        case .yield: break
        case .block: block(call.processor, machine)
        case .poll: try poll(call, machine)
        case .shutdown: try shutdown(call, machine)
        case .consoleWrite: try consoleWrite(call, &machine)
        case .consoleRead: return try consoleRead(call, machine)
        case .allocUnbound: try allocateUnbound(call, &machine)
        case .bindInterdomain: try bindInterdomain(call, &machine)
        case .bindVIRQ: try bindVirtualInterrupt(call, &machine)
        case .bindIPI: try bindInterprocessor(call, machine)
        case .bindPIRQ: try bindLine(call, &machine)
        case .mapPIRQ, .queryPIRQ, .endPIRQ: try lineOperation(operation, call, &machine)
        case .bindVCPU: try bindToVCPU(call, machine)
        case .close: try close(call, &machine)
        case .unmask: try unmask(call, &machine)
        case .send: try send(call, &machine)
        case .status: try status(call, &machine)
        case .initControl: try initializeControl(call, machine)
        case .expandArray: try expandArray(call, &machine)
        case .setPriority: try setPriority(call, machine)
        case .setUpGrantTable: try setUpGrantTable(call, machine)
        case .queryGrantSize: try queryGrantSize(call, machine)
        case .setGrantVersion: try setGrantVersion(call, machine)
        case .listRevoked, .readManifest, .readLog: try listPage(operation, call, machine)
        case .domainControl: try domainControl(call, &machine)
        case .accessQuery: try answerAccessQuery(call, &machine)
        case .readRecords: try readRecords(call, machine)
        case .orderTPM: try orderTPM(call, &machine)
        case .mapGrant, .unmapGrant, .copyGrant, .loadPolicy: throw .unknownOperation
        }
        return 0
    }

    /// The index of a domain that exists.
    func index(of domain: DomainID) -> Int? {
        let index = Int(domain.number) - 1
        return index >= 0 && index < domains.count ? index : nil
    }

    /// The index of the caller, which exists, or the machine would not run it.
    func callerIndex(_ caller: DomainID) -> Int {
        guard let index = index(of: caller) else { preconditionFailure("the caller is no domain") }
        return index
    }
}

/// A hypercall that is being served: what is asked, and who asks.
struct Call {
    let request: HypercallRequest
    let processor: VirtualCPUID

    /// The domain that asks.
    var caller: DomainID { processor.domain }
    /// The second argument.
    var second: UInt64 { request.arguments[1] }
    /// Whether 32-bit code asks.
    var isNarrow: Bool { request.isNarrow }

    /// Where the arguments are that are no registers: behind the sub-operation's number, if the
    /// call has one there, and what `console_io` and `vcpu_op` pass between.
    var address: GuestVirtualAddress {
        switch request.call {
        case 27, 35, 36: GuestVirtualAddress(request.arguments[0])
        case 18, 24: GuestVirtualAddress(request.arguments[2])
        default: GuestVirtualAddress(second)
        }
    }

    /// The arguments in the caller's memory; throws as `Machine.arguments`.
    @inline(never)
    func arguments(_ count: Int, _ machine: borrowing some Hardware) throws(XenError) -> GuestBytes
    {
        try machine.copyFromGuest(caller, at: address, count: count)
    }

    /// Writes results where the arguments came from; throws as `Machine.answer`.
    @inline(never)
    func answer(
        _ bytes: borrowing GuestBytes, _ machine: borrowing some Hardware
    ) throws(XenError) {
        try machine.copyToGuest(caller, at: address, bytes)
    }
}
