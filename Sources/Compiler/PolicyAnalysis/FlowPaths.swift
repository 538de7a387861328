/// Ways through a flow graph.
extension FlowGraph {
    /// How far each node is from the nearest of some, in steps.
    struct Distances {
        /// The nodes at distance 0, 1, 2, ...
        private(set) var rounds: [TypeSet]
        /// All of them.
        private(set) var reached: TypeSet

        init(from start: TypeSet) {
            rounds = [start]
            reached = start
        }

        mutating func add(_ round: TypeSet) {
            rounds.append(round)
            reached.formUnion(round)
        }

        /// The distance of a node; nil when it is not reached.
        func distance(of node: Int) -> Int? { rounds.firstIndex { $0.contains(node) } }
    }

    /// How far the information of some nodes comes.
    ///
    /// - Complexity: as many rows of the matrix as there are nodes.
    func distances(from start: TypeSet, most: Int = Int.max) -> Distances {
        var distances = Distances(from: start)
        while distances.rounds.count <= most, let last = distances.rounds.last, !last.isEmpty {
            var next = successors(of: last)
            next.subtract(distances.reached)
            guard !next.isEmpty else { break }
            distances.add(next)
        }
        return distances
    }

    /// From how far information comes to some nodes.
    func distances(to end: TypeSet, most: Int) -> Distances {
        var distances = Distances(from: end)
        while distances.rounds.count <= most, let last = distances.rounds.last, !last.isEmpty {
            var next = TypeSet(size: rowWords * 64)
            nodes.forEach { node in
                guard !distances.reached.contains(node) else { return }
                let first = node * rowWords
                for index in 0..<rowWords where matrix[first + index] & last.words[index] != 0 {
                    next.insert(node)
                    break
                }
            }
            guard !next.isEmpty else { break }
            distances.add(next)
        }
        return distances
    }

    /// The nodes to which information of some nodes comes, by any way.
    package func reached(from start: TypeSet) -> TypeSet {
        var reached = distances(from: start).reached
        reached.subtract(start)
        return reached
    }

    /// Shortest ways from any of some nodes to any of others, in the order of their nodes.
    ///
    /// - Parameter most: how many at most.
    /// - Returns: each way as its nodes, ends included; nothing when there is none.
    package func shortestPaths(from start: TypeSet, to end: TypeSet, most: Int) -> [[Int]] {
        let distances = distances(from: start)
        guard let length = distances.rounds.firstIndex(where: { $0.intersects(end) }), length > 0
        else { return [] }
        var ends = distances.rounds[length]
        ends.formIntersection(end)
        var paths: [[Int]] = []
        // Ways backwards, each with the nodes that may stand before its begin.
        var open = ends.numbers.reversed().map { [$0] }
        while let path = open.popLast(), paths.count < most {
            let step = length - path.count
            guard step >= 0 else {
                paths.append(path.reversed())
                continue
            }
            let next = path[path.count - 1]
            for node in distances.rounds[step].numbers.reversed() where flows(from: node, to: next)
            {
                open.append(path + [node])
            }
        }
        return paths
    }

    /// All ways without a node twice, of at most so many steps, the shorter first.
    ///
    /// - Parameter most: how many at most.
    /// - Returns: the ways, and whether the search ended before it had looked at everything, after
    ///   2,000,000 beginnings of ways.
    package func allPaths(
        from start: TypeSet, to end: TypeSet, longest: Int, most: Int
    ) -> (paths: [[Int]], isCut: Bool) {
        let distances = distances(to: end, most: longest)
        var paths: [[Int]] = []
        var looks = 0
        for length in stride(from: 1, through: longest, by: 1) {
            var open = start.numbers.reversed().map { [$0] }
            while let path = open.popLast(), paths.count < most {
                looks += 1
                guard looks <= Self.mostLooks else { return (paths, true) }
                let last = path[path.count - 1]
                let left = length - (path.count - 1)
                if left == 0 {
                    if end.contains(last) { paths.append(path) }
                    continue
                }
                guard path.count == 1 || !end.contains(last) else { continue }
                for node in successors(of: last).numbers.reversed()
                where distances.rounds.prefix(left).contains(where: { $0.contains(node) })
                    && !path.contains(node)
                {
                    open.append(path + [node])
                }
            }
            guard paths.count < most else { break }
        }
        return (paths, false)
    }

    /// In a graph where everything is near the end, most beginnings can still lead nowhere.
    private static let mostLooks = 2_000_000

    /// A shortest way that passes each of some sets in their order.
    ///
    /// - Returns: its nodes; nil when there is none. A node may stand in it twice.
    /// - Complexity: the sets' number times that of a search without them.
    package func path(from start: TypeSet, through sets: [TypeSet], to end: TypeSet) -> [Int]? {
        let empty = TypeSet(size: rowWords * 64)
        // What is reached after each number of sets was passed; and what is new in each round.
        var reached = Array(repeating: empty, count: sets.count + 1)
        var rounds: [[TypeSet]] = []
        var front = reached
        front[0] = start
        while front.contains(where: { !$0.isEmpty }) {
            for stage in sets.indices {
                var passing = front[stage]
                passing.formIntersection(sets[stage])
                passing.subtract(reached[stage + 1])
                front[stage + 1].formUnion(passing)
            }
            for stage in front.indices { reached[stage].formUnion(front[stage]) }
            rounds.append(front)
            if rounds.count > 1, front[sets.count].intersects(end) {
                return trace(rounds, sets, end)
            }
            for stage in front.indices {
                var next = successors(of: front[stage])
                next.subtract(reached[stage])
                front[stage] = next
            }
        }
        return nil
    }

    /// The way back through the rounds of a search.
    private func trace(_ rounds: [[TypeSet]], _ sets: [TypeSet], _ end: TypeSet) -> [Int]? {
        var round = rounds.count - 1
        var stage = sets.count
        var last = rounds[round][stage]
        last.formIntersection(end)
        guard var node = last.numbers.first else { return nil }
        var path = [node]
        while round > 0 || stage > 0 {
            if stage > 0, sets[stage - 1].contains(node), rounds[round][stage - 1].contains(node) {
                stage -= 1
                continue
            }
            guard round > 0,
                let before = rounds[round - 1][stage].numbers.first(where: {
                    flows(from: $0, to: node)
                })
            else { return nil }
            node = before
            path.append(node)
            round -= 1
        }
        return path.reversed()
    }
}

extension FlowGraph {
    /// The nodes from which information comes to some nodes, by any way.
    package func reaching(_ end: TypeSet) -> TypeSet {
        var found = distances(to: end, most: Int.max).reached
        found.subtract(end)
        return found
    }
}
