package import BootArena
package import GuestRuntime
package import SystemManifest

/// The TPM as a compartment's service: it finds its users' rings in the store and passes their
/// commands on, one at a time, each user in its turn.
///
/// For: everything that has to be read from a guest's page or from the store. Not for: deciding
/// which command may be run; the hypervisor does, and has the TPM. It trusts the hypervisor and the
/// store; of a user's page and nodes it trusts nothing.
///
/// - Invariant: *(one)* at most one command is at the TPM, and `current` says whose.
/// - Invariant: *(copied once)* what is judged and sent of a page was copied before it was looked
///   at, and is not read again.
package struct TPMServer: ~Copyable {
    /// What the store is to be asked about a user next.
    enum Inquiry: BitwiseCopyable, Equatable {
        case nothing, watch, state, reference, port
    }

    /// One user.
    struct User: BitwiseCopyable {
        var domain: UInt16 = 0
        var generation: UInt32 = 0
        var inquiry = Inquiry.watch
        /// Whether something has changed since the store was asked.
        var isStale = false
        /// What the store says its ring is.
        var reference: UInt32 = 0
        var isJoined = false
        var page = SharedPage(number: 0)
        var port: UInt32 = 0
    }

    /// Whose command the TPM has.
    struct Current: BitwiseCopyable {
        /// The user's index; nil when it has gone, and its response goes to nobody.
        var user: Int?
        let domain: UInt16
        /// Where the command stood in the page, and its response goes.
        let place: Int
        let isOnePointTwo: Bool
        var isCancelled = false
        /// How long until the TPM is looked at again, and when, in microseconds.
        var interval: UInt64 = 250
        var lookAt: UInt64
    }

    var users: ArenaTable<User>
    var bytes: ArenaTable<UInt8>
    var store: StoreLine
    /// The user that the store was asked about.
    var asked: Int?
    var current: Current?
    /// Whose turn it is.
    private var next = 0
    /// When a command that the TPM was too busy for is tried again.
    private var retryAt: UInt64?

    /// Makes the service of a system.
    ///
    /// - Throws: as the arena, of which `arenaSizeInBytes(_:)` suffices.
    package init<M: TPMMachine & ~Copyable>(
        _ manifest: borrowing SystemManifest, store end: StoreEnd, _ machine: borrowing M,
        arena: inout BootArena
    ) throws(BootArenaError) {
        var users = try arena.reserve(
            count: manifest.userCount(of: .tpm), repeating: User())
        let bytes = try arena.reserveZeros(count: 4096, of: UInt8.self)
        var next = 0
        for index in 0..<manifest.compartmentCount {
            let record = manifest.compartment(at: index)
            guard record.uses(.tpm) else { continue }
            users[next].domain = record.domainID
            next += 1
        }
        self.users = users
        self.bytes = bytes
        store = StoreLine(end, machine)
    }

    /// The arena that suffices, in bytes.
    package static func arenaSizeInBytes(_ manifest: borrowing SystemManifest) -> Int {
        manifest.userCount(of: .tpm) * MemoryLayout<User>.stride + 8192
    }

    /// How many users have joined their ring.
    package var joinedCount: Int {
        var count = 0
        for index in users.indices where users[index].isJoined { count += 1 }
        return count
    }

    /// When the next round is due at the latest, in the machine's microseconds; nil: when somebody
    /// rings.
    package var wakeTime: UInt64? { current?.lookAt ?? retryAt }

    /// Serves everybody once.
    ///
    /// - Returns: whether anything was done, so that there may be more to do.
    /// - Complexity: the number of users, one command and one ring of the store.
    package mutating func serveRound<M: TPMMachine & ~Copyable>(_ machine: inout M) -> Bool {
        var hasMoved = false
        for index in users.indices where followLife(index, &machine) { hasMoved = true }
        if listen(&machine) { hasMoved = true }
        if ask(&machine) { hasMoved = true }
        if look(&machine) { hasMoved = true }
        retryAt = nil
        guard users.count > 0 else { return hasMoved }
        let first = next
        for step in 0..<users.count {
            let index = (first + step) % users.count
            if serve(index, &machine) { hasMoved = true }
        }
        return hasMoved
    }

    // MARK: The ring

    /// - Layout: Xen public `io/tpmif.h`, `struct vtpm_shared_page`: `u32 length` [both],
    ///   `u8 state` [both], `u8 locality` [user], `u8 pad`, `u8 nr_extra_pages` [user], then so
    ///   many 32-bit references, then the command, and its response.
    private enum Page {
        static var length: Int { 0 }
        static var state: Int { 4 }
        static var locality: Int { 5 }
        static var extraPages: Int { 7 }
        static var data: Int { 8 }
        static var size: Int { 4096 }
    }

    /// `enum vtpm_shared_page_state`.
    private enum State {
        static var idle: UInt8 { 0 }
        static var submit: UInt8 { 1 }
        static var finish: UInt8 { 2 }
        static var cancel: UInt8 { 3 }
    }

    /// Why a command is answered without the TPM: its response codes, of TPM 2.0 and 1.2.
    private enum Refusal {
        /// `TPM_RC_COMMAND_SIZE`, `TPM_BAD_PARAM_SIZE`.
        static var size: (UInt32, UInt32) { (0x142, 0x19) }
        /// `TPM_RC_LOCALITY`, `TPM_BAD_LOCALITY`.
        static var locality: (UInt32, UInt32) { (0x907, 0x3D) }
        /// `TPM_RC_BAD_TAG`, `TPM_BADTAG`.
        static var tag: (UInt32, UInt32) { (0x1E, 0x1E) }
        /// `TPM_RC_DISABLED`, `TPM_DISABLED_CMD`.
        static var disabled: (UInt32, UInt32) { (0x120, 0x08) }
        /// `TPM_RC_FAILURE`, `TPM_FAIL`.
        static var failure: (UInt32, UInt32) { (0x101, 0x09) }
        /// `TPM_RC_CANCELED`, `TPM_FAIL`.
        static var cancelled: (UInt32, UInt32) { (0x909, 0x09) }
    }

    /// Gives one user its turn.
    private mutating func serve<M: TPMMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        guard users[index].isJoined else { return false }
        let page = users[index].page
        _ = machine.takeSignal(of: users[index].port)
        let state = machine.load8(page, offset: Page.state)
        if let present = current, present.user == index {
            guard state == State.cancel, !present.isCancelled else { return false }
            current?.isCancelled = true
            machine.cancelCommand(of: present.domain)
            return true
        }
        switch state {
        case State.cancel:
            machine.store8(page, offset: Page.state, State.idle)
            machine.signal(users[index].port)
            return true
        case State.submit where current == nil && retryAt == nil: return take(index, &machine)
        default: return false
        }
    }

    /// Copies a user's command and has the TPM begin with it, or answers that it will not.
    private mutating func take<M: TPMMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        let page = users[index].page
        let place = Page.data + 4 * Int(machine.load8(page, offset: Page.extraPages))
        let length = Int(machine.load32(page, offset: Page.length))
        let locality = machine.load8(page, offset: Page.locality)
        let count = min(length, Page.size - place)
        for offset in 0..<count { bytes[offset] = machine.load8(page, offset: place + offset) }
        let isOnePointTwo = count >= 1 && bytes[0] == 0
        next = (index + 1) % users.count
        var refusal: (UInt32, UInt32)?
        if length < 10 || length > count || bigEndian(2) != UInt32(truncatingIfNeeded: length) {
            refusal = Refusal.size
        } else if locality != 0 {
            refusal = Refusal.locality
        } else {
            switch TPMServer.submit(bytes, count, users[index].domain, &machine) {
            case .begun:
                current = Current(
                    user: index, domain: users[index].domain, place: place,
                    isOnePointTwo: isOnePointTwo, lookAt: machine.now() + 250)
                return true
            case .busy:
                next = index
                retryAt = machine.now() + 8_000
                return false
            case .refused: refusal = Refusal.disabled
            case .malformed: refusal = Refusal.tag
            case .failed: refusal = Refusal.failure
            }
        }
        let code = refusal ?? Refusal.failure
        answer(index, place, isOnePointTwo ? code.1 : code.0, isOnePointTwo, &machine)
        return true
    }

    private static func submit<M: TPMMachine & ~Copyable>(
        _ bytes: borrowing ArenaTable<UInt8>, _ count: Int, _ domain: UInt16, _ machine: inout M
    ) -> CommandOutcome {
        machine.submit(bytes.span.extracting(first: count), of: domain)
    }

    private func bigEndian(_ start: Int) -> UInt32 {
        var number: UInt32 = 0
        for index in start..<start + 4 { number = number << 8 | UInt32(bytes[index]) }
        return number
    }

    // MARK: Responses

    /// Looks whether the command that runs has ended, when it is time to, and passes its response
    /// on.
    private mutating func look<M: TPMMachine & ~Copyable>(_ machine: inout M) -> Bool {
        guard let present = current, machine.now() >= present.lookAt else { return false }
        guard let count = machine.collectResponse(of: present.domain) else {
            let interval = min(present.interval * 2, 8_000)
            current?.interval = interval
            current?.lookAt = machine.now() + interval
            return false
        }
        current = nil
        guard let index = present.user else { return true }
        guard count >= 10, count <= Page.size - present.place else {
            let code = count == 0 ? Refusal.cancelled : Refusal.failure
            answer(
                index, present.place, present.isOnePointTwo ? code.1 : code.0,
                present.isOnePointTwo, &machine)
            return true
        }
        for offset in 0..<count {
            machine.store8(
                users[index].page, offset: present.place + offset, machine.responseByte(at: offset))
        }
        finish(index, count, &machine)
        return true
    }

    /// Answers with a response code alone.
    private mutating func answer<M: TPMMachine & ~Copyable>(
        _ index: Int, _ place: Int, _ code: UInt32, _ isOnePointTwo: Bool, _ machine: inout M
    ) {
        // `TPM_TAG_RSP_COMMAND`, `TPM_ST_NO_SESSIONS`; a size of 10 bytes; the code.
        let head: UInt64 = isOnePointTwo ? 0x00C4_0000_000A : 0x8001_0000_000A
        let all = head << 16 | UInt64(code >> 16)
        for offset in 0..<8 {
            machine.store8(
                users[index].page, offset: place + offset,
                UInt8(truncatingIfNeeded: all >> UInt64(8 * (7 - offset))))
        }
        machine.store8(
            users[index].page, offset: place + 8, UInt8(truncatingIfNeeded: code >> 8))
        machine.store8(users[index].page, offset: place + 9, UInt8(truncatingIfNeeded: code))
        finish(index, 10, &machine)
    }

    private mutating func finish<M: TPMMachine & ~Copyable>(
        _ index: Int, _ count: Int, _ machine: inout M
    ) {
        let page = users[index].page
        machine.store32(page, offset: Page.length, UInt32(truncatingIfNeeded: count))
        // ORDER: the response is in place before the user sees that it is.
        machine.store8(page, offset: Page.state, State.finish)
        machine.signal(users[index].port)
    }
}
