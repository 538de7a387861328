/// The archive of a load: policy and manifest as a boot bundle without modules, a view.
///
/// For: taking the manifest out, to verify its signature. The hypervisor reads the same bytes
/// again, with a reader of its own. Trusts nothing.
///
/// - Source: docs/abi/boot-bundle.md; the cpio format `newc`: a header of 110 bytes with thirteen
///   hexadecimal numbers of 8 digits, the name with a final 0, the content, both padded to 4 bytes.
public struct ControlArchive: ~Escapable {
    /// The content of `policy`.
    public let policy: Span<UInt8>
    /// The content of `manifest`.
    public let manifest: Span<UInt8>

    /// Reads an archive.
    ///
    /// - Throws: `ControlArchiveError` when it has not exactly the members `policy`, `manifest` and
    ///   the trailer, in this order and whole.
    @_lifetime(copy bytes)
    public init(validating bytes: Span<UInt8>) throws(ControlArchiveError) {
        let first = try member(of: bytes, at: 0, named: policyName)
        let second = try member(of: bytes, at: first.end, named: manifestName)
        let trailer = try member(of: bytes, at: second.end, named: trailerName)
        guard trailer.content == 0, first.content > 0, second.content > 0 else {
            throw ControlArchiveError()
        }
        policy = bytes.extracting(first.start..<first.start + first.content)
        manifest = bytes.extracting(second.start..<second.start + second.content)
    }
}

/// The bytes are no archive of a policy and a manifest.
public struct ControlArchiveError: Error, Equatable {}

/// Where a member's content is, and where the next member begins.
private struct Place {
    let start: Int
    let content: Int
    let end: Int
}

/// `policy`, `manifest`, `TRAILER!!!`, each with its final 0, and the format's magic, `070701`.
private let policyName: InlineArray<7, UInt8> = [0x70, 0x6f, 0x6c, 0x69, 0x63, 0x79, 0]
private let manifestName: InlineArray<9, UInt8> = [
    0x6d, 0x61, 0x6e, 0x69, 0x66, 0x65, 0x73, 0x74, 0,
]
private let trailerName: InlineArray<11, UInt8> = [
    0x54, 0x52, 0x41, 0x49, 0x4c, 0x45, 0x52, 0x21, 0x21, 0x21, 0,
]
private let magic: InlineArray<6, UInt8> = [0x30, 0x37, 0x30, 0x37, 0x30, 0x31]

private func member<let nameSize: Int>(
    of bytes: Span<UInt8>, at offset: Int, named name: InlineArray<nameSize, UInt8>
) throws(ControlArchiveError) -> Place {
    let headerSize = 110
    guard offset <= bytes.count, bytes.count - offset >= headerSize,
        matches(bytes, offset, magic),
        let content = hexadecimal(bytes, offset + 54),
        hexadecimal(bytes, offset + 94) == nameSize
    else { throw ControlArchiveError() }
    // No sum can overflow: a number has 32 bits, and the offset is within the bytes.
    let start = padded(offset + headerSize + nameSize)
    guard start <= bytes.count, content <= bytes.count - start,
        matches(bytes, offset + headerSize, name)
    else { throw ControlArchiveError() }
    return Place(start: start, content: content, end: padded(start + content))
}

private func padded(_ offset: Int) -> Int { (offset + 3) / 4 * 4 }

/// Whether `text`, for which there is room, stands at `offset`.
private func matches<let count: Int>(
    _ bytes: Span<UInt8>, _ offset: Int, _ text: InlineArray<count, UInt8>
) -> Bool {
    for index in 0..<count where bytes[offset + index] != text[index] { return false }
    return true
}

/// Returns the number of 8 hexadecimal digits at `offset`, for which there is room.
private func hexadecimal(_ bytes: Span<UInt8>, _ offset: Int) -> Int? {
    var value = 0
    for index in offset..<offset + 8 {
        switch bytes[index] {
        case 0x30...0x39: value = value << 4 | Int(bytes[index] - 0x30)
        case 0x41...0x46: value = value << 4 | Int(bytes[index] - 0x37)
        case 0x61...0x66: value = value << 4 | Int(bytes[index] - 0x57)
        default: return nil
        }
    }
    return value
}
