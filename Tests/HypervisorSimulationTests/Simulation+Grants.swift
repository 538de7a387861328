import HypervisorCore

/// Grant table operations, as a guest's kernel makes them.
extension Simulation {
    /// `GTF_…`: what an entry says.
    enum Flag {
        static let permitAccess: UInt32 = 1
        static let transitive: UInt32 = 3
        static let readOnly: UInt32 = 4
        static let reading: UInt32 = 8
        static let writing: UInt32 = 16
        static let subPage: UInt32 = 0x100
    }

    /// The frame and offset of an entry of a domain's table.
    private func place(_ domain: UInt16, _ reference: UInt32) -> (UInt64, Int) {
        let first = FakeMachine.firstFrame(DomainID(number: domain)) + 20
        return (first + UInt64(reference / 512), Int(reference % 512) * 8)
    }

    /// Writes an entry of the domain's own table.
    func grant(
        _ domain: UInt16, _ reference: UInt32, to grantee: UInt16, frame: UInt32,
        flags: UInt32 = Flag.permitAccess
    ) {
        let (page, offset) = place(domain, reference)
        memory.setNumber(page, offset, 4, UInt64(flags | UInt32(grantee) << 16))
        memory.setNumber(page, offset + 4, 4, UInt64(frame))
    }

    /// The first word of an entry: flags and grantee.
    func entry(_ domain: UInt16, _ reference: UInt32) -> UInt32 {
        let (page, offset) = place(domain, reference)
        return UInt32(memory.number(page, offset, 4))
    }

    /// The words of one `struct gnttab_map_grant_ref`.
    static func mapRequest(
        of grantor: UInt16, _ reference: UInt32, at place: UInt64, flags: UInt32
    ) -> [UInt32] {
        [UInt32(place << 12), 0, flags, reference, UInt32(grantor), 0, 0, 0]
    }

    /// The words of one `struct gnttab_unmap_grant_ref`.
    static func unmapRequest(_ handle: UInt32, at place: UInt64) -> [UInt32] {
        [UInt32(place << 12), 0, 0, 0, handle, 0]
    }

    /// `GNTTABOP_map_grant_ref` of one page.
    mutating func map(
        _ domain: UInt16, of grantor: UInt16, _ reference: UInt32, at place: UInt64,
        readOnly: Bool = false
    ) -> (status: GrantStatus?, handle: UInt32) {
        let request = Simulation.mapRequest(
            of: grantor, reference, at: place, flags: readOnly ? 6 : 2)
        guard call(20, 0, from: domain, request, third: 1) == 0 else { return (nil, 0) }
        return (status(answer(4, of: domain) >> 16), answer(5, of: domain))
    }

    /// `GNTTABOP_unmap_grant_ref` of one page.
    mutating func unmap(_ domain: UInt16, _ handle: UInt32, at place: UInt64) -> GrantStatus? {
        let request = Simulation.unmapRequest(handle, at: place)
        guard call(20, 1, from: domain, request, third: 1) == 0 else { return nil }
        return status(answer(5, of: domain) & 0xffff)
    }

    /// One end of a copy.
    enum CopyEnd {
        case own(frame: UInt64)
        case granted(by: UInt16, UInt32)
    }

    /// `GNTTABOP_copy` of some bytes at the same offset of two frames.
    mutating func copy(
        _ domain: UInt16, from source: CopyEnd, to target: CopyEnd, offset: UInt32,
        count: UInt32
    ) -> GrantStatus? {
        var words: [UInt32] = []
        var flags: UInt32 = 0
        for (bit, end) in [source, target].enumerated() {
            switch end {
            case .own(let frame):
                words += [UInt32(frame), 0, 0x7ff0 | offset << 16, 0]
            case .granted(let grantor, let reference):
                words += [reference, 0, UInt32(grantor) | offset << 16, 0]
                flags |= 1 << UInt32(bit)
            }
        }
        words += [count | flags << 16, 0]
        guard call(20, 5, from: domain, words, third: 1) == 0 else { return nil }
        return status(answer(9, of: domain) & 0xffff)
    }

    private func status(_ bits: UInt32) -> GrantStatus? {
        GrantStatus(rawValue: Int16(bitPattern: UInt16(truncatingIfNeeded: bits)))
    }

    /// A guest's access to one of its places; nil: it faults.
    func access(
        _ domain: UInt16, _ place: UInt64, processor: Int = 0, writing: Bool = false
    ) -> UInt64? {
        memory.translations.access(
            DomainID(number: domain), GuestFrame(number: place), processor: processor,
            writing: writing)
    }

    /// Crashes a domain, as the run loop does when its state cannot be used.
    mutating func crash(_ domain: UInt16) {
        core.crash(DomainID(number: domain))
        core.retire(DomainID(number: domain), &machine)
    }
}
