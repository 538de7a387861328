/// Returns the word whose bytes, from the most significant, are the arguments.
@inline(__always)
internal func bigEndianWord(_ b0: UInt8, _ b1: UInt8, _ b2: UInt8, _ b3: UInt8) -> UInt32 {
    UInt32(b0) << 24 | UInt32(b1) << 16 | UInt32(b2) << 8 | UInt32(b3)
}

/// Returns `word` rotated right by `count` bits, 1 to 31 (`ROTR`, FIPS 180-4, section 3.2).
@inline(__always)
internal func rotateRight(_ word: UInt32, _ count: UInt32) -> UInt32 {
    word &>> count | word &<< (32 &- count)
}

/// Returns `word` rotated right by `count` bits, 1 to 63 (`ROTR`, FIPS 180-4, section 3.2).
@inline(__always)
internal func rotateRight(_ word: UInt64, _ count: UInt64) -> UInt64 {
    word &>> count | word &<< (64 &- count)
}
