/// The numbers that one table keeps beside its rows.
typealias StoreCounters = InlineArray<5, UInt64>

/// What a store keeps outside its arena: with the arena's bytes it is the whole store.
///
/// - Layout: 48 numbers; the first says the layout of all that the arena holds.
public struct StoreState: Sendable, BitwiseCopyable {
    /// The number of numbers.
    public static var count: Int { 48 }
    /// The numbers.
    public var numbers = InlineArray<48, UInt64>(repeating: 0)

    /// Creates a state to be filled in.
    public init() {}

    /// A number that is different for stores whose arenas do not have the same layout.
    static func layout(_ capacity: StoreCapacity) -> UInt64 {
        // The first is the version of what records mean; sizes cover what the compiler makes of it.
        let numbers: InlineArray<22, Int> = [
            4, MemoryLayout<LabelRecord>.stride, MemoryLayout<NodeRecord>.stride,
            MemoryLayout<NodeEntry>.stride,
            MemoryLayout<WatchRecord>.stride,
            MemoryLayout<EventRecord>.stride, MemoryLayout<TransactionRecord>.stride,
            MemoryLayout<AccessRecord>.stride, MemoryLayout<ClientRecord>.stride,
            MemoryLayout<DomainRecord>.stride, MemoryLayout<PermissionList>.stride,
            capacity.nodes, capacity.blocks, capacity.permissionLists, capacity.domains,
            capacity.clients, capacity.watches, capacity.events, capacity.transactions,
            capacity.accesses, capacity.labels, capacity.labelRules,
        ]
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in 0..<22 {
            // WRAPS: the hash is defined modulo 2^64.
            hash = (hash ^ UInt64(truncatingIfNeeded: numbers[index])) &* 0x0000_0100_0000_01b3
        }
        return hash
    }
}

extension StoreEngine {
    /// See `StoreCore.state`.
    package var savedState: StoreState {
        var state = StoreState()
        state.numbers[0] = StoreState.layout(capacity)
        state.numbers[1] = clock
        state.numbers[2] = secret
        state.numbers[3] = UInt64(introducePermissions)
        state.numbers[4] = UInt64(releasePermissions)
        state.numbers[5] = asksForLabels ? 1 : 0
        state.numbers[6] = UInt64(firstSignalled)
        state.numbers[7] = lastRefusal.sequence
        let counters: InlineArray<6, StoreCounters> = [
            blocks.counters, permissions.counters, nodes.counters, transactions.counters,
            watches.counters, labels.counters,
        ]
        for table in 0..<6 {
            for index in 0..<5 { state.numbers[8 + 5 * table + index] = counters[table][index] }
        }
        return state
    }

    /// Takes over what was saved; the tables' rows are there already.
    mutating func resume(_ state: StoreState) {
        func counters(_ table: Int) -> StoreCounters {
            var counters = StoreCounters(repeating: 0)
            for index in 0..<5 { counters[index] = state.numbers[8 + 5 * table + index] }
            return counters
        }
        clock = state.numbers[1]
        secret = state.numbers[2]
        introducePermissions = UInt32(truncatingIfNeeded: state.numbers[3])
        releasePermissions = UInt32(truncatingIfNeeded: state.numbers[4])
        asksForLabels = state.numbers[5] != 0
        firstSignalled = UInt16(truncatingIfNeeded: state.numbers[6])
        lastRefusal.sequence = state.numbers[7]
        blocks.counters = counters(0)
        permissions.counters = counters(1)
        nodes.counters = counters(2)
        transactions.counters = counters(3)
        watches.counters = counters(4)
        labels.counters = counters(5)
    }
}
