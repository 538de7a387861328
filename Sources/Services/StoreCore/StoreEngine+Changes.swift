import BootArena
import PolicyDatabase

/// What requests change: in the tree, or in what a transaction has made of it.
extension StoreEngine {
    /// The size of a node as Xen's C store counts it, in bytes.
    ///
    /// - Source: the record of Xen 4.17's store: 24 bytes, 8 for each permission, value, children.
    private func size(permissions index: UInt32, valueLength: Int, childBytes: Int) -> Int {
        24 + 8 * permissions[index].count + valueLength + childBytes
    }

    /// - Throws: `.noSpace` if a node of that size is too large for an unprivileged requester.
    private mutating func checkSize(
        permissions index: UInt32, valueLength: Int, childBytes: Int, _ requester: Requester
    ) throws(StoreError) {
        guard !requester.isPrivileged else { return }
        let size = size(permissions: index, valueLength: valueLength, childBytes: childBytes)
        guard size < domains[requester.account].quota.nodeSizeInBytes else {
            throw fail(requester, .nodeSize)
        }
    }

    // MARK: Values

    /// Gives the node at the path a value.
    ///
    /// - Throws: `.noSpace` for a quota; nothing has changed then.
    mutating func write(
        _ value: Span<UInt8>, to seen: NodeView, _ requester: Requester
    ) throws(StoreError) {
        try checkSize(
            permissions: seen.permissions, valueLength: value.count, childBytes: seen.childBytes,
            requester)
        try checkQuota(seen.label, bytes: value.count - seen.valueLength, requester)
        if seen.access == 0 {
            try writeTree(value, seen.node, requester)
            fireWatches(nodes[seen.node].permissions, nodes[entry: seen.node].label)
        } else {
            try writeTransaction(value, seen.access, requester)
            transactions[seen.access].fires = true
        }
    }

    private mutating func writeTree(
        _ value: Span<UInt8>, _ node: UInt32, _ requester: Requester
    ) throws(StoreError) {
        let entry = nodes[entry: node]
        let nameLength = Int(entry.nameLength)
        let oldCount = nodes.blockCount(of: node)
        let newCount = BlockTable.blockCount(for: nameLength + value.count)
        if newCount == oldCount, newCount > 0, blocks.isSole(entry.content) {
            blocks.write(value, to: entry.content, at: nameLength)
            setValueLength(node, value.count)
            touch(node)
            return
        }
        let domain = domains[Int(nodes[node].account)]
        if domain.blocks - oldCount + newCount > domain.quota.blocks {
            let other = try chooseAccount(
                owner: 0, nodes: 1, blocks: newCount, privileged(requester, else: .memory))
            moveAccount(ofNode: node, to: other)
        }
        let content = blocks.reserve(nameLength + value.count)
        blocks.copy(entry.content, from: 0, to: content, at: 0, count: nameLength)
        blocks.write(value, to: content, at: nameLength)
        domains[Int(nodes[node].account)].blocks += newCount
        commitContent(node, content, valueLength: value.count)
        touch(node)
    }

    /// Returns the requester if it is privileged.
    ///
    /// - Throws: `.noSpace` if it is not, counted.
    private mutating func privileged(
        _ requester: Requester, else reason: StoreRefusal
    ) throws(StoreError) -> Requester {
        guard requester.isPrivileged else { throw fail(requester, reason) }
        return requester
    }

    private mutating func writeTransaction(
        _ value: Span<UInt8>, _ access: UInt32, _ requester: Requester
    ) throws(StoreError) {
        let record = transactions[access]
        let nameLength = Int(record.nameLength)
        let newCount = BlockTable.blockCount(for: nameLength + value.count)
        let owner = domains[Int(record.account)]
        let counted = record.contentAccount == record.account ? record.blockCount : 0
        if owner.blocks - counted + newCount > owner.quota.blocks {
            _ = try privileged(requester, else: .memory)
            try reserveNode(access, in: 0, requester)
            guard domains[0].blocks + newCount <= domains[0].quota.blocks else {
                throw fail(requester, .memory)
            }
        }
        let content = blocks.reserve(nameLength + value.count)
        blocks.copy(record.content, from: 0, to: content, at: 0, count: nameLength)
        blocks.write(value, to: content, at: nameLength)
        replaceContent(ofAccess: access, content, valueLength: value.count)
    }

    /// Puts own content in the place of what an access held; its blocks are counted here.
    private mutating func replaceContent(
        ofAccess access: UInt32, _ content: UInt32, valueLength: Int
    ) {
        let old = transactions[access]
        domains[Int(old.contentAccount)].blocks -= old.blockCount
        blocks.release(old.content)
        transactions[access].content = content
        transactions[access].valueLength = UInt16(truncatingIfNeeded: valueLength)
        transactions[access].contentAccount = old.account
        transactions[access].changesContent = true
        transactions[access].isModified = true
        domains[Int(old.account)].blocks += transactions[access].blockCount
    }

    /// Reserves a node for an access in an account, in the place of the account it counts in.
    private mutating func reserveNode(
        _ access: UInt32, in account: Int, _ requester: Requester
    ) throws(StoreError) {
        let record = transactions[access]
        if Int(record.account) == account, record.reservesNode { return }
        let domain = domains[account]
        if Faults.has(.xsa421) {
            transactions[access].account = UInt16(truncatingIfNeeded: account)
            return
        }
        guard domain.nodes + domain.reservedNodes < domain.quota.nodes else {
            throw fail(requester, .nodes)
        }
        if record.reservesNode { domains[Int(record.account)].reservedNodes -= 1 }
        domains[account].reservedNodes += 1
        transactions[access].account = UInt16(truncatingIfNeeded: account)
        transactions[access].reservesNode = true
    }

    // MARK: New nodes

    /// Makes the node at the path, and those above that are missing, all with the permissions of
    /// the nearest node above, owned by the requester unless it is privileged.
    ///
    /// - Throws: `.noSpace` for a quota; `.accessDenied` if the policy denies a label, or something
    ///   is in the way that the requester may not know of. Outside transactions nothing has changed
    ///   then.
    mutating func create(
        _ value: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        var top = path.parentLength(of: path.count)
        var above = try look(top, requester)
        while !above.exists, top > 1 {
            top = path.parentLength(of: top)
            above = try look(top, requester)
        }
        guard above.exists else { throw .accessDenied }
        if asksForLabels, !hasOutsideLabels {
            existingCount = top
            throw .busy
        }
        let firstEnd = path.nextLength(after: top)
        try checkLabels(above.label, from: top, requester)
        let hidden = treeNode(path, firstEnd)
        if hidden != 0, !labels.mayKnow(requester.label, nodes[entry: hidden].label) {
            throw denied(requester, nodes[entry: hidden].label, XenstorePermission.create)
        }
        try checkQuotas(above.label, from: top, value.count, requester)
        try checkNewSizes(above, from: top, value.count, requester)
        var list = permissions[above.permissions]
        if !requester.isPrivileged { list.replaceOwner(requester.domain) }
        let (levels, blockCount) = cost(from: top, value.count)
        let account: Int
        do throws(StoreError) {
            account = try chooseAccount(
                owner: list.owner, nodes: levels, blocks: blockCount, requester)
        } catch {
            if requester.transaction != 0, !Faults.has(.xsa414) {
                transactions[transaction: requester.transaction].hasFailed = true
            }
            throw error
        }
        let held = try holdPermissions(list, requester)
        defer { releasePermissions(held) }
        if requester.transaction == 0 {
            createInTree(value, under: above.node, top, held, account)
        } else {
            try createInTransaction(value, under: above, top, held, account, requester)
        }
    }

    /// The number of nodes that are to be made below the first `top` bytes of the path, and their
    /// blocks.
    private func cost(from top: Int, _ valueLength: Int) -> (levels: Int, blocks: Int) {
        var (levels, blocks) = (0, 0)
        var end = top
        while end < path.count {
            let next = path.nextLength(after: end)
            let nameLength = next - (end == 1 ? 1 : end + 1)
            let length = next == path.count ? nameLength + valueLength : nameLength
            blocks += BlockTable.blockCount(for: length)
            levels += 1
            end = next
        }
        return (levels, blocks)
    }

    /// The label of a new node at the first `length` bytes of the path.
    func newLabel(_ length: Int, under parent: UInt16) -> UInt16 {
        if hasOutsideLabels, outsideLabels[length] != 0 { return outsideLabels[length] - 1 }
        let part = path.span.extracting(first: length)
        if let label = labels.rule(for: part, secret: secret, in: blocks) { return label }
        // What only leads somewhere hands on what it is the opened form of.
        return parent == labels.way ? labels.base : parent
    }

    private mutating func checkLabels(
        _ parent: UInt16, from top: Int, _ requester: Requester
    ) throws(StoreError) {
        guard labels.allows(requester.label, parent, XenstorePermission.write) else {
            throw denied(requester, parent, XenstorePermission.write)
        }
        var label = parent
        var end = top
        while end < path.count {
            end = path.nextLength(after: end)
            label = newLabel(end, under: label)
            guard labels.allows(requester.label, label, XenstorePermission.create) else {
                throw denied(requester, label, XenstorePermission.create)
            }
        }
    }

    private mutating func checkNewSizes(
        _ above: NodeView, from top: Int, _ valueLength: Int, _ requester: Requester
    ) throws(StoreError) {
        let start = top == 1 ? 1 : top + 1
        let nameLength = path.nextLength(after: top) - start
        try checkSize(
            permissions: above.permissions, valueLength: above.valueLength,
            childBytes: above.childBytes + nameLength + 1, requester)
        try checkSize(
            permissions: above.permissions, valueLength: valueLength, childBytes: 0, requester)
    }

    /// Makes the chain of a new node: its name, and room for a value.
    private mutating func newContent(
        from start: Int, to end: Int, value: Span<UInt8>, isLast: Bool
    ) -> UInt32 {
        let nameLength = end - start
        let content = blocks.reserve(nameLength + (isLast ? value.count : 0))
        blocks.write(path, start..<end, to: content)
        if isLast { blocks.write(value, to: content, at: nameLength) }
        return content
    }

    private mutating func createInTree(
        _ value: Span<UInt8>, under parent: UInt32, _ top: Int, _ held: UInt32, _ account: Int
    ) {
        var node = parent
        var end = top
        while end < path.count {
            let next = path.nextLength(after: end)
            let start = end == 1 ? 1 : end + 1
            let isLast = next == path.count
            let content = newContent(from: start, to: next, value: value, isLast: isLast)
            let digest = NameHash.of(path.span.extracting(start..<next), secret: secret)
            let valueLength = isLast ? value.count : 0
            domains[account].blocks += BlockTable.blockCount(for: next - start + valueLength)
            permissions.hold(held)
            node = commitCreate(
                NewNode(
                    parent: node, content: content, nameLength: next - start,
                    valueLength: valueLength, nameDigest: digest, permissions: held,
                    label: newLabel(next, under: nodes[entry: node].label), account: account))
            end = next
        }
        fireWatches(nodes[node].permissions, nodes[entry: node].label)
    }

    private mutating func createInTransaction(
        _ value: Span<UInt8>, under above: NodeView, _ top: Int, _ held: UInt32, _ account: Int,
        _ requester: Requester
    ) throws(StoreError) {
        var parent = above
        var end = top
        while end < path.count {
            let next = path.nextLength(after: end)
            let start = end == 1 ? 1 : end + 1
            let isLast = next == path.count
            let access = try look(next, requester).access
            try reserveNode(access, in: account, requester)
            let content = newContent(from: start, to: next, value: value, isLast: isLast)
            permissions.hold(held)
            releasePermissions(transactions[access].permissions)
            transactions[access].permissions = held
            transactions[access].exists = true
            transactions[access].nameLength = UInt16(truncatingIfNeeded: next - start)
            transactions[access].label = newLabel(next, under: parent.label)
            transactions[access].childBytes = 0
            transactions[access].changesPermissions = true
            let blockCount = BlockTable.blockCount(
                for: next - start + (isLast ? value.count : 0))
            transactions[access].content = content
            transactions[access].valueLength = UInt16(
                truncatingIfNeeded: isLast ? value.count : 0)
            transactions[access].contentAccount = UInt16(truncatingIfNeeded: account)
            transactions[access].changesContent = true
            transactions[access].isModified = true
            domains[account].blocks += blockCount
            if transactions[access].label == parent.label {
                transactions[parent.access].childBytes +=
                    UInt32(truncatingIfNeeded: next - start + 1)
            }
            transactions[parent.access].changesChildren = true
            transactions[parent.access].isModified = true
            if isLast { transactions[access].fires = true }
            parent = view(ofAccess: access)
            end = next
        }
    }

    // MARK: Removal

    /// Removes the node at the path with all below it.
    ///
    /// - Throws: `.invalid` for the root; `.accessDenied` if the policy denies the removal of any
    ///   of the nodes.
    mutating func remove(_ seen: NodeView, _ requester: Requester) throws(StoreError) {
        guard !path.isRoot else { throw .invalid }
        let length = path.parentLength(of: path.count)
        let parent = try look(length, requester)
        let tree = treeNode(path, path.count)
        // A parent that is gone was removed outside: the transaction will meet a conflict.
        if parent.exists,
            !labels.allows(requester.label, parent.label, XenstorePermission.write)
        {
            throw denied(requester, parent.label, XenstorePermission.write)
        }
        if tree != 0 { try checkRemoval(tree, requester) }
        try takeChange(seen.label, requester)
        if seen.access == 0 {
            fireRemoval(seen.node)
            removeTree(seen.node)
        } else {
            removeInTransaction(seen.access, parent: parent.access, requester)
        }
    }

    /// - Throws: `.accessDenied` if the policy does not let the requester remove a node and all
    ///   below it.
    /// - Complexity: one decision; only where labels differ below, the number of nodes there.
    private mutating func checkRemoval(
        _ top: UInt32, _ requester: Requester
    ) throws(StoreError) {
        var node = top
        while node != 0 {
            guard
                labels.allows(requester.label, nodes[entry: node].label, XenstorePermission.remove)
            else { throw denied(requester, nodes[entry: node].label, XenstorePermission.remove) }
            guard nodes[top].hasMixedLabels else { return }
            node = nodes.following(node, below: top)
        }
    }

    private mutating func removeInTransaction(
        _ access: UInt32, parent: UInt32, _ requester: Requester
    ) {
        if transactions[access].label == transactions[parent].label {
            let nameBytes = UInt32(transactions[access].nameLength) + 1
            transactions[parent].childBytes -= min(nameBytes, transactions[parent].childBytes)
        }
        transactions[parent].changesChildren = true
        transactions[parent].isModified = true
        markRemoved(access)
        if !transactions[access].hidesTree {
            transactions[access].hidesTree = true
            transactions[transaction: requester.transaction].hidingCount += 1
            // A second removal must not forget what has changed below since the first.
            transactions[access].removedClock = clock
        }
        transactions[access].fires = true
        var other = transactions[transaction: requester.transaction].firstAccess
        while other != 0 {
            if other != access, transactions[other].exists, isBelowPath(transactions[other]) {
                markRemoved(other)
            }
            other = transactions[other].next
        }
    }

    /// Whether the path of an access lies below the path.
    func isBelowPath(_ record: AccessRecord) -> Bool {
        let length = Int(record.pathLength)
        guard length > path.count, blocks.holds(path.span, in: record.path, at: 0) else {
            return false
        }
        return path.isRoot || blocks.byte(record.path, at: path.count) == UInt8(ascii: "/")
    }

    private mutating func markRemoved(_ access: UInt32) {
        let record = transactions[access]
        domains[Int(record.contentAccount)].blocks -= record.blockCount
        blocks.release(record.content)
        if record.reservesNode { domains[Int(record.account)].reservedNodes -= 1 }
        transactions[access].reservesNode = false
        transactions[access].content = 0
        transactions[access].nameLength = 0
        transactions[access].valueLength = 0
        transactions[access].childBytes = 0
        transactions[access].exists = false
        transactions[access].isModified = true
        transactions[access].fires = false
    }

    // MARK: Permissions

    /// Gives the node at the path other permissions.
    ///
    /// - Throws: `.notPermitted` if an unprivileged requester would give it away; `.noSpace` for a
    ///   quota.
    mutating func setPermissions(
        _ list: PermissionList, of seen: NodeView, _ requester: Requester
    ) throws(StoreError) {
        let old = permissions[seen.permissions]
        guard requester.isPrivileged || list.owner == old.owner || Faults.has(.xsa352) else {
            throw .notPermitted
        }
        try takeChange(seen.label, requester)
        let held = try holdPermissions(list, requester)
        defer { releasePermissions(held) }
        try checkSize(
            permissions: held, valueLength: seen.valueLength, childBytes: seen.childBytes,
            requester)
        let blockCount = BlockTable.blockCount(for: seen.nameLength + seen.valueLength)
        if seen.access == 0 {
            if list.owner != old.owner {
                let account = try chooseAccount(
                    owner: list.owner, nodes: 1, blocks: blockCount, requester)
                moveAccount(ofNode: seen.node, to: account)
            }
            permissions.hold(held)
            releasePermissions(nodes[seen.node].permissions)
            nodes[seen.node].permissions = held
            touch(seen.node)
            noteReadability(seen.node)
            fireWatches(held, nodes[entry: seen.node].label)
        } else {
            if list.owner != old.owner {
                let account = try chooseAccount(
                    owner: list.owner, nodes: 1, blocks: blockCount, requester)
                try reserveNode(seen.access, in: account, requester)
                let counted = Int(transactions[seen.access].contentAccount)
                domains[counted].blocks -= blockCount
                domains[account].blocks += blockCount
                transactions[seen.access].contentAccount = UInt16(truncatingIfNeeded: account)
                transactions[seen.access].changesContent = true
            }
            permissions.hold(held)
            releasePermissions(transactions[seen.access].permissions)
            transactions[seen.access].permissions = held
            transactions[seen.access].changesPermissions = true
            transactions[seen.access].isModified = true
            transactions[seen.access].fires = true
        }
    }
}
