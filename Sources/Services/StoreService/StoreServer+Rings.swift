import BootArena
import GuestRuntime
import PolicyDatabase
import StoreCore
import SystemManifest

/// One user's turn: joining its ring, taking a request, sending what there is.
extension StoreServer {
    /// Gives one user its turn.
    ///
    /// - Returns: whether anything changed.
    /// - Complexity: two rings full of bytes and one request of the core.
    mutating func serve<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ manifest: borrowing SystemManifest, _ machine: inout M
    ) -> Bool {
        let life = machine.life(of: rings[index].domain)
        let isOther = life.generation != rings[index].generation || !life.isRunning
        if isOther, rings[index].state != .absent { leave(index, manifest, &machine) }
        if rings[index].state == .absent {
            guard life.isRunning else { return false }
            return join(index, life.generation, manifest, &machine)
        }
        guard rings[index].state != .refused else { return false }
        // The signal is taken before the ring is looked at: what comes later signals again.
        _ = machine.takeSignal(of: rings[index].port)
        let page = rings[index].page
        if machine.load32(page, offset: StoreRing.Word.connection) == 1 {
            reconnect(index, &machine)
            return true
        }
        guard rings[index].state == .serving else { return false }
        var hasMoved = send(index, &machine)
        if rings[index].state == .serving, !hasSomethingToSay(index) {
            if take(index, &machine) {
                hasMoved = true
                _ = send(index, &machine)
            }
        }
        if hasMoved { machine.signal(rings[index].port) }
        return hasMoved
    }

    private func hasSomethingToSay(_ index: Int) -> Bool {
        if rings[index].hasOutput { return true }
        guard let client = rings[index].client else { return false }
        return core.hasEvent(for: client)
    }

    // MARK: Joining and leaving

    /// Joins the ring of a domain that runs, and lays out its nodes.
    private mutating func join<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ generation: UInt32, _ manifest: borrowing SystemManifest,
        _ machine: inout M
    ) -> Bool {
        rings[index].reset()
        rings[index].generation = generation
        rings[index].state = .refused
        let domain = rings[index].domain
        guard let page = machine.map(StoreServer.ringReference, of: domain) else { return false }
        guard let port = machine.bind(StoreServer.userPort, of: domain) else {
            machine.unmap(page)
            return false
        }
        guard let client = declare(index, manifest) else {
            machine.close(port)
            machine.unmap(page)
            return false
        }
        rings[index].page = page
        rings[index].port = port
        rings[index].client = client
        rings[index].state = .serving
        layOutUser(index, manifest, port: port)
        // `XENSTORE_SERVER_FEATURE_RECONNECTION` and `_ERROR`.
        machine.store32(page, offset: StoreRing.Word.features, 3)
        machine.store32(page, offset: StoreRing.Word.error, 0)
        machine.store32(page, offset: StoreRing.Word.connection, 0)
        machine.signal(port)
        return true
    }

    /// Takes a user in, with the quota that the manifest in force gives it; nil when the store has
    /// no room for that, which can be so after a reload.
    private mutating func declare(
        _ index: Int, _ manifest: borrowing SystemManifest
    ) -> StoreClient? {
        let domain = rings[index].domain
        do throws(StoreSetupError) {
            try core.declare(
                domain: domain, quota: StoreServer.quota(ofDomain: domain, manifest),
                label: StoreLabel(index: rings[index].label))
            return try connect(index)
        } catch { return nil }
    }

    private mutating func connect(_ index: Int) throws(StoreSetupError) -> StoreClient {
        try core.connect(
            domain: rings[index].domain, label: StoreLabel(index: rings[index].label),
            isPrivileged: false)
    }

    /// Forgets a domain that has ended, with everything that it had: its successor of the same
    /// number finds nothing of it.
    private mutating func leave<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ manifest: borrowing SystemManifest, _ machine: inout M
    ) {
        if rings[index].state != .refused {
            withdraw(index, manifest)
            machine.close(rings[index].port)
            machine.unmap(rings[index].page)
            do throws(StoreSetupError) {
                try core.remove(domain: rings[index].domain)
            } catch { layoutRefusals += 1 }
            removeLayout(ofUser: index)
        }
        rings[index].client = nil
        rings[index].reset()
        rings[index].state = .absent
    }

    /// A new connection over the same ring, as the guest asks for with `XENSTORE_RECONNECT`: its
    /// watches and transactions are gone, its nodes stay, the indices start at 0.
    private mutating func reconnect<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) {
        if let client = rings[index].client { core.disconnect(client) }
        rings[index].reset()
        do throws(StoreSetupError) {
            rings[index].client = try connect(index)
            rings[index].state = .serving
        } catch {
            rings[index].client = nil
            rings[index].state = .broken
        }
        let page = rings[index].page
        for word in 0..<4 {
            machine.store32(page, offset: StoreRing.Word.requestConsumer + 4 * word, 0)
        }
        machine.store32(page, offset: StoreRing.Word.error, 0)
        // ORDER: the guest uses the ring once it sees that it is connected.
        machine.store32(page, offset: StoreRing.Word.connection, 0)
        machine.signal(rings[index].port)
    }

    /// Stops serving a ring whose guest broke the protocol, and tells it why. Its nodes stay.
    private mutating func fail<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ failure: StoreRing.Failure, _ machine: inout M
    ) {
        if let client = rings[index].client { core.disconnect(client) }
        rings[index].client = nil
        rings[index].reset()
        rings[index].state = .broken
        machine.store32(rings[index].page, offset: StoreRing.Word.error, failure.rawValue)
    }

    // MARK: Requests

    /// Takes what the ring holds of the next request, and serves it when it is whole.
    ///
    /// - Returns: whether anything changed.
    private mutating func take<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        let page = rings[index].page
        let producer = machine.load32(page, offset: StoreRing.Word.requestProducer)
        // WRAPS: the indices run freely modulo 2^32.
        var available = producer &- rings[index].requestConsumer
        guard available <= StoreRing.size else {
            fail(index, .indices, &machine)
            return true
        }
        if rings[index].isHeldBack { return admit(index, &machine) }
        guard available > 0 else { return false }
        receive(index, upTo: StoreMessageHeader.sizeInBytes, &available, &machine)
        var isWhole = false
        if rings[index].inputCount >= StoreMessageHeader.sizeInBytes {
            let start = index * StoreRing.messageSize
            guard let size = StoreServer.messageSize(inputs, at: start) else {
                fail(index, .protocolViolation, &machine)
                return true
            }
            receive(index, upTo: size, &available, &machine)
            isWhole = rings[index].inputCount == size
        }
        // ORDER: the bytes were copied before the guest may write over them.
        machine.store32(
            page, offset: StoreRing.Word.requestConsumer, rings[index].requestConsumer)
        if isWhole { _ = admit(index, &machine) }
        return true
    }

    /// Serves the request that is whole, or holds it back while its domain has used up its rate.
    ///
    /// - Returns: whether it was served.
    private mutating func admit<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        if let client = rings[index].client {
            let now = machine.now()
            let admission = core.admit(client, at: now)
            rings[index].isHeldBack = admission != .now
            if case .after(let microseconds) = admission {
                wakeTime = min(wakeTime ?? .max, now + microseconds)
            }
            guard admission == .now else { return false }
        }
        let refusals = core.lastRefusal.sequence
        let concealments = core.lastConcealment.sequence
        if !handle(index) { fail(index, .protocolViolation, &machine) }
        // What was concealed is what the request was about; its answer is refused for another.
        if core.lastConcealment.sequence != concealments {
            report(core.lastConcealment, &machine)
        } else if core.lastRefusal.sequence != refusals {
            report(core.lastRefusal, &machine)
        }
        return true
    }

    /// Tells the hypervisor what the policy has just kept from a user.
    private func report<M: ServiceMachine & ~Copyable>(
        _ refusal: StoreRefusalRecord, _ machine: inout M
    ) {
        guard refusal.reason == .label,
            let permission = Permission(.xenstore, at: refusal.permission.trailingZeroBitCount)
        else { return }
        machine.reportDenial(
            subject: authority.hypervisorNumber(refusal.subject),
            object: authority.hypervisorNumber(refusal.object), permission)
    }

    /// The size of the request whose header stands at `start`; nil when none may have it.
    private static func messageSize(
        _ inputs: borrowing ArenaTable<UInt8>, at start: Int
    ) -> Int? {
        let header = StoreMessageHeader(
            validating: inputs.span.extracting(start..<start + StoreMessageHeader.sizeInBytes))
        return header.map { StoreMessageHeader.sizeInBytes + $0.length }
    }

    /// Copies bytes of the ring until the request has `size` of them, or none are left.
    private mutating func receive<M: ServiceMachine & ~Copyable>(
        _ index: Int, upTo size: Int, _ available: inout UInt32, _ machine: inout M
    ) {
        let page = rings[index].page
        let start = index * StoreRing.messageSize
        var count = rings[index].inputCount
        var consumer = rings[index].requestConsumer
        while count < size, available > 0 {
            inputs[start + count] = machine.load8(
                page, offset: Int(consumer & (StoreRing.size - 1)))
            count += 1
            consumer &+= 1
            available -= 1
        }
        rings[index].inputCount = count
        rings[index].requestConsumer = consumer
    }

    /// Has the core serve the whole request, and keeps the reply; false when it is to be cut off.
    private mutating func handle(_ index: Int) -> Bool {
        guard let client = rings[index].client else { return false }
        let start = index * StoreRing.messageSize
        let order = StoreServer.handle(
            inputs, start..<start + rings[index].inputCount, from: client, by: &core)
        rings[index].inputCount = 0
        guard order != .close else { return false }
        rings[index].replyStart = 0
        rings[index].replyCount = StoreServer.copyReply(of: core, to: &replies, at: start)
        rings[index].eventsBeforeReply = 0
        // What waits now goes first; what others cause meanwhile must not hold the reply up.
        if order == .eventsFirst, let usage = core.usage(of: rings[index].domain) {
            rings[index].eventsBeforeReply = usage.events + usage.watches
        }
        return true
    }

    private static func handle(
        _ inputs: borrowing ArenaTable<UInt8>, _ range: Range<Int>, from client: StoreClient,
        by core: inout StoreCore
    ) -> StoreOutcome.Order {
        core.handle(inputs.span.extracting(range), from: client).order
    }

    // MARK: Replies and events

    private static func copyReply(
        of core: borrowing StoreCore, to table: inout ArenaTable<UInt8>, at start: Int
    ) -> Int {
        let reply = core.replyMessage
        for position in reply.indices { table[start + position] = reply[position] }
        return reply.count
    }

    private static func copyEvent(
        of core: borrowing StoreCore, to table: inout ArenaTable<UInt8>, at start: Int
    ) -> Int {
        let event = core.eventMessage
        for position in event.indices { table[start + position] = event[position] }
        return event.count
    }

    /// Sends what there is, as far as the ring has room.
    ///
    /// - Returns: whether anything changed.
    private mutating func send<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        guard hasSomethingToSay(index) else { return false }
        let page = rings[index].page
        let consumer = machine.load32(page, offset: StoreRing.Word.responseConsumer)
        // WRAPS: the indices run freely modulo 2^32.
        let used = rings[index].responseProducer &- consumer
        guard used <= StoreRing.size else {
            fail(index, .indices, &machine)
            return true
        }
        var room = Int(StoreRing.size - used)
        guard room > 0 else { return false }
        // Each message has at least a header: no more than 64 of them fit.
        while room > 0, prepareOutput(index) { copyOut(index, &room, &machine) }
        // ORDER: the bytes are in place before the guest sees the index.
        machine.store32(
            page, offset: StoreRing.Word.responseProducer, rings[index].responseProducer)
        return true
    }

    /// Makes sure that something is there to be sent: the message that was begun, else an event
    /// that goes first, else the reply, else an event. False when there is nothing.
    private mutating func prepareOutput(_ index: Int) -> Bool {
        let ring = rings[index]
        if ring.eventStart < ring.eventCount { return true }
        let hasReply = ring.replyStart < ring.replyCount
        if hasReply, ring.replyStart > 0 || ring.eventsBeforeReply == 0 { return true }
        guard let client = ring.client, core.nextEvent(for: client) else { return hasReply }
        let start = index * StoreRing.messageSize
        rings[index].eventStart = 0
        rings[index].eventCount = StoreServer.copyEvent(of: core, to: &events, at: start)
        if hasReply { rings[index].eventsBeforeReply -= 1 }
        return true
    }

    /// Copies as much of the prepared message as there is room for.
    private mutating func copyOut<M: ServiceMachine & ~Copyable>(
        _ index: Int, _ room: inout Int, _ machine: inout M
    ) {
        let ring = rings[index]
        let base = index * StoreRing.messageSize
        let isEvent = ring.eventStart < ring.eventCount
        let start = isEvent ? ring.eventStart : ring.replyStart
        let end = isEvent ? ring.eventCount : ring.replyCount
        let count = min(room, end - start)
        var producer = ring.responseProducer
        for position in start..<start + count {
            let byte = isEvent ? events[base + position] : replies[base + position]
            machine.store8(
                ring.page,
                offset: Int(StoreRing.size) + Int(producer & (StoreRing.size - 1)), byte)
            // WRAPS: the indices run freely modulo 2^32.
            producer &+= 1
        }
        room -= count
        rings[index].responseProducer = producer
        if isEvent {
            rings[index].eventStart += count
        } else {
            rings[index].replyStart += count
            if rings[index].replyStart == end, let client = ring.client {
                core.noteDelivered(1, to: client)
            }
        }
    }
}
