import PolicyDatabaseModel

/// How information can come from some types to others.
package struct FlowQuestion: Sendable {
    /// Types or attributes, any of whose information it is; each may have `@` and a level.
    package var from: [String] = []
    /// Where it may come, likewise.
    package var to: [String] = []
    /// What it passes, in this order.
    package var via: [String] = []
    /// What it never passes, and what is neither its begin nor its end.
    package var never: [String] = []
    /// Which ways are shown.
    package var ways = Ways.shortest
    /// How many at most.
    package var most = 20

    /// Creates a question without ends.
    package init() {}

    /// Which ways are shown.
    package enum Ways: Equatable, Sendable {
        /// One of the shortest.
        case shortest
        /// All of the shortest.
        case allShortest
        /// All that pass no node twice and have at most so many steps.
        case upTo(Int)
    }
}

/// The ways of an answer.
package struct FlowAnswer: Equatable, Sendable {
    /// Each way as the nodes that it passes.
    package var paths: [[Int]] = []
    /// Whether there may be more than are shown.
    package var isCut = false
}

extension FlowGraph {
    /// Levels that a question's ends name, so that a graph can be built that knows them.
    ///
    /// - Throws: `.unknownName`, `.badQuestion`.
    package static func levels(
        of names: [String], in policy: IndexedPolicy
    ) throws(PolicyAnalysisError) -> [LevelRange] {
        var levels: [LevelRange] = []
        for name in names {
            guard let mark = name.firstIndex(of: "@") else { continue }
            guard policy.file.isMultilevel else {
                throw PolicyAnalysisError(
                    .badQuestion, "`\(name)` has a level, and the policy has none")
            }
            let range = try policy.levelRange(named: String(name[name.index(after: mark)...]))
            if !levels.contains(range) { levels.append(range) }
        }
        return levels
    }

    /// The nodes that names stand for.
    ///
    /// - Throws: `.unknownName`, `.badQuestion`.
    package func nodes(named names: [String]) throws(PolicyAnalysisError) -> TypeSet {
        var found = TypeSet(size: rowWords * 64)
        for name in names {
            let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let types = policy.types(of: try policy.typeOrAttribute(String(parts[0])))
            var range: LevelRange?
            if parts.count == 2 {
                range = try policy.levelRange(named: String(parts[1]))
                guard levels.contains(range) else {
                    throw PolicyAnalysisError(
                        .badQuestion, "nothing is considered to have the level of `\(name)`")
                }
            }
            found.formUnion(nodes(of: types, at: range))
        }
        return found
    }

    /// Answers a question.
    ///
    /// - Throws: `.unknownName`, `.badQuestion`: also when it has no ends.
    package func answer(_ question: FlowQuestion) throws(PolicyAnalysisError) -> FlowAnswer {
        guard !question.from.isEmpty, !question.to.isEmpty else {
            throw PolicyAnalysisError(.badQuestion, "a way has a begin and an end")
        }
        let (start, end) = (try nodes(named: question.from), try nodes(named: question.to))
        var graph = self
        if !question.never.isEmpty {
            var avoided = try nodes(named: question.never)
            // Ends are not passed.
            avoided.subtract(start)
            avoided.subtract(end)
            graph.exclude(nodes: avoided)
        }
        var answer = FlowAnswer()
        if !question.via.isEmpty {
            var stops: [TypeSet] = []
            for name in question.via { stops.append(try graph.nodes(named: [name])) }
            if let path = graph.path(from: start, through: stops, to: end) { answer.paths = [path] }
            return answer
        }
        // One more than is shown says whether there are more.
        let most = question.most < Int.max ? question.most + 1 : question.most
        switch question.ways {
        case .shortest: answer.paths = graph.shortestPaths(from: start, to: end, most: 1)
        case .allShortest: answer.paths = graph.shortestPaths(from: start, to: end, most: most)
        case .upTo(let steps):
            (answer.paths, answer.isCut) = graph.allPaths(
                from: start, to: end, longest: steps, most: most)
        }
        if answer.paths.count > question.most {
            answer.paths.removeLast(answer.paths.count - question.most)
            answer.isCut = true
        }
        return answer
    }
}
