import BootArena
import PolicyDatabase

/// Watches, and the events that tell clients of changes.
///
/// An event is told to a client that may read the node at the time of the change, by Xen's
/// permissions and by the policy; of a removed node, at the time of its removal. Where a client
/// does not fetch its events, equal ones are one; and where its quota has no room for one more, the
/// watch remembers only that it has something to say, and says its own path later. So nothing is
/// held for a client beyond its quota, and nothing is lost.
extension StoreEngine {
    /// Adds a watch on the path, and an event with the path itself.
    ///
    /// - Throws: `.exists` if the client has it already; `.tooBig` if the domain has too many, or
    ///   no memory for it; `.accessDenied` if the policy denies it for a node that the client may
    ///   know.
    mutating func addWatch(_ token: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        guard findWatch(token, requester.client) == 0 else { throw .exists }
        let seen = path.isSpecial ? NodeView() : treeView(path.count, requester)
        if seen.exists, !labels.allows(requester.label, seen.label, XenstorePermission.watch) {
            throw denied(requester, seen.label, XenstorePermission.watch)
        }
        let domain = domains[requester.account]
        let blockCount =
            BlockTable.blockCount(for: path.count) + BlockTable.blockCount(for: token.count)
        guard domain.watches < domain.quota.watches,
            domain.blocks + blockCount <= domain.quota.blocks
        else {
            refuse(
                domain.watches < domain.quota.watches ? .memory : .watches, requester.account)
            throw .tooBig
        }
        var watch = WatchRecord()
        watch.path = blocks.reserve(path.count)
        blocks.write(path, 0..<path.count, to: watch.path)
        watch.token = blocks.reserve(token.count)
        blocks.write(token, to: watch.token, at: 0)
        watch.pathLength = UInt16(truncatingIfNeeded: path.count)
        watch.tokenLength = UInt16(truncatingIfNeeded: token.count)
        watch.impliedCount = UInt16(truncatingIfNeeded: path.impliedCount)
        watch.pathDigest = NameHash.of(path.span, secret: secret)
        watch.client = UInt16(truncatingIfNeeded: requester.client)
        watch.next = clients[requester.client].firstWatch
        clients[requester.client].firstWatch = watches.add(watch)
        domains[requester.account].watches += 1
        domains[requester.account].blocks += blockCount
        queue(clients[requester.client].firstWatch, isOwnPath: true)
    }

    /// Removes a watch on the path, and its events.
    ///
    /// - Throws: `.notFound` if the client has no such watch.
    mutating func removeWatch(_ token: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        let index = findWatch(token, requester.client)
        guard index != 0 else { throw .notFound }
        remove(index)
    }

    /// Finds the client's watch on the path with a token; 0 when there is none.
    private func findWatch(_ token: Span<UInt8>, _ client: Int) -> UInt32 {
        let digest = NameHash.of(path.span, secret: secret)
        var index = watches.first(digest: digest)
        while index != 0 {
            let watch = watches[index]
            if Int(watch.client) == client, watch.pathDigest == digest,
                Int(watch.pathLength) == path.count, Int(watch.tokenLength) == token.count,
                blocks.holds(path.span, in: watch.path, at: 0),
                blocks.holds(token, in: watch.token, at: 0)
            {
                return index
            }
            index = watch.hashNext
        }
        return 0
    }

    mutating func remove(_ index: UInt32) {
        let watch = watches[index]
        let client = Int(watch.client)
        let account = Int(clients[client].account)
        removeEvents(of: index, client)
        if watch.isOverdue { clients[client].overdueCount -= 1 }
        var current = clients[client].firstWatch
        if current == index {
            clients[client].firstWatch = watch.next
        } else {
            while current != 0, watches[current].next != index { current = watches[current].next }
            precondition(current != 0, "a watch is missing in its client's list")
            watches[current].next = watch.next
        }
        domains[account].watches -= 1
        domains[account].blocks -= watch.blockCount
        blocks.release(watch.path)
        blocks.release(watch.token)
        watches.remove(index)
    }

    private mutating func removeEvents(of watch: UInt32, _ client: Int) {
        var kept: UInt32 = 0
        var index = clients[client].firstEvent
        while index != 0 {
            let next = watches[event: index].next
            if watches[event: index].watch == watch {
                if kept == 0 {
                    clients[client].firstEvent = next
                } else {
                    watches[event: kept].next = next
                }
                if next == 0 { clients[client].lastEvent = kept }
                freeEvent(index, client)
            } else {
                kept = index
            }
            index = next
        }
    }

    mutating func freeEvent(_ index: UInt32, _ client: Int) {
        let event = watches[event: index]
        let account = Int(clients[client].account)
        domains[account].events -= 1
        domains[account].blocks -= BlockTable.blockCount(for: Int(event.pathLength))
        blocks.release(event.path)
        if watches[event.watch].lastEvent == index { watches[event.watch].lastEvent = 0 }
        watches.removeEvent(index)
    }

    /// Removes all watches of a client.
    mutating func removeWatches(ofClientAt client: Int) {
        while clients[client].firstWatch != 0 { remove(clients[client].firstWatch) }
    }

    // MARK: Firing

    /// Tells the watches on the path and above it that the node at the path has changed.
    ///
    /// - Complexity: the length of the path, and the watches there.
    mutating func fireWatches(_ permissionsIndex: UInt32, _ label: UInt16) {
        guard watches.count > 0 else { return }
        var hash = NameHash(secret: secret)
        for index in 0..<path.count {
            hash.add(path.span[index])
            let length = index + 1
            let isEnd = length == path.count || path.span[length] == UInt8(ascii: "/")
            guard isEnd || length == 1, !path.isSpecial || length == path.count else { continue }
            fireWatches(at: length, hash.value, permissionsIndex, label)
        }
    }

    private mutating func fireWatches(
        at length: Int, _ digest: UInt32, _ permissionsIndex: UInt32, _ label: UInt16
    ) {
        var index = watches.first(digest: digest)
        while index != 0 {
            let watch = watches[index]
            if watch.pathDigest == digest, Int(watch.pathLength) == length,
                blocks.holds(path.span.extracting(first: length), in: watch.path, at: 0),
                mayLearn(Int(watch.client), permissionsIndex, label)
            {
                queue(index, isOwnPath: false)
            }
            index = watch.hashNext
        }
    }

    /// Whether a client may read a node of these permissions and this label.
    private func mayLearn(_ index: Int, _ permissionsIndex: UInt32, _ label: UInt16) -> Bool {
        let client = clients[index]
        if Faults.has(.xsa115) { return true }
        guard labels.allows(client.label, label, XenstorePermission.read) else { return false }
        if client.isPrivileged { return true }
        let domain = domains[Int(client.account)]
        return permissions[permissionsIndex].access(for: domain.domain, target: domain.target)
            .contains(.read)
    }

    /// Tells of the removal of the node at the path: first the watches exactly on nodes below it,
    /// then those on it and above.
    ///
    /// - Complexity: all watches, if there are nodes below.
    mutating func fireRemoval(_ node: UInt32) {
        if nodes[node].firstChild != 0, watches.count > 0 {
            for index in 1..<watches.endIndex where watches[index].isUsed {
                fireBelow(index)
            }
        }
        fireWatches(nodes[node].permissions, nodes[entry: node].label)
    }

    private mutating func fireBelow(_ index: UInt32) {
        let watch = watches[index]
        let length = Int(watch.pathLength)
        guard length > path.count, blocks.holds(path.span, in: watch.path, at: 0),
            blocks.byte(watch.path, at: path.count) == UInt8(ascii: "/")
        else { return }
        otherPath.set(watch.path, count: length, in: blocks)
        let node = treeNode(otherPath, length)
        guard node != 0,
            mayLearn(Int(watch.client), nodes[node].permissions, nodes[entry: node].label)
        else { return }
        queue(index, isOwnPath: true)
    }

    /// Tells the watches on a special path, and those on its variant for the domain, of what has
    /// happened to a domain of that label.
    mutating func fireSpecial(
        _ text: PackedText, _ permissionsIndex: UInt32, domain: UInt16, label: UInt16
    ) {
        path.set(text)
        fireWatches(permissionsIndex, label)
        path.set(text, domain: domain)
        fireWatches(permissionsIndex, label)
    }

    /// Notes for a watch that the path has changed, or that its own has.
    private mutating func queue(_ index: UInt32, isOwnPath: Bool) {
        let watch = watches[index]
        let client = Int(watch.client)
        signal(client)
        let account = Int(clients[client].account)
        guard !watch.isOverdue else { return }
        let isOwn = isOwnPath || Int(watch.pathLength) == path.count
        let length = isOwn ? 0 : path.count
        if watch.lastEvent != 0, isSame(watches[event: watch.lastEvent], length) { return }
        let blockCount = BlockTable.blockCount(for: length)
        let domain = domains[account]
        guard domain.events < domain.quota.events || Faults.has(.xsa326),
            domain.blocks + blockCount <= domain.quota.blocks || Faults.has(.xsa416)
        else {
            refuse(.events, account)
            watches[index].isOverdue = true
            clients[client].overdueCount += 1
            return
        }
        var record = EventRecord()
        record.watch = index
        record.pathLength = UInt16(truncatingIfNeeded: length)
        record.path = blocks.reserve(length)
        if length > 0 { blocks.write(path, 0..<length, to: record.path) }
        domains[account].events += 1
        domains[account].blocks += blockCount
        let added = watches.addEvent(record)
        watches[index].lastEvent = added
        let last = clients[client].lastEvent
        if last == 0 {
            clients[client].firstEvent = added
        } else {
            watches[event: last].next = added
        }
        clients[client].lastEvent = added
    }

    /// Whether an event says the same as one about the path would; `length` is 0 for its own.
    private func isSame(_ event: EventRecord, _ length: Int) -> Bool {
        Int(event.pathLength) == length
            && (length == 0 || blocks.holds(path.span, in: event.path, at: 0))
    }

    // MARK: Fetching

    /// Fetches the next event of a client as a message; false when there is none.
    ///
    /// - Postcondition: `eventMessage` is the message until the next call.
    package mutating func nextEvent(for client: StoreClient) -> Bool {
        eventCount = 0
        guard let index = clientIndex(client) else { return false }
        let first = clients[index].firstEvent
        guard first != 0 else { return nextOverdue(index) }
        let record = watches[event: first]
        writeEvent(watches[record.watch], record.path, Int(record.pathLength))
        clients[index].firstEvent = record.next
        if record.next == 0 { clients[index].lastEvent = 0 }
        freeEvent(first, index)
        return true
    }

    /// Notes that the owner is to be told of a connection.
    mutating func signal(_ client: Int) {
        guard !clients[client].isSignalled else { return }
        clients[client].isSignalled = true
        clients[client].nextSignalled = firstSignalled
        firstSignalled = UInt16(truncatingIfNeeded: client + 1)
    }

    /// See `StoreCore.nextClientWithEvents`.
    package mutating func nextClientWithEvents() -> StoreClient? {
        while firstSignalled != 0 {
            let index = Int(firstSignalled) - 1
            firstSignalled = clients[index].nextSignalled
            clients[index].isSignalled = false
            guard clients[index].isOpen else { continue }
            return StoreClient(
                index: UInt16(truncatingIfNeeded: index),
                incarnation: clients[index].incarnation)
        }
        return nil
    }

    /// Whether a client has an event to fetch.
    package func hasEvent(for client: StoreClient) -> Bool {
        guard let index = clientIndex(client) else { return false }
        return clients[index].firstEvent != 0 || clients[index].overdueCount > 0
    }

    private mutating func nextOverdue(_ client: Int) -> Bool {
        guard clients[client].overdueCount > 0 else { return false }
        var index = clients[client].firstWatch
        while index != 0, !watches[index].isOverdue { index = watches[index].next }
        guard index != 0 else { return false }
        watches[index].isOverdue = false
        clients[client].overdueCount -= 1
        writeEvent(watches[index], 0, 0)
        return true
    }

    /// Writes the message of an event: with the changed path, or with the watch's own where that
    /// would not fit.
    private mutating func writeEvent(_ watch: WatchRecord, _ changed: UInt32, _ length: Int) {
        let implied = Int(watch.impliedCount)
        let token = Int(watch.tokenLength)
        let fits =
            length - implied + token + 2 <= StoreMessageHeader.maximumPayload && length > 0
        if length > 0, !fits, Faults.has(.xsa324) {
            eventCount = 0
            return
        }
        let path = fits ? changed : watch.path
        let pathLength = (fits ? length : Int(watch.pathLength)) - implied
        let start = StoreMessageHeader.sizeInBytes
        let payload = pathLength + token + 2
        eventCount = start + payload
        blocks.copy(path, from: implied, count: pathLength, to: &event, at: start)
        event[start + pathLength] = 0
        blocks.copy(watch.token, from: 0, count: token, to: &event, at: start + pathLength + 1)
        event[start + payload - 1] = 0
        Self.writeHeader(
            .watchEvent, requestID: 0, transactionID: 0, length: payload, to: &event)
    }

    /// The event that `nextEvent(for:)` fetched.
    package var eventMessage: Span<UInt8> {
        @_lifetime(borrow self) get { event.span.extracting(first: eventCount) }
    }
}
