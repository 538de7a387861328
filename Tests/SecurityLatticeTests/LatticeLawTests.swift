import SecurityLattice
import Testing

/// Method: every law is checked on every tuple of a small lattice, whose categories lie in
/// different words of the set. A law that fails anywhere is reported once, with its first witness.
@Suite("the security lattice") struct LatticeLawTests {
    /// 3 sensitivities and 3 categories: 24 levels, 13,824 triples.
    static let levels: [SecurityLevel] = {
        let categories: [UInt8] = [0, 64, 255]
        var levels: [SecurityLevel] = []
        for rank in UInt16(0)..<3 {
            for subset in 0..<8 {
                var set = CategorySet.empty
                for (bit, index) in categories.enumerated() where subset & (1 << bit) != 0 {
                    set.insert(Category(index: index))
                }
                levels.append(SecurityLevel(Sensitivity(rank: rank), set))
            }
        }
        return levels
    }()

    static let pairs = levels.flatMap { a in levels.map { (a, $0) } }

    func expectForAllPairs(
        _ law: String, _ holds: (SecurityLevel, SecurityLevel) -> Bool
    ) {
        let witness = Self.pairs.first { !holds($0.0, $0.1) }
        #expect(witness == nil, "\(law) fails for \(String(describing: witness))")
    }

    func expectForAllTriples(
        _ law: String, _ holds: (SecurityLevel, SecurityLevel, SecurityLevel) -> Bool
    ) {
        for c in Self.levels {
            let witness = Self.pairs.first { !holds($0.0, $0.1, c) }
            #expect(witness == nil, "\(law) fails for \(String(describing: witness)) and \(c)")
        }
    }

    @Test("dominance is a partial order") func partialOrder() {
        #expect(Self.levels.allSatisfy { $0.dominates($0) })
        expectForAllPairs("antisymmetry") { a, b in
            !(a.dominates(b) && b.dominates(a)) || a == b
        }
        expectForAllTriples("transitivity") { a, b, c in
            !(a.dominates(b) && b.dominates(c)) || a.dominates(c)
        }
    }

    @Test("two levels are incomparable exactly when neither dominates") func incomparability() {
        expectForAllPairs("incomparability") { a, b in
            a.isIncomparable(to: b) == !(a.dominates(b) || b.dominates(a))
        }
        let crypto = SecurityLevel(Sensitivity(rank: 1), CategorySet(Category(index: 0)))
        let nuclear = SecurityLevel(Sensitivity(rank: 1), CategorySet(Category(index: 64)))
        #expect(crypto.isIncomparable(to: nuclear))
        #expect(!crypto.isIncomparable(to: crypto.join(nuclear)))
    }

    @Test("the join is the least level that dominates both") func leastUpperBound() {
        expectForAllPairs("upper bound") { a, b in
            a.join(b).dominates(a) && a.join(b).dominates(b)
        }
        expectForAllTriples("least") { a, b, c in
            !(c.dominates(a) && c.dominates(b)) || c.dominates(a.join(b))
        }
    }

    @Test("the meet is the greatest level that both dominate") func greatestLowerBound() {
        expectForAllPairs("lower bound") { a, b in
            a.dominates(a.meet(b)) && b.dominates(a.meet(b))
        }
        expectForAllTriples("greatest") { a, b, c in
            !(a.dominates(c) && b.dominates(c)) || a.meet(b).dominates(c)
        }
    }

    @Test("join and meet are commutative, associative and idempotent") func algebra() {
        expectForAllPairs("commutativity") { a, b in
            a.join(b) == b.join(a) && a.meet(b) == b.meet(a)
        }
        expectForAllTriples("associativity") { a, b, c in
            a.join(b).join(c) == a.join(b.join(c)) && a.meet(b).meet(c) == a.meet(b.meet(c))
        }
        #expect(Self.levels.allSatisfy { $0.join($0) == $0 && $0.meet($0) == $0 })
    }

    @Test("join and meet absorb each other and agree with dominance") func absorption() {
        expectForAllPairs("absorption") { a, b in
            a.join(a.meet(b)) == a && a.meet(a.join(b)) == a
        }
        expectForAllPairs("consistency") { a, b in
            a.dominates(b) == (a.join(b) == a) && a.dominates(b) == (a.meet(b) == b)
        }
        expectForAllTriples("distributivity") { a, b, c in
            a.meet(b.join(c)) == a.meet(b).join(a.meet(c))
        }
    }

    @Test("information flows up, to itself, and never down or across") func flow() {
        expectForAllPairs("direction") { a, b in mayFlow(from: a, to: b) == b.dominates(a) }
        expectForAllTriples("no way round") { a, b, c in
            !(mayFlow(from: a, to: b) && mayFlow(from: b, to: c)) || mayFlow(from: a, to: c)
        }
    }

    @Test("a range exists exactly when high dominates low") func ranges() {
        expectForAllPairs("range") { a, b in
            (SecurityRange(low: a, high: b) != nil) == b.dominates(a)
        }
        expectForAllTriples("membership") { a, b, c in
            guard let range = SecurityRange(low: a, high: b) else { return true }
            return range.contains(c) == (c.dominates(a) && b.dominates(c))
        }
        #expect(Self.levels.allSatisfy { SecurityRange($0).isSingleLevel })
    }

    @Test("between ranges the high levels decide") func rangeFlow() {
        let low = SecurityLevel(Sensitivity(rank: 0))
        let high = SecurityLevel(Sensitivity(rank: 1))
        guard let span = SecurityRange(low: low, high: high) else {
            Issue.record("high dominates low")
            return
        }
        #expect(mayFlow(from: SecurityRange(high), to: span))
        #expect(mayFlow(from: SecurityRange(low), to: span))
        #expect(!mayFlow(from: span, to: SecurityRange(low)))
        #expect(mayFlow(from: span, to: SecurityRange(high)))
    }
}
