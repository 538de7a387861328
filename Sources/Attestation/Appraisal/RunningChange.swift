public import Digests
internal import EventLog

/// What became of a machine's system while it ran, as PCR 15 tells it.
///
/// - Source: docs/abi/evidence.md, "Changes".
public enum RunningChange: Equatable, Sendable {
    /// A compartment failed and started again, this often in all.
    case restarted(compartment: String, times: Int)
    /// A compartment that does not start by itself, or that was ended, was started by order, this
    /// often in all.
    case deployed(compartment: String, times: Int)
    /// A compartment was ended by order, this often in all.
    case ended(compartment: String, times: Int)
    /// Another policy and manifest took effect, of this version of the system.
    case replaced(policy: Digest384, manifest: Digest384, version: UInt64)

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .restarted(let name, let times):
            "restarted compartment `\(name)` \(often(times)) after a failure"
        case .deployed(let name, let times): "deployed compartment `\(name)` \(often(times))"
        case .ended(let name, let times): "ended compartment `\(name)` \(often(times)) by order"
        case .replaced(let policy, let manifest, let version):
            "policy replaced by sha384:\(policy.hexadecimal), manifest "
                + "sha384:\(manifest.hexadecimal), system version \(version)"
        }
    }
}

private func often(_ times: Int) -> String { times == 1 ? "once" : "\(times) times" }

/// Follows the lives of a system's compartments through the events of PCR 15, and refuses what the
/// reference values do not permit.
///
/// - Invariant: *(living)* of each compartment it knows whether it runs, as far as measured: who
///   fails beyond the limit, or powers itself off, is not measured.
struct ChangeReplay {
    private var reference: ReferenceValues
    private var successors: ArraySlice<ReferenceValues>
    private var lives: [Life]
    private var replacements: [RunningChange] = []

    /// One compartment's.
    private struct Life {
        var isPresent: Bool
        var generation: UInt32 = 1
        /// Since the last order to start.
        var restartsSinceOrder: UInt32 = 0
        var restarts = 0
        var deployments = 0
        var ends = 0
    }

    /// Begins where a machine is when it has booted.
    ///
    /// - Parameter successors: the systems that may replace the first one, in this order.
    init(of reference: ReferenceValues, successors: [ReferenceValues]) {
        self.reference = reference
        self.successors = successors[...]
        lives = reference.compartments.map { Life(isPresent: $0.startsByItself) }
    }

    /// The system that is in force.
    var system: ReferenceValues { reference }

    /// What has happened, compartment by compartment, and last what replaced the policy.
    var changes: [RunningChange] {
        var list: [RunningChange] = []
        for (compartment, life) in zip(reference.compartments, lives) {
            let name = compartment.name
            if life.restarts > 0 {
                list.append(.restarted(compartment: name, times: life.restarts))
            }
            if life.deployments > 0 {
                list.append(.deployed(compartment: name, times: life.deployments))
            }
            if life.ends > 0 { list.append(.ended(compartment: name, times: life.ends)) }
        }
        return list + replacements
    }

    /// Why the machine is not what it should be after all events: a compartment that starts by
    /// itself was ended.
    var refusals: [Refusal] {
        zip(reference.compartments, lives).compactMap { compartment, life in
            guard compartment.startsByItself, !life.isPresent else { return nil }
            return .compartmentEnded(name: compartment.name, source: compartment.source)
        }
    }

    /// Takes the next event of PCR 15.
    ///
    /// - Parameter index: the event's place in the log, for messages.
    /// - Throws: `.changeMalformed`, also for a life that does not follow on the one before;
    ///   `.compartmentUnexpected`; `.changeForbidden`; `.compartmentDiffers` for other modules than
    ///   declared; `.policyReplaced` when the replacement is not the next successor;
    ///   `.successorUnfit` when it is, and may not replace this system.
    mutating func take(_ eventData: [UInt8], index: Int) throws(Refusal) {
        if let event = LifeEvent(eventData: eventData) {
            try take(event, index: index)
        } else if let event = ReloadEvent(eventData: eventData) {
            try take(event)
        } else {
            throw .changeMalformed(index: index)
        }
    }

    private mutating func take(_ event: LifeEvent, index: Int) throws(Refusal) {
        guard let place = reference.compartments.firstIndex(where: { $0.name == event.name })
        else { throw .compartmentUnexpected(name: event.name) }
        let declared = reference.compartments[place]
        var life = lives[place]
        let isEnd = event.change == .destroy
        let (next, overflow) = life.generation.addingReportingOverflow(isEnd ? 0 : 1)
        guard event.domainID == declared.domainID, !overflow, event.generation == next else {
            throw .changeMalformed(index: index)
        }
        life.generation = next
        func forbid(_ what: String) -> Refusal {
            .changeForbidden(name: declared.name, source: declared.source, what: what)
        }
        switch event.change {
        case .restart:
            guard life.isPresent else { throw forbid("started again without running") }
            guard life.restartsSinceOrder < declared.restartLimit else {
                throw forbid("started again more often than \(declared.restartLimit) times")
            }
            life.restartsSinceOrder += 1
            life.restarts += 1
        case .deploy:
            guard !life.isPresent else { throw forbid("started by order while it ran") }
            life.isPresent = true
            life.restartsSinceOrder = 0
            life.deployments += 1
        case .destroy:
            guard life.isPresent else { throw forbid("ended without running") }
            life.isPresent = false
            life.ends += 1
        }
        try checkModules(of: event, declared)
        lives[place] = life
    }

    /// An end loads nothing; every start loads what is declared.
    private func checkModules(
        of event: LifeEvent, _ declared: ReferenceCompartment
    ) throws(Refusal) {
        let isEnd = event.change == .destroy
        let kernel = isEnd ? "none" : declared.kernel.sha384.hexadecimal
        let initrd = isEnd ? "none" : declared.initrd?.sha384.hexadecimal ?? "none"
        let isKernel = event.kernel != kernel
        guard isKernel || event.initrd != initrd else { return }
        throw .compartmentDiffers(
            CompartmentDifference(
                compartment: declared.name, source: declared.source,
                part: isKernel
                    ? .kernel(module: declared.kernel.name)
                    : .initrd(module: declared.initrd?.name ?? "none"),
                expected: isKernel ? kernel : initrd,
                found: isKernel ? event.kernel : event.initrd))
    }

    private mutating func take(_ event: ReloadEvent) throws(Refusal) {
        guard let successor = successors.first, successor.policy == event.policy,
            successor.manifest == event.manifest, successor.system.version == event.version
        else {
            throw .policyReplaced(
                policy: event.policy.hexadecimal, manifest: event.manifest.hexadecimal,
                version: event.version)
        }
        guard successor.system.name == reference.system.name else {
            throw .successorUnfit("it is another system")
        }
        guard successor.system.version > reference.system.version else {
            throw .successorUnfit("its version is not higher")
        }
        guard successor.compartments.count == reference.compartments.count,
            zip(successor.compartments, reference.compartments).allSatisfy(mayReplace)
        else { throw .successorUnfit("its compartments are others") }
        successors = successors.dropFirst()
        reference = successor
        replacements.append(
            .replaced(policy: event.policy, manifest: event.manifest, version: event.version))
    }
}

/// Whether a compartment that a reload declares can be the one that runs: its label may be another,
/// and where it is declared.
private func mayReplace(_ new: ReferenceCompartment, _ old: ReferenceCompartment) -> Bool {
    new.name == old.name && new.domainID == old.domainID
        && new.kernel.sha384 == old.kernel.sha384 && new.initrd?.sha384 == old.initrd?.sha384
        && new.commandLine == old.commandLine && new.memoryInBytes == old.memoryInBytes
        && new.vcpuCount == old.vcpuCount && new.startsByItself == old.startsByItself
        && new.restartLimit == old.restartLimit
}
