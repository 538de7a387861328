/// The only source of memory for tables in the kernel: a fixed region, handed out from its start
/// while the machine boots, then sealed.
///
/// It is not an allocator: nothing is given back, nothing grows, and after `seal()` nothing can be
/// reserved, so that no compartment can make the hypervisor run out of memory or observe that
/// another one did. It trusts whoever hands the memory in (the machine's start code) to hand in
/// memory that nothing else uses.
///
/// - Invariant (disjoint): every reservation lies inside the region and overlaps no other.
/// - Invariant (initialised): every element of every table is initialised before it can be read.
/// - Invariant (sealed): once sealed, always sealed.
public struct BootArena: ~Copyable {
    private var memory: ArenaMemory
    private var usedBytes = 0
    /// Whether `seal()` was called; then every reservation throws `.sealed`.
    public private(set) var isSealed = false

    init(memory: consuming ArenaMemory) {
        self.memory = memory
    }

    /// The bytes that reservations have used, alignment included.
    public var usedSizeInBytes: Int { usedBytes }

    /// Reserves a table of `count` elements, each equal to `initialValue`.
    ///
    /// - Throws: `.sealed` after `seal()`; `.countOutOfRange` if `count` is negative;
    ///   `.exhausted` if the table does not fit. The arena is then unchanged.
    /// - Complexity: one store for each element.
    public mutating func reserve<Element: BitwiseCopyable>(
        count: Int, repeating initialValue: Element
    ) throws(BootArenaError) -> ArenaTable<Element> {
        let start = try claim(
            count: count, stride: MemoryLayout<Element>.stride,
            alignment: MemoryLayout<Element>.alignment)
        return memory.table(at: start, count: count, repeating: initialValue)
    }

    /// Reserves a table of `count` elements whose bytes are all zero. Where the region was zero to
    /// begin with nothing is written, so that a host keeps no page that is never used.
    ///
    /// - Throws: as `reserve(count:repeating:)`.
    public mutating func reserveZeros<Element: ZeroInitializable>(
        count: Int, of _: Element.Type
    ) throws(BootArenaError) -> ArenaTable<Element> {
        let start = try claim(
            count: count, stride: MemoryLayout<Element>.stride,
            alignment: MemoryLayout<Element>.alignment)
        return memory.tableOfZeros(at: start, count: count)
    }

    /// Claims room for a table; returns its offset.
    private mutating func claim(
        count: Int, stride: Int, alignment: Int
    ) throws(BootArenaError) -> Int {
        guard !isSealed else { throw .sealed }
        guard count >= 0 else { throw .countOutOfRange }
        let (size, sizeOverflows) = stride.multipliedReportingOverflow(by: count)
        let (start, startOverflows) = alignedUp(usedBytes, to: alignment)
        let (end, endOverflows) = start.addingReportingOverflow(size)
        guard !sizeOverflows, !startOverflows, !endOverflows, end <= memory.sizeInBytes else {
            throw .exhausted
        }
        // INVARIANT (disjoint): `start` is at or after the end of every earlier reservation.
        usedBytes = end
        return start
    }

    /// Ends reservation for ever. Tables handed out stay usable.
    public mutating func seal() {
        isSealed = true
    }

    /// Rounds up to a multiple of `alignment`, which is a power of two.
    private func alignedUp(_ offset: Int, to alignment: Int) -> (value: Int, overflow: Bool) {
        let (sum, overflow) = offset.addingReportingOverflow(alignment - 1)
        return (sum & ~(alignment - 1), overflow)
    }
}

/// A type of which all bytes zero are a value.
public protocol ZeroInitializable: BitwiseCopyable {}

extension UInt8: ZeroInitializable {}
extension UInt16: ZeroInitializable {}
extension UInt32: ZeroInitializable {}
extension UInt64: ZeroInitializable {}

/// Why a reservation was refused.
public enum BootArenaError: Error, Equatable {
    /// The arena is sealed: the machine has left its start-up.
    case sealed
    /// The table does not fit into what is left of the region.
    case exhausted
    /// The count of elements is negative.
    case countOutOfRange

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .sealed: "boot arena: sealed"
        case .exhausted: "boot arena: exhausted"
        case .countOutOfRange: "boot arena: negative count"
        }
    }
}
