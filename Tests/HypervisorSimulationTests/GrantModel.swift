import HypervisorCore

/// What grants mean, said once more and as plainly as possible: dictionaries, no tables, no handles
/// of its own. It shares nothing with the hypervisor but the words.
struct GrantModel {
    /// An entry of a table as its owner sees it.
    struct Entry: Equatable {
        var word: UInt32 = 0
        var frame: UInt32 = 0
    }

    /// Who uses an entry, and how.
    struct Use: Equatable {
        var grantee: UInt16
        var readers = 0
        var writers = 0
        var frame: UInt64
    }

    struct Mapping: Equatable {
        var grantor: UInt16
        var reference: UInt32
        var place: UInt64
        var isWritable: Bool
        var isSevered = false
    }

    struct Key: Hashable {
        var domain: UInt16
        var number: UInt32
    }

    /// What a pair may do.
    struct Rights {
        var maySee: Bool
        var mayWrite: Bool
    }

    var entries: [Key: Entry] = [:]
    var uses: [Key: Use] = [:]
    var mappings: [Key: Mapping] = [:]
    var stopped: Set<UInt16> = []
    /// By 100 × grantee + grantor.
    var rights: [Int: Rights] = [:]
    var quota = 8

    private func right(_ grantee: UInt16, _ grantor: UInt16) -> Rights? {
        rights[Int(grantee) * 100 + Int(grantor)]
    }

    /// The frame behind a place of a domain, and whether it may be written; nil: nothing.
    func sees(_ domain: UInt16, _ place: UInt64) -> (frame: UInt64, isWritable: Bool)? {
        let first = FakeMachine.firstFrame(DomainID(number: domain))
        if place < FakeMachine.frameCount { return (first + place, true) }
        for (key, mapping) in mappings where key.domain == domain && mapping.place == place {
            if mapping.isSevered { return (first + 16 + 3, true) }
            let use = uses[Key(domain: mapping.grantor, number: mapping.reference)]
            return use.map { ($0.frame, mapping.isWritable) }
        }
        return nil
    }

    // MARK: Uses

    /// Begins a use.
    private mutating func acquire(
        _ key: Key, for grantee: UInt16, writing: Bool
    ) -> GrantStatus {
        guard key.number < 2048, !stopped.contains(key.domain) else { return .badReference }
        if let use = uses[key], use.grantee != grantee { return .generalError }
        let use = uses[key]
        var entry = entries[key] ?? Entry()
        if use == nil || (writing && use?.writers == 0) {
            let isPage = entry.word & 3 == 1 && entry.word & 0x1e0 == 0
            let isOurs = entry.word >> 16 == UInt32(grantee)
            guard isPage, isOurs, !writing || entry.word & 4 == 0 else { return .generalError }
            entry.word |= writing ? 24 : 8
        }
        let first = FakeMachine.firstFrame(DomainID(number: key.domain))
        if use == nil, entry.frame >= UInt32(FakeMachine.frameCount) {
            entries[key, default: Entry()].word &= ~24
            return .badPage
        }
        entries[key] = entry
        var now = use ?? Use(grantee: grantee, frame: first + UInt64(entry.frame))
        if writing { now.writers += 1 } else { now.readers += 1 }
        uses[key] = now
        return .okay
    }

    private mutating func release(_ key: Key, writing: Bool) {
        guard var use = uses[key] else { return }
        if writing { use.writers -= 1 } else { use.readers -= 1 }
        if use.writers == 0 { entries[key]?.word &= ~16 }
        if use.writers == 0, use.readers == 0 {
            entries[key]?.word &= ~8
            uses[key] = nil
        } else {
            uses[key] = use
        }
    }

    // MARK: Operations

    /// `GNTTABOP_map_grant_ref`; the handle is the hypervisor's choice.
    mutating func map(
        _ domain: UInt16, of grantor: UInt16, _ reference: UInt32, at place: UInt64,
        readOnly: Bool, handle: UInt32
    ) -> GrantStatus {
        guard let right = right(domain, grantor), right.maySee, right.mayWrite || readOnly else {
            return .permissionDenied
        }
        let held = mappings.filter { $0.key.domain == domain }
        if held.count >= Simulation.handleCount { return .noSpace }
        let live = held.filter { $0.value.grantor == grantor && !$0.value.isSevered }
        if live.count >= quota { return .noSpace }
        let isTaken = held.contains { $0.value.place == place }
        guard FakeMachine.places.contains(place), !isTaken else { return .generalError }
        let key = Key(domain: grantor, number: reference)
        let status = acquire(key, for: domain, writing: !readOnly)
        guard status == .okay else { return status }
        mappings[Key(domain: domain, number: handle)] = Mapping(
            grantor: grantor, reference: reference, place: place, isWritable: !readOnly)
        return .okay
    }

    /// `GNTTABOP_unmap_grant_ref`.
    mutating func unmap(_ domain: UInt16, _ handle: UInt32, at place: UInt64) -> GrantStatus {
        let key = Key(domain: domain, number: handle)
        guard let mapping = mappings[key] else { return .badHandle }
        if place == 0 { return .okay }
        guard mapping.place == place else { return .badAddress }
        mappings[key] = nil
        if !mapping.isSevered {
            let entry = Key(domain: mapping.grantor, number: mapping.reference)
            release(entry, writing: mapping.isWritable)
        }
        return .okay
    }

    /// `GNTTABOP_copy` between an own and a granted frame.
    ///
    /// - Returns: the status, and the granted frame.
    mutating func copy(
        _ domain: UInt16, granted grantor: UInt16, _ reference: UInt32, writing: Bool,
        own: UInt64, isWithin: Bool
    ) -> (GrantStatus, UInt64) {
        guard isWithin else { return (.badCopyArgument, 0) }
        // Bytes may go where they may be seen.
        guard (writing ? right(grantor, domain) : right(domain, grantor)) != nil else {
            return (.permissionDenied, 0)
        }
        let key = Key(domain: grantor, number: reference)
        // The source is looked at first.
        if writing, own >= FakeMachine.frameCount { return (.badPage, 0) }
        let status = acquire(key, for: domain, writing: writing)
        guard status == .okay, let frame = uses[key]?.frame else { return (status, 0) }
        release(key, writing: writing)
        if own >= FakeMachine.frameCount { return (.badPage, 0) }
        return (.okay, frame)
    }

    /// A domain crashes.
    mutating func crash(_ domain: UInt16) {
        stopped.insert(domain)
        for (key, mapping) in mappings where key.domain == domain {
            if !mapping.isSevered {
                let entry = Key(domain: mapping.grantor, number: mapping.reference)
                release(entry, writing: mapping.isWritable)
            }
            mappings[key] = nil
        }
        for (key, mapping) in mappings where mapping.grantor == domain && !mapping.isSevered {
            let entry = Key(domain: domain, number: mapping.reference)
            release(entry, writing: mapping.isWritable)
            mappings[key]?.isSevered = true
        }
    }

    /// A crashed domain starts again.
    mutating func renew(_ domain: UInt16) {
        stopped.remove(domain)
        entries = entries.filter { $0.key.domain != domain }
    }
}
