/// A SHA-1 digest, 20 bytes.
public struct Digest160: Digest {
    /// Returns 20.
    @inlinable public static var byteCount: Int { 20 }

    private let storage: InlineArray<20, UInt8>

    /// The digest whose bytes are all zero: the value that stands for "none" in files.
    public static var zero: Digest160 { Digest160(InlineArray(repeating: 0)) }

    /// Makes a digest of its bytes.
    public init(_ storage: InlineArray<20, UInt8>) {
        self.storage = storage
    }

    /// Copies the digest out of `bytes`; `nil` unless there are exactly 20 of them.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == 20 else { return nil }
        storage = InlineArray { bytes[$0] }
    }

    /// Returns the bytes, in the order of FIPS 180-4.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span }
    }
}

/// A SHA-256 digest, 32 bytes.
public struct Digest256: Digest {
    /// Returns 32.
    @inlinable public static var byteCount: Int { 32 }

    private let storage: InlineArray<32, UInt8>

    /// The digest whose bytes are all zero: the value that stands for "none" in files.
    public static var zero: Digest256 { Digest256(InlineArray(repeating: 0)) }

    /// Makes a digest of its bytes.
    public init(_ storage: InlineArray<32, UInt8>) {
        self.storage = storage
    }

    /// Copies the digest out of `bytes`; `nil` unless there are exactly 32 of them.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == 32 else { return nil }
        storage = InlineArray { bytes[$0] }
    }

    /// Returns the bytes, in the order of FIPS 180-4.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span }
    }
}

/// A SHA-384 digest, 48 bytes.
public struct Digest384: Digest {
    /// Returns 48.
    @inlinable public static var byteCount: Int { 48 }

    private let storage: InlineArray<48, UInt8>

    /// The digest whose bytes are all zero: the value that stands for "none" in files.
    public static var zero: Digest384 { Digest384(InlineArray(repeating: 0)) }

    /// Makes a digest of its bytes.
    public init(_ storage: InlineArray<48, UInt8>) {
        self.storage = storage
    }

    /// Copies the digest out of `bytes`; `nil` unless there are exactly 48 of them.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == 48 else { return nil }
        storage = InlineArray { bytes[$0] }
    }

    /// Returns the bytes, in the order of FIPS 180-4.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span }
    }
}
