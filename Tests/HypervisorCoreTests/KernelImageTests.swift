import HypervisorCore
import Testing

@Suite struct KernelImageTests {
    private func accepts(_ bytes: [UInt8]) -> Bool {
        KernelImage(validating: bytes.span) != nil
    }

    private func put(_ value: UInt64, _ size: Int, _ place: Int, _ bytes: inout [UInt8]) {
        for index in 0..<size {
            bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }

    /// An ELF image with one segment to load and one note segment with a PVH entry.
    private var image: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 256)
        put(0x464c_457f, 4, 0, &bytes)
        bytes[4] = 2
        bytes[5] = 1
        put(62, 2, 18, &bytes)
        put(64, 8, 32, &bytes)
        put(56, 2, 54, &bytes)
        put(2, 2, 56, &bytes)
        put(1, 4, 64, &bytes)
        put(200, 8, 64 + 8, &bytes)
        put(0x100000, 8, 64 + 24, &bytes)
        put(16, 8, 64 + 32, &bytes)
        put(64, 8, 64 + 40, &bytes)
        put(4, 4, 120, &bytes)
        put(224, 8, 120 + 8, &bytes)
        put(24, 8, 120 + 32, &bytes)
        put(4, 4, 224, &bytes)
        put(8, 4, 228, &bytes)
        put(18, 4, 232, &bytes)
        put(0x6e_6558, 4, 236, &bytes)
        put(0x100_0850, 8, 240, &bytes)
        return bytes
    }

    @Test("the entry and the segments are those of the file")
    func valid() throws {
        let bytes = image
        guard let kernel = KernelImage(validating: bytes.span) else {
            Issue.record("refused")
            return
        }
        let entry = kernel.entry
        #expect(entry == 0x100_0850)
        let found = kernel.segment(at: 0)
        let segment = try #require(found)
        #expect(segment.address == 0x100000)
        #expect(segment.fileOffset == 200)
        #expect(segment.fileSize == 16)
        #expect(segment.memorySize == 64)
        let others = [1, 2, -1].map { kernel.segment(at: $0) == nil }
        #expect(others == [true, true, true])
    }

    /// The same for i386.
    private var narrowImage: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 256)
        put(0x464c_457f, 4, 0, &bytes)
        bytes[4] = 1
        bytes[5] = 1
        put(3, 2, 18, &bytes)
        put(52, 4, 28, &bytes)
        put(32, 2, 42, &bytes)
        put(2, 2, 44, &bytes)
        put(1, 4, 52, &bytes)
        put(200, 4, 52 + 4, &bytes)
        put(0x100000, 4, 52 + 12, &bytes)
        put(16, 4, 52 + 16, &bytes)
        put(64, 4, 52 + 20, &bytes)
        put(4, 4, 84, &bytes)
        put(224, 4, 84 + 4, &bytes)
        put(20, 4, 84 + 16, &bytes)
        put(4, 4, 224, &bytes)
        put(4, 4, 228, &bytes)
        put(18, 4, 232, &bytes)
        put(0x6e_6558, 4, 236, &bytes)
        put(0x10_0000, 4, 240, &bytes)
        return bytes
    }

    @Test("an image of 32 bits is read by its own layout, and by no other")
    func narrow() throws {
        let bytes = narrowImage
        guard let kernel = KernelImage(validating: bytes.span) else {
            Issue.record("refused")
            return
        }
        let entry = kernel.entry
        #expect(entry == 0x10_0000)
        let found = kernel.segment(at: 0)
        let segment = try #require(found)
        #expect(segment.fileOffset == 200)
        #expect(segment.fileSize == 16)
        #expect(segment.address == 0x100000)
        #expect(segment.memorySize == 64)
        for (place, value) in [(4, 2), (4, 0), (4, 3), (18, 62)] {
            var changed = bytes
            changed[place] = UInt8(value)
            #expect(!accepts(changed))
        }
        for count in 0..<bytes.count {
            let part = Array(bytes[0..<count])
            _ = KernelImage(validating: part.span)
        }
    }

    @Test("an image without a PVH entry is refused")
    func noEntry() {
        var bytes = image
        put(17, 4, 232, &bytes)
        #expect(!accepts(bytes))
    }

    @Test("an entry above 4 GiB is refused, the last below is taken")
    func entryRange() {
        var bytes = image
        put(0xffff_ffff, 8, 240, &bytes)
        #expect(accepts(bytes))
        put(0x1_0000_0000, 8, 240, &bytes)
        #expect(!accepts(bytes))
    }

    @Test("segments that leave the file are refused, those that end with it are taken")
    func segmentRange() {
        var bytes = image
        put(240, 8, 64 + 8, &bytes)
        #expect(accepts(bytes))
        put(241, 8, 64 + 8, &bytes)
        #expect(!accepts(bytes))
        put(.max, 8, 64 + 8, &bytes)
        #expect(!accepts(bytes))
    }

    @Test("a segment with more in the file than in memory is refused")
    func fileLargerThanMemory() {
        var bytes = image
        put(15, 8, 64 + 40, &bytes)
        #expect(!accepts(bytes))
    }

    @Test("an image that ends early, or has any byte changed, never traps")
    func damaged() {
        let bytes = image
        for count in 0..<bytes.count {
            let part = Array(bytes[0..<count])
            _ = KernelImage(validating: part.span)
        }
        for index in bytes.indices {
            for value in [UInt8(0), 1, 0x7f, 0x80, 0xff] {
                var changed = bytes
                changed[index] = value
                guard let kernel = KernelImage(validating: changed.span) else { continue }
                for number in 0..<kernel.segmentCount {
                    guard let segment = kernel.segment(at: number) else { continue }
                    #expect(segment.fileOffset + segment.fileSize <= changed.count)
                }
            }
        }
    }
}
