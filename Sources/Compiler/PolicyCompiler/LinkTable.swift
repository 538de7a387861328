import PolicySemantics
import SecurityLattice

/// What the links of a system let one compartment do to another, each ordered pair once.
///
/// Two links of one pair share types, so the table holds what any of them gives. Where a link leads
/// against the levels it says whether an exemption of the sender covers it: only then does the
/// constraint on levels make an exception for the pair.
struct LinkTable {
    /// What joins `owner` to `peer`.
    struct Pair {
        /// The index of the compartment that holds the end.
        let owner: Int
        /// The index of the compartment at the other end.
        let peer: Int
        /// Whether they have an event channel.
        var isJoined = false
        /// Whether the owner signals the peer.
        var sends = false
        /// Whether the owner signals the peer against the levels.
        var sendsByExemption = false
        /// Whether the peer maps the owner's pages for reading, and for writing.
        var isRead = false
        var isWritten = false
        /// Whether the peer does so against the levels.
        var isReadByExemption = false
        var isWrittenByExemption = false
        /// Whether data is copied from the owner's pages to the peer's, and against the levels.
        var copies = false
        var copiesByExemption = false
        /// Whether the peer, store, console or TPM of other levels, may know if the owner lives:
        /// what the owner says to it may come there.
        var isKnownAcrossLevels = false
        /// Whether the peer, the TPM's service, finds the owner's ring among its nodes.
        var showsRing = false
        /// Whether the owner leaves things in the store for the peer, and against the levels.
        var hasDirectory = false
        var writesByExemption = false
    }

    /// The pairs, rising by owner and peer.
    let pairs: [Pair]
    private let positions: [Int: Int]
    private let width: Int
    private let linkCount: Int
    private let exempt: Set<Int>
    private let ranges: [SecurityRange]

    init(_ system: SystemPolicy) {
        width = system.compartments.count
        ranges = system.compartments.map(\.range)
        let links = system.links.count
        exempt = Set(system.further.exemptions.map { $0.subject * links + $0.to })
        var builder = Builder(
            width: width, linkCount: links, ranges: ranges, exempt: exempt,
            usesStore: system.compartments.map { $0.uses.contains { $0.service == .store } })
        for (index, link) in system.links.enumerated() {
            builder.add(link, index, channels: system.channels)
        }
        pairs = builder.pairs.sorted { ($0.owner, $0.peer) < ($1.owner, $1.peer) }
        var positions: [Int: Int] = [:]
        for (position, pair) in pairs.enumerated() {
            positions[pair.owner * width + pair.peer] = position
        }
        self.positions = positions
        linkCount = links
    }

    /// Returns the position of a pair.
    func position(owner: Int, peer: Int) -> Int? { positions[owner * width + peer] }

    /// Returns whether what `from` sends by a link may come to `to`: upwards, or by an exemption.
    func passes(from: Int, to: Int, link: Int) -> Bool {
        mayFlow(from: ranges[from], to: ranges[to]) || exempt.contains(from * linkCount + link)
    }

    /// Collects the pairs.
    private struct Builder {
        let width: Int
        let linkCount: Int
        let ranges: [SecurityRange]
        let exempt: Set<Int>
        let usesStore: [Bool]
        var pairs: [Pair] = []
        var known: [Int: Int] = [:]

        mutating func add(
            _ link: SystemPolicy.Link, _ index: Int, channels: [SystemPolicy.Channel]
        ) {
            switch link.kind {
            case .channel(let number):
                let channel = channels[number]
                let meet = usesStore[channel.from] && usesStore[channel.to]
                for edge in link.edges {
                    if meet { leave(edge, index) }
                    guard channel.kind != .store else { continue }
                    signal(edge, index)
                    if channel.kind != .signal { share(edge, index, channel.isTwoWay) }
                }
            case .use(let service):
                for edge in link.edges { signal(edge, index) }
                guard let use = link.edges.first else { return }
                // The service maps the page of its user; the user maps nothing.
                map(owner: use.from, peer: use.to, index, forWriting: !service.isOneWay)
                guard service == .store || service == .console || service == .tpm else { return }
                let shows = service == .tpm && usesStore[use.from] && usesStore[use.to]
                update(use.from, use.to) { pair, there in
                    if shows { pair.showsRing = true }
                    if !there.isLevel, there.isPermitted(index) { pair.isKnownAcrossLevels = true }
                }
            case .subtree: return
            }
        }

        /// An edge that an event channel serves: both ends exist, the sender's may send.
        private mutating func signal(_ edge: SystemPolicy.Edge, _ link: Int) {
            update(edge.from, edge.to) { pair, isDown in
                pair.isJoined = true
                pair.sends = true
                if isDown.needsExemption(link) { pair.sendsByExemption = true }
            }
            update(edge.to, edge.from) { pair, _ in pair.isJoined = true }
        }

        /// An edge that pages serve: the sender's, read by the receiver, and copies.
        private mutating func share(_ edge: SystemPolicy.Edge, _ link: Int, _ isTwoWay: Bool) {
            map(owner: edge.from, peer: edge.to, link, forWriting: isTwoWay)
            update(edge.from, edge.to) { pair, there in
                pair.copies = true
                if there.needsExemption(link) { pair.copiesByExemption = true }
            }
        }

        private mutating func map(owner: Int, peer: Int, _ link: Int, forWriting: Bool) {
            let back = passage(from: peer, to: owner)
            update(owner, peer) { pair, there in
                pair.isRead = true
                if there.needsExemption(link) { pair.isReadByExemption = true }
                guard forWriting else { return }
                pair.isWritten = true
                if !there.isLevel, there.isPermitted(link), back.isPermitted(link) {
                    pair.isWrittenByExemption = true
                }
            }
        }

        /// An edge whose ends find each other in the store.
        private mutating func leave(_ edge: SystemPolicy.Edge, _ link: Int) {
            update(edge.from, edge.to) { pair, there in
                pair.hasDirectory = true
                if there.needsExemption(link) { pair.writesByExemption = true }
            }
        }

        private mutating func update(
            _ owner: Int, _ peer: Int, _ change: (inout Pair, Passage) -> Void
        ) {
            let key = owner * width + peer
            let position = known[key] ?? pairs.count
            if position == pairs.count {
                known[key] = position
                pairs.append(Pair(owner: owner, peer: peer))
            }
            change(&pairs[position], passage(from: owner, to: peer))
        }

        private func passage(from: Int, to: Int) -> Passage {
            Passage(
                sender: from, linkCount: linkCount, exempt: exempt,
                isDown: !mayFlow(from: ranges[from], to: ranges[to]),
                isLevel: ranges[from].high == ranges[to].high)
        }
    }

    /// What the levels, and exemptions, say of a way from one compartment to another.
    private struct Passage {
        let sender: Int
        let linkCount: Int
        let exempt: Set<Int>
        let isDown: Bool
        let isLevel: Bool

        /// Whether the way leads against the levels, and an exemption covers that.
        func needsExemption(_ link: Int) -> Bool { isDown && isExempt(link) }

        /// Whether the way may be gone.
        func isPermitted(_ link: Int) -> Bool { !isDown || isExempt(link) }

        private func isExempt(_ link: Int) -> Bool { exempt.contains(sender * linkCount + link) }
    }
}
