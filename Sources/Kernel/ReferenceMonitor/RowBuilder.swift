import BootArena
import PolicyDatabase

/// Computes all decisions, a column at a time, and lays the columns over each other.
///
/// How many rows differ is not known before all were computed, and the arena gives nothing back. So
/// columns are computed twice: first to number rows by digest; then each is compared with the row
/// that its digest found, and stored.
struct RowBuilder: ~Copyable {
    /// The rules that permit something, by target.
    private var rules: ArenaTable<AllowRule>
    /// Where those of each type or attribute start.
    private var ruleStarts: ArenaTable<UInt32>
    /// What each label may do to the column's: 16 words each, class *n* in word *n*.
    private var vectors: ArenaTable<UInt32>
    /// The labels that may do anything to the column's.
    private var touched: ArenaTable<UInt16>
    private var touchedCount = 0
    /// For each label the digest of its row, then that row's number, and who has it first.
    private var digests: ArenaTable<UInt64>
    private var rows: ArenaTable<UInt16>
    private var firsts: ArenaTable<UInt16>
    /// For each row how many labels have it, and how many of them the column has.
    private var members: ArenaTable<UInt16>
    private var seen: ArenaTable<UInt16>
    /// For each label how many permissions others have on it.
    private var weights: ArenaTable<UInt32>
    private var weight = 0
    /// The number of different rows; row 0 is the empty one.
    private(set) var rowCount = 1

    /// The bytes of the tables here that each label takes.
    static var bytesForLabel: Int { 16 * 4 + 2 + 8 + 2 * 4 + 4 + 16 }

    /// Sorts the rules by target, by counting.
    private mutating func sortRules(_ policy: borrowing PolicyDatabase) {
        var counted = policy.allowRules
        while let rule = counted.next() { ruleStarts[Int(rule.target) + 1] += 1 }
        for number in 1..<ruleStarts.count { ruleStarts[number] += ruleStarts[number - 1] }
        var placed = policy.allowRules
        while let rule = placed.next() {
            rules[Int(ruleStarts[Int(rule.target)])] = rule
            ruleStarts[Int(rule.target)] += 1
        }
        // Each start has become its successor's.
        for number in stride(from: ruleStarts.count - 1, to: 0, by: -1) {
            ruleStarts[number] = ruleStarts[number - 1]
        }
        ruleStarts[0] = 0
    }

    // MARK: One column

    /// Computes what every label may do to one.
    private mutating func compute(
        _ target: Int, _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable
    ) {
        clear()
        let label = labels.span[target]
        var symbol = policy.symbol(after: 0, of: label)
        while let number = symbol {
            for index in Int(ruleStarts[Int(number)])..<Int(ruleStarts[Int(number) + 1]) {
                apply(rules[index], policy, labels)
            }
            symbol = policy.symbol(after: number, of: label)
        }
        for index in 0..<touchedCount {
            let source = Int(touched[index])
            for number in 1...ObjectClass.count {
                let vector = AccessVector(bits: vectors[source * 16 + number])
                guard vector.bits != 0, let objectClass = ObjectClass(number: number) else {
                    continue
                }
                let limited = policy.limit(
                    vector, objectClass, from: labels.span[source], to: label)
                vectors[source * 16 + number] = limited.bits
                weight += limited.bits.nonzeroBitCount
            }
        }
    }

    private mutating func clear() {
        for index in 0..<touchedCount {
            let first = Int(touched[index]) * 16
            for word in first..<first + 16 { vectors[word] = 0 }
        }
        touchedCount = 0
        weight = 0
    }

    private mutating func apply(
        _ rule: AllowRule, _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable
    ) {
        guard labels.types[Int(rule.source)].isAttribute else {
            var label = labels.first(ofType: UInt32(rule.source))
            while let source = label {
                add(rule, to: source)
                label = labels.next(after: source)
            }
            return
        }
        for source in 0..<labels.count
        where labels.isMember(source) && policy.belongs(labels.span[source], to: rule.source) {
            add(rule, to: source)
        }
    }

    private mutating func add(_ rule: AllowRule, to source: Int) {
        var isTouched = false
        for word in source * 16..<source * 16 + 16 where vectors[word] != 0 { isTouched = true }
        if !isTouched, rule.permissions != 0 {
            touched[touchedCount] = UInt16(truncatingIfNeeded: source)
            touchedCount += 1
        }
        vectors[source * 16 + Int(rule.objectClass)] |= rule.permissions
    }

    // MARK: Rows

    /// Numbers the different rows in the order of the labels.
    private mutating func numberRows(
        _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable
    ) {
        for target in 0..<labels.count where labels.isMember(target) {
            compute(target, policy, labels)
            weights[target] = UInt32(truncatingIfNeeded: weight)
            for index in 0..<touchedCount {
                let source = Int(touched[index])
                for number in 1...ObjectClass.count where vectors[source * 16 + number] != 0 {
                    digests[source] ^= digest(
                        target * 16 + number, vectors[source * 16 + number])
                }
            }
        }
        for label in 0..<labels.count where digests[label] != 0 {
            var row = 1
            while row < rowCount, digests[Int(firsts[row])] != digests[label] { row += 1 }
            if row == rowCount {
                firsts[row] = UInt16(truncatingIfNeeded: label)
                rowCount += 1
            }
            rows[label] = UInt16(truncatingIfNeeded: row)
            members[row] += 1
        }
    }

    /// Mixes a cell's place and value into 64 bits. It only finds candidates, which are then
    /// compared.
    private func digest(_ place: Int, _ vector: UInt32) -> UInt64 {
        // WRAPS: the mixing is defined modulo 2^64 (the finaliser of SplitMix64).
        var value = UInt64(UInt32(truncatingIfNeeded: place)) << 32 | UInt64(vector)
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// Checks that in this column all labels of a row have what the first of them has.
    ///
    /// - Throws: `.rowDigestCollision`.
    private mutating func compareRows() throws(ReferenceMonitorError) {
        for index in 0..<touchedCount { seen[Int(rows[Int(touched[index])])] = 0 }
        for index in 0..<touchedCount {
            let label = Int(touched[index])
            let row = Int(rows[label])
            var isEmpty = true
            for number in 0..<16 {
                let vector = vectors[label * 16 + number]
                if vector != 0 { isEmpty = false }
                guard row == 0 || vector == vectors[Int(firsts[row]) * 16 + number] else {
                    throw .rowDigestCollision
                }
            }
            guard !isEmpty else { continue }
            guard row != 0 else { throw .rowDigestCollision }
            seen[row] += 1
        }
        for index in 0..<touchedCount {
            let row = Int(rows[Int(touched[index])])
            guard seen[row] == 0 || seen[row] == members[row] else { throw .rowDigestCollision }
        }
    }

    // MARK: Laying out

    /// Stores all decisions. Columns that hold much go first: later ones fit into the gaps.
    ///
    /// - Throws: `.arenaExhausted`; `.rowDigestCollision`.
    mutating func stored(
        _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) -> DecisionTable {
        var permissions = 0
        for label in 0..<labels.count { permissions += Int(weights[label]) }
        var places = try table(
            of: MonitorSize.places(labels: labels.count), repeating: DecisionTable.denied,
            in: &arena)
        let size = MonitorSize.cells(rows: rowCount, permissions: permissions)
        var cells = try table(of: size, repeating: UInt16(0), in: &arena)
        var tags = try table(of: 1024, repeating: UInt64(0), in: &arena)
        for label in 0..<labels.count {
            places[label].row = UInt32(rows[label]) * UInt32(Permission.positionCount)
        }
        var least: UInt32 = 1 << 24
        var most = UInt32.max
        // At most 13 rounds: each takes the columns of four times less than the last.
        while most > 0 {
            for label in 0..<labels.count where weights[label] > least && weights[label] <= most {
                compute(label, policy, labels)
                try compareRows()
                let column = try freeColumn(cells, &tags)
                places[label].column = UInt32(truncatingIfNeeded: column)
                fill(&cells, column)
            }
            most = least
            least /= 4
        }
        return DecisionTable(places: places, cells: cells)
    }

    /// Finds a column whose cells are all free, and whose tag is nobody's, and takes the tag.
    private func freeColumn(
        _ cells: borrowing ArenaTable<UInt16>, _ tags: inout ArenaTable<UInt64>
    ) throws(ReferenceMonitorError) -> Int {
        let end = min(cells.count, Int(DecisionTable.nobody))
        for word in 0..<(end + 63) / 64 where tags[word] != .max {
            for column in max(1, word * 64)..<min(end, word * 64 + 64)
            where tags[word] >> UInt64(column & 63) & 1 == 0 && isFree(column, cells) {
                tags[word] |= 1 << UInt64(column & 63)
                return column
            }
        }
        throw .arenaExhausted
    }

    /// Visits the cells of the column's permissions, each once, until `body` says no.
    ///
    /// - Returns: whether it never did.
    private func visit(_ column: Int, of count: Int, _ body: (Int) -> Bool) -> Bool {
        for index in 0..<touchedCount {
            let label = Int(touched[index])
            guard Int(firsts[Int(rows[label])]) == label else { continue }
            let row = column + Int(rows[label]) * Permission.positionCount
            for number in 1...ObjectClass.count {
                var bits = vectors[label * 16 + number]
                while bits != 0 {
                    let cell = row + number * 32 + bits.trailingZeroBitCount
                    guard body(cell & (count - 1)) else { return false }
                    bits &= bits - 1
                }
            }
        }
        return true
    }

    /// Whether nothing else is in the cells of the column.
    private func isFree(_ column: Int, _ cells: borrowing ArenaTable<UInt16>) -> Bool {
        let span = cells.span
        return visit(column, of: cells.count) { span[$0] == 0 }
    }

    /// Enters the column in its cells.
    private func fill(_ cells: inout ArenaTable<UInt16>, _ column: Int) {
        var span = cells.mutableSpan
        _ = visit(column, of: span.count) {
            span[$0] = UInt16(truncatingIfNeeded: column)
            return true
        }
    }
}

extension RowBuilder {
    /// Reserves the tables, and numbers the rows.
    ///
    /// - Throws: `.arenaExhausted`.
    init(
        _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) {
        let (count, size) = (labels.count, labels.size)
        let none = AllowRule(source: 0, target: 0, objectClass: 0, permissions: 0)
        self.init(
            rules: try table(of: size.rules, repeating: none, in: &arena),
            ruleStarts: try table(of: size.types + 2, repeating: 0, in: &arena),
            vectors: try table(of: count * 16, repeating: 0, in: &arena),
            touched: try table(of: count, repeating: 0, in: &arena),
            digests: try table(of: count, repeating: 0, in: &arena),
            rows: try table(of: count, repeating: 0, in: &arena),
            firsts: try table(of: count + 1, repeating: 0, in: &arena),
            members: try table(of: count + 1, repeating: 0, in: &arena),
            seen: try table(of: count + 1, repeating: 0, in: &arena),
            weights: try table(of: count, repeating: 0, in: &arena))
        sortRules(policy)
        numberRows(policy, labels)
    }
}
