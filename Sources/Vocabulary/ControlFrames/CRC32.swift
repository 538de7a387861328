/// The CRC-32 of IEEE 802.3, section 3.2.9 (reflected polynomial 0xEDB88320), taken in pieces.
public struct CRC32: Sendable {
    private var remainder: UInt32 = 0xffff_ffff

    /// Starts an empty message.
    public init() {}

    /// Appends `bytes` to the message.
    public mutating func update(_ bytes: Span<UInt8>) {
        for index in bytes.indices {
            remainder ^= UInt32(bytes[index])
            remainder = (remainder >> 4) ^ remainders[Int(remainder & 15)]
            remainder = (remainder >> 4) ^ remainders[Int(remainder & 15)]
        }
    }

    /// Returns the checksum of the message so far.
    public var value: UInt32 { ~remainder }

    /// Returns the checksum of one whole message.
    public static func checksum(of bytes: Span<UInt8>) -> UInt32 {
        var state = CRC32()
        state.update(bytes)
        return state.value
    }
}

/// The remainder of each four-bit value, shifted four times.
private let remainders: InlineArray<16, UInt32> = [
    0x0000_0000, 0x1db7_1064, 0x3b6e_20c8, 0x26d9_30ac,
    0x76dc_4190, 0x6b6b_51f4, 0x4db2_6158, 0x5005_713c,
    0xedb8_8320, 0xf00f_9344, 0xd6d6_a3e8, 0xcb61_b38c,
    0x9b64_c2b0, 0x86d3_d2d4, 0xa00a_e278, 0xbdbd_f21c,
]
