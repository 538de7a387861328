/// Message digests for the measured machine: SHA-1, SHA-256 and SHA-384 (FIPS 180-4), without a
/// heap, alike on the bare machine and on the host.
///
/// For: hashing modules, extending PCR banks, and checking event logs. Not for: keys, message
/// authentication or anything where the time taken may not depend on the data; nothing here is
/// secret, and comparison stops at the first difference. SHA-1 exists because TPM banks and logs
/// carry it; no decision may rest on it.
///
/// Trusts nothing. Invariants:
/// - a digest value always holds exactly `byteCount` bytes;
/// - no input, whatever its length, traps.

/// A finished digest: a value of a fixed number of bytes.
public protocol Digest: Equatable, Sendable {
    /// Returns the length of the digest.
    /// - Units: bytes.
    static var byteCount: Int { get }

    /// Copies the digest out of `bytes`; `nil` unless there are exactly `byteCount` of them.
    init?(_ bytes: Span<UInt8>)

    /// Returns the bytes, in the order of FIPS 180-4.
    var bytes: Span<UInt8> { @_lifetime(borrow self) get }
}

extension Digest {
    /// Returns whether the two digests are equal, byte by byte; not in constant time.
    @inlinable public static func == (left: Self, right: Self) -> Bool {
        haveEqualBytes(left.bytes, right.bytes)
    }
}

/// Returns whether the two spans hold the same bytes; not in constant time.
/// - Complexity: the length of the shorter span.
public func haveEqualBytes(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    for index in left.indices where left[index] != right[index] { return false }
    return true
}

/// A hash function that takes its message in pieces.
public protocol MessageHash: Sendable {
    /// The digest that it makes.
    associatedtype Output: Digest

    /// Starts an empty message.
    init()

    /// Appends `bytes` to the message.
    mutating func update(_ bytes: Span<UInt8>)

    /// Ends the message and returns its digest.
    consuming func finalize() -> Output
}

extension MessageHash {
    /// Returns the digest of one whole message.
    @inlinable public static func hash(_ message: Span<UInt8>) -> Output {
        var state = Self()
        state.update(message)
        return state.finalize()
    }
}
