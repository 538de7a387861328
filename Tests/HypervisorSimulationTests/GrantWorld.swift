import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import TestSupport

/// Hostile domains on a fake machine, and the model beside it. Each step is compared with what the
/// model says, and what every domain can reach with what it should.
struct GrantWorld: ~Copyable {
    /// Domains 1 to 3 are of one level, domain 4 above them. 1 and 2 write to each other; 3 may
    /// only
    /// read what 1 grants, and 4 what 1, 2 and 3 grant; nobody else may do anything.
    private static let seeing: [(UInt16, UInt16)] = [
        (1, 2), (2, 1), (3, 1), (4, 1), (4, 2), (4, 3),
    ]
    private static let writing: [(UInt16, UInt16)] = [(1, 2), (2, 1)]
    private static let offset = 4000

    var simulation: Simulation
    var model = GrantModel()
    private var generator: SeededGenerator
    /// What was last written to each frame, by its number.
    private var content: [UInt64: UInt8] = [:]
    /// How often each kind of step came to something.
    private(set) var counts: [String: Int] = [:]

    init(seed: UInt64, fault: FaultPoint? = nil) throws {
        generator = SeededGenerator(seed: seed)
        let all = [
            GrantPermission.mapRead, GrantPermission.mapWrite, GrantPermission.unmap,
            GrantPermission.copy,
        ]
        var rights: [Simulation.Right] = []
        for (grantee, grantor) in GrantWorld.seeing {
            let writes = GrantWorld.writing.contains { $0 == (grantee, grantor) }
            let (source, target) = (Int(grantee) - 1, Int(grantor) - 1)
            rights.append(
                Simulation.Right(
                    source: source, target: target,
                    permissions: writes
                        ? all : [GrantPermission.mapRead, GrantPermission.unmap]))
            model.rights[Int(grantee) * 100 + Int(grantor)] = GrantModel.Rights(
                maySee: true, mayWrite: writes)
        }
        // What a domain may see it may have copied to it: `copy` goes from the source's label.
        for (grantee, grantor) in GrantWorld.seeing {
            rights.append(
                Simulation.Right(
                    source: Int(grantor) - 1, target: Int(grantee) - 1,
                    permissions: [GrantPermission.copy]))
        }
        simulation = try Simulation(GrantWorld.system(), rights: rights)
        simulation.memory.fault = fault
    }

    static func system() throws -> TestSystem {
        var text = "system grants version 1\ntarget casemate\nlevels low < high\n"
        for (name, level) in [("a", "low"), ("b", "low"), ("c", "low"), ("d", "high")] {
            text += "compartment \(name) at \(level) {\n    kernel debian\n"
            text += "    memory 64 MiB\n    vcpus 1\n}\n"
        }
        return try TestSystem(text + "channel k: a -> b signal\n")
    }

    private mutating func random(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: generator.next() >> 33) % bound
    }

    private mutating func count(_ kind: String) { counts[kind, default: 0] += 1 }

    /// One random operation.
    ///
    /// - Returns: what was not as the model says; nil: all was.
    mutating func step() -> String? {
        let domain = UInt16(random(5) == 0 ? 1 + random(4) : [1, 2, 4][random(3)])
        if simulation.memory.denials.count > 1_000 { simulation.memory.denials = [] }
        switch random(20) {
        case 0...2: writeEntry(domain)
        case 3...8: if let complaint = map(domain) { return complaint }
        case 9...12: if let complaint = unmap(domain) { return complaint }
        case 13: if let complaint = copy(domain) { return complaint }
        case 14...18: if let complaint = access(domain) { return complaint }
        default:
            if random(50) == 0, let complaint = restart(domain) { return complaint }
        }
        if simulation.memory.translations.isStale { return "a processor knows what is gone" }
        return nil
    }

    private mutating func writeEntry(_ domain: UInt16) {
        let reference = UInt32(random(6))
        let flags: [UInt32] = [1, 1, 1, 1, 1, 1, 5, 5, 0, 2, 3, 0x101, 0x21, 9, 25]
        let word = flags[random(flags.count)]
        let frame = random(8) == 0 ? UInt32(random(20)) : UInt32(2 + random(14))
        var grantee = UInt16(1 + random(4))
        let seers = GrantWorld.seeing.filter { $0.1 == domain }
        if !seers.isEmpty, random(4) != 0 { grantee = seers[random(seers.count)].0 }
        simulation.grant(domain, reference, to: grantee, frame: frame, flags: word)
        model.entries[GrantModel.Key(domain: domain, number: reference)] = GrantModel.Entry(
            word: word | UInt32(grantee) << 16, frame: frame)
    }

    /// An entry's index, now and then out of range.
    private mutating func reference() -> UInt32 {
        random(40) == 0 ? 2048 + UInt32(random(6)) : UInt32(random(6))
    }

    /// An entry that names the domain as its grantee, if there is one; now and then any.
    private mutating func granted(to domain: UInt16) -> (UInt16, UInt32) {
        let known = GrantWorld.seeing.filter { $0.0 == domain }
        guard !known.isEmpty, random(5) != 0 else { return (UInt16(1 + random(5)), reference()) }
        let grantor = known[random(known.count)].1
        let start = random(6)
        for step in 0..<6 {
            let reference = UInt32((start + step) % 6)
            let word = model.entries[GrantModel.Key(domain: grantor, number: reference)]?.word
            if (word ?? 0) >> 16 == UInt32(domain) { return (grantor, reference) }
        }
        return (grantor, reference())
    }

    private mutating func map(_ domain: UInt16) -> String? {
        let (grantor, reference) = granted(to: domain)
        let place = random(8) == 0 ? UInt64(30 + random(20)) : UInt64(32 + random(16))
        let readOnly = random(2) == 0
        let result = simulation.map(
            domain, of: grantor, reference, at: place, readOnly: readOnly)
        let key = GrantModel.Key(domain: domain, number: result.handle)
        if result.status == .okay, model.mappings[key] != nil { return "a handle is in use" }
        let expected = model.map(
            domain, of: grantor, reference, at: place, readOnly: readOnly, handle: result.handle)
        if result.status == .okay { count("map") }
        if result.status != expected { return "map: \(result) and not \(expected)" }
        return compare(grantor, reference)
    }

    private mutating func unmap(_ domain: UInt16) -> String? {
        let held = model.mappings.filter { $0.key.domain == domain }
            .sorted { $0.key.number < $1.key.number }
        var handle = UInt32(random(30))
        var place = UInt64(30 + random(20))
        if !held.isEmpty, random(4) != 0 {
            let chosen = held[random(held.count)]
            handle = chosen.key.number
            if random(8) != 0 { place = chosen.value.place }
        }
        let mapping = model.mappings[GrantModel.Key(domain: domain, number: handle)]
        let result = simulation.unmap(domain, handle, at: place)
        let expected = model.unmap(domain, handle, at: place)
        if result == .okay { count("unmap") }
        if result != expected { return "unmap: \(String(describing: result)), not \(expected)" }
        return mapping.flatMap { compare($0.grantor, $0.reference) }
    }

    private mutating func copy(_ domain: UInt16) -> String? {
        let (grantor, reference) = granted(to: domain)
        let own = UInt64(2 + random(15))
        let isWriting = random(2) == 0
        let isWithin = random(10) != 0
        let granted = Simulation.CopyEnd.granted(by: grantor, reference)
        let result = simulation.copy(
            domain, from: isWriting ? .own(frame: own) : granted,
            to: isWriting ? granted : .own(frame: own), offset: UInt32(GrantWorld.offset),
            count: isWithin ? 8 : 97)
        let (expected, frame) = model.copy(
            domain, granted: grantor, reference, writing: isWriting, own: own,
            isWithin: isWithin)
        if result != expected { return "copy: \(String(describing: result)), not \(expected)" }
        if expected == .okay {
            count("copy")
            let near = FakeMachine.firstFrame(DomainID(number: domain)) + own
            let (from, to) = isWriting ? (near, frame) : (frame, near)
            content[to] = content[from]
            let byte = simulation.memory.byte(to, GrantWorld.offset)
            if byte != content[to] ?? 0 { return "a copy went elsewhere" }
        }
        return compare(grantor, reference)
    }

    /// A guest reads or writes, on one of two processors.
    private mutating func access(_ domain: UInt16) -> String? {
        let place = random(4) == 0 ? UInt64(2 + random(14)) : UInt64(30 + random(20))
        let isWriting = random(2) == 0
        let found = simulation.access(
            domain, place, processor: random(2), writing: isWriting)
        let expected = model.sees(domain, place)
        let frame = expected.flatMap { isWriting && !$0.isWritable ? nil : $0.frame }
        if found != frame {
            return "domain \(domain) reaches \(String(describing: found)) at \(place)"
        }
        guard let frame else { return nil }
        count("access")
        if isWriting {
            let byte = UInt8(random(256))
            simulation.memory.setByte(frame, GrantWorld.offset, byte)
            content[frame] = byte
        } else if simulation.memory.byte(frame, GrantWorld.offset) != content[frame] ?? 0 {
            return "frame \(frame) holds what nobody wrote"
        }
        return nil
    }

    /// A domain crashes, and starts again with nothing of what it was.
    private mutating func restart(_ domain: UInt16) -> String? {
        count("restart")
        simulation.crash(domain)
        model.crash(domain)
        if let complaint = invariants() { return complaint }
        guard simulation.renew(domain) else {
            return "domain \(domain) cannot start again"
        }
        model.renew(domain)
        let first = FakeMachine.firstFrame(DomainID(number: domain))
        for frame in first..<first + FakeMachine.window { content[frame] = nil }
        for frame in first..<first + 24 {
            for word in 0..<512 where simulation.memory.number(frame, word * 8, 8) != 0 {
                return "frame \(frame) is not clear"
            }
        }
        return nil
    }

    /// The entry that an operation was about: its marks, and who uses it.
    private func compare(_ grantor: UInt16, _ reference: UInt32) -> String? {
        guard grantor <= 4, reference < 2048 else { return nil }
        let key = GrantModel.Key(domain: grantor, number: reference)
        let word = model.entries[key]?.word ?? 0
        if simulation.entry(grantor, reference) != word { return "the marks are wrong" }
        let uses = simulation.core.grants.uses(
            Int(grantor) - 1, GrantReference(number: reference))
        let expected = model.uses[key]
        if uses.readers != expected?.readers ?? 0 || uses.writers != expected?.writers ?? 0 {
            return "an entry is counted wrongly"
        }
        return nil
    }

    /// Everything that must hold between operations.
    func invariants() -> String? {
        if let broken = simulation.core.grants.brokenInvariant() { return broken }
        var uses = [UInt32](repeating: 0, count: 5)
        for (key, use) in model.uses { uses[Int(key.domain)] += UInt32(use.readers + use.writers) }
        for domain in 1...4 where simulation.core.frames.uses(domain - 1) != uses[domain] {
            return "the ledger counts wrongly"
        }
        for (key, mapping) in model.mappings {
            let sight = simulation.core.grants.sight(Int(key.domain) - 1, key.number)
            guard let sight, sight.grantor.number == mapping.grantor,
                sight.isSevered == mapping.isSevered, sight.place.number == mapping.place
            else { return "a mapping is not what it was" }
        }
        return nil
    }

    /// Runs steps, and looks at the whole world now and then.
    ///
    /// - Returns: the first complaint.
    mutating func run(steps: Int, checkingEvery period: Int) -> String? {
        for number in 0..<steps {
            if let complaint = step() { return "step \(number): \(complaint)" }
            if number % period == 0, let complaint = invariants() {
                return "after step \(number): \(complaint)"
            }
        }
        return invariants()
    }
}
