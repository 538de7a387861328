import BootArena
import Testing

@Test("a reservation is initialised, bounded and disjoint from its neighbours")
func reservationsAreDisjoint() throws {
    var arena = BootArena(hostSizeInBytes: 256)
    var bytes = try arena.reserve(count: 3, repeating: UInt8(7))
    var words = try arena.reserve(count: 4, repeating: UInt64(9))
    for index in bytes.indices { bytes[index] = 0xff }
    for index in words.indices {
        let value = words[index]
        #expect(value == 9)
        words[index] = UInt64(index)
    }
    let total = words.span[0] + words.span[1] + words.span[2] + words.span[3]
    #expect(total == 6)
    let middle = bytes[1]
    #expect(middle == 0xff)
    expectUsed(arena, 40)
}

@Test("a table that just fits is reserved, one element more is refused and changes nothing")
func exhaustion() throws {
    var arena = BootArena(hostSizeInBytes: 64)
    _ = try arena.reserve(count: 1, repeating: UInt8(0))
    expectRefusal(&arena, .exhausted, count: 8)
    expectUsed(arena, 1)
    _ = try arena.reserve(count: 7, repeating: UInt64(0))
    expectUsed(arena, 64)
    expectRefusal(&arena, .exhausted, count: 1)
    let empty = try arena.reserve(count: 0, repeating: UInt64(0))
    let emptyCount = empty.count
    #expect(emptyCount == 0)
}

@Test("counts that overflow the size or are negative are refused")
func extremeCounts() {
    var arena = BootArena(hostSizeInBytes: 64)
    expectRefusal(&arena, .exhausted, count: Int.max)
    expectRefusal(&arena, .exhausted, count: Int.max / 8 + 1)
    expectRefusal(&arena, .countOutOfRange, count: -1)
    expectUsed(arena, 0)
}

@Test("nothing is reserved after the seal, and tables stay writable")
func seal() throws {
    var arena = BootArena(hostSizeInBytes: 64)
    var table = try arena.reserve(count: 2, repeating: UInt32(1))
    arena.seal()
    let isSealed = arena.isSealed
    #expect(isSealed)
    expectRefusal(&arena, .sealed, count: 1)
    table[1] = 5
    var span = table.mutableSpan
    span[0] = 4
    let sum = table[0] + table[1]
    #expect(sum == 9)
}

@Test("a table of zeros is zero, in memory that was not, and counts like any other")
func zeros() throws {
    var arena = BootArena(hostSizeInBytes: 128)
    let first = try arena.reserveZeros(count: 3, of: UInt64.self)
    let second = try arena.reserveZeros(count: 5, of: UInt8.self)
    let isZero =
        first.indices.allSatisfy { first[$0] == 0 } && second.indices.allSatisfy { second[$0] == 0 }
    #expect(isZero)
    expectUsed(arena, 29)
    expectRefusal(&arena, .exhausted, count: 13)
}

private func expectRefusal(_ arena: inout BootArena, _ expected: BootArenaError, count: Int) {
    do throws(BootArenaError) {
        _ = try arena.reserve(count: count, repeating: UInt64(0))
        Issue.record("a reservation of \(count) words was not refused")
    } catch {
        #expect(error == expected)
    }
}

private func expectUsed(_ arena: borrowing BootArena, _ expected: Int) {
    let used = arena.usedSizeInBytes
    #expect(used == expected)
}
