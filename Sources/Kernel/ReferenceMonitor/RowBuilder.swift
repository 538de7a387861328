import BootArena
import PolicyDatabase

/// Computes the rows of all labels and stores the different ones once.
///
/// How many differ is not known before all were computed, and the arena gives nothing back. So rows
/// are computed twice: first into one scratch row, to number them by digest; then into a table of
/// exactly the right size, where each is compared with the one that its digest found.
struct RowBuilder: ~Copyable {
    private var scratch: ArenaTable<UInt32>
    private var digests: ArenaTable<UInt64>
    private var rowStarts: ArenaTable<UInt32>
    private var distinctCount = 0
    private let rowSize: Int

    init(labelCount: Int, arena: inout BootArena) throws(ReferenceMonitorError) {
        rowSize = labelCount * PolicyDatabase.rowStride
        let scratch = try table(of: rowSize, repeating: UInt32(0), in: &arena)
        let digests = try table(of: labelCount, repeating: UInt64(0), in: &arena)
        let rowStarts = try table(of: labelCount, repeating: UInt32(0), in: &arena)
        self.scratch = scratch
        self.digests = digests
        self.rowStarts = rowStarts
    }

    /// Numbers the different rows in the order of the labels.
    mutating func findDistinctRows(
        _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable
    ) {
        for label in 0..<labels.count {
            compute(policy, labels, label)
            let digest = digestOfScratch()
            var row = distinctCount
            for earlier in 0..<distinctCount where digests[earlier] == digest {
                row = earlier
                break
            }
            if row == distinctCount {
                digests[row] = digest
                distinctCount += 1
            }
            // At most 1,122 rows of 17,952 words: the product fits into 32 bits.
            rowStarts[label] = UInt32(truncatingIfNeeded: row * rowSize)
        }
    }

    /// Computes the rows again and stores them.
    mutating func storeRows(
        _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) -> ArenaTable<UInt32> {
        var rows = try table(of: distinctCount * rowSize, repeating: UInt32(0), in: &arena)
        var storedCount = 0
        for label in 0..<labels.count {
            compute(policy, labels, label)
            let start = Int(rowStarts[label])
            if start == storedCount * rowSize {
                for word in 0..<rowSize { rows[start + word] = scratch[word] }
                storedCount += 1
            }
            for word in 0..<rowSize where rows[start + word] != scratch[word] {
                throw .rowDigestCollision
            }
        }
        return rows
    }

    consuming func takeRowStarts() -> ArenaTable<UInt32> { rowStarts }

    private mutating func compute(
        _ policy: borrowing PolicyDatabase, _ labels: borrowing LabelTable, _ label: Int
    ) {
        var row = scratch.mutableSpan
        let isComputed = policy.computeRow(
            source: labels.span[label], targets: labels.span, into: &row)
        precondition(isComputed, "a row of decisions has the wrong size")
    }

    /// FNV-1a over words, 64 bits: it only finds candidates, which are then compared.
    private func digestOfScratch() -> UInt64 {
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for word in 0..<rowSize {
            // WRAPS: the hash is defined modulo 2^64.
            digest = (digest ^ UInt64(scratch[word])) &* 0x0000_0100_0000_01b3
        }
        return digest
    }
}
