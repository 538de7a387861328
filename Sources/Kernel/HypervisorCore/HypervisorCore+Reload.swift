public import BootArena
public import Digests
import PolicyDatabase
import ReferenceMonitor
public import SystemManifest

/// Replacing the policy while the system runs: `FLASK_LOAD` (Xen public `xsm/flask_op.h`).
///
/// The call is made again by the guest until it is done, so that no step is long: copy a part,
/// wait for the examination, put the policy into force, take away what it forbids.
extension HypervisorCore {
    /// Lets the policy be replaced by whoever it says.
    public mutating func allowReload(_ reload: consuming PolicyReload) {
        self.reload = consume reload
    }

    /// Which policy is in force, from 1; it rises with each reload.
    public var policySequence: UInt32 { reload.sequence }

    /// `FLASK_LOAD`: replaces policy and manifest.
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (1), `u64 buffer`, `u32 size`, then
    ///   [hypervisor] `u32 reason`, a number of `ReloadRefusal`.
    /// - Trust: the buffer's bytes were copied from the guest once; nothing rereads them.
    /// - Throws: `.badAddress`; `.invalidArgument` for another version, and when the new system is
    ///   refused, with its reason; `.noSpace` when it is longer than what was reserved; `.busy`
    ///   when somebody else loads one; `.notPermitted`, when it changes a label; `.failed` when it
    ///   cannot be measured. Nothing changed then; but when `.badAddress` comes from a call that
    ///   is made again, the system may be in force already (`policySequence`).
    mutating func loadPolicy(
        _ call: Call, _ machine: inout some Hardware
    ) throws(XenError) -> HypercallResult {
        let arguments = try call.arguments(24, machine)
        guard arguments.u32(at: 4) == 1 else { throw .invalidArgument }
        try join(
            PolicyReload.Load(
                caller: call.caller, generation: domains[callerIndex(call.caller)].generation,
                buffer: arguments.u64(at: 8), size: Int(arguments.u32(at: 16))))
        switch reload.phase {
        case .copying: try reload.copyPart(machine)
        case .examined: try decideReload(call, &machine)
        case .notMeasured: throw refuseReload(.notMeasured, .failed, call, machine)
        case .revoking: continueReload(&machine)
        case .done:
            reload.phase = .idle
            return .finished(0)
        case .idle, .waiting, .measuring: break
        }
        return .unfinished(second: call.second, third: call.request.arguments[2])
    }

    /// Goes on with a call, or begins it.
    ///
    /// - Throws: `.busy`, `.noSpace`; nothing changed then.
    private mutating func join(_ load: PolicyReload.Load) throws(XenError) {
        let present = reload.load
        if load == present, reload.phase != .idle { return }
        switch reload.phase {
        case .idle, .done: break
        case .revoking: throw .busy
        case .copying, .waiting, .examined, .measuring, .notMeasured:
            // Who began it may begin anew; who has stopped will not go on.
            let isItsOwn = load.caller == present.caller
            guard !reload.isLent, isItsOwn || !isAlive(present) else { throw .busy }
        }
        guard reload.capacity > 0, load.size <= reload.capacity else { throw .noSpace }
        reload.begin(load)
    }

    private func isAlive(_ load: PolicyReload.Load) -> Bool {
        guard let index = index(of: load.caller) else { return false }
        return domains[index].life == .running && domains[index].generation == load.generation
    }

    // MARK: Examination

    /// Whether a copied policy waits to be examined, or somebody does it.
    public var awaitsExamination: Bool { reload.phase == .waiting }

    /// Gives the copied policy to whoever examines it now.
    ///
    /// - Returns: nil when there is none, or somebody has it.
    public mutating func takeReloadWork() -> ReloadWork? {
        guard awaitsExamination else { return nil }
        return reload.work.take()
    }

    /// Takes an examined policy back.
    public mutating func returnReloadWork(_ work: consuming ReloadWork) {
        reload.work = consume work
        reload.phase = .examined
    }

    // MARK: Decision

    /// What is to be measured before it takes effect; nil: nothing.
    public var reloadToMeasure:
        (policyDigest: Digest384, manifestDigest: Digest384, version: UInt64)?
    {
        guard reload.phase == .measuring else { return nil }
        return reload.read { ($0.next.policyDigest, $0.next.manifestDigest, $0.next.version) }
    }

    /// Whether a reload has begun and did not end, or its end was not reported.
    public var isReloading: Bool { reload.phase != .idle || reload.report != nil }

    /// Says whether `reloadToMeasure` was extended into PCR 15. If it was, the system is in force
    /// when this returns; if it was not, nothing changes.
    public mutating func noteReloadMeasured(_ isMeasured: Bool) {
        guard reload.phase == .measuring else { return }
        if isMeasured { commitReload() } else { reload.phase = .notMeasured }
    }

    /// Refuses the examined system, or has it measured.
    ///
    /// - Throws: as `loadPolicy`.
    private mutating func decideReload(
        _ call: Call, _ machine: inout some Hardware
    ) throws(XenError) {
        switch reload.outcome {
        case .fits: break
        case .refused(let refusal):
            throw refuseReload(refusal, .invalidArgument, call, machine)
        case .notExamined: return
        }
        let caller = reload.load.caller
        if reload.relabels {
            let label = domains[callerIndex(caller)].label
            do throws(XenError) {
                try authorize(
                    label, monitor.policyLabel, SecurityPermission.computeRelabel, caller,
                    .hypervisor, .loadPolicy, &machine)
            } catch {
                throw refuseReload(.relabelNotPermitted, error, call, machine)
            }
        }
        // ORDER: measured before it takes effect; nothing after that can fail.
        if machine.omits(.measureReload) { commitReload() } else { reload.phase = .measuring }
    }

    private mutating func refuseReload(
        _ refusal: ReloadRefusal, _ error: XenError, _ call: Call,
        _ machine: borrowing some Hardware
    ) -> XenError {
        reload.phase = .idle
        reload.report = .refused(refusal)
        var reason = GuestBytes(count: 4)
        reason.set(u32: refusal.number, at: 0)
        // WRAPS: an address past the end is not mapped, and refused by the copy.
        let place = GuestVirtualAddress(call.address.value &+ 20)
        do throws(XenError) {
            try machine.copyToGuest(call.caller, at: place, reason)
        } catch { return error }
        return error
    }

    /// Puts the measured system into force: from now on everything is decided by it.
    private mutating func commitReload() {
        reload.work?.commit(&monitor)
        // WRAPS: a service compares it for being another.
        reload.sequence &+= 1
        for index in domains.indices { domains[index].label = monitor.label(ofCompartment: index) }
        for pair in 0..<domains.count * domains.count { set(pair, reload.planned(pair)) }
        reload.revokedCount = 0
        reload.cursor = 0
        reload.steps = (0, 0, 0)
        reload.phase = .revoking
    }

    /// Bounds what a system's compartments may map of each other, and signal to each other, by the
    /// channels of its manifest; the machine does it once, before any of them runs.
    ///
    /// - Throws: as `BootArena.reserve`.
    public mutating func setBounds(
        of manifest: borrowing SystemManifest, arena: inout BootArena
    ) throws(BootArenaError) {
        var plan = try PairPlan(compartmentCount: domains.count, arena: &arena)
        plan.fill(manifest)
        for pair in 0..<domains.count * domains.count { set(pair, plan[pair]) }
    }

    /// The arena that `setBounds` takes, in bytes.
    public static func boundsSizeInBytes(domainCount count: Int) -> Int { count * count * 16 + 128 }

    @inline(never) private mutating func set(_ pair: Int, _ bounds: PairPlan.Bounds) {
        let (first, second) = (pair / domains.count, pair % domains.count)
        grants.setQuota(grantee: first, grantor: second, pages: bounds.pages)
        let usual = 1_000_000_000 / EventBudgets.usualInterval
        budgets.setRate(
            from: first, to: second, perSecond: bounds.rate == 0 ? usual : bounds.rate)
    }

    /// What there is to tell people about a reload, once.
    public mutating func takeReloadReport() -> PolicyReload.Report? {
        guard let report = reload.report else { return nil }
        reload.report = nil
        return report
    }

    // MARK: The list

    /// `CASEMATE_REVOKED`: what the last reload took away; `CASEMATE_MANIFEST`: the manifest in
    /// force, for services; `CASEMATE_LOG`: the event log, for control; a part of it.
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (1), `u32 first`, then [hypervisor]
    ///   `u32 sequence`, `u32 total`, `u32 count`, and at 24 up to 8 records of 12 bytes:
    ///   `u16 kind`, `u16 holder`, `u16 other`, `u16 reserved`, `u32 port or handle`; of the
    ///   others up to 96 bytes.
    /// - Throws: `.badAddress`; `.invalidArgument` for another version; `.busy` while more is being
    ///   taken away.
    mutating func listPage(
        _ operation: HypercallOperation, _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        var request = try call.arguments(120, machine)
        guard request.u32(at: 4) == 1 else { throw .invalidArgument }
        guard reload.phase != .revoking else { throw .busy }
        for offset in 12..<120 { request[offset] = 0 }
        let first = Int(request.u32(at: 8))
        var count = 0
        var total = reload.revokedCount
        if operation != .listRevoked {
            let file = operation == .readLog ? KeptFile.eventLog : .manifest
            total = machine.size(of: file)
            while count < 96, first + count < total {
                request[24 + count] = machine.byte(of: file, at: first + count)
                count += 1
            }
        } else {
            while count < 8, let found = reload.revocation(at: first + count) {
                let place = 24 + 12 * count
                let (kind, number) = found.numbers
                request.set(u16: kind, at: place)
                request.set(u16: found.holder.number, at: place + 2)
                request.set(u16: found.other.number, at: place + 4)
                request.set(u32: number, at: place + 8)
                count += 1
            }
        }
        request.set(u32: policySequence, at: 12)
        request.set(u32: UInt32(truncatingIfNeeded: total), at: 16)
        request.set(u32: UInt32(count), at: 20)
        try call.answer(request, machine)
    }
}
