import BootArena

/// What must hold between requests.
extension StoreEngine {
    /// Whether the accounts add up: nodes and blocks of all domains against the tables.
    ///
    /// - Complexity: nodes, watches and transactions of the store.
    package func holdsInvariants() -> Bool {
        var (nodeSum, blockSum) = (0, 0)
        for index in domains.indices {
            let domain = domains[index]
            guard domain.nodes >= 0, domain.blocks >= 0, domain.reservedNodes >= 0,
                domain.permissionLists >= 0, domain.watches >= 0, domain.events >= 0,
                domain.accesses >= 0, domain.transactions >= 0
            else { return false }
            guard domain.nodes <= domain.quota.nodes, domain.blocks <= domain.quota.blocks else {
                return false
            }
            nodeSum += domain.nodes
            blockSum += domain.blocks
        }
        // Blocks that transactions hold together with the tree are counted for both.
        return nodeSum == nodes.count && blockSum >= blocks.usedCount && treeIsSound()
            && labelsAreSound()
    }

    /// Whether what is counted for labels adds up, and nothing is pending.
    private func labelsAreSound() -> Bool {
        var (nodeSum, byteSum) = (0, 0)
        for index in 0..<capacity.labels + LabelTable.ownCount {
            let usage = labels.usage(UInt16(truncatingIfNeeded: index))
            guard usage.nodes >= 0, usage.sizeInBytes >= 0 else { return false }
            nodeSum += usage.nodes
            byteSum += usage.sizeInBytes
        }
        var bytes = 0
        var node = NodeTable.root
        while node != 0 {
            bytes += nodes.contentSize(of: node)
            node = nodes.following(node, below: NodeTable.root)
        }
        return nodeSum == nodes.count && byteSum == bytes
    }

    private func treeIsSound() -> Bool {
        var count = 0
        var node = NodeTable.root
        while node != 0, count <= nodes.count {
            count += 1
            var (child, bytes, previous) = (nodes[node].firstChild, 0, UInt32(0))
            while child != 0 {
                guard nodes[child].parent == node, nodes[entry: child].previousSibling == previous
                else {
                    return false
                }
                let length = min(Int(nodes[entry: child].nameLength), BlockTable.blockSize)
                let name = blocks.front(nodes[entry: child].content, count: length)
                guard nodes[entry: child].namePrefix == namePrefix(name) else { return false }
                if !nodes.isForeign(child) { bytes += Int(nodes[entry: child].nameLength) + 1 }
                previous = child
                child = nodes[entry: child].nextSibling
            }
            guard bytes == nodes[node].childBytes, previous == nodes[node].lastChild else {
                return false
            }
            node = nodes.following(node, below: NodeTable.root)
        }
        return count == nodes.count
    }
}
