internal import Digests
internal import EventLog

/// The payload of a compartment's event, read from a log.
struct CompartmentEvent: Equatable {
    let name: String
    let domainID: UInt32
    let label: [UInt8]
    let kernel: String
    let initrd: String
    let commandLine: String
    let memoryInBytes: UInt64
    let vcpuCount: UInt32

    /// Reads event data; `nil` unless it is a compartment's, whole, with its fields in order.
    init?(eventData: [UInt8]) {
        guard let payload = taggedPayload(eventData, tag: .compartment),
            let fields = payloadFields(payload, numbered: [1, 2, 3, 4, 5, 6, 7, 8])
        else { return nil }
        guard fields[1].count == 4, fields[2].count == 88, fields[3].count == 48,
            fields[4].isEmpty || fields[4].count == 48, fields[6].count == 8, fields[7].count == 4
        else { return nil }
        name = String(decoding: fields[0], as: UTF8.self)
        domainID = UInt32(truncatingIfNeeded: number(fields[1][...]))
        label = fields[2]
        kernel = hexadecimalText(fields[3])
        initrd = fields[4].isEmpty ? "none" : hexadecimalText(fields[4])
        commandLine = String(decoding: fields[5], as: UTF8.self)
        memoryInBytes = number(fields[6][...])
        vcpuCount = UInt32(truncatingIfNeeded: number(fields[7][...]))
    }

    /// Returns all parts in which this measured compartment differs from a declared one.
    func differences(from declared: ReferenceCompartment) -> [CompartmentDifference] {
        var list: [CompartmentDifference] = []
        func compare(_ part: CompartmentDifference.Part, _ expected: String, _ found: String) {
            guard expected != found else { return }
            list.append(
                CompartmentDifference(
                    compartment: declared.name, source: declared.source, part: part,
                    expected: expected, found: found))
        }
        compare(
            .kernel(module: declared.kernel.name), declared.kernel.sha384.hexadecimal, kernel)
        compare(
            .initrd(module: declared.initrd?.name ?? "none"),
            declared.initrd?.sha384.hexadecimal ?? "none", initrd)
        compare(.commandLine, "`\(declared.commandLine)`", "`\(commandLine)`")
        compare(.label, hexadecimalText(declared.labelRecord), hexadecimalText(label))
        compare(.domainID, "\(declared.domainID)", "\(domainID)")
        compare(.memory, "\(declared.memoryInBytes) bytes", "\(memoryInBytes) bytes")
        compare(.vcpuCount, "\(declared.vcpuCount)", "\(vcpuCount)")
        return list
    }
}

/// The payload of an event of PCR 15 about a compartment, read from a log.
struct LifeEvent: Equatable {
    let name: String
    let domainID: UInt32
    /// SHA-384 in hexadecimal, or `none`; the same for `initrd`.
    let kernel: String
    let initrd: String
    let change: LifeChange
    let generation: UInt32

    /// Reads event data; `nil` unless it is a change's, whole, with its fields in order.
    init?(eventData: [UInt8]) {
        guard let payload = taggedPayload(eventData, tag: .life),
            let fields = payloadFields(payload, numbered: [1, 2, 4, 5, 9, 10]),
            fields[1].count == 4, fields[2].isEmpty || fields[2].count == 48,
            fields[3].isEmpty || fields[3].count == 48, fields[4].count == 4,
            fields[5].count == 4,
            let change = LifeChange(
                rawValue: UInt32(truncatingIfNeeded: number(fields[4][...])))
        else { return nil }
        name = String(decoding: fields[0], as: UTF8.self)
        domainID = UInt32(truncatingIfNeeded: number(fields[1][...]))
        kernel = fields[2].isEmpty ? "none" : hexadecimalText(fields[2])
        initrd = fields[3].isEmpty ? "none" : hexadecimalText(fields[3])
        self.change = change
        generation = UInt32(truncatingIfNeeded: number(fields[5][...]))
    }
}

/// The payload of an event of PCR 15 about another policy, read from a log.
struct ReloadEvent: Equatable {
    let policy: Digest384
    let manifest: Digest384
    let version: UInt64

    /// Reads event data; `nil` unless it is a reload's, whole.
    init?(eventData: [UInt8]) {
        guard let payload = taggedPayload(eventData, tag: .reload),
            payload.count == 104,
            let policy = Digest384(hexadecimal: hexadecimalText(Array(payload[..<48]))),
            let manifest = Digest384(hexadecimal: hexadecimalText(Array(payload[48..<96])))
        else { return nil }
        self.policy = policy
        self.manifest = manifest
        version = number(payload[96...])
    }
}

/// Returns the contents of a payload's fields, which are exactly these numbers in this order.
private func payloadFields(_ payload: [UInt8], numbered numbers: [UInt32]) -> [[UInt8]]? {
    var fields: [[UInt8]] = []
    var rest = payload[...]
    for field in numbers {
        guard rest.count >= 8, number(rest.prefix(4)) == UInt64(field) else { return nil }
        let count = number(rest.dropFirst(4).prefix(4))
        rest = rest.dropFirst(8)
        guard count <= UInt64(rest.count) else { return nil }
        fields.append(Array(rest.prefix(Int(count))))
        rest = rest.dropFirst(Int(count))
    }
    return rest.isEmpty ? fields : nil
}

/// Returns the payload of event data with this tag; `nil` for another tag or a wrong length.
func taggedPayload(_ eventData: [UInt8], tag: EventTag) -> [UInt8]? {
    guard eventData.count >= 8, number(eventData.prefix(4)) == UInt64(tag.rawValue),
        number(eventData[4..<8]) == UInt64(eventData.count - 8)
    else { return nil }
    return Array(eventData.dropFirst(8))
}

/// Returns a little-endian number of at most 8 bytes.
private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}
