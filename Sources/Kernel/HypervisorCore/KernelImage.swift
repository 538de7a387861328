/// A guest's kernel: an ELF image for x86-64 or i386 with a PVH entry note (System V ABI and its
/// supplements;
/// Xen public `elfnote.h`, `XEN_ELFNOTE_PHYS32_ENTRY`).
///
/// - Trust: the bytes are a boot module. `init` proves that every segment's bytes are in the file
///   and that no number overflows; it does not prove that segments fit a guest's memory.
public struct KernelImage: ~Escapable {
    /// Where the guest starts, in 32-bit protected mode.
    public let entry: UInt32
    /// How many program headers there are, at most 32.
    public let segmentCount: Int

    private let bytes: Span<UInt8>
    private let headers: Int
    private let layout: HeaderLayout

    /// Where a program header of either class has its fields (`Elf64_Phdr`, `Elf32_Phdr`): the size
    /// of the header, that of a number, and the offsets of the fields.
    private struct HeaderLayout: BitwiseCopyable {
        let size: Int
        let word: Int
        let offset: Int
        let address: Int
        let fileSize: Int
        let memorySize: Int

        static var wide: HeaderLayout {
            HeaderLayout(
                size: 56, word: 8, offset: 8, address: 24, fileSize: 32, memorySize: 40)
        }
        static var narrow: HeaderLayout {
            HeaderLayout(size: 32, word: 4, offset: 4, address: 12, fileSize: 16, memorySize: 20)
        }
    }

    /// A part of the file that belongs at a place in guest-physical memory.
    public struct Segment {
        /// Where its bytes start in the file.
        public let fileOffset: Int
        /// How many bytes it has in the file.
        public let fileSize: Int
        /// Where it belongs.
        public let address: UInt64
        /// How many bytes it takes there; what the file does not hold is zero.
        public let memorySize: UInt64
    }

    /// Validates an image.
    ///
    /// - Returns: nil when it is no such image.
    @_lifetime(copy bytes)
    public init?(validating bytes: Span<UInt8>) {
        guard bytes.count >= 64, bytes.number(at: 0, size: 4) == 0x464c_457f, bytes[5] == 1
        else { return nil }
        let isWide = bytes[4] == 2
        let layout: HeaderLayout = isWide ? .wide : .narrow
        guard bytes.number(at: 18, size: 2) == (isWide ? 62 : 3), isWide || bytes[4] == 1,
            let headers = Int(exactly: bytes.number(at: isWide ? 32 : 28, size: layout.word)),
            bytes.number(at: isWide ? 54 : 42, size: 2) == UInt64(layout.size)
        else { return nil }
        let count = Int(bytes.number(at: isWide ? 56 : 44, size: 2))
        guard count > 0, count <= 32, headers <= bytes.count - count * layout.size else {
            return nil
        }
        var entry: UInt32?
        for index in 0..<count {
            let header = headers + index * layout.size
            let offset = bytes.number(at: header + layout.offset, size: layout.word)
            let address = bytes.number(at: header + layout.address, size: layout.word)
            let fileSize = bytes.number(at: header + layout.fileSize, size: layout.word)
            let memorySize = bytes.number(at: header + layout.memorySize, size: layout.word)
            guard fileSize <= UInt64(bytes.count), offset <= UInt64(bytes.count) - fileSize,
                memorySize <= 1 << 40, address <= 1 << 40
            else { return nil }
            let type = bytes.number(at: header, size: 4)
            if type == 1, fileSize > memorySize { return nil }
            if type == 4 {
                entry = KernelImage.entry(bytes, Int(offset), Int(fileSize)) ?? entry
            }
        }
        guard let entry else { return nil }
        self.entry = entry
        segmentCount = count
        self.bytes = bytes
        self.headers = headers
        self.layout = layout
    }

    /// The PVH entry among the notes in `size` bytes at `start`.
    private static func entry(_ bytes: Span<UInt8>, _ start: Int, _ size: Int) -> UInt32? {
        var place = start
        let end = start + size
        while end - place >= 12 {
            let nameSize = Int(bytes.number(at: place, size: 4))
            let valueSize = Int(bytes.number(at: place + 4, size: 4))
            let type = bytes.number(at: place + 8, size: 4)
            let value = place + 12 + (nameSize + 3) & ~3
            let next = value + (valueSize + 3) & ~3
            guard next <= end else { return nil }
            if type == 18, nameSize == 4, bytes.number(at: place + 12, size: 4) == 0x6e_6558,
                valueSize == 4 || valueSize == 8
            {
                return UInt32(exactly: bytes.number(at: value, size: valueSize))
            }
            place = next
        }
        return nil
    }

    /// The segment at `index`, if it is one to load.
    public func segment(at index: Int) -> Segment? {
        guard index >= 0, index < segmentCount else { return nil }
        let header = headers + index * layout.size
        guard bytes.number(at: header, size: 4) == 1 else { return nil }
        return Segment(
            fileOffset: Int(bytes.number(at: header + layout.offset, size: layout.word)),
            fileSize: Int(bytes.number(at: header + layout.fileSize, size: layout.word)),
            address: bytes.number(at: header + layout.address, size: layout.word),
            memorySize: bytes.number(at: header + layout.memorySize, size: layout.word))
    }
}

extension Span<UInt8> {
    /// The little-endian number of `size` bytes at `offset`, which the caller has checked to be in
    /// range.
    @inline(never)
    func number(at offset: Int, size: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<size { value |= UInt64(self[offset + index]) << UInt64(8 * index) }
        return value
    }
}
