/// The memory that a firmware leaves to whoever ended its boot services.
///
/// - Trust: the descriptors are the firmware's, in any order; `init` checks what is read of them.
/// - Source: UEFI 2.10, 7.2.3 (`EFI_MEMORY_DESCRIPTOR`, `GetMemoryMap`).
public struct FirmwareMemoryMap: ~Escapable {
    private let bytes: Span<UInt8>
    private let descriptorSize: Int

    /// Takes the firmware's map.
    ///
    /// - Parameters:
    ///   - bytes: the descriptors.
    ///   - descriptorSize: what one of them takes, which may be more than is known of it.
    /// - Returns: nil when the map is malformed.
    @_lifetime(copy bytes)
    public init?(validating bytes: Span<UInt8>, descriptorSize: Int) {
        guard descriptorSize >= 40, descriptorSize <= 4096, bytes.count % descriptorSize == 0
        else { return nil }
        for place in stride(from: 0, to: bytes.count, by: descriptorSize) {
            guard bytes.number(at: place + 8, size: 8) & 4095 == 0,
                bytes.number(at: place + 8, size: 8) <= 1 << 52,
                bytes.number(at: place + 24, size: 8) <= 1 << 40
            else { return nil }
        }
        self.bytes = bytes
        self.descriptorSize = descriptorSize
    }

    /// Whether a type of memory is left to us: boot services' code and data, and what is free; the
    /// loader's code and data, where we and the module are, if they count.
    private func isUsable(_ place: Int, _ withLoader: Bool) -> Bool {
        let type = bytes.number(at: place, size: 4)
        return type == 3 || type == 4 || type == 7 || (withLoader && (type == 1 || type == 2))
    }

    /// How far memory goes from an address on without a gap; the address itself where there is
    /// none.
    ///
    /// - Complexity: the square of the number of descriptors, at most.
    @inline(never) public func end(from start: UInt64, withLoader: Bool = false) -> UInt64 {
        var end = start
        for _ in 0..<max(1, bytes.count / descriptorSize) {
            let before = end
            for place in stride(from: 0, to: bytes.count, by: descriptorSize)
            where isUsable(place, withLoader) {
                let first = bytes.number(at: place + 8, size: 8)
                let last = first + bytes.number(at: place + 24, size: 8) << 12
                if first <= end, end < last { end = last }
            }
            guard end > before else { break }
        }
        return end
    }

    /// The first range from an address on, as long as it goes without a gap; empty when there is
    /// none. What begins before the address counts from there.
    ///
    /// - Complexity: as `end(from:)`.
    public func range(from address: UInt64) -> (start: UInt64, end: UInt64) {
        var start = UInt64.max
        for place in stride(from: 0, to: bytes.count, by: descriptorSize)
        where isUsable(place, false) {
            let first = bytes.number(at: place + 8, size: 8)
            let last = first + bytes.number(at: place + 24, size: 8) << 12
            if last > address, last > first { start = min(start, max(first, address)) }
        }
        return (start, end(from: start))
    }
}

/// What of the firmware's boot services ends them.
public protocol FirmwareEnding: ~Copyable {
    /// Asks for the memory map.
    ///
    /// - Returns: the map's key; nil when the firmware refuses.
    mutating func readMemoryMap() -> UInt64?
    /// Ends the boot services (`ExitBootServices`).
    ///
    /// - Returns: false when the map has changed since it was asked for; nil when the firmware
    ///   refuses for another reason.
    mutating func end(key: UInt64) -> Bool?
}

extension FirmwareEnding where Self: ~Copyable {
    /// Ends the boot services. Between map and end the firmware's own timers may change the map:
    /// then both are asked again, and nothing else, as UEFI 2.10, 7.4.6 wants it; at most eight
    /// times.
    ///
    /// - Returns: whether they have ended; the map that was read last is the one that holds.
    public mutating func leave() -> Bool {
        for _ in 0..<8 {
            guard let key = readMemoryMap(), let hasEnded = end(key: key) else { return false }
            if hasEnded { return true }
        }
        return false
    }
}
