import HypervisorCore
import Testing

@Suite struct GuestFirmwareTests {
    private func number(_ bytes: [UInt8], _ place: Int, _ size: Int) -> UInt64 {
        (0..<size).reduce(0) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
    }

    private func startInfo(
        _ commandLine: String, initrd: (address: UInt64, size: UInt64)? = nil,
        memorySize: UInt64 = 64 << 20
    ) -> (bytes: [UInt8], accepted: Bool) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let text = Array(commandLine.utf8)
        var page = bytes.mutableSpan
        let accepted = GuestFirmware.writeStartInfo(
            &page, memorySize: memorySize, initrd: initrd, commandLine: text.span)
        return (bytes, accepted)
    }

    @Test("the start info is what a PVH guest reads")
    func pvh() {
        let (bytes, accepted) = startInfo("console=hvc0", initrd: (0x400_0000, 123))
        #expect(accepted)
        #expect(number(bytes, 0, 4) == 0x336e_c578)
        #expect(number(bytes, 4, 4) == 1)
        #expect(number(bytes, 12, 4) == 1)
        let list = Int(number(bytes, 16, 8) - GuestFirmware.startInfoAddress)
        #expect(number(bytes, list, 8) == 0x400_0000)
        #expect(number(bytes, list + 8, 8) == 123)
        let line = Int(number(bytes, 24, 8) - GuestFirmware.startInfoAddress)
        #expect(Array(bytes[line..<line + 13]) == Array("console=hvc0".utf8) + [0])
        #expect(number(bytes, 32, 8) == GuestFirmware.tablesAddress)
    }

    @Test("without an initrd there is no module")
    func noInitrd() {
        let (bytes, _) = startInfo("")
        #expect(number(bytes, 12, 4) == 0)
        #expect(number(bytes, 16, 8) == 0)
    }

    @Test("a command line of the longest length is taken, one byte more is refused")
    func commandLine() {
        #expect(startInfo(String(repeating: "a", count: 2047)).accepted)
        #expect(!startInfo(String(repeating: "a", count: 2048)).accepted)
    }

    @Test(
        "the memory map covers the memory and nothing twice, wherever frames are",
        arguments: [64, 3839, 3840, 3841, 65_536] as [UInt64])
    func memoryMap(mebibytes: UInt64) {
        let memorySize = mebibytes << 20
        let (bytes, _) = startInfo("", memorySize: memorySize)
        let map = Int(number(bytes, 40, 8) - GuestFirmware.startInfoAddress)
        let count = Int(number(bytes, 48, 4))
        #expect(count == (mebibytes > 3840 ? 6 : 5))
        var end: UInt64 = 0
        var memory: UInt64 = 0
        var frames: [Range<UInt64>] = []
        for index in 0..<count {
            let place = map + index * 24
            let start = number(bytes, place, 8)
            #expect(start >= end)
            end = start + number(bytes, place + 8, 8)
            guard number(bytes, place + 16, 4) == 1 else { continue }
            memory += number(bytes, place + 8, 8)
            frames.append(start >> 12..<end >> 12)
        }
        #expect(memory == memorySize - 0x60000)
        // The map says what the frames' places are: from 1 MiB on, and in their order.
        var next: UInt64 = 256
        for range in frames.dropFirst() {
            for place in [range.lowerBound, range.upperBound - 1] {
                let found = GuestFirmware.frame(next + place - range.lowerBound).number
                #expect(found == place)
            }
            next += UInt64(range.count)
        }
        #expect(next == memorySize >> 12)
        // Nothing of it is where the devices are.
        let devices = 0xf0000..<UInt64(0x10_0000)
        #expect(frames.allSatisfy { !$0.overlaps(devices) })
    }

    @Test("every ACPI table sums to zero and is linked", arguments: 1...8)
    func tables(processorCount: Int) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var page = bytes.mutableSpan
        GuestFirmware.writeTables(&page, processorCount: processorCount)
        func sum(_ start: Int, _ count: Int) -> UInt8 {
            bytes[start..<start + count].reduce(0) { $0 &+ $1 }
        }
        #expect(Array(bytes[0..<8]) == Array("RSD PTR ".utf8))
        #expect(sum(0, 20) == 0)
        #expect(sum(0, 36) == 0)
        let root = Int(number(bytes, 24, 8) - GuestFirmware.tablesAddress)
        var found: [String] = []
        var places = [root]
        for index in 0..<2 {
            places.append(
                Int(number(bytes, root + 36 + 8 * index, 8) - GuestFirmware.tablesAddress))
        }
        places.append(Int(number(bytes, places[1] + 140, 8) - GuestFirmware.tablesAddress))
        for place in places {
            #expect(sum(place, Int(number(bytes, place + 4, 4))) == 0)
            found.append(String(decoding: bytes[place..<place + 4], as: UTF8.self))
        }
        #expect(found == ["XSDT", "FACP", "APIC", "DSDT"])
        let entries = Int(number(bytes, places[2] + 4, 4)) - 44
        #expect(entries == 8 * processorCount)
        for index in 0..<processorCount {
            let entry = places[2] + 44 + 8 * index
            #expect(Array(bytes[entry..<entry + 5]) == [0, 8, UInt8(index), UInt8(index), 1])
        }
    }
}
