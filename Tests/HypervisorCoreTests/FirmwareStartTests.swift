import HypervisorCore
import TestSupport
import Testing

private func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}

/// A tag of a Multiboot2 information, padded to the next one.
private func tag(_ type: UInt64, _ content: [UInt8]) -> [UInt8] {
    let bytes = little(type, 4) + little(UInt64(content.count + 8), 4) + content
    return bytes + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
}

private let module = tag(3, little(0x10_0000, 4) + little(0x20_0000, 4) + [0])
private let systemTable = tag(12, little(0x7fff_0000, 8))
private let imageHandle = tag(20, little(0x7ffe_0000, 8))
private let end = tag(0, [])

private func information(_ tags: [[UInt8]]) -> [UInt8] {
    let content = tags.flatMap(\.self)
    return little(UInt64(content.count + 8), 4) + little(0, 4) + content
}

/// Reads an information.
private func read(_ bytes: [UInt8]) -> MultibootInformation? {
    MultibootInformation(validating: bytes.span)
}

@Suite("what a Multiboot2 loader passes") struct MultibootTests {
    @Test("module, tables and the command line are found among tags of no interest")
    func wholeInformation() throws {
        let bytes = information([
            tag(2, Array("GRUB 2.06\0".utf8)), tag(1, Array("a b\0".utf8)), module, systemTable,
            tag(18, []), imageHandle, end,
        ])
        let found = try #require(read(bytes))
        #expect(found.moduleCount == 1 && found.moduleStart == 0x10_0000)
        #expect(found.moduleEnd == 0x20_0000 && found.systemTable == 0x7fff_0000)
        #expect(found.imageHandle == 0x7ffe_0000 && found.keepsBootServices)
        #expect(Array(bytes[found.commandLineOffset...].prefix(4)) == Array("a b\0".utf8))
        let bare = try #require(read(information([module, end])))
        #expect(!bare.keepsBootServices && bare.systemTable == 0 && bare.imageHandle == 0)
        let two = information([module, module, end])
        #expect(read(two)?.moduleCount == 2)
    }

    @Test("an information that is cut, lies about its size or has no end is refused")
    func refusals() {
        let good = information([module, systemTable, end])
        #expect(read(good) != nil)
        for count in 0..<good.count {
            #expect(read(Array(good.prefix(count))) == nil)
        }
        let backwards = tag(3, little(0x20_0000, 4) + little(0x10_0000, 4) + [0])
        let tooShort = little(6, 4) + little(7, 4)
        let tooLong = little(6, 4) + little(1 << 31, 4)
        let broken: [[UInt8]] = [
            backwards, tag(12, [1]), tag(1, Array("no end".utf8)), tag(3, [1, 2, 3]), tooShort,
            tooLong,
        ]
        for tag in broken { #expect(read(information([tag, end])) == nil) }
        #expect(read(information([module])) == nil)
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<20_000 {
            var bytes = good
            bytes[Int.random(in: 8..<bytes.count, using: &generator)] = generator.bytes(1)[0]
            _ = read(bytes)
        }
    }
}

/// A descriptor of 48 bytes, as firmware makes them, of which 40 are known.
private func descriptor(_ type: UInt64, _ start: UInt64, pages: UInt64) -> [UInt8] {
    little(type, 8) + little(start, 8) + little(0, 8) + little(pages, 8) + little(15, 8)
        + little(0xeeee, 8)
}

/// What a map says: its ranges from 2 MiB on, and how far memory goes from some addresses on.
private struct Reading: Equatable {
    var ranges: [[UInt64]]
    var ends: [UInt64]
}

private func read(
    _ bytes: [UInt8], descriptorSize: Int = 48, ends: [UInt64] = [], withLoader: Bool = false
) -> Reading? {
    guard let map = FirmwareMemoryMap(validating: bytes.span, descriptorSize: descriptorSize)
    else { return nil }
    var ranges: [[UInt64]] = []
    var range = map.range(from: 1 << 21)
    while range.end > range.start {
        ranges.append([range.start, range.end])
        range = map.range(from: range.end)
    }
    var found: [UInt64] = []
    for start in ends { found.append(map.end(from: start, withLoader: withLoader)) }
    return Reading(ranges: ranges, ends: found)
}

@Suite("the firmware's memory map") struct FirmwareMemoryMapTests {
    @Test("free memory and that of boot services join, in any order; the rest is left out")
    func joining() throws {
        let descriptors: [[UInt8]] = [
            descriptor(4, 0x20_0000, pages: 16), descriptor(9, 0x40_0000, pages: 1),
            descriptor(7, 0x10_0000, pages: 256), descriptor(3, 0x21_0000, pages: 16),
            descriptor(2, 0x50_0000, pages: 4), descriptor(7, 0xffff_f000, pages: 1 << 20),
            descriptor(7, 1 << 32, pages: 1 << 20), descriptor(7, 0x60_0000, pages: 0),
        ]
        let bytes = descriptors.flatMap(\.self)
        let starts: [UInt64] = [0x1f_f000, 0x22_0000, 0x50_0000, 0xffff_f000]
        let map = try #require(read(bytes, ends: starts))
        #expect(map.ranges == [[0x20_0000, 0x22_0000], [0xffff_f000, 2 << 32]])
        #expect(map.ends == [0x22_0000, 0x22_0000, 0x50_0000, 2 << 32])
        let all = try #require(read(bytes, ends: starts, withLoader: true))
        #expect(all.ends == [0x22_0000, 0x22_0000, 0x50_4000, 2 << 32])
    }

    @Test("all ranges from 2 MiB on are found, each once and whole, whatever their order")
    func ranges() throws {
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<50 {
            var pieces: [[UInt8]] = []
            var place: UInt64 = 0
            var ranges: [[UInt64]] = []
            while place < 1 << 33 {
                var end = place
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let pages = UInt64.random(in: 1...30_000, using: &generator)
                    let type: UInt64 = [3, 4, 7].randomElement(using: &generator) ?? 7
                    pieces.append(descriptor(type, end, pages: pages))
                    end += pages << 12
                }
                let start = max(place, 1 << 21)
                if end > start { ranges.append([start, end]) }
                place = end + 4096
            }
            let bytes = pieces.shuffled(using: &generator).flatMap(\.self)
            #expect(read(bytes)?.ranges == ranges)
        }
        #expect(read([])?.ranges == [])
        #expect(read(descriptor(7, 0, pages: 512))?.ranges == [])
    }

    @Test("descriptors that are cut, too short, unaligned or endless are refused")
    func refusals() {
        let good = descriptor(7, 0x20_0000, pages: 1)
        #expect(read(good, descriptorSize: 48) != nil)
        #expect(read(good, descriptorSize: 39) == nil)
        #expect(read(good.dropLast(), descriptorSize: 48) == nil)
        #expect(read(good, descriptorSize: 5000) == nil)
        let broken: [[UInt8]] = [
            descriptor(7, 0x10_0001, pages: 1), descriptor(7, 0, pages: UInt64.max),
            descriptor(7, UInt64.max & ~4095, pages: 1),
        ]
        for bad in broken { #expect(read(bad, descriptorSize: 48) == nil) }
    }
}

/// A firmware whose map changes some times between being asked for and the end.
private struct ChangingFirmware: FirmwareEnding, ~Copyable {
    var changes: Int
    var refusesMap = false
    var refusesEnd = false
    var key: UInt64 = 1
    var hasEnded = false
    var calls = 0

    init(changes: Int) { self.changes = changes }

    mutating func readMemoryMap() -> UInt64? {
        calls += 1
        return refusesMap ? nil : key
    }

    mutating func end(key asked: UInt64) -> Bool? {
        calls += 1
        if refusesEnd { return nil }
        if changes > 0 {
            changes -= 1
            key += 1
        }
        hasEnded = asked == key
        return hasEnded
    }
}

@Suite("leaving the firmware") struct FirmwareEndingTests {
    @Test("a stale map is read again until it holds, and nothing else is asked", arguments: 0...7)
    func staleKey(changes: Int) {
        var firmware = ChangingFirmware(changes: changes)
        let hasLeft = firmware.leave()
        let (ended, calls) = (firmware.hasEnded, firmware.calls)
        #expect(hasLeft && ended && calls == 2 * (changes + 1))
    }

    @Test("a firmware that never lets go, or refuses, is given up")
    func givingUp() {
        var firmware = ChangingFirmware(changes: 8)
        let never = firmware.leave()
        let calls = firmware.calls
        #expect(!never && calls == 16)
        firmware = ChangingFirmware(changes: 0)
        firmware.refusesMap = true
        let withoutMap = firmware.leave()
        #expect(!withoutMap)
        firmware = ChangingFirmware(changes: 0)
        firmware.refusesEnd = true
        let refused = firmware.leave()
        let lastCalls = firmware.calls
        #expect(!refused && lastCalls == 2)
    }
}
