import TestSupport

/// Changes of manifests that keep the directory of sections right, whatever the sections hold: so a
/// change comes to the record that it is about. The directory is that of `docs/abi/manifest.md`.
enum ManifestChanges {
    private struct Section {
        var kind: UInt64
        var recordSize: Int
        var content: [UInt8]
    }

    private static let headerSize = 320

    static func change(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout SeededGenerator
    ) {
        let isPlain = Int.random(in: 0..<4, using: &random) == 0
        guard !isPlain, var sections = sections(of: bytes), !sections.isEmpty else {
            return WordChanges.change(&bytes, others, &random)
        }
        if Int.random(in: 0..<10, using: &random) == 0 { return resize(&bytes, &random) }
        let index = Int.random(in: 0..<sections.count, using: &random)
        let section = sections[index]
        let count = section.content.count / max(1, section.recordSize)
        let record = Int.random(in: 0..<max(1, count), using: &random) * section.recordSize
        let place = record..<min(section.content.count, record + section.recordSize)
        switch Int.random(in: 0..<9, using: &random) {
        case 0 where section.recordSize == 1 && !section.content.isEmpty:
            let text = texts[Int.random(in: 0..<texts.count, using: &random)]
            let end = min(section.content.count, record + text.count)
            sections[index].content.replaceSubrange(record..<end, with: text)
        case 0, 4: sections[index].content.removeSubrange(place)
        case 1: sections[index].content += section.content[place]
        case 2 where sections.count > 1: sections.remove(at: index)
        case 3:
            var content = section.content
            WordChanges.change(&content, [section.content], &random)
            sections[index].content = content
        default:
            guard section.recordSize >= 4, !place.isEmpty else { return }
            let word = Int.random(in: 0..<section.recordSize / 4, using: &random)
            store(
                UInt64(field(&random, count)), in: &sections[index].content, at: record + 4 * word,
                size: 4)
        }
        bytes = joined(header: Array(bytes.prefix(headerSize)), sections)
    }

    /// Beginnings of every form of UTF-8, right and wrong.
    private static let texts: [[UInt8]] = [
        Array("é".utf8), Array("ह".utf8), Array("😀".utf8), Array("\u{d7ff}\u{e000}".utf8),
        [0xe0, 0xa0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x80, 0x80, 0x80],
        [0xf4, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80], [0xc3, 0x28], [0x80], [0xff], [0],
    ]

    /// Makes the file longer or shorter than its sections are, and its header say so.
    private static func resize(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        if Bool.random(using: &random) {
            bytes += [UInt8](repeating: 0, count: 8)
        } else {
            let end = Bool.random(using: &random) ? bytes.count : headerSize + 240
            bytes = Array(bytes.prefix(Int.random(in: headerSize...end, using: &random)))
        }
        store(UInt64(bytes.count), in: &bytes, at: 16, size: 8)
    }

    /// A small number, which may be an index; or an interesting one; or what means none.
    private static func field(_ random: inout SeededGenerator, _ count: Int) -> UInt32 {
        if Int.random(in: 0..<6, using: &random) == 0 { return .max }
        return smallField(&random, count)
    }

    private static func smallField(_ random: inout SeededGenerator, _ count: Int) -> UInt32 {
        Bool.random(using: &random)
            ? UInt32(Int.random(in: 0...count + 1, using: &random)) : WordChanges.value(&random)
    }

    private static func number(_ bytes: [UInt8], at offset: Int, size: Int) -> UInt64 {
        bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func store(_ value: UInt64, in bytes: inout [UInt8], at offset: Int, size: Int) {
        for index in 0..<size where offset + index < bytes.count {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }

    /// Returns the sections; nil when the directory is not right.
    private static func sections(of bytes: [UInt8]) -> [Section]? {
        guard bytes.count >= headerSize else { return nil }
        let count = number(bytes, at: 288, size: 4)
        guard count <= 32, bytes.count >= headerSize + 24 * Int(count) else { return nil }
        var found: [Section] = []
        for index in 0..<Int(count) {
            let entry = headerSize + 24 * index
            let offset = number(bytes, at: entry + 8, size: 8)
            let length = number(bytes, at: entry + 16, size: 8)
            guard offset <= UInt64(bytes.count), length <= UInt64(bytes.count) - offset else {
                return nil
            }
            found.append(
                Section(
                    kind: number(bytes, at: entry, size: 4),
                    recordSize: Int(number(bytes, at: entry + 4, size: 4)),
                    content: Array(bytes[Int(offset)..<Int(offset + length)])))
        }
        return found
    }

    private static func joined(header: [UInt8], _ sections: [Section]) -> [UInt8] {
        var bytes = header + [UInt8](repeating: 0, count: 24 * sections.count)
        store(UInt64(sections.count), in: &bytes, at: 288, size: 4)
        for (index, section) in sections.enumerated() {
            let entry = headerSize + 24 * index
            store(section.kind, in: &bytes, at: entry, size: 4)
            store(UInt64(section.recordSize), in: &bytes, at: entry + 4, size: 4)
            store(UInt64(bytes.count), in: &bytes, at: entry + 8, size: 8)
            store(UInt64(section.content.count), in: &bytes, at: entry + 16, size: 8)
            bytes += section.content
            while bytes.count % 8 != 0 { bytes.append(0) }
        }
        store(UInt64(bytes.count), in: &bytes, at: 16, size: 8)
        return bytes
    }
}
