import BootArena

/// All decisions: for each label a row and a column, and the cells that they share.
///
/// Permission *p* of the label with row *r* on that with column *c* is in cell *r + c + p*: it is
/// granted exactly if that cell holds the column's tag. Columns are laid over each other, so that
/// cells which one leaves free serve another; as tags differ, none takes another's for its own.
///
/// A decision reads the row and the column, then the cell: two dependent loads, and the same
/// instructions whatever is asked, and whatever was asked before.
///
/// - Invariant (tags): the tag of a column is its low 16 bits; of two columns that hold anything
///   they differ, and no cell holds `nobody`'s.
struct DecisionTable: ~Copyable, Sendable {
    /// Where a label's decisions are.
    struct Place: BitwiseCopyable, Sendable {
        /// Where its row starts: a multiple of the permissions' number.
        var row: UInt32
        /// Where its column starts, and the tag of its cells.
        var column: UInt32
    }

    /// The column that has no cell.
    static var nobody: UInt32 { 0xffff }
    /// The place of a label to which, and for which, nothing is permitted.
    static var denied: Place { Place(row: 0, column: nobody) }

    private let places: WrappingTable<Place>
    private let cells: WrappingTable<UInt16>

    init(places: consuming ArenaTable<Place>, cells: consuming ArenaTable<UInt16>) {
        self.places = WrappingTable(places)
        self.cells = WrappingTable(cells)
    }

    /// Decides about a permission, by its place among all.
    ///
    /// - NOTE: it is called, not inlined, so that a test can count what it executes.
    @inline(never)
    func decide(source: UInt32, target: UInt32, permission: UInt32) -> AccessDecision {
        let column = places[target].column
        // WRAPS: rows and columns are far below 2^31, and the table takes any index.
        let cell = cells[places[source].row &+ column &+ permission]
        return cell == UInt16(truncatingIfNeeded: column) ? .allowed : .denied
    }

    /// The bytes that decisions are read from.
    var sizeInBytes: Int { places.count * 8 + cells.count * 2 }
}
