import BootArena
import PolicyDatabase

/// Requests about domains. All but one are the administrator's.
extension StoreEngine {
    /// The highest domain id.
    private static var maximumDomain: UInt64 { 0x7fef }

    /// `XS_GET_DOMAIN_PATH`: `/local/domain/N`, whether or not it exists.
    mutating func domainPath(_ payload: Span<UInt8>) throws(StoreError) {
        let (domain, end) = try number(payload, from: 0, maximum: Self.maximumDomain)
        guard end == payload.count else { throw .invalid }
        append(text: .domainDirectory)
        append(number: domain)
        append(0)
    }

    /// What administers the store takes Xen's privilege, and `setperms` on the root's label.
    mutating func requirePrivilege(_ requester: Requester) throws(StoreError) {
        guard requester.isPrivileged else {
            refuse(.permission, requester.account)
            throw .accessDenied
        }
        let root = nodes[entry: NodeTable.root].label
        guard labels.allows(requester.label, root, XenstorePermission.setperms) else {
            throw denied(requester, root, XenstorePermission.setperms)
        }
    }

    /// See `StoreCore.mayAdminister`.
    package mutating func mayAdminister(_ client: StoreClient) -> Bool {
        guard let index = clientIndex(client) else { return false }
        let requester = requester(index)
        do throws(StoreError) { try requirePrivilege(requester) } catch { return false }
        return true
    }

    /// `XS_INTRODUCE`: domain, frame of its ring page, event-channel port. Again is no error.
    mutating func introduce(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) -> StoreOutcome.Effect {
        try requirePrivilege(requester)
        let (domain, second) = try number(payload, from: 0, maximum: Self.maximumDomain)
        let (frame, third) = try number(payload, from: second, maximum: UInt64(Int64.max))
        let (port, end) = try number(payload, from: third, maximum: UInt64(UInt32.max))
        guard end == payload.count, port != 0 else { throw .invalid }
        let number = UInt16(truncatingIfNeeded: domain)
        guard let index = domainIndex(number) else { throw .notFound }
        appendOK()
        guard !domains[index].isIntroduced, number != 0 else { return .none }
        domains[index].isIntroduced = true
        fireSpecial(
            .introduceDomain, introducePermissions, domain: number, label: domains[index].label)
        return .introduced(
            domain: number, frame: frame, port: UInt32(truncatingIfNeeded: port))
    }

    /// Returns the index of the introduced domain that the whole payload names, domain 0 excepted.
    ///
    /// - Throws: `.invalid` if it names none or domain 0; `.notFound`.
    private func introducedDomain(
        _ payload: Span<UInt8>
    ) throws(StoreError) -> Int {
        let (domain, end) = try number(payload, from: 0, maximum: Self.maximumDomain)
        guard end == payload.count, domain != 0 else { throw .invalid }
        guard let index = domainIndex(UInt16(truncatingIfNeeded: domain)),
            domains[index].isIntroduced
        else { throw .notFound }
        return index
    }

    /// `XS_RELEASE`: the domain's connections and nodes are gone; it can be introduced again.
    mutating func release(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) -> StoreOutcome.Effect {
        try requirePrivilege(requester)
        let index = try introducedDomain(payload)
        guard index != requester.account else { throw .invalid }
        let label = domains[index].label
        release(domainAt: index)
        fireSpecial(
            .releaseDomain, releasePermissions, domain: domains[index].domain, label: label)
        appendOK()
        return .released(domain: domains[index].domain)
    }

    /// `XS_RESUME`: after a suspend that failed.
    mutating func resume(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try requirePrivilege(requester)
        _ = try introducedDomain(payload)
        appendOK()
    }

    /// `XS_SET_TARGET`: the first domain may act for the second.
    mutating func setTarget(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try requirePrivilege(requester)
        let (domain, second) = try number(payload, from: 0, maximum: Self.maximumDomain)
        let (target, end) = try number(payload, from: second, maximum: Self.maximumDomain)
        guard end == payload.count else { throw .invalid }
        let numbers = (UInt16(truncatingIfNeeded: domain), UInt16(truncatingIfNeeded: target))
        guard let index = domainIndex(numbers.0), domains[index].isIntroduced,
            let other = domainIndex(numbers.1), domains[other].isIntroduced
        else { throw .notFound }
        domains[index].target = numbers.1
        appendOK()
    }

    /// `XS_IS_DOMAIN_INTRODUCED`: `T` or `F`. Domain 0 and `DOMID_SELF` always are.
    mutating func isIntroduced(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try requirePrivilege(requester)
        let (domain, end) = try number(payload, from: 0, maximum: 0xffff)
        guard end == payload.count else { throw .invalid }
        let number = UInt16(truncatingIfNeeded: domain)
        var isThere = number == 0 || number == 0x7ff0
        if let index = domainIndex(number) { isThere = isThere || domains[index].isIntroduced }
        append(isThere ? UInt8(ascii: "T") : UInt8(ascii: "F"))
        append(0)
    }

    /// `XS_CONTROL`: `check` says `OK` if all invariants hold. There is nothing else to control.
    mutating func control(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try requirePrivilege(requester)
        guard let end = payload.firstNUL(from: 0), end == payload.count - 1,
            PackedText.check.equals(payload.extracting(first: end))
        else { throw .invalid }
        guard holdsInvariants() else { throw .transactionFailed }
        appendOK()
    }
}
