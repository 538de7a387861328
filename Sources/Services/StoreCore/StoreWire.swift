/// The numbers of Xen's store protocol.
///
/// - Source: Xen public `io/xs_wire.h`, `enum xsd_sockmsg_type`.
public enum StoreMessageType: UInt32, Sendable {
    /// `XS_CONTROL`.
    case control = 0
    /// `XS_DIRECTORY`.
    case directory
    /// `XS_READ`.
    case read
    /// `XS_GET_PERMS`.
    case getPermissions
    /// `XS_WATCH`.
    case watch
    /// `XS_UNWATCH`.
    case unwatch
    /// `XS_TRANSACTION_START`.
    case transactionStart
    /// `XS_TRANSACTION_END`.
    case transactionEnd
    /// `XS_INTRODUCE`.
    case introduce
    /// `XS_RELEASE`.
    case release
    /// `XS_GET_DOMAIN_PATH`.
    case getDomainPath
    /// `XS_WRITE`.
    case write
    /// `XS_MKDIR`.
    case makeDirectory
    /// `XS_RM`.
    case remove
    /// `XS_SET_PERMS`.
    case setPermissions
    /// `XS_WATCH_EVENT`: only ever sent by the store.
    case watchEvent
    /// `XS_ERROR`: only ever sent by the store.
    case error
    /// `XS_IS_DOMAIN_INTRODUCED`.
    case isDomainIntroduced
    /// `XS_RESUME`.
    case resume
    /// `XS_SET_TARGET`.
    case setTarget
    /// `XS_RESET_WATCHES`. The number 20 before it was `XS_RESTRICT`, which is gone.
    case resetWatches = 21
    /// `XS_DIRECTORY_PART`.
    case directoryPart
}

/// The first 16 bytes of a message.
///
/// - Layout: four little-endian 32-bit numbers, `struct xsd_sockmsg`.
public struct StoreMessageHeader: Equatable, Sendable {
    /// The size of a header, in bytes.
    public static let sizeInBytes = 16
    /// The most bytes that may follow a header: `XENSTORE_PAYLOAD_MAX`.
    public static let maximumPayload = 4096

    /// The kind of the message, which may be none of `StoreMessageType`.
    public let type: UInt32
    /// The sender's number for the request, echoed in the reply.
    public let requestID: UInt32
    /// The transaction; 0 for none.
    public let transactionID: UInt32
    /// The number of bytes that follow.
    public let length: Int

    /// Reads a header; nil when there are fewer than 16 bytes, or more than `maximumPayload` are
    /// announced: then its sender has broken the protocol.
    public init?(validating bytes: Span<UInt8>) {
        self.init(validating: bytes, losesUpperBits: false)
    }

    init?(validating bytes: Span<UInt8>, losesUpperBits: Bool) {
        guard bytes.count >= StoreMessageHeader.sizeInBytes else { return nil }
        var announced = bytes.littleEndian32(at: 12)
        if losesUpperBits { announced &= 0x3fff_ffff }
        guard announced <= UInt32(StoreMessageHeader.maximumPayload) else { return nil }
        type = bytes.littleEndian32(at: 0)
        requestID = bytes.littleEndian32(at: 4)
        transactionID = bytes.littleEndian32(at: 8)
        length = Int(announced)
    }
}

extension Span<UInt8> {
    /// Returns the number in four bytes from `offset`; they must lie inside.
    @inline(__always)
    func littleEndian32(at offset: Int) -> UInt32 {
        UInt32(self[offset]) | UInt32(self[offset + 1]) << 8 | UInt32(self[offset + 2]) << 16
            | UInt32(self[offset + 3]) << 24
    }

    /// Returns the index of the first NUL at or after `start`; nil when there is none.
    func firstNUL(from start: Int) -> Int? {
        for index in start..<count where self[index] == 0 { return index }
        return nil
    }
}

extension MutableSpan<UInt8> {
    /// Writes a number to four bytes from `offset`; they must lie inside.
    @inline(__always)
    mutating func setLittleEndian32(_ number: UInt32, at offset: Int) {
        for index in 0..<4 {
            self[offset + index] = UInt8(truncatingIfNeeded: number &>> UInt32(8 * index))
        }
    }
}

/// What the store answers to a request that it does not serve: the errors of the protocol, by the C
/// names that travel over the wire.
public enum StoreError: Error, Equatable, Sendable {
    /// `EINVAL`: malformed.
    case invalid
    /// `EACCES`: not permitted, or not to be known.
    case accessDenied
    /// `EEXIST`: the watch is there already.
    case exists
    /// `ENOENT`: no such node, watch, transaction or domain.
    case notFound
    /// `ENOMEM`: the end of a transaction in which a quota was exceeded.
    case transactionFailed
    /// `ENOSPC`: a quota.
    case noSpace
    /// `ENOSYS`: no such message.
    case unknownRequest
    /// `EBUSY`: a transaction inside a transaction.
    case busy
    /// `EAGAIN`: the transaction met a conflict.
    case conflict
    /// `E2BIG`: too many watches, or a reply that does not fit.
    case tooBig
    /// `EPERM`: only the owner's superior may give a node away.
    case notPermitted

    /// The C name, in ASCII, as it stands in the reply.
    var text: PackedText {
        switch self {
        case .invalid: PackedText(0x0000_4c41_564e_4945, count: 6)
        case .accessDenied: PackedText(0x0000_5345_4343_4145, count: 6)
        case .exists: PackedText(0x0000_5453_4958_4545, count: 6)
        case .notFound: PackedText(0x0000_544e_454f_4e45, count: 6)
        case .transactionFailed: PackedText(0x0000_4d45_4d4f_4e45, count: 6)
        case .noSpace: PackedText(0x0000_4350_534f_4e45, count: 6)
        case .unknownRequest: PackedText(0x0000_5359_534f_4e45, count: 6)
        case .busy: PackedText(0x0000_0059_5355_4245, count: 5)
        case .conflict: PackedText(0x0000_4e49_4147_4145, count: 6)
        case .tooBig: PackedText(0x0000_0047_4942_3245, count: 5)
        case .notPermitted: PackedText(0x0000_004d_5245_5045, count: 5)
        }
    }
}

/// At most 16 ASCII characters without a pointer: character *n* stands in bits 8 (n mod 8) of word
/// n div 8.
struct PackedText: Equatable {
    private let low: UInt64
    private let high: UInt64
    let count: Int

    init(_ low: UInt64, _ high: UInt64 = 0, count: Int) {
        self.low = low
        self.high = high
        self.count = count
    }

    /// The character at `index`, which is below `count`.
    subscript(index: Int) -> UInt8 {
        let word = index < 8 ? low : high
        return UInt8(truncatingIfNeeded: word &>> UInt64(8 * (index & 7)))
    }

    /// Whether `bytes` are these characters.
    func equals(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count == count else { return false }
        for index in 0..<count where bytes[index] != self[index] { return false }
        return true
    }

    /// `OK`.
    static var ok: PackedText { PackedText(0x4b4f, count: 2) }
    /// `check`.
    static var check: PackedText { PackedText(0x0000_006b_6365_6863, count: 5) }
    /// `/local/domain/`.
    static var domainDirectory: PackedText {
        PackedText(0x642f_6c61_636f_6c2f, 0x0000_2f6e_6961_6d6f, count: 14)
    }
    /// `@introduceDomain`.
    static var introduceDomain: PackedText {
        PackedText(0x7564_6f72_746e_6940, 0x6e69_616d_6f44_6563, count: 16)
    }
    /// `@releaseDomain`.
    static var releaseDomain: PackedText {
        PackedText(0x6573_6165_6c65_7240, 0x0000_6e69_616d_6f44, count: 14)
    }
}
