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
    public internal(set) var grants: GrantTables
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
    /// What the audit service is to read.
    public internal(set) var records: AuditRing
    /// Whether one may start now that could not before.
    var mayStart = true

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
    public mutating func hypercall<M: Machine & ~Copyable>(
        _ request: HypercallRequest, from caller: VirtualCPUID, machine: inout M
    ) -> HypercallResult {
        do throws(XenError) {
            let subOperation =
                request.call == 27
                ? try securityCommand(request, caller.domain, machine) : request.arguments[0]
            if machine.omits(.refuseReset), request.call == 32, subOperation == 10 {
                return .finished(resetPorts(caller.domain))
            }
            guard
                let operation = HypercallOperation.decode(
                    call: request.call, subOperation: subOperation),
                !request.isNarrow || operation.isForNarrow
            else { throw .unknownOperation }
            try authorize(operation, caller: caller.domain, machine: &machine)
            if operation == .loadPolicy {
                return try loadPolicy(request, caller.domain, &machine)
            }
            if operation.requirement == .onGrant {
                return try grantOperation(operation, request, caller.domain, &machine)
            }
            return .finished(try perform(operation, request, caller: caller, machine: &machine))
        } catch {
            return .finished(error.result)
        }
    }

    private mutating func perform<M: Machine & ~Copyable>(
        _ operation: HypercallOperation, _ request: HypercallRequest,
        caller processor: VirtualCPUID,
        machine: inout M
    ) throws(XenError) -> Int64 {
        let caller = processor.domain
        let second = request.arguments[1]
        let argument = GuestVirtualAddress(second)
        switch operation {
        case .version: return 0x40011
        case .features: return try features(argument, caller, machine)
        case .extraVersion: return try extraVersion(argument, caller, machine)
        case .addToPhysmap: return try addToPhysmap(argument, request, caller, &machine)
        case .memoryMap: return try memoryMap(argument, request, caller, machine)
        case .setParameter: return try setParameter(argument, caller, machine)
        case .getParameter: return try getParameter(argument, caller, machine)
        case .registerVCPUInfo, .registerRunstateArea, .isUp, .setSingleshotTimer,
            .stopSingleshotTimer, .stopPeriodicTimer:
            let address = GuestVirtualAddress(request.arguments[2])
            return try vcpuOperation(operation, vcpu: second, address, processor, machine)
        case .vmAssist: return try vmAssist(command: request.arguments[0], type: second)
        case .setTimer:
            // 32-bit code passes the deadline in two halves.
            let upper = request.isNarrow ? second << 32 : 0
            return setTimer(deadline: request.arguments[0] | upper, processor)
        case .yield: return 0
        case .block:
            block(processor, machine)
            return 0
        case .poll: return try poll(argument, request, processor, machine)
        case .shutdown: return try shutdown(argument, caller, machine)
        case .consoleWrite:
            let address = GuestVirtualAddress(request.arguments[2])
            return try consoleWrite(count: second, address, caller, &machine)
        case .consoleRead:
            let address = GuestVirtualAddress(request.arguments[2])
            return try consoleRead(count: second, address, caller, machine)
        case .allocUnbound: return try allocateUnbound(argument, caller, &machine)
        case .bindInterdomain: return try bindInterdomain(argument, caller, &machine)
        case .bindVIRQ: return try bindVirtualInterrupt(argument, caller, &machine)
        case .bindIPI: return try bindInterprocessor(argument, caller, machine)
        case .bindVCPU: return try bindToVCPU(argument, caller, machine)
        case .close: return try close(argument, caller, &machine)
        case .unmask: return try unmask(argument, caller, &machine)
        case .send: return try send(argument, processor, &machine)
        case .status: return try status(argument, caller, &machine)
        case .initControl: return try initializeControl(argument, caller, machine)
        case .expandArray: return try expandArray(argument, caller, &machine)
        case .setPriority: return try setPriority(argument, caller, machine)
        case .setUpGrantTable, .queryGrantSize:
            let count = request.arguments[2]
            return try grantTableOperation(operation, argument, count, caller, machine)
        case .setGrantVersion: return try setGrantVersion(argument, caller, machine)
        case .mapGrant, .unmapGrant, .copyGrant, .loadPolicy: throw .unknownOperation
        case .listRevoked, .readManifest:
            return try listPage(
                operation, GuestVirtualAddress(request.arguments[0]), caller, machine)
        case .domainControl, .accessQuery, .readRecords:
            return try serviceOperation(operation, request, caller, &machine)
        }
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

    /// The arguments of a call, copied once.
    ///
    /// - Throws: `.badAddress` when they are not all in the caller's memory.
    func arguments<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ count: Int, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> GuestBytes {
        guard let bytes = machine.copyFromGuest(caller, at: address, count: count) else {
            throw .badAddress
        }
        return bytes
    }

    /// Writes the results of a call where its arguments came from.
    ///
    /// - Throws: `.badAddress` when they are not in memory that the caller may write.
    func answer<M: Machine & ~Copyable>(
        _ bytes: GuestBytes, _ address: GuestVirtualAddress, _ caller: DomainID,
        _ machine: borrowing M
    ) throws(XenError) {
        guard machine.copyToGuest(caller, at: address, bytes) else { throw .badAddress }
    }
}
