import SecurityLattice
import Testing

@Suite("category sets") struct CategorySetTests {
    @Test("each of the 256 categories is a bit of its own") func bits() {
        for index in UInt8.min...UInt8.max {
            let set = CategorySet(Category(index: index))
            #expect(set.count == 1)
            for other in UInt8.min...UInt8.max {
                #expect(set.contains(Category(index: other)) == (other == index))
            }
            #expect(set.word(at: Int(index) / 64) == 1 << UInt64(index % 64))
        }
    }

    @Test("the empty set holds nothing and every set is above it") func empty() {
        let full = CategorySet(words: .max, .max, .max, .max)
        #expect(CategorySet.empty.isEmpty)
        #expect(CategorySet.empty.count == 0)
        #expect(full.count == Category.capacity)
        #expect(full.isSuperset(of: .empty))
        #expect(!CategorySet.empty.isSuperset(of: CategorySet(Category(index: 255))))
    }

    @Test("set operations agree with a set of integers, in every word") func operations() {
        let indices: [UInt8] = [0, 63, 64, 128, 191, 255]
        for left in 0..<64 {
            for right in 0..<64 {
                let a = subset(left, of: indices)
                let b = subset(right, of: indices)
                #expect(a.union(b) == subset(left | right, of: indices))
                #expect(a.intersection(b) == subset(left & right, of: indices))
                #expect(a.isSuperset(of: b) == (left & right == right))
                #expect((a == b) == (left == right))
            }
        }
    }

    @Test("walking a set finds its categories in order, and ends") func walk() {
        let set = subset(0b101_101, of: [0, 63, 64, 128, 191, 255])
        var found: [UInt8] = []
        var next = set.first(from: 0)
        while let category = next {
            found.append(category.index)
            next = set.first(from: Int(category.index) + 1)
        }
        #expect(found == [0, 64, 128, 255])
        #expect(set.first(from: 256) == nil)
        #expect(set.first(from: -1) == nil)
        #expect(CategorySet.empty.first(from: 0) == nil)
        #expect(set.word(at: 4) == 0)
    }

    @Test("database values are 1-based and refuse what does not fit") func databaseValues() {
        #expect(Category(databaseValue: 0) == nil)
        #expect(Category(databaseValue: 1)?.index == 0)
        #expect(Category(databaseValue: 256)?.index == 255)
        #expect(Category(databaseValue: 257) == nil)
        #expect(Category(databaseValue: .max) == nil)
        #expect(Category(index: 255).databaseValue == 256)
        #expect(Sensitivity(databaseValue: 0) == nil)
        #expect(Sensitivity(databaseValue: 1)?.rank == 0)
        #expect(Sensitivity(databaseValue: 65_536)?.rank == .max)
        #expect(Sensitivity(databaseValue: 65_537) == nil)
        #expect(Sensitivity(rank: .max).databaseValue == 65_536)
    }

    private func subset(_ mask: Int, of indices: [UInt8]) -> CategorySet {
        var set = CategorySet.empty
        for (bit, index) in indices.enumerated() where mask & (1 << bit) != 0 {
            set.insert(Category(index: index))
        }
        return set
    }
}
