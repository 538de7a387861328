import BootArena

/// The path that a request names, in its full form, in a buffer that is used again for each
/// request.
///
/// - Invariant (valid): it is `/`, or parts of letters, digits, `-`, `_` and `@`, each after one
///   `/`; or it starts with `@` and is a special path without `/`.
struct StorePath: ~Copyable {
    /// The longest path as given, in bytes: the default of Xen's C store.
    static let maximumGiven = 2048
    /// The longest full path, in bytes: `XENSTORE_ABS_PATH_MAX`.
    static let maximum = 3072

    private var bytes: ArenaTable<UInt8>
    private(set) var count = 0
    /// How many bytes at the front were not given but stand for the client's own directory.
    private(set) var impliedCount = 0

    init(arena: inout BootArena) throws(BootArenaError) {
        bytes = try arena.reserveZeros(count: StorePath.maximum, of: UInt8.self)
    }

    var span: Span<UInt8> {
        @_lifetime(borrow self) get { bytes.span.extracting(first: count) }
    }

    /// Whether it is a special path, `@introduceDomain` for one.
    var isSpecial: Bool { count > 0 && bytes[0] == UInt8(ascii: "@") }

    /// Whether it is `/`.
    var isRoot: Bool { count == 1 && !isSpecial }

    /// Takes over a path as given, relative to `domain`'s directory unless it starts with `/`.
    ///
    /// - Throws: `.invalid` if it is no path.
    mutating func set(
        _ given: Span<UInt8>, domain: UInt16, maximum: Int = StorePath.maximumGiven,
        mayEndWithSlash: Bool = false
    ) throws(StoreError) {
        count = 0
        impliedCount = 0
        guard given.count > 0, given.count <= maximum else { throw .invalid }
        let first = given[0]
        if first != UInt8(ascii: "/"), first != UInt8(ascii: "@") {
            appendDirectory(of: domain)
            append(UInt8(ascii: "/"))
            impliedCount = count
        }
        guard count + given.count <= StorePath.maximum else { throw .invalid }
        copyBytes(given, into: &bytes, at: count)
        count += given.count
        guard StorePath.isValid(span, mayEndWithSlash: mayEndWithSlash) else { throw .invalid }
    }

    /// Becomes the root.
    mutating func setRoot() {
        count = 1
        impliedCount = 0
        bytes[0] = UInt8(ascii: "/")
    }

    /// Becomes `length` slashes, for `place` to put names between; false if that is too long.
    mutating func makeRoom(_ length: Int) -> Bool {
        guard length <= StorePath.maximum else { return false }
        count = length
        for index in 0..<length { bytes[index] = UInt8(ascii: "/") }
        return true
    }

    /// Puts the name at the start of a chain to `start`; it must fit.
    mutating func place(
        _ name: UInt32, _ nameLength: Int, at start: Int, in blocks: borrowing BlockTable
    ) {
        blocks.copy(name, from: 0, count: nameLength, to: &bytes, at: start)
    }

    /// Takes over a path that is known to be valid.
    mutating func set(_ chain: UInt32, count: Int, in blocks: borrowing BlockTable) {
        blocks.copy(chain, from: 0, count: count, to: &bytes, at: 0)
        self.count = count
        impliedCount = 0
    }

    /// Takes over the path of a child of `parent`, whose name is at the start of a chain.
    mutating func set(
        _ parent: borrowing StorePath, child: UInt32, _ nameLength: Int,
        in blocks: borrowing BlockTable
    ) {
        count = 0
        impliedCount = 0
        copyBytes(parent.span, into: &bytes, at: 0)
        count = parent.count
        if parent.count > 1 { append(UInt8(ascii: "/")) }
        blocks.copy(child, from: 0, count: nameLength, to: &bytes, at: count)
        count += nameLength
    }

    /// The hash of the first `length` bytes.
    func digest(_ length: Int, secret: UInt64) -> UInt32 {
        NameHash.of(span.extracting(first: length), secret: secret)
    }

    /// Takes over a text that is a valid path, and with a domain its variant for that one.
    mutating func set(_ text: PackedText, domain: UInt16? = nil) {
        count = 0
        impliedCount = 0
        for index in 0..<text.count { append(text[index]) }
        guard let domain else { return }
        append(UInt8(ascii: "/"))
        let digits = DecimalDigits(UInt64(domain))
        for index in 0..<digits.count { append(digits[index]) }
    }

    private mutating func appendDirectory(of domain: UInt16) {
        let text = PackedText.domainDirectory
        for index in 0..<text.count { append(text[index]) }
        let digits = DecimalDigits(UInt64(domain))
        for index in 0..<digits.count { append(digits[index]) }
    }

    /// - Precondition: there is room; the callers have checked.
    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    private static func isValid(_ path: Span<UInt8>, mayEndWithSlash: Bool) -> Bool {
        if path[0] == UInt8(ascii: "@") { return isValidSpecial(path) }
        guard path[0] == UInt8(ascii: "/") else { return false }
        guard path.count > 1 else { return true }
        for index in 1..<path.count {
            let byte = path[index]
            if byte == UInt8(ascii: "/") {
                if path[index - 1] == byte { return false }
            } else if !isNameByte(byte) {
                return false
            }
        }
        return mayEndWithSlash || path[path.count - 1] != UInt8(ascii: "/")
    }

    /// Whether it is one name, or `@introduceDomain` or `@releaseDomain` with a slash and the
    /// decimal id of a domain.
    private static func isValidSpecial(_ path: Span<UInt8>) -> Bool {
        var end = 0
        while end < path.count, path[end] != UInt8(ascii: "/") {
            guard isNameByte(path[end]) else { return false }
            end += 1
        }
        guard end < path.count else { return true }
        let name = path.extracting(first: end)
        guard PackedText.introduceDomain.equals(name) || PackedText.releaseDomain.equals(name)
        else { return false }
        let digits = path.extracting((end + 1)..<path.count)
        guard DecimalDigits.read(digits, maximum: 0x7fef) != nil else { return false }
        return digits.count == 1 || digits[0] != UInt8(ascii: "0")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "@"):
            true
        default: false
        }
    }

    /// Returns the length of the parent's path, of the first `length` bytes: 1 for a child of the
    /// root. The root's is 0.
    func parentLength(of length: Int) -> Int {
        guard length > 1 else { return 0 }
        return max(1, nameStart(of: length) - 1)
    }

    /// Returns where the last name of the first `length` bytes starts.
    func nameStart(of length: Int) -> Int {
        var index = length
        while index > 0, bytes[index - 1] != UInt8(ascii: "/") { index -= 1 }
        return index
    }

    /// Returns the end of the part that follows the first `length` bytes; `count` at the end.
    func nextLength(after length: Int) -> Int {
        var index = length == 1 ? 1 : length + 1
        while index < count, bytes[index] != UInt8(ascii: "/") { index += 1 }
        return index
    }
}

/// A number in decimal digits, most significant first.
struct DecimalDigits {
    private var digits = InlineArray<20, UInt8>(repeating: 0)
    private(set) var count = 0

    init(_ number: UInt64) {
        var rest = number
        var length = 1
        while rest >= 10 {
            rest /= 10
            length += 1
        }
        count = length
        rest = number
        for index in stride(from: length - 1, through: 0, by: -1) {
            digits[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    subscript(index: Int) -> UInt8 { digits[index] }

    /// Reads a number of decimal digits and nothing else; nil if it is none or above `maximum`.
    static func read(_ text: Span<UInt8>, maximum: UInt64) -> UInt64? {
        guard text.count > 0, text.count <= 19 else { return nil }
        var number: UInt64 = 0
        for index in text.indices {
            let byte = text[index]
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return number <= maximum ? number : nil
    }
}

/// A hash with a secret, so that nobody can choose names that fall into one bucket.
///
/// Not for: integrity. It is as good as its 64-bit state: whoever can see which bucket is slow
/// could learn something about it by timing.
struct NameHash {
    private var state: UInt64

    init(secret: UInt64) { state = secret }

    /// Takes in one byte.
    @inline(__always)
    mutating func add(_ byte: UInt8) {
        // WRAPS: the mixing is defined modulo 2^64.
        state = (state ^ UInt64(byte)) &* 0x9e37_79b9_7f4a_7c15
        state ^= state >> 29
    }

    var value: UInt32 {
        // WRAPS: as above.
        let mixed = state &* 0xbf58_476d_1ce4_e5b9
        return UInt32(truncatingIfNeeded: mixed >> 32)
    }

    static func of(_ bytes: Span<UInt8>, secret: UInt64) -> UInt32 {
        var hash = NameHash(secret: secret)
        for index in bytes.indices { hash.add(bytes[index]) }
        return hash.value
    }
}
