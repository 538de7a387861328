/// From which nodes information comes to which, by any way: all pairs at once.
///
/// Nodes that reach each other are one component, and components are taken in an order in which
/// each comes after those that it reaches; so every row of the closure is joined once.
package struct FlowClosure: Sendable {
    /// The component of each node; -1 for what is no node.
    package private(set) var component: [Int]
    /// The nodes of each component.
    package private(set) var components: [TypeSet] = []
    /// For each component the nodes that it reaches, itself only when it has several.
    package private(set) var reached: [TypeSet] = []

    /// Computes the closure.
    ///
    /// - Complexity: the words of the matrix, and for each component the words of a row times the
    ///   components that it reaches directly and not through another.
    package init(_ graph: FlowGraph) {
        component = Array(repeating: -1, count: graph.rowWords * 64)
        findComponents(graph)
        let size = graph.rowWords * 64
        for index in components.indices {
            var direct = TypeSet(size: size)
            components[index].forEach { node in
                let first = node * graph.rowWords
                for word in 0..<graph.rowWords { direct.words[word] |= graph.matrix[first + word] }
            }
            var all = direct
            if components[index].count > 1 { all.formUnion(components[index]) }
            var open = direct
            open.subtract(components[index])
            while let next = open.words.firstIndex(where: { $0 != 0 }) {
                let node = next << 6 + open.words[next].trailingZeroBitCount
                let other = component[node]
                all.formUnion(reached[other])
                open.subtract(reached[other])
                open.subtract(components[other])
            }
            reached.append(all)
        }
    }

    /// The nodes to which information of a node comes.
    package func reached(from node: Int) -> TypeSet {
        component[node] >= 0 ? reached[component[node]] : TypeSet(size: component.count)
    }

    /// Whether information of a node comes to another.
    package func reaches(_ source: Int, _ target: Int) -> Bool {
        component[source] >= 0 && reached[component[source]].contains(target)
    }

    /// How many ordered pairs of different nodes have a way.
    package var pairCount: Int {
        components.indices.reduce(0) { sum, index in
            let size = components[index].count
            return sum + size * (reached[index].count - (size > 1 ? 1 : 0))
        }
    }

    /// Tarjan's algorithm, with a stack of its own.
    private mutating func findComponents(_ graph: FlowGraph) {
        let size = graph.rowWords * 64
        var unseen = graph.nodes
        var numbers = Array(repeating: 0, count: size)
        var lows = Array(repeating: 0, count: size)
        var waiting: [Int] = []
        var isWaiting = TypeSet(size: size)
        var counter = 0
        for root in graph.nodes.numbers where unseen.contains(root) {
            var calls = [root]
            while let node = calls.last {
                if unseen.contains(node) {
                    unseen.remove(node)
                    counter += 1
                    numbers[node] = counter
                    lows[node] = counter
                    waiting.append(node)
                    isWaiting.insert(node)
                }
                let first = node * graph.rowWords
                var next = -1
                for word in 0..<graph.rowWords {
                    let bits = graph.matrix[first + word] & unseen.words[word]
                    if bits != 0 {
                        next = word << 6 + bits.trailingZeroBitCount
                        break
                    }
                }
                if next >= 0 {
                    calls.append(next)
                    continue
                }
                calls.removeLast()
                // All that it reaches has been seen: the lowest of those that still wait counts.
                for word in 0..<graph.rowWords {
                    var bits = graph.matrix[first + word] & isWaiting.words[word]
                    while bits != 0 {
                        lows[node] = min(lows[node], lows[word << 6 + bits.trailingZeroBitCount])
                        bits &= bits - 1
                    }
                }
                guard lows[node] == numbers[node] else { continue }
                close(at: node, &waiting, &isWaiting)
            }
        }
    }

    private mutating func close(
        at root: Int, _ waiting: inout [Int], _ isWaiting: inout TypeSet
    ) {
        var members = TypeSet(size: component.count)
        while let node = waiting.popLast() {
            isWaiting.remove(node)
            component[node] = components.count
            members.insert(node)
            if node == root { break }
        }
        components.append(members)
    }
}
