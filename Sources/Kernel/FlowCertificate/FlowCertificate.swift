public import SecurityLattice

/// The compiler's proof of where information can come to, as a small checker reads it.
///
/// For: the hypervisor at boot, before any compartment runs, and verifiers. Finding what a claim
/// needs takes a search; checking it takes one pass over the file. Not for: finding flows; those
/// come from the decisions of the loaded policy, which the caller hands in, as do the labels. It
/// trusts nothing about the bytes, and nothing about the compiler.
///
/// - Invariant (shape): every rule of form of `docs/abi/certificate.md` holds, so accessors neither
///   throw nor trap for indices below the counts.
/// - Source: `docs/abi/certificate.md`, version 2.
public struct FlowCertificate: ~Escapable {
    private let bytes: Span<UInt8>
    private let layout: Layout

    /// Reads a certificate; `check(labels:observedFlows:)` then decides whether it holds.
    ///
    /// - Parameter compartmentCount: the number of compartments of the manifest.
    /// - Throws: the first rule of form that does not hold, in the order of the file.
    /// - Trust: none.
    /// - Complexity: linear in the size of the file.
    @_lifetime(copy bytes)
    public init(validating bytes: Span<UInt8>, compartmentCount: Int) throws(FlowCertificateError) {
        layout = try Layout(validating: bytes, compartmentCount: compartmentCount)
        self.bytes = bytes
        try validateRecords()
    }

    private func validateRecords() throws(FlowCertificateError) {
        try validateEdges()
        try validateExemptions()
        try validatePassing()
        try validateClaims()
    }

    /// The number of compartments, 1 to 512.
    public var compartmentCount: Int { layout.compartments.count }
    /// The number of edges, at most 65,535.
    public var edgeCount: Int { layout.edges.count }
    /// The number of exemptions, at most 65,534.
    public var exemptionCount: Int { layout.exemptions.count }
    /// The number of claims, at most 65,535.
    public var claimCount: Int { layout.claims.count }

    /// The number of 32-bit words of a set of compartments, and so of a row of observed flows.
    public static func rowWordCount(compartmentCount: Int) -> Int { (compartmentCount + 31) / 32 }
}

extension FlowCertificate {
    /// A way for information from one compartment straight to another.
    public struct Edge: Equatable {
        /// The compartment that information comes from, and another one that it comes to.
        public let from: Int, to: Int
        /// The number of the channel, use or subtree; both ways of one have the same.
        public let link: Int
        /// What the edge has to do with a service.
        public let use: Use
        /// One more than the exemption of `from` for sending against the levels, and than that of
        /// `to` for receiving from lower integrity; 0: none.
        fileprivate let exemptionOut: Int, exemptionIn: Int
        /// The first word of the edges by which `to` passes on what comes by this one.
        fileprivate let passing: Int
        fileprivate var place: Int { from << 32 | to << 16 | link }
    }

    /// What an edge has to do with a service: nothing; `to` serves `from`; or the other way round.
    public enum Use: UInt16 { case none, request, answer }

    /// A compartment may pass on what came by one link to another, against the rules.
    public struct Exemption: Equatable {
        /// The exempt compartment.
        public let subject: Int
        /// The link by which it came, and the one by which it may leave.
        public let from: Int, to: Int
        fileprivate var place: Int { subject << 32 | from << 16 | to }
    }

    /// What the source says: `assert never`, `assert never … except via`, `assert every path …
    /// passes`, `assert control … only through`, or `conflict`.
    public enum ClaimKind: UInt32 { case never, exceptVia, everyPath, onlyThrough, conflict }

    /// Returns the integrity of a compartment; a larger number is trusted more.
    ///
    /// - Precondition: `compartment` is below `compartmentCount`.
    public func integrity(of compartment: Int) -> UInt16 {
        half(layout.compartments.offset(of: compartment) + 4)
    }

    /// Whether what a compartment passes on is judged edge by edge; else it passes on everything.
    private func keepsApart(_ compartment: Int) -> Bool {
        half(layout.compartments.offset(of: compartment) + 6) != 0
    }

    /// The first edge that leaves a compartment; for the number of compartments, the end.
    @inline(never) private func firstEdge(of compartment: Int) -> Int {
        guard compartment < compartmentCount else { return edgeCount }
        return Int(word(layout.compartments.offset(of: compartment)))
    }

    @inline(never) private func edges(leaving compartment: Int) -> Range<Int> {
        let first = firstEdge(of: compartment)
        return first..<max(first, firstEdge(of: compartment + 1))
    }

    /// Returns an edge.
    ///
    /// - Precondition: `index` is below `edgeCount`.
    @inline(never) public func edge(at index: Int) -> Edge {
        let offset = layout.edges.offset(of: index)
        return Edge(
            from: Int(half(offset)), to: Int(half(offset + 2)), link: Int(half(offset + 4)),
            use: Use(rawValue: half(offset + 6)) ?? .none, exemptionOut: Int(half(offset + 8)),
            exemptionIn: Int(half(offset + 10)), passing: Int(word(offset + 12)))
    }

    /// Returns an exemption.
    ///
    /// - Precondition: `index` is below `exemptionCount`.
    @inline(never) public func exemption(at index: Int) -> Exemption {
        let offset = layout.exemptions.offset(of: index)
        return Exemption(
            subject: Int(half(offset)), from: Int(half(offset + 2)), to: Int(half(offset + 4)))
    }

    /// Returns a claim.
    ///
    /// - Precondition: `index` is below `claimCount`.
    @inline(never) public func claim(at index: Int) -> Claim {
        let offset = layout.claims.offset(of: index)
        let (n, e) = (layout.compartmentWords, layout.edgeWords)
        func set(_ words: Int, _ count: Int, _ members: Int) -> ClaimSet {
            ClaimSet(start: offset + 8 + 4 * words, wordCount: count, memberCount: members)
        }
        return Claim(
            kind: ClaimKind(rawValue: word(offset)) ?? .never, line: word(offset + 4),
            from: set(0, n, compartmentCount), to: set(n, n, compartmentCount),
            reached: set(2 * n, n, compartmentCount), excepted: set(3 * n, e, edgeCount),
            carrying: set(3 * n + e, e, edgeCount))
    }

    /// A claim: information of no compartment of `from` comes to one of `to`, but by an excepted
    /// edge.
    public struct Claim {
        /// What the source says.
        public let kind: ClaimKind
        /// The line of the source.
        public let line: UInt32
        /// Compartments: whose information, where it must not come to, where it may.
        fileprivate let from: ClaimSet, to: ClaimSet, reached: ClaimSet
        /// Edges: those excepted, and those that may carry the information.
        fileprivate let excepted: ClaimSet, carrying: ClaimSet
    }

    /// Where the words of a set are; the lowest member is the lowest bit of the first.
    fileprivate struct ClaimSet {
        let start: Int, wordCount: Int, memberCount: Int
    }

    @inline(never)
    private func half(_ at: Int) -> UInt16 { UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8 }

    @inline(never) private func word(_ offset: Int) -> UInt32 { littleEndian32(bytes, at: offset) }

    private func passing(_ index: Int) -> UInt32 { word(layout.passing.offset(of: index)) }

    /// Returns word `index` of a set; 0 beyond its end.
    @inline(never) private func word(_ index: Int, of set: ClaimSet) -> UInt32 {
        index < set.wordCount ? word(set.start + 4 * index) : 0
    }

    @inline(never) private func contains(_ set: ClaimSet, _ member: Int) -> Bool {
        word(member >> 5, of: set) >> UInt32(member & 31) & 1 != 0
    }

    /// Returns 32 members of a set from `member` on, the first as the lowest bit.
    private func bits(_ set: ClaimSet, from member: Int) -> UInt32 {
        let two = UInt64(word(member >> 5 + 1, of: set)) << 32 | UInt64(word(member >> 5, of: set))
        return UInt32(truncatingIfNeeded: two >> UInt64(member & 31))
    }
}

extension FlowCertificate {
    /// Decides whether the certificate is sound for a policy and its labels, and proves its claims.
    ///
    /// - Parameters:
    ///   - labels: the ranges of the compartments, from the loaded policy.
    ///   - observedFlows: for each compartment `rowWordCount` words, whose bits are those that the
    ///     decisions of the loaded policy let it send to.
    /// - Throws: `.wrongCompartmentCount` if there is not one label and one row for each of them;
    ///   else the first of the rules of `docs/abi/certificate.md` that does not hold.
    /// - Complexity: compartments squared; the bits that say what passes; claims times edges and
    ///   times the words that say what passes.
    public func check(
        labels: Span<SecurityRange>, observedFlows: Span<UInt32>
    ) throws(FlowCertificateError) {
        guard labels.count == compartmentCount,
            observedFlows.count == compartmentCount * layout.compartmentWords
        else { throw .wrongCompartmentCount }
        try checkSound(observedFlows)
        for index in 0..<edgeCount { try checkRules(edge(at: index), labels) }
        for index in 0..<edgeCount { try checkPassing(edge(at: index), labels) }
        for index in 0..<claimCount { try checkClaim(claim(at: index)) }
    }

    /// Rule 1: no flow of the policy is left out.
    private func checkSound(_ observed: Span<UInt32>) throws(FlowCertificateError) {
        for from in 0..<compartmentCount {
            var next = firstEdge(of: from)
            let end = edges(leaving: from).upperBound
            for index in 0..<layout.compartmentWords {
                var known: UInt32 = 0
                while next < end {
                    let to = edge(at: next).to
                    guard to >> 5 == index else { break }
                    known |= 1 << UInt32(to & 31)
                    next += 1
                }
                if from >> 5 == index { known |= 1 << UInt32(from & 31) }
                guard observed[from * layout.compartmentWords + index] & ~known == 0 else {
                    throw .flowNotCertified
                }
            }
        }
    }

    /// Rules 2 and 3: no edge against levels or integrity without an exemption.
    private func checkRules(
        _ edge: Edge, _ labels: Span<SecurityRange>
    ) throws(FlowCertificateError) {
        if leadsDown(edge, labels) {
            guard edge.exemptionOut > 0, exemption(at: edge.exemptionOut - 1).to == edge.link,
                exemption(at: edge.exemptionOut - 1).subject == edge.from,
                mayFlow(from: labels[edge.from].low, to: labels[edge.to].high)
            else { throw .edgeAgainstLevels }
        }
        if raisesIntegrity(edge) {
            guard edge.exemptionIn > 0, exemption(at: edge.exemptionIn - 1).from == edge.link,
                exemption(at: edge.exemptionIn - 1).subject == edge.to
            else { throw .edgeAgainstIntegrity }
        }
    }

    private func leadsDown(_ edge: Edge, _ labels: Span<SecurityRange>) -> Bool {
        !mayFlow(from: labels[edge.from].high, to: labels[edge.to].high)
    }

    private func raisesIntegrity(_ edge: Edge) -> Bool {
        integrity(of: edge.from) < integrity(of: edge.to)
    }

    /// Rule 4: what is said not to pass must not.
    private func checkPassing(
        _ edge: Edge, _ labels: Span<SecurityRange>
    ) throws(FlowCertificateError) {
        guard keepsApart(edge.to) else { return }
        let next = edges(leaving: edge.to)
        for place in 0..<next.count {
            let isSaid = passing(edge.passing + place >> 5) >> UInt32(place & 31) & 1 != 0
            if !isSaid, passes(edge, self.edge(at: next.lowerBound + place), labels) {
                throw .keepsTooMuch
            }
        }
    }

    /// Returns whether what came by one edge may leave by the next.
    private func passes(_ edge: Edge, _ next: Edge, _ labels: Span<SecurityRange>) -> Bool {
        let (here, there) = (labels[edge.to], labels[next.to].high)
        let carried = leadsDown(edge, labels) ? here.high : labels[edge.from].high
        let byLevel = mayFlow(from: here.high, to: there) || mayFlow(from: carried, to: there)
        let byIntegrity =
            !raisesIntegrity(edge) || integrity(of: next.to) <= integrity(of: edge.from)
        let byService =
            edge.use != .request || next.use != .answer || here.isSingleLevel
            || edge.link == next.link
        if byLevel && byIntegrity && byService { return true }
        return exemptionIndex(subject: edge.to, from: edge.link, to: next.link) != nil
    }

    /// Returns the index of an exemption, by halving; nil: there is none.
    public func exemptionIndex(subject: Int, from: Int, to: Int) -> Int? {
        let wanted = Exemption(subject: subject, from: from, to: to)
        var (low, high) = (0, exemptionCount)
        while low < high {
            let middle = (low + high) / 2
            let found = exemption(at: middle)
            if found == wanted { return middle }
            if found.place < wanted.place { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    /// Rule 5: every claim has a closed set of edges that its targets are not in.
    private func checkClaim(_ claim: Claim) throws(FlowCertificateError) {
        for place in 0..<layout.compartmentWords
        where word(place, of: claim.to) & word(place, of: claim.reached) != 0 {
            throw .claimViolated
        }
        for compartment in 0..<compartmentCount {
            let sendsAll =
                contains(claim.from, compartment)
                || contains(claim.reached, compartment) && !keepsApart(compartment)
            for index in edges(leaving: compartment) {
                let isCarrying = contains(claim.carrying, index)
                guard isCarrying != contains(claim.excepted, index) || !isCarrying && !sendsAll
                else { throw .notClosed }
                if isCarrying { try checkCarrying(edge(at: index), claim) }
            }
        }
    }

    /// What a carrying edge brings is counted as there, and goes on.
    private func checkCarrying(_ edge: Edge, _ claim: Claim) throws(FlowCertificateError) {
        guard contains(claim.reached, edge.to) else { throw .notClosed }
        guard keepsApart(edge.to) else { return }
        let next = edges(leaving: edge.to)
        for place in 0..<(next.count + 31) / 32 {
            let first = next.lowerBound + 32 * place
            let on = passing(edge.passing + place) & ~bits(claim.excepted, from: first)
            guard on & ~bits(claim.carrying, from: first) == 0 else { throw .notClosed }
        }
    }
}

// MARK: - Rules of form

extension FlowCertificate {
    /// Edges stand in order, each names what exists, and each compartment says where its own begin.
    private func validateEdges() throws(FlowCertificateError) {
        var next = 0
        var before = -1
        for index in 0..<edgeCount {
            let edge = edge(at: index)
            guard edge.from < compartmentCount, edge.to < compartmentCount, edge.from != edge.to,
                half(layout.edges.offset(of: index) + 6) <= 2,
                edge.exemptionOut <= exemptionCount, edge.exemptionIn <= exemptionCount
            else { throw .badValue }
            guard before < edge.place else { throw .badOrder }
            before = edge.place
            while next <= edge.from {
                guard firstEdge(of: next) == index else { throw .badOrder }
                next += 1
            }
        }
        for index in 0..<compartmentCount {
            guard index < next || firstEdge(of: index) == edgeCount else { throw .badOrder }
            guard half(layout.compartments.offset(of: index) + 6) <= 1 else { throw .badValue }
        }
    }

    /// Exemptions stand in order, none twice.
    private func validateExemptions() throws(FlowCertificateError) {
        var before = -1
        for index in 0..<exemptionCount {
            let exemption = exemption(at: index)
            guard exemption.subject < compartmentCount,
                half(layout.exemptions.offset(of: index) + 6) == 0
            else { throw .badValue }
            guard before < exemption.place else { throw .badOrder }
            before = exemption.place
        }
    }

    /// The edges to compartments that keep apart say in their order, without a gap, where it stands
    /// what passes on from them.
    private func validatePassing() throws(FlowCertificateError) {
        var next = 0
        for index in 0..<edgeCount {
            let edge = edge(at: index)
            let count = keepsApart(edge.to) ? edges(leaving: edge.to).count : 0
            guard edge.passing == (keepsApart(edge.to) ? next : 0),
                layout.passing.count - next >= (count + 31) / 32
            else { throw .badOrder }
            next += (count + 31) / 32
            guard count & 31 == 0 || passing(next - 1) >> UInt32(count & 31) == 0 else {
                throw .bitOutOfRange
            }
        }
        guard next == layout.passing.count else { throw .badOrder }
    }

    /// Claims are of a known kind, and their sets hold only what exists.
    private func validateClaims() throws(FlowCertificateError) {
        for index in 0..<claimCount {
            guard ClaimKind(rawValue: word(layout.claims.offset(of: index))) != nil else {
                throw .badValue
            }
            let claim = claim(at: index)
            guard isWithin(claim.from), isWithin(claim.to), isWithin(claim.reached),
                isWithin(claim.excepted), isWithin(claim.carrying)
            else { throw .bitOutOfRange }
            guard claim.kind == .never || claim.kind == .conflict else { continue }
            for place in 0..<layout.edgeWords where word(place, of: claim.excepted) != 0 {
                throw .claimExcepts
            }
        }
    }

    private func isWithin(_ set: ClaimSet) -> Bool {
        let rest = UInt32(set.memberCount & 31)
        return rest == 0 || word(set.wordCount - 1, of: set) >> rest == 0
    }
}

/// Where the tables of a certificate are: inside the file, which ends with the last.
private struct Layout {
    struct Table {
        let start: Int, count: Int, stride: Int
        var end: Int { start + count * stride }
        func offset(of index: Int) -> Int { start + index * stride }
    }

    let compartments: Table, edges: Table, exemptions: Table, passing: Table, claims: Table
    /// The 32-bit words of a set of compartments, and of one of edges.
    let compartmentWords: Int, edgeWords: Int

    init(validating bytes: Span<UInt8>, compartmentCount: Int) throws(FlowCertificateError) {
        guard bytes.count >= headerSize else { throw .wrongSize }
        guard littleEndian32(bytes, at: 0) == 0x3243_4643 else { throw .badMagic }
        guard littleEndian32(bytes, at: 4) == 0 else { throw .unknownFeature }
        guard (1...mostCompartments).contains(compartmentCount),
            littleEndian32(bytes, at: 8) == UInt32(compartmentCount)
        else { throw .wrongCompartmentCount }
        let edgeCount = littleEndian32(bytes, at: 12)
        let exemptionCount = littleEndian32(bytes, at: 16)
        let claimCount = littleEndian32(bytes, at: 24)
        // So the sum of all sizes stays far below 2^63.
        guard edgeCount <= 65_535, exemptionCount <= 65_534, claimCount <= 65_535,
            littleEndian32(bytes, at: 28) == 0
        else { throw .badValue }
        compartmentWords = (compartmentCount + 31) / 32
        edgeWords = (Int(edgeCount) + 31) / 32
        compartments = Table(start: headerSize, count: compartmentCount, stride: 8)
        edges = Table(start: compartments.end, count: Int(edgeCount), stride: 16)
        exemptions = Table(start: edges.end, count: Int(exemptionCount), stride: 8)
        passing = Table(
            start: exemptions.end, count: Int(littleEndian32(bytes, at: 20)), stride: 4)
        claims = Table(
            start: passing.end, count: Int(claimCount),
            stride: 8 + 4 * (3 * compartmentWords + 2 * edgeWords))
        guard bytes.count == claims.end else { throw .wrongSize }
    }
}

private let headerSize = 32
private let mostCompartments = 512

@inline(never)
private func littleEndian32(_ bytes: Span<UInt8>, at offset: Int) -> UInt32 {
    let word = bytes.extracting(offset..<offset + 4)
    return UInt32(word[0]) | UInt32(word[1]) << 8 | UInt32(word[2]) << 16 | UInt32(word[3]) << 24
}
