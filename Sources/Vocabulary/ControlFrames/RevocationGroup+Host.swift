#if !hasFeature(Embedded)

    /// What was taken from one compartment, of one kind, by which it reached another.
    public struct RevocationGroup: Equatable, Sendable {
        /// As `ControlRevocation` has them.
        public let kind, holder, other: UInt16
        /// - Invariant: not empty.
        private(set) var numbers: [UInt32]

        /// Puts together what differs by its number alone, in the order of the first of each.
        public static func groups(of revocations: [ControlRevocation]) -> [RevocationGroup] {
            var groups: [RevocationGroup] = []
            for taken in revocations {
                let place = groups.lastIndex {
                    $0.kind == taken.kind && $0.holder == taken.holder && $0.other == taken.other
                }
                if let place {
                    groups[place].numbers.append(taken.number)
                } else {
                    groups.append(
                        RevocationGroup(
                            kind: taken.kind, holder: taken.holder, other: taken.other,
                            numbers: [taken.number]))
                }
            }
            return groups
        }

        /// What it is, for people: `event channels, ports 4 to 6, 9`.
        ///
        /// - Source: docs/abi/hypercalls.md, what a reload takes away.
        public var words: String {
            switch kind {
            case 1: list("event channel, port", "event channels, ports")
            case 2: list("waiting port", "waiting ports")
            case 3: list("mapping", "mappings")
            case 4: list("pending event, port", "pending events, ports")
            case 5: list("virtual interrupt, port", "virtual interrupts, ports")
            case 6: list("I/O ports from", "I/O ports from", hexadecimal)
            case 7: list("I/O memory from", "I/O memory from", hexadecimal)
            case 8: list("interrupt line", "interrupt lines")
            default: "kind \(kind), " + list("number", "numbers")
            }
        }

        /// The numbers, rising, with what is between two of a row left out.
        private func list(
            _ one: String, _ several: String, _ text: (UInt32) -> String = { "\($0)" }
        ) -> String {
            var rows: [ClosedRange<UInt32>] = []
            for number in numbers.sorted() {
                if let last = rows.last, number > last.upperBound, number - last.upperBound == 1 {
                    rows[rows.count - 1] = last.lowerBound...number
                } else {
                    rows.append(number...number)
                }
            }
            let words = rows.map { row in
                row.count == 1
                    ? text(row.lowerBound) : "\(text(row.lowerBound)) to \(text(row.upperBound))"
            }
            return "\(numbers.count == 1 ? one : several) \(words.joined(separator: ", "))"
        }

        private func hexadecimal(_ number: UInt32) -> String { "0x" + String(number, radix: 16) }
    }

#endif
