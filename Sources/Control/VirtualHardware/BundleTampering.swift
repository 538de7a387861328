/// Returns a copy of a boot bundle in which one byte in the middle of one member's content differs;
/// `nil` if no member has content that `isWanted` accepts, or the bundle is no `newc` archive.
///
/// - Source: docs/abi/boot-bundle.md; the Linux kernel's `early-userspace/buffer-format`.
public func tampered(_ bundle: [UInt8], where isWanted: (ArraySlice<UInt8>) -> Bool) -> [UInt8]? {
    var position = 0
    while bundle.count - position >= 110 {
        let header = bundle[position..<position + 110]
        guard header.prefix(6).elementsEqual("070701".utf8),
            let size = hexadecimalField(header, 6), let nameSize = hexadecimalField(header, 11)
        else { return nil }
        let content = aligned(position + 110 + nameSize)
        guard content <= bundle.count, size <= bundle.count - content else { return nil }
        if size > 0, isWanted(bundle[content..<content + size]) {
            var copy = bundle
            copy[content + size / 2] ^= 1
            return copy
        }
        position = aligned(content + size)
    }
    return nil
}

/// Returns the field of this number, counted from 0 behind the magic: eight hexadecimal digits.
private func hexadecimalField(_ header: ArraySlice<UInt8>, _ number: Int) -> Int? {
    let start = header.startIndex + 6 + 8 * number
    return Int(String(decoding: header[start..<start + 8], as: UTF8.self), radix: 16)
}

/// Rounds up to a multiple of 4.
private func aligned(_ offset: Int) -> Int {
    (offset + 3) & ~3
}
