import BootArena

/// Changes of the tree itself. None of them can fail: what they need was checked before.
extension StoreEngine {
    /// Notes a change of a node or of the list of its children.
    ///
    /// - Complexity: the depth of the node.
    mutating func touch(_ node: UInt32) {
        nodes[node].generation = labels.nextGeneration(nodes[entry: node].label)
        touchSubtrees(above: node)
    }

    /// Notes, at a node and all above it, that something has changed there or below.
    private mutating func touchSubtrees(above node: UInt32) {
        // WRAPS: it would take centuries.
        clock &+= 1
        var above = node
        while above != 0 {
            nodes[above].subtreeClock = clock
            above = nodes[above].parent
        }
    }

    /// What a new node is made of.
    struct NewNode {
        var parent: UInt32
        var content: UInt32
        var nameLength: Int
        var valueLength: Int
        var nameDigest: UInt32
        var permissions: UInt32
        var label: UInt16
        var account: Int
    }

    /// Makes a node, which takes over content and permissions; both are counted already, and the
    /// node is counted now.
    mutating func commitCreate(_ new: NewNode) -> UInt32 {
        let node = nodes.take()
        var entry = NodeEntry()
        entry.content = new.content
        entry.nameLength = UInt16(truncatingIfNeeded: new.nameLength)
        entry.label = new.label
        let length = min(new.nameLength, BlockTable.blockSize)
        entry.namePrefix = namePrefix(blocks.front(new.content, count: length))
        var record = NodeRecord()
        record.parent = new.parent
        record.permissions = new.permissions
        record.nameDigest = new.nameDigest
        record.valueLength = UInt16(truncatingIfNeeded: new.valueLength)
        record.account = UInt16(truncatingIfNeeded: new.account)
        nodes[node] = record
        nodes[entry: node] = entry
        nodes.attach(node)
        domains[new.account].nodes += 1
        labels.account(new.label, nodes: 1, bytes: new.nameLength + new.valueLength)
        touch(node)
        noteListChange(node)
        return node
    }

    /// Notes that a node was made, or is about to be removed: in the list of its parent, or, where
    /// its label is another, for those who may know of it.
    mutating func noteListChange(_ node: UInt32) {
        if nodes.isForeign(node) {
            noteMixture(above: node)
            nodes[nodes[node].parent].hasForeignChildren = true
            labels.noteForeign(nodes[entry: node].label)
            touchSubtrees(above: node)
        } else {
            touch(nodes[node].parent)
        }
    }

    /// Notes that a node has other permissions: where lists show only what may be read, its
    /// parent's is another.
    mutating func noteReadability(_ node: UInt32) {
        if nodes[entry: nodes[node].parent].label == labels.way { noteListChange(node) }
    }

    /// Notes that labels differ, at all nodes above.
    mutating func noteMixture(above node: UInt32) {
        var above = nodes[node].parent
        while above != 0 {
            nodes[above].hasMixedLabels = true
            above = nodes[above].parent
        }
    }

    /// Moves what is counted for a node to another account.
    mutating func moveAccount(ofNode node: UInt32, to account: Int) {
        let old = Int(nodes[node].account)
        let blockCount = nodes.blockCount(of: node)
        domains[old].nodes -= 1
        domains[old].blocks -= blockCount
        domains[account].nodes += 1
        domains[account].blocks += blockCount
        nodes[node].account = UInt16(truncatingIfNeeded: account)
    }

    /// Gives a node other content, whose blocks are counted in the node's account already.
    mutating func commitContent(_ node: UInt32, _ content: UInt32, valueLength: Int) {
        domains[Int(nodes[node].account)].blocks -= nodes.blockCount(of: node)
        blocks.release(nodes[entry: node].content)
        nodes[entry: node].content = content
        setValueLength(node, valueLength)
    }

    /// Notes the size of a new value.
    mutating func setValueLength(_ node: UInt32, _ length: Int) {
        labels.account(
            nodes[entry: node].label, nodes: 0, bytes: length - Int(nodes[node].valueLength))
        nodes[node].valueLength = UInt16(truncatingIfNeeded: length)
    }

    /// Removes a node with all that is below it, and frees what they hold.
    ///
    /// - Complexity: the number of nodes removed.
    mutating func removeTree(_ top: UInt32) {
        noteListChange(top)
        nodes.detach(top)
        nodes[entry: top].nextSibling = 0
        nodes[entry: top].previousSibling = 0
        var node = top
        while true {
            let child = nodes[node].firstChild
            if child != 0, !leavesChildren(of: node) {
                nodes.detach(child)
                // Detached one by one from the front, a child keeps its way up.
                node = child
                continue
            }
            let above = nodes[node].parent
            let isTop = node == top
            freeNode(node)
            if isTop { break }
            node = above
        }
    }

    /// Whether a fault keeps the walk from going further down.
    private func leavesChildren(of node: UInt32) -> Bool {
        Faults.has(.xsa415) || Faults.has(.xsa418) && depth(of: node) > 64
    }

    private func isOwnedLikeParent(_ record: NodeRecord) -> Bool {
        let parent = nodes[record.parent].permissions
        return permissions[record.permissions].owner == permissions[parent].owner
    }

    private mutating func freeNode(_ node: UInt32) {
        let record = nodes[node]
        if !Faults.has(.xsa419) || isOwnedLikeParent(record) {
            domains[Int(record.account)].nodes -= 1
        }
        let entry = nodes[entry: node]
        domains[Int(record.account)].blocks -= nodes.blockCount(of: node)
        labels.account(entry.label, nodes: -1, bytes: -nodes.contentSize(of: node))
        blocks.release(entry.content)
        releasePermissions(record.permissions)
        nodes.free(node)
    }
}
