/// Text that is part of the image, byte by byte.
///
/// One of the named memory files: a `StaticString` shows its bytes by pointer only.
extension StaticString {
    /// How many bytes of UTF-8 it has.
    public var byteCount: Int { utf8CodeUnitCount }

    /// The byte at `index`; 0 past the end.
    public func byte(at index: Int) -> UInt8 {
        guard index >= 0, index < utf8CodeUnitCount, hasPointerRepresentation else { return 0 }
        // SAFETY: the pointer stands for `utf8CodeUnitCount` bytes that live as long as the image.
        return unsafe utf8Start[index]
    }
}
