import BootArena
import PolicyDatabase

/// What each request about nodes and watches does, in the order of the contract.
extension StoreEngine {
    /// `XS_READ`: the value.
    mutating func read(_ payload: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        try takePath(payload, requester)
        let seen = try obtain(.read, XenstorePermission.read, requester)
        append(seen.content, from: seen.nameLength, count: seen.valueLength)
    }

    /// `XS_GET_PERMS`: letter and domain of each entry, the owner first.
    mutating func readPermissions(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try takePath(payload, requester)
        let seen = try obtain(.read, XenstorePermission.read, requester)
        let list = permissions[seen.permissions]
        for index in 0..<list.count {
            append(list.access(at: index).letter)
            append(number: UInt64(list.domain(at: index)))
            append(0)
        }
    }

    // MARK: Lists of children

    /// `XS_DIRECTORY`: the names of the children that the requester may know, in the order of their
    /// creation.
    ///
    /// - Throws: `.tooBig` if they do not fit into one message.
    mutating func listDirectory(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try takePath(payload, requester)
        let seen = try obtain(.read, XenstorePermission.list, requester)
        var list = ChildList(limit: StoreMessageHeader.maximumPayload)
        appendChildren(of: seen, requester, &list)
        guard !list.isCut else { throw .tooBig }
    }

    /// `XS_DIRECTORY_PART`: the node's generation, then whole names from an offset of the list; an
    /// empty one at its end.
    mutating func listDirectoryPart(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        let start = try takeFirstPath(payload, requester)
        let (offset, end) = try number(payload, from: start, maximum: UInt64(Int32.max))
        guard end == payload.count else { throw .invalid }
        let seen = try obtain(.read, XenstorePermission.list, requester)
        append(number: seen.generation)
        append(0)
        let used = replyCount - StoreMessageHeader.sizeInBytes
        var list = ChildList(limit: StoreMessageHeader.maximumPayload - used - 1)
        list.skip = Int(offset)
        appendChildren(of: seen, requester, &list)
        if !list.isCut { append(0) }
    }

    /// How much of a list of children is to be given, and was.
    struct ChildList {
        /// The most bytes to give.
        let limit: Int
        /// Bytes at the front to leave out.
        var skip = 0
        private var given = 0
        /// Whether something did not fit.
        private(set) var isCut = false

        init(limit: Int) { self.limit = limit }

        /// How many bytes may be given without a look at each name; 0 while some are left out.
        var room: Int { skip > 0 || isCut ? 0 : limit - given }

        /// Takes in bytes that were given.
        mutating func note(_ count: Int) { given += count }

        /// Takes in a name with its NUL; returns how many of its bytes to leave out, nil for all.
        mutating func take(_ size: Int) -> Int? {
            guard !isCut else { return nil }
            let left = min(skip, size)
            skip -= left
            guard left < size else { return nil }
            guard given + size - left <= limit else {
                isCut = true
                return nil
            }
            given += size - left
            return left
        }
    }

    private mutating func appendChildren(
        of seen: NodeView, _ requester: Requester, _ list: inout ChildList
    ) {
        let access = seen.access
        let isHidden =
            access != 0
            && (transactions[access].hidesTree || isTreeHidden(path.count, requester.transaction))
        let changes = access != 0 && transactions[access].changesChildren
        let node = access == 0 ? seen.node : isHidden ? 0 : treeNode(path, path.count)
        // Of the node's own label all children are alike.
        let isPlain =
            !changes && seen.label != labels.way && labels.mayKnow(requester.label, seen.label)
        var child = node == 0 ? 0 : nodes[node].firstChild
        while child != 0, !list.isCut {
            if isPlain {
                let room = min(list.room, roomInReply)
                let (next, given) = nodes.copyNames(
                    from: child, label: seen.label, room: room, in: blocks, to: &reply,
                    at: replyCount)
                replyCount += given
                list.note(given)
                child = next
                if child == 0 { break }
            }
            if isListed(child, in: seen, requester),
                !changes || !isReplaced(child, requester.transaction)
            {
                append(nodes[entry: child].content, Int(nodes[entry: child].nameLength), &list)
            }
            child = nodes[entry: child].nextSibling
        }
        guard changes else { return }
        var other = transactions[transaction: requester.transaction].firstAccess
        while other != 0, !list.isCut {
            let record = transactions[other]
            if record.exists, isChild(record) {
                // A child that the tree has too was listed there, if it is the same.
                let isListed = record.baseGeneration != 0 && !record.hidesTree && !isHidden
                if !isListed { append(record.content, Int(record.nameLength), &list) }
            }
            other = record.next
        }
    }

    /// Whether a child stands in a list: the requester may know of it, and, where the list is
    /// everybody's to read, may read the child itself, so that who walks down is nowhere refused.
    private func isListed(
        _ child: UInt32, in parent: NodeView, _ requester: Requester
    ) -> Bool {
        let label = nodes[entry: child].label
        return labels.mayKnow(requester.label, label)
            && (parent.label != labels.way
                || access(nodes[child].permissions, requester).contains(.read)
                    && labels.allows(requester.label, label, XenstorePermission.list))
    }

    private mutating func append(_ content: UInt32, _ nameLength: Int, _ list: inout ChildList) {
        guard let left = list.take(nameLength + 1) else { return }
        append(content, from: left, count: nameLength - left)
        append(0)
    }

    /// Whether a transaction has removed a node of the tree, or put another in its place.
    private mutating func isReplaced(_ child: UInt32, _ transaction: UInt32) -> Bool {
        let entry = nodes[entry: child]
        otherPath.set(path, child: entry.content, Int(entry.nameLength), in: blocks)
        let digest = NameHash.of(otherPath.span, secret: secret)
        let found = transactions.find(transaction, otherPath.span, digest: digest, in: blocks)
        return found != 0
            && (!transactions[found].exists || transactions[found].hidesTree
                || transactions[found].baseGeneration == 0)
    }

    /// Whether an access is to a child of the path.
    private func isChild(_ record: AccessRecord) -> Bool {
        guard isBelowPath(record) else { return false }
        let start = path.isRoot ? 1 : path.count + 1
        return Int(record.pathLength) == start + Int(record.nameLength)
    }

    // MARK: Changes

    /// `XS_WRITE`: gives a node a value, making it and those above if need be.
    mutating func write(_ payload: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        let start = try takeFirstPath(payload, requester)
        let value = payload.extracting(start..<payload.count)
        let seen: NodeView
        do throws(StoreError) {
            seen = try obtain(.write, XenstorePermission.write, requester)
        } catch {
            guard error == .notFound else { throw error }
            try create(value, requester)
            appendOK()
            return
        }
        try write(value, to: seen, requester)
        appendOK()
    }

    /// `XS_MKDIR`: makes a node, and those above if need be; nothing if it exists.
    mutating func makeDirectory(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        try takePath(payload, requester)
        do throws(StoreError) {
            _ = try obtain(.write, XenstorePermission.write, requester)
        } catch {
            guard error == .notFound else { throw error }
            try create(payload.extracting(0..<0), requester)
        }
        appendOK()
    }

    /// `XS_RM`: removes a node with all below; nothing if it does not exist but its parent does.
    mutating func remove(_ payload: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        try takePath(payload, requester)
        let seen: NodeView
        do throws(StoreError) {
            seen = try obtain(.write, XenstorePermission.remove, requester)
        } catch {
            guard error == .notFound else { throw error }
            guard try look(path.parentLength(of: path.count), requester).exists else {
                throw .notFound
            }
            appendOK()
            return
        }
        try remove(seen, requester)
        appendOK()
    }

    /// `XS_SET_PERMS`: gives a node, or a special path, other permissions.
    mutating func changePermissions(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        let start = try takeFirstPath(payload, requester)
        let list = try permissionList(payload, from: start, requester)
        if path.isSpecial {
            try changeSpecialPermissions(list, requester)
        } else {
            let need = Faults.has(.xsa353) ? NodeAccess.read : .administer
            let seen = try obtain(need, XenstorePermission.setperms, requester)
            try setPermissions(list, of: seen, requester)
        }
        appendOK()
    }

    private mutating func permissionList(
        _ payload: Span<UInt8>, from start: Int, _ requester: Requester
    ) throws(StoreError) -> PermissionList {
        guard start < payload.count, payload[payload.count - 1] == 0 else { throw .invalid }
        var list: PermissionList?
        var index = start
        while index < payload.count {
            guard let access = NodeAccess(letter: payload[index]) else { throw .invalid }
            // Xen's numbers from 0x7ff0 are not domains.
            let (domain, end) = try number(payload, from: index + 1, maximum: 0x7fef)
            let number = UInt16(truncatingIfNeeded: domain)
            if let count = list?.count {
                guard count < domains[requester.account].quota.permissionEntries else {
                    throw fail(requester, .permissionEntries)
                }
                list?.append(number, access)
            } else {
                list = PermissionList(owner: number, others: access)
            }
            index = end
        }
        guard let list else { throw .invalid }
        // A guest may not give nodes away: whether others exist is not told it.
        guard !requester.isPrivileged || domainIndex(list.owner) != nil else { throw .notFound }
        return list
    }

    private mutating func changeSpecialPermissions(
        _ list: PermissionList, _ requester: Requester
    ) throws(StoreError) {
        guard requester.isPrivileged else { throw .invalid }
        let isIntroduce = PackedText.introduceDomain.equals(path.span)
        guard isIntroduce || PackedText.releaseDomain.equals(path.span) else { throw .invalid }
        let root = nodes[entry: NodeTable.root].label
        guard labels.allows(requester.label, root, XenstorePermission.setperms) else {
            throw denied(requester, root, XenstorePermission.setperms)
        }
        let held = try holdPermissions(list, requester)
        releasePermissions(isIntroduce ? introducePermissions : releasePermissions)
        if isIntroduce { introducePermissions = held } else { releasePermissions = held }
    }

    // MARK: Watches

    /// `XS_WATCH`: path and token.
    mutating func watch(_ payload: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        let token = try takePathAndToken(payload, requester)
        try addWatch(payload.extracting(token..<payload.count - 1), requester)
        appendOK()
    }

    /// `XS_UNWATCH`: path and token, in any spelling of the path.
    mutating func unwatch(_ payload: Span<UInt8>, _ requester: Requester) throws(StoreError) {
        let token = try takePathAndToken(payload, requester)
        try removeWatch(payload.extracting(token..<payload.count - 1), requester)
        appendOK()
    }

    /// Takes over the path; returns where the token starts, which ends before the last byte.
    private mutating func takePathAndToken(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) -> Int {
        let start = try takeFirstPath(payload, requester)
        guard let end = payload.firstNUL(from: start), end == payload.count - 1 else {
            throw .invalid
        }
        return start
    }

    /// `XS_RESET_WATCHES`: the client starts anew: no watches, no transactions.
    mutating func resetWatches(_ requester: Requester) {
        if Faults.has(.xsa484), requester.transaction != 0 { return appendOK() }
        if !Faults.has(.xsa330) { removeWatches(ofClientAt: requester.client) }
        endTransactions(ofClientAt: requester.client)
        appendOK()
    }

    // MARK: Transactions

    /// `XS_TRANSACTION_START`: the number of the new transaction.
    mutating func startTransactionReply(_ requester: Requester) throws(StoreError) {
        guard requester.transaction == 0 else { throw .busy }
        let number = try startTransaction(requester)
        append(number: UInt64(number))
        append(0)
    }

    /// `XS_TRANSACTION_END`: `T` commits, `F` does not.
    mutating func endTransaction(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        guard payload.count == 2, payload[1] == 0,
            payload[0] == UInt8(ascii: "T") || payload[0] == UInt8(ascii: "F")
        else { throw .invalid }
        guard requester.transaction != 0 else { throw .notFound }
        try endTransaction(requester, commits: payload[0] == UInt8(ascii: "T"))
        appendOK()
    }
}
