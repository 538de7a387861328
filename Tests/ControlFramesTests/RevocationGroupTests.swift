import ControlFrames
import Testing

/// What a reload took away, in words.
@Suite struct RevocationGroupTests {
    private func words(_ kind: UInt16, _ numbers: [UInt32]) -> [String] {
        RevocationGroup.groups(
            of: numbers.map { ControlRevocation(kind: kind, holder: 2, other: 3, number: $0) }
        ).map(\.words)
    }

    @Test("each kind has its words, for one and for several")
    func kinds() {
        let expected: [(kind: UInt16, one: String, two: String)] = [
            (1, "event channel, port 760", "event channels, ports 760, 770"),
            (2, "waiting port 760", "waiting ports 760, 770"),
            (3, "mapping 760", "mappings 760, 770"),
            (4, "pending event, port 760", "pending events, ports 760, 770"),
            (5, "virtual interrupt, port 760", "virtual interrupts, ports 760, 770"),
            (6, "I/O ports from 0x2f8", "I/O ports from 0x2f8, 0x302"),
            (7, "I/O memory from 0x2f8", "I/O memory from 0x2f8, 0x302"),
            (8, "interrupt line 760", "interrupt lines 760, 770"),
            (9, "kind 9, number 760", "kind 9, numbers 760, 770"),
        ]
        for (kind, one, two) in expected {
            #expect(words(kind, [760]) == [one])
            #expect(words(kind, [770, 760]) == [two])
        }
        #expect(words(7, [0xfed0_0000]) == ["I/O memory from 0xfed00000"])
    }

    @Test("numbers in a row are said by its ends, and the largest ends it")
    func rows() {
        #expect(words(3, [7, 4, 5, 9, 6]) == ["mappings 4 to 7, 9"])
        #expect(words(8, [.max, .max - 1, 0]) == ["interrupt lines 0, 4294967294 to 4294967295"])
        #expect(words(3, [5, 5]) == ["mappings 5, 5"])
    }

    @Test("what one lost with another is one group, in the order of the first of each")
    func groups() {
        let taken = [(1, 2, 3, 4), (1, 3, 2, 5), (1, 2, 3, 5), (3, 2, 3, 0)].map {
            ControlRevocation(kind: $0.0, holder: $0.1, other: $0.2, number: $0.3)
        }
        let groups = RevocationGroup.groups(of: taken)
        #expect(groups.map(\.holder) == [2, 3, 2])
        #expect(
            groups.map(\.words) == [
                "event channels, ports 4 to 5", "event channel, port 5", "mapping 0",
            ])
        #expect(RevocationGroup.groups(of: []).isEmpty)
    }
}
