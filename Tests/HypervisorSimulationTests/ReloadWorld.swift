import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyCompiler
import PolicyDatabase
import TestSupport

/// Five hostile domains whose policy is replaced again and again, in the middle of what they do.
///
/// The model is the list of declared channels: what they permit may exist, and nothing else.
/// Between two steps of a reload the old rights are on their way out; no step may make a new one.
struct ReloadWorld: ~Copyable {
    var simulation: Simulation
    /// The systems that take turns, and which is in force.
    private let systems: [ReloadSystem]
    private(set) var present: Int
    private var manifest: [UInt8]
    private var version: UInt64 = 1
    /// The load that is under way: which system it will be, if it is good.
    private var loading: (system: Int, manifest: [UInt8])?
    private var generator: SeededGenerator
    /// How often each kind of step came to something.
    private(set) var counts: [String: Int] = [:]
    /// What was revoked by all reloads, by kind.
    private(set) var revoked: [UInt32: Int] = [:]

    /// Systems of random channels among domains 2 to 5.
    static func systems(seed: UInt64, count: Int) throws -> [ReloadSystem] {
        var generator = SeededGenerator(seed: seed)
        var result: [ReloadSystem] = []
        for _ in 0..<count {
            var links: [ReloadSystem.Link] = []
            for from in UInt16(2)...4 {
                for to in UInt16(2)...5 where from != to {
                    let kind = Int.random(in: 0..<6, using: &generator)
                    let isTwoWay = to != 5 && Bool.random(using: &generator)
                    guard kind < 4 else { continue }
                    links.append(
                        ReloadSystem.Link(
                            from: from, to: to, pages: kind == 0 ? 0 : kind, isTwoWay: isTwoWay))
                }
            }
            result.append(try ReloadSystem(links))
        }
        return result
    }

    init(_ systems: [ReloadSystem], seed: UInt64, fault: FaultPoint? = nil) throws {
        let first = systems[0]
        generator = SeededGenerator(seed: seed)
        self.systems = systems
        present = 0
        manifest = first.compiled.compiled.manifest
        simulation = try Simulation(first.compiled)
        simulation.memory.fault = fault
        for domain in UInt16(2)...5 {
            for reference in UInt32(8)..<14 {
                let grantee = 2 + UInt16(random(4))
                simulation.grant(domain, reference, to: grantee, frame: reference)
            }
        }
    }

    private mutating func random(_ bound: Int) -> Int {
        Int.random(in: 0..<bound, using: &generator)
    }

    private mutating func count(_ kind: String) { counts[kind, default: 0] += 1 }

    /// Whether old rights may still be there.
    private var isRevoking: Bool { simulation.core.isRevoking }

    // MARK: Steps

    /// One step, and then everything that must hold.
    ///
    /// - Returns: the first complaint.
    mutating func step() -> String? {
        let domain = 2 + UInt16(random(4))
        let complaint: String? =
            switch random(16) {
            case 0, 1: join(domain)
            case 2: allocate(domain)
            case 3, 4: send(domain)
            case 5: close(domain)
            case 6, 7: map(domain)
            case 8: unmap(domain)
            case 9: access(domain)
            case 10: regrant(domain)
            case 11, 12, 13: loadPart()
            case 14: reload()
            default: interrupt(domain)
            }
        return complaint ?? invariants()
    }

    private mutating func other(than domain: UInt16) -> UInt16 {
        let other = 2 + UInt16(random(3))
        return other >= domain ? other + 1 : other
    }

    private mutating func join(_ domain: UInt16) -> String? {
        let remote = other(than: domain)
        let may = systems[present].joins(domain, remote)
        let far = simulation.allocate(remote, remote: domain)
        if far.result == 0 && !may { return "a port was reserved against the policy" }
        if far.result == -1 && may { return "a port was refused that the policy permits" }
        guard far.result == 0 else { return nil }
        let near = simulation.bind(domain, remote: remote, port: far.port)
        if near.result == -1 { return "a bind was refused that the policy permits" }
        if near.result == 0 { count("join") }
        return nil
    }

    private mutating func allocate(_ domain: UInt16) -> String? {
        let remote = other(than: domain)
        let result = simulation.allocate(domain, remote: remote).result
        let may = systems[present].joins(domain, remote)
        if result == 0 { count("allocate") }
        return result == 0 && !may ? "a port was reserved against the policy" : nil
    }

    private mutating func send(_ domain: UInt16) -> String? {
        let port = UInt32(2 + random(12))
        let binding = simulation.binding(domain, port: port)
        let result = simulation.send(domain, port: port)
        switch binding {
        case .interdomain(let remote, let far):
            let may = systems[present].sends(domain, remote.number)
            if (result == 0) != may { return "send: \(result), and the policy says \(may)" }
            if result == 0 {
                count("send")
                if !simulation.isPending(remote.number, port: far.number) {
                    return "an event that was sent is not pending"
                }
            }
        case .revoked: if result != -1 { return "send on a revoked port: \(result)" }
        default: break
        }
        return nil
    }

    private mutating func close(_ domain: UInt16) -> String? {
        let port = UInt32(2 + random(12))
        let wasFree = simulation.binding(domain, port: port) == .free
        let result = simulation.call(32, 3, from: domain, [port])
        if result == 0 { count("close") }
        return (result == 0) == wasFree ? "close: \(result)" : nil
    }

    private mutating func map(_ domain: UInt16) -> String? {
        let grantor = other(than: domain)
        let readOnly = random(2) == 0
        let result = simulation.map(
            domain, of: grantor, UInt32(8 + random(6)), at: UInt64(32 + random(16)),
            readOnly: readOnly)
        let may = systems[present].pages(domain, of: grantor)
        guard result.status == .okay else { return nil }
        count(readOnly ? "map" : "map for writing")
        return may.count == 0 || !readOnly && !may.isWritable ? "mapped against the policy" : nil
    }

    private mutating func unmap(_ domain: UInt16) -> String? {
        let handle = UInt32(random(Simulation.handleCount))
        guard let sight = simulation.core.grants.sight(Int(domain) - 1, handle) else { return nil }
        let status = simulation.unmap(domain, handle, at: sight.place.number)
        // Who may no longer map may no longer unmap either, until it is severed.
        if status == .okay { count("unmap") }
        return status == .okay || isRevoking ? nil : "unmap: \(String(describing: status))"
    }

    /// A guest reaches what it has mapped, by one of two processors, or a blank page.
    private mutating func access(_ domain: UInt16) -> String? {
        var place = UInt64(32 + random(16))
        let held = simulation.core.grants.sight(
            Int(domain) - 1, UInt32(random(6)))
        if let held { place = held.place.number }
        let found = simulation.access(domain, place, processor: random(2), writing: random(2) == 0)
        var expected: [UInt64] = []
        for handle in 0..<UInt32(Simulation.handleCount) {
            guard let sight = simulation.core.grants.sight(Int(domain) - 1, handle),
                sight.place.number == place
            else { continue }
            let blank = simulation.core.domains[Int(domain) - 1].blank.number
            expected.append(sight.isSevered ? blank : sight.frame.number)
        }
        guard let found else { return nil }
        count("access")
        return expected.contains(found) ? nil : "domain \(domain) reaches \(found)"
    }

    private mutating func regrant(_ domain: UInt16) -> String? {
        let reference = UInt32(8 + random(6))
        guard simulation.entry(domain, reference) & 0x18 == 0 else { return nil }
        let grantee = other(than: domain)
        simulation.grant(domain, reference, to: grantee, frame: reference)
        return nil
    }

    private mutating func interrupt(_ domain: UInt16) -> String? {
        let result = simulation.call(32, 1, from: domain, [0, UInt32(random(4)), 0])
        return result == 0 || result == -17 || result == -28 ? nil : "bind of a timer: \(result)"
    }

    // MARK: Reloads

    /// Prepares a load, good or bad, in domain 1's memory.
    ///
    /// - Returns: whether it is good.
    private mutating func prepare() -> Bool {
        let system = random(systems.count)
        let kind = random(6)
        let next = systems[system].manifest(
            version: kind == 0 ? version : version + 1,
            replacing: kind == 1 ? [1, 2, 3] : manifest)
        var archive = systems[system].archive(next)
        // Within the policy, whose digest the manifest has.
        if kind == 2 { archive[200 + random(1_000)] ^= UInt8(1 << random(8)) }
        simulation.memory.tpmFails = kind == 3
        simulation.store(archive, of: 1)
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
        for (index, word) in Simulation.loadRequest(size: archive.count).enumerated() {
            simulation.memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
        loading = (system, next)
        return kind > 3
    }

    /// The policy has changed: the model changes with it.
    private mutating func note(_ before: UInt32) {
        guard simulation.core.policySequence != before, let loading else { return }
        (present, manifest) = (loading.system, loading.manifest)
        version += 1
        count("reload")
    }

    /// One part of a load, between which others go on; begins one when there is none.
    private mutating func loadPart() -> String? {
        if loading == nil { _ = prepare() }
        let before = simulation.core.policySequence
        let result = simulation.part(27, 0x1000, from: 1)
        simulation.examine()
        note(before)
        guard let result else { return nil }
        loading = nil
        guard result == 0 else {
            count("refused")
            return nil
        }
        return list()
    }

    private mutating func list() -> String? {
        guard let list = simulation.revoked(from: 1) else { return "the list cannot be read" }
        for entry in list { revoked[entry[0], default: 0] += 1 }
        return nil
    }

    /// A whole load at once: what stays permitted is untouched, everything else is gone.
    private mutating func reload() -> String? {
        guard loading == nil else { return nil }
        let isGood = prepare()
        let (before, old) = (simulation.core.policySequence, present)
        let rights = rights()
        var result: Int64?
        for _ in 0..<500 where result == nil {
            let sequence = simulation.core.policySequence
            result = simulation.part(27, 0x1000, from: 1)
            simulation.examine()
            note(sequence)
        }
        loading = nil
        if result == nil { return "a load does not end" }
        if isGood && result != 0 { return "a good system was refused: \(result ?? 0)" }
        if result != 0 {
            count("refused")
            if simulation.core.policySequence != before { return "a refused system took effect" }
            return self.rights() == rights ? nil : "a refused system changed something"
        }
        let kept = rights.filter { $0.isPermitted(by: systems[present], after: systems[old]) }
        let now = self.rights()
        if !now.isSuperset(of: kept) { return withinQuota(kept.subtracting(now)) ?? list() }
        if !now.isSubset(of: rights) { return "a reload gave something" }
        for right in now where !right.isPermitted(by: systems[present], after: systems[old]) {
            return "\(right) has outlived its permission"
        }
        return list()
    }

    /// Whether mappings that are gone are gone because there are fewer pages for them.
    private func withinQuota(_ gone: Set<Right>) -> String? {
        for right in gone {
            guard case .mapping(let grantee, let grantor, _, _) = right else {
                return "a reload took what the policy permits: \(right)"
            }
            let used = simulation.core.grants.used(
                grantee: Int(grantee) - 1, grantor: Int(grantor) - 1)
            if used < systems[present].pages(grantee, of: grantor).count {
                return "a reload took a mapping that the policy permits"
            }
        }
        return nil
    }

    // MARK: What is there

    /// Something that a domain has of another.
    enum Right: Hashable {
        case unbound(UInt16, UInt32, remote: UInt16)
        case channel(UInt16, UInt32, remote: UInt16, UInt32)
        case mapping(UInt16, of: UInt16, handle: UInt32, isWritable: Bool)
        case pending(UInt16, UInt32, sender: UInt16)

        func isPermitted(by system: ReloadSystem, after old: ReloadSystem) -> Bool {
            switch self {
            case .unbound(let domain, _, let remote), .channel(let domain, _, let remote, _):
                return system.joins(domain, remote)
            case .mapping(let grantee, let grantor, _, let isWritable):
                let pages = system.pages(grantee, of: grantor)
                return pages.count > 0 && (!isWritable || pages.isWritable)
            case .pending(let domain, _, let sender):
                // A bind rings its own port once; nobody sent that, so it stays with the channel.
                return system.joins(domain, sender)
                    && (system.sends(sender, domain) || !old.sends(sender, domain))
            }
        }
    }

    func rights() -> Set<Right> {
        var result: Set<Right> = []
        for domain in UInt16(2)...5 {
            for port in 2..<UInt32(Domain.portCount) {
                switch simulation.binding(domain, port: port) {
                case .unbound(let remote):
                    result.insert(.unbound(domain, port, remote: remote.number))
                case .interdomain(let remote, let far):
                    result.insert(.channel(domain, port, remote: remote.number, far.number))
                    if simulation.isPending(domain, port: port) {
                        result.insert(.pending(domain, port, sender: remote.number))
                    }
                case .revoked:
                    if simulation.isPending(domain, port: port) {
                        result.insert(.pending(domain, port, sender: 0))
                    }
                default: break
                }
            }
            for handle in 0..<UInt32(Simulation.handleCount) {
                guard let sight = simulation.core.grants.sight(Int(domain) - 1, handle),
                    !sight.isSevered
                else { continue }
                result.insert(
                    .mapping(
                        domain, of: sight.grantor.number, handle: handle,
                        isWritable: sight.isWritable))
            }
        }
        return result
    }

    /// Everything that must hold between steps.
    private func invariants() -> String? {
        if let port = simulation.brokenPort() { return "port \(port) is joined with nothing" }
        if let list = simulation.core.brokenList() { return list }
        if simulation.memory.translations.isStale { return "a translation is remembered" }
        guard !isRevoking else { return nil }
        if let broken = simulation.core.grants.brokenInvariant() { return broken }
        let system = systems[present]
        for right in rights() where !right.isPermitted(by: system, after: system) {
            return "\(right) is there, and the policy does not permit it"
        }
        for domain in UInt16(2)...5 {
            for grantor in UInt16(2)...5 where domain != grantor {
                let used = simulation.core.grants.used(
                    grantee: Int(domain) - 1, grantor: Int(grantor) - 1)
                if used > system.pages(domain, of: grantor).count { return "too many pages" }
            }
        }
        return nil
    }

    /// Runs steps.
    ///
    /// - Returns: the first complaint.
    mutating func run(steps: Int) -> String? {
        for number in 0..<steps {
            if let complaint = step() { return "step \(number): \(complaint)" }
        }
        return nil
    }
}
