/// The unsafe side of the arena: raw memory in, bounds-checked tables out. No other file of this
/// module holds an address.

/// A region of memory that nobody else uses, aligned to 64 bytes.
///
/// - Invariant (region): `start ..< start + sizeInBytes` is readable and writable for ever.
@safe struct ArenaMemory: ~Copyable {
    private let start: UnsafeMutableRawPointer
    let sizeInBytes: Int
    /// Whether all bytes were zero before the first table was made.
    private let isZero: Bool

    /// - Precondition: the region is exclusively the caller's, is never freed, starts at a multiple
    ///   of 64, and holds only zeros if `isZero` says so.
    @unsafe init(unsafeStart start: UnsafeMutableRawPointer, sizeInBytes: Int, isZero: Bool) {
        self.isZero = isZero
        precondition(sizeInBytes >= 0, "an arena's size is negative")
        precondition(UInt(bitPattern: start) % 64 == 0, "an arena starts off a 64-byte boundary")
        unsafe self.start = start
        self.sizeInBytes = sizeInBytes
    }

    /// Initialises and returns the table at `offset`.
    ///
    /// - Precondition: (disjoint) the arena has given `offset` to nobody else.
    func table<Element: BitwiseCopyable>(
        at offset: Int, count: Int, repeating initialValue: Element
    ) -> ArenaTable<Element> {
        // SAFETY: the arena computed `offset` aligned for Element (64 suffices for every alignment
        // in use, checked below) and checked that `count` strides from it end inside the region.
        precondition(MemoryLayout<Element>.alignment <= 64, "an element's alignment exceeds 64")
        let elements = unsafe (start + offset).bindMemory(to: Element.self, capacity: count)
        unsafe elements.initialize(repeating: initialValue, count: count)
        return unsafe ArenaTable(unsafeElements: elements, count: count)
    }

    /// Returns the table at `offset`, all of whose bytes are zero.
    ///
    /// - Precondition: (disjoint) the arena has given `offset` to nobody else.
    func tableOfZeros<Element: ZeroInitializable>(
        at offset: Int, count: Int
    ) -> ArenaTable<Element> {
        // SAFETY: as for `table`. Zero bytes are a value of Element, whose type says so, and each
        // byte is zero: it was from the beginning and nobody else reaches it, or it is made so.
        precondition(MemoryLayout<Element>.alignment <= 64, "an element's alignment exceeds 64")
        if !isZero {
            unsafe (start + offset).initializeMemory(
                as: UInt8.self, repeating: 0, count: count * MemoryLayout<Element>.stride)
        }
        let elements = unsafe (start + offset).bindMemory(to: Element.self, capacity: count)
        return unsafe ArenaTable(unsafeElements: elements, count: count)
    }
}

extension BootArena {
    /// Takes over a region of memory, as the machine's start code found it.
    ///
    /// - Precondition: the region is writable, starts at a multiple of 64 bytes, is used by nothing
    ///   else, and stays so for as long as the machine runs. It holds only zeros if `isZero`.
    @unsafe public init(
        unsafeMemory start: UnsafeMutableRawPointer, sizeInBytes: Int, isZero: Bool = false
    ) {
        // SAFETY: the precondition is ArenaMemory's, passed on to our caller.
        unsafe self.init(
            memory: ArenaMemory(unsafeStart: start, sizeInBytes: sizeInBytes, isZero: isZero))
    }
}

/// A table of fixed size in the boot arena: the kernel's array.
///
/// It has one owner, its bounds are checked at every access (an index out of range stops the
/// machine), and it lives as long as the machine. Under one owner it may move between processors.
///
/// - Invariant (exclusive): no other table and no other code reaches these elements.
@safe public struct ArenaTable<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    /// The number of elements, fixed when the table was reserved.
    public let count: Int

    /// - Precondition: (exclusive) `elements` addresses `count` initialised elements that are
    ///   never freed and that nobody else uses.
    @unsafe fileprivate init(unsafeElements elements: UnsafeMutablePointer<Element>, count: Int) {
        unsafe self.elements = elements
        self.count = count
    }

    /// The indices of the table, from 0.
    public var indices: Range<Int> { 0..<count }

    /// Accesses one element.
    ///
    /// - Precondition: `index` is in `indices`; otherwise the machine stops.
    /// - NOTE: an addressor, since a getter would copy a whole element, for a domain thousands of
    ///   bytes, for each member of a member that is read.
    public subscript(index: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(index >= 0 && index < count, "a table index is out of range")
            // SAFETY: the index is in range, and all elements are initialised.
            return unsafe UnsafePointer(elements + index)
        }
        @inline(__always) unsafeMutableAddress {
            precondition(index >= 0 && index < count, "a table index is out of range")
            // SAFETY: as above; `self` is borrowed exclusively, so nothing else reads or writes.
            return unsafe elements + index
        }
    }

    /// All elements, to read.
    @inlinable public var span: Span<Element> {
        @_lifetime(borrow self)
        @inline(__always) get {
            // SAFETY: `count` initialised elements; the span cannot outlive the borrow of `self`.
            let span = unsafe Span(_unsafeStart: elements, count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// All elements, to read and write.
    @inlinable public var mutableSpan: MutableSpan<Element> {
        @_lifetime(&self)
        @inline(__always) mutating get {
            // SAFETY: as for `span`, and the access to `self` is exclusive.
            let span = unsafe MutableSpan(_unsafeStart: elements, count: count)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }
}

// SAFETY: (exclusive) a table is the only way to its elements, so moving it moves them.
extension ArenaTable: @unchecked @unsafe Sendable where Element: Sendable {}

/// A table whose size is a power of two and whose indices wrap around: no index is out of range, so
/// that none has to be compared. To read only.
///
/// - Invariant (exclusive): as of `ArenaTable`.
/// - Invariant (mask): the table has `mask + 1` elements.
@safe public struct WrappingTable<Element: BitwiseCopyable>: ~Copyable {
    private let elements: UnsafeMutablePointer<Element>
    /// One less than the number of elements.
    private let mask: UInt32

    /// Takes a table over.
    ///
    /// - Precondition: the number of elements is a power of two, at most 2^31.
    public init(_ table: consuming ArenaTable<Element>) {
        precondition(
            table.count > 0 && table.count & (table.count - 1) == 0 && table.count <= 1 << 31,
            "a wrapping table's size is no power of two")
        mask = UInt32(truncatingIfNeeded: table.count - 1)
        // SAFETY: `table` is consumed, so this is now the only way to its elements.
        unsafe elements = table.elements
    }

    /// The number of elements.
    public var count: Int { Int(mask) + 1 }

    /// Reads the element at `index` modulo the number of elements.
    public subscript(index: UInt32) -> Element {
        // SAFETY: (mask) what is left of the index is at most `mask`, and so in range.
        @inline(__always) get { unsafe elements[Int(index & mask)] }
    }
}

// SAFETY: (exclusive) as for `ArenaTable`.
extension WrappingTable: @unchecked @unsafe Sendable where Element: Sendable {}

/// Two regions of memory that take turns, for one value made of tables that is replaced as a whole:
/// the next one is built in the region that the present one is not in.
///
/// - Invariant: *(turns)* the present value's tables are not in the region `free`; those of `spare`
///   are, or they are in neither, which the very first value's are.
@safe public struct AlternatingTables<Value: ~Copyable>: ~Copyable {
    private let first: UnsafeMutableRawPointer
    private let second: UnsafeMutableRawPointer
    /// The size of each region.
    public let sizeInBytes: Int
    private var buildsInSecond = false
    /// What was built and is not present yet; or what was present before.
    public private(set) var spare: Value?

    /// Takes over two regions.
    ///
    /// - Precondition: each is as `BootArena(unsafeMemory:sizeInBytes:)` asks, and they are two.
    @unsafe public init(
        unsafeFirst first: UnsafeMutableRawPointer, second: UnsafeMutableRawPointer,
        sizeInBytes: Int
    ) {
        unsafe self.first = first
        unsafe self.second = second
        self.sizeInBytes = sizeInBytes
    }

    /// Drops the spare value and builds another in its memory, out of tables of the arena that
    /// `make` is given and of no others.
    ///
    /// - Throws: what `make` throws; there is no spare value then.
    public mutating func build<Failure: Error>(
        _ make: (inout BootArena) throws(Failure) -> Value
    ) throws(Failure) {
        spare = nil
        // SAFETY: (turns) nobody has a table in this region: what was built in it is gone, just now
        // or when a build failed.
        var arena = unsafe BootArena(
            unsafeMemory: buildsInSecond ? second : first, sizeInBytes: sizeInBytes)
        spare = try make(&arena)
    }

    /// Exchanges the spare value and the present one.
    ///
    /// - Precondition: there is a spare value, and `present` is the very first value, or what the
    ///   last exchange left there.
    public mutating func exchange(with present: inout Value) {
        guard var next = spare.take() else { preconditionFailure("nothing was built") }
        swap(&next, &present)
        spare = consume next
        // INVARIANT (turns): what was present is spare, and where it is can be built in.
        buildsInSecond.toggle()
    }
}

// SAFETY: as for a table: this value is the only way to its regions.
extension AlternatingTables: @unchecked @unsafe Sendable where Value: Sendable, Value: ~Copyable {}
