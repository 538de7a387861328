/// What a guest finds in memory when it starts: the PVH start info with its memory map (Xen public
/// `arch-x86/hvm/start_info.h`) and the ACPI tables (ACPI 6.4, chapter 5) of a machine that has one
/// to eight processors and no legacy device.
public enum GuestFirmware {
    /// Where the start info, its lists and the command line are; one page.
    public static var startInfoAddress: UInt64 { 0x8000 }
    /// Where the ACPI tables are; one page.
    public static var tablesAddress: UInt64 { 0xfc00_0000 }
    /// Where the console ring is; one page.
    public static var consoleAddress: UInt64 { 0xfeff_f000 }
    /// Where the store ring is; one page, before the console's.
    public static var storeAddress: UInt64 { 0xfeff_e000 }
    /// The most memory that is at the beginning; the rest is from 4 GiB on.
    public static var lowMemoryLimit: UInt64 { 0xf000_0000 }
    /// The longest command line, in bytes.
    public static var commandLineLimit: Int { 2047 }

    /// Fills the start info's page.
    ///
    /// - Parameters:
    ///   - page: 4,096 zero bytes.
    ///   - memorySize: of the guest, in bytes, at least 1 MiB.
    ///   - initrd: where it was put, and its size; nil: none.
    /// - Returns: false when the command line is too long.
    public static func writeStartInfo(
        _ page: inout MutableSpan<UInt8>, memorySize: UInt64,
        initrd: (address: UInt64, size: UInt64)?, commandLine: Span<UInt8>
    ) -> Bool {
        guard commandLine.count <= commandLineLimit, page.count == 4096 else { return false }
        page.set(0x336e_c578, size: 4, at: 0)
        page.set(1, size: 4, at: 4)
        page.set(initrd == nil ? 0 : 1, size: 4, at: 12)
        if let initrd {
            page.set(startInfoAddress + 0x40, size: 8, at: 16)
            page.set(initrd.address, size: 8, at: 0x40)
            page.set(initrd.size, size: 8, at: 0x48)
        }
        page.set(startInfoAddress + 0x200, size: 8, at: 24)
        page.set(tablesAddress, size: 8, at: 32)
        page.set(startInfoAddress + 0x80, size: 8, at: 40)
        let regionCount = regionCount(memorySize: memorySize)
        page.set(UInt64(regionCount), size: 4, at: 48)
        for index in 0..<regionCount {
            let region = region(index, memorySize: memorySize)
            let place = 0x80 + index * 24
            page.set(region.start, size: 8, at: place)
            page.set(region.size, size: 8, at: place + 8)
            page.set(region.type, size: 4, at: place + 16)
        }
        for index in commandLine.indices { page[0x200 + index] = commandLine[index] }
        return true
    }

    /// Where a frame of the guest's memory is, by its number among them.
    @inline(never) public static func frame(_ number: UInt64) -> GuestFrame {
        let isLow = number < lowMemoryLimit >> 12
        return GuestFrame(number: isLow ? number : number + (1 << 32 - lowMemoryLimit) >> 12)
    }

    /// How many regions the memory map has.
    static func regionCount(memorySize: UInt64) -> Int { memorySize > lowMemoryLimit ? 6 : 5 }

    /// A region of the memory map, in rising order (ACPI 6.4, 15: 1 memory, 2 reserved, 3 ACPI).
    @inline(never) static func region(
        _ index: Int, memorySize: UInt64
    ) -> (start: UInt64, size: UInt64, type: UInt64) {
        switch index {
        case 0: (0, 0xa0000, 1)
        case 1: (0xa0000, 0x60000, 2)
        case 2: (0x10_0000, min(memorySize, lowMemoryLimit) - 0x10_0000, 1)
        case 3: (tablesAddress, 0x1000, 3)
        case 4: (storeAddress, 0x2000, 2)
        default: (1 << 32, memorySize - lowMemoryLimit, 1)
        }
    }

    /// Fills the page of the ACPI tables.
    ///
    /// - Layout: RSDP at 0, XSDT at 0x40, FADT at 0x100, DSDT at 0x280, MADT at 0x300.
    /// - Parameter processorCount: 1 to 8; each has a local APIC with its number as identifier.
    public static func writeTables(_ page: inout MutableSpan<UInt8>, processorCount: Int) {
        guard page.count == 4096, processorCount >= 1, processorCount <= 8 else { return }
        page.set(0x2052_5450_2044_5352, size: 8, at: 0)
        setIdentity(&page, at: 9)
        page[15] = 2
        page.set(36, size: 4, at: 20)
        page.set(tablesAddress + 0x40, size: 8, at: 24)
        setChecksum(&page, start: 0, count: 20, at: 8)
        setChecksum(&page, start: 0, count: 36, at: 32)

        // XSDT: FADT and MADT.
        setHeader(&page, at: 0x40, signature: 0x5444_5358, length: 52, revision: 1)
        page.set(tablesAddress + 0x100, size: 8, at: 0x40 + 36)
        page.set(tablesAddress + 0x300, size: 8, at: 0x40 + 44)
        setChecksum(&page, start: 0x40, count: 52, at: 0x40 + 9)

        // FADT: no VGA, no CMOS clock; hardware-reduced, write-back invalidate works.
        setHeader(&page, at: 0x100, signature: 0x5043_4146, length: 268, revision: 5)
        page.set(tablesAddress + 0x280, size: 4, at: 0x100 + 40)
        page.set(1 << 2 | 1 << 5, size: 2, at: 0x100 + 109)
        page.set(1 << 20 | 1, size: 4, at: 0x100 + 112)
        page.set(tablesAddress + 0x280, size: 8, at: 0x100 + 140)
        setChecksum(&page, start: 0x100, count: 268, at: 0x100 + 9)

        // DSDT: no devices.
        setHeader(&page, at: 0x280, signature: 0x5444_5344, length: 36, revision: 2)
        setChecksum(&page, start: 0x280, count: 36, at: 0x280 + 9)

        // MADT: processor local APIC entries of eight bytes.
        let length = 44 + 8 * processorCount
        setHeader(
            &page, at: 0x300, signature: 0x4349_5041, length: UInt64(length), revision: 3)
        page.set(0xfee0_0000, size: 4, at: 0x300 + 36)
        for number in 0..<processorCount {
            let place = 0x300 + 44 + 8 * number
            page.set(8 << 8 | UInt64(number) << 16 | UInt64(number) << 24, size: 4, at: place)
            page.set(1, size: 4, at: place + 4)
        }
        setChecksum(&page, start: 0x300, count: length, at: 0x300 + 9)
    }

    private static func setHeader(
        _ page: inout MutableSpan<UInt8>, at place: Int, signature: UInt64, length: UInt64,
        revision: UInt8
    ) {
        page.set(signature, size: 4, at: place)
        page.set(length, size: 4, at: place + 4)
        page[place + 8] = revision
        setIdentity(&page, at: place + 10)
        setIdentity(&page, at: place + 16)
        page.set(1, size: 4, at: place + 24)
        page.set(1, size: 4, at: place + 32)
    }

    /// "CASEMT", as the maker of a table.
    private static func setIdentity(_ page: inout MutableSpan<UInt8>, at place: Int) {
        page.set(0x544d_4553_4143, size: 6, at: place)
    }

    private static func setChecksum(
        _ page: inout MutableSpan<UInt8>, start: Int, count: Int, at place: Int
    ) {
        var sum: UInt8 = 0
        // WRAPS: the checksum is the negated sum modulo 256.
        for index in 0..<count { sum = sum &+ page[start + index] }
        page[place] = page[place] &- sum
    }
}

extension MutableSpan<UInt8> {
    /// Writes a little-endian number of `size` bytes at `offset`, which is in range.
    @_lifetime(self: copy self)
    mutating func set(_ value: UInt64, size: Int, at offset: Int) {
        for index in 0..<size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }
}
