import PolicyChecks
import PolicySemantics
import PolicySyntax
import SecurityLattice
import Testing

/// Method: all 4,096 systems of four compartments, each with any set of channels between them, are
/// compared with a search written the slow way.
@Suite("flow graphs") struct FlowGraphTests {
    static let place = SourceSpan(file: "t", start: .start, end: .start)

    static func policy(compartments: Int, channels: [(Int, Int)]) -> SystemPolicy {
        let level = SecurityRange(SecurityLevel(Sensitivity(rank: 0)))
        return SystemPolicy(
            name: "s", version: 1, target: .casemate,
            sensitivities: [.init(name: "low", source: place)], categories: [],
            compartments: (0..<compartments).map {
                .init(
                    name: "c\($0)", range: level, kernel: .debian, initrd: nil, commandLine: "",
                    memoryInBytes: 64 << 20, vcpuCount: 1, source: place)
            },
            channels: channels.enumerated().map {
                .init(
                    name: "x\($0)", from: $1.0, to: $1.1, kind: .signal, source: place)
            }, assertions: [], source: place)
    }

    static let pairs = (0..<4).flatMap { a in (0..<4).map { (a, $0) } }.filter { $0.0 != $0.1 }

    /// The length of a shortest chain, by relaxing until nothing changes; nil when there is none.
    private func distances(_ edges: [(Int, Int)]) -> [[Int?]] {
        var distance = (0..<4).map { from in (0..<4).map { from == $0 ? 0 : nil as Int? } }
        for _ in 0..<4 {
            for from in 0..<4 {
                for (a, b) in edges {
                    guard let length = distance[from][a] else { continue }
                    if length + 1 < distance[from][b] ?? .max { distance[from][b] = length + 1 }
                }
            }
        }
        return distance
    }

    @Test("reach and chains are those of the slow search, for every small graph")
    func everySmallGraph() {
        for mask in 0..<(1 << Self.pairs.count) {
            let edges = Self.pairs.enumerated().filter { mask & (1 << $0.offset) != 0 }
                .map(\.element)
            let graph = FlowGraph(of: Self.policy(compartments: 4, channels: edges))
            let distance = distances(edges)
            let isRight = Self.pairs.allSatisfy { from, to in
                let chain = graph.shortestChain(
                    from: CompartmentSet(index: from), to: CompartmentSet(index: to))
                return graph.reach[from].contains(to) == (distance[from][to] != nil)
                    && graph.direct[from].contains(to) == (distance[from][to] == 1)
                    && chain?.count == distance[from][to]
                    && isChain(chain, from: from, to: to, edges)
            }
            guard isRight, (0..<4).allSatisfy({ graph.reach[$0].contains($0) }) else {
                Issue.record("wrong for \(edges)")
                return
            }
        }
    }

    private func isChain(
        _ chain: [FlowGraph.Step]?, from: Int, to: Int, _ edges: [(Int, Int)]
    ) -> Bool {
        guard let chain else { return true }
        let joins = zip(chain, chain.dropFirst()).allSatisfy { $0.to == $1.from }
        let areEdges = chain.allSatisfy { edges[$0.link] == ($0.from, $0.to) }
        return joins && areEdges && chain.first?.from == from && chain.last?.to == to
    }

    @Test("between sets the shortest chain is taken, never one of a compartment to itself")
    func betweenSets() {
        let graph = FlowGraph(
            of: Self.policy(compartments: 4, channels: [(0, 1), (1, 2), (2, 3), (3, 0)]))
        let low = CompartmentSet(bits: 0b0011)
        let high = CompartmentSet(bits: 0b1000)
        #expect(graph.shortestChain(from: low, to: high)?.map(\.link) == [1, 2])
        #expect(graph.shortestChain(from: low, to: low)?.map(\.link) == [0])
        #expect(graph.shortestChain(from: high, to: high) == nil)
        #expect(graph.shortestChain(from: low, to: CompartmentSet()) == nil)
        #expect(graph.shortestChain(from: CompartmentSet(4..<512), to: low) == nil)
    }

    @Test("of equally short chains that of the lowest compartment is taken") func ties() {
        let graph = FlowGraph(
            of: Self.policy(compartments: 4, channels: [(2, 3), (0, 1), (0, 1), (0, 3)]))
        let chain = graph.shortestChain(
            from: CompartmentSet(bits: 0b0101), to: CompartmentSet(bits: 0b1010))
        #expect(chain?.map(\.link) == [1])
    }

    @Test("the rows hold at 512 compartments too") func rows() {
        let chain = (0..<511).map { ($0, $0 + 1) }
        let graph = FlowGraph(of: Self.policy(compartments: 512, channels: chain))
        for index in 0..<512 {
            #expect(graph.reach[index] == CompartmentSet(index..<512))
            #expect(graph.direct[index].contains(index))
        }
        #expect(
            graph.shortestChain(
                from: CompartmentSet(index: 0), to: CompartmentSet(index: 511))?.count == 511)
    }

    @Test("channels between two compartments are all named, in order") func parallel() {
        let graph = FlowGraph(
            of: Self.policy(compartments: 2, channels: [(0, 1), (1, 0), (0, 1)]))
        #expect(graph.links(from: 0, to: 1) == [0, 2])
        #expect(graph.links(from: 1, to: 0) == [1])
        #expect(
            graph.shortestChain(
                from: CompartmentSet(index: 0), to: CompartmentSet(index: 1))?.map(\.link) == [0]
        )
    }

    @Test("a service keeps its users apart, but a user passes on what it was given")
    func users() throws {
        func compartment(_ kind: String, _ name: String, _ uses: String = "") -> String {
            "\(kind) \(name) at low..high {\n    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
                + "\(uses)}\n"
        }
        let both = "    uses store, console\n"
        let text =
            "system s version 1\ntarget casemate\nlevels low < high\n"
            + compartment("service", "store") + compartment("service", "console")
            + compartment("compartment", "a", both) + compartment("compartment", "b", both)
        let result = CheckResult.check(SourceFile(name: "s", text: text))
        let graph = FlowGraph(of: try #require(result.policy))
        // 0 the store, 1 the console, 2 and 3 their users.
        #expect(graph.reach[0] == CompartmentSet(bits: 0b1111))
        #expect(graph.chain(from: 0, to: 1)?.map(\.from) == [0, 2])
        #expect(graph.reach[2] == CompartmentSet(bits: 0b0111))
        #expect(graph.reach[3] == CompartmentSet(bits: 0b1011))
    }
}
