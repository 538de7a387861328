/// What a Multiboot2 loader passes: where the one module is, and how to reach the firmware.
///
/// - Trust: the bytes are the loader's, which is measured and not checked. `init` reads them within
///   bounds; nothing is known of what the addresses in them lead to.
/// - Source: Multiboot2 Specification 2.0, 3.6.
public struct MultibootInformation: BitwiseCopyable, Equatable {
    /// What a loader leaves in EAX.
    public static var magic: UInt64 { 0x36d7_6289 }
    /// The longest information that is read.
    ///
    /// - Units: bytes.
    public static var sizeLimit: Int { 1 << 20 }

    /// How many modules there are.
    public private(set) var moduleCount = 0
    /// Where the last module begins.
    public private(set) var moduleStart: UInt64 = 0
    /// Where it ends.
    public private(set) var moduleEnd: UInt64 = 0
    /// The firmware's system table (`EFI_SYSTEM_TABLE`); 0: not passed.
    public private(set) var systemTable: UInt64 = 0
    /// The loader's image handle, which ends the boot services; 0: not passed.
    public private(set) var imageHandle: UInt64 = 0
    /// Whether the firmware's boot services still run.
    public private(set) var keepsBootServices = false
    /// Where the command line begins, from the start of the information; 0: there is none.
    public private(set) var commandLineOffset = 0

    /// Reads the tags.
    ///
    /// - Parameter bytes: from the information's address on, as many as it says that it has.
    /// - Returns: nil when they are malformed.
    public init?(validating bytes: Span<UInt8>) {
        guard bytes.count >= 16, bytes.count <= MultibootInformation.sizeLimit,
            Int(bytes.number(at: 0, size: 4)) == bytes.count
        else { return nil }
        var place = 8
        while place + 8 <= bytes.count {
            let type = bytes.number(at: place, size: 4)
            let size = Int(bytes.number(at: place + 4, size: 4))
            guard size >= 8, size <= bytes.count - place else { return nil }
            if type == 0 { return }
            guard read(type, bytes.extracting(place..<place + size), at: place) else { return nil }
            place = (place + size + 7) & ~7
        }
        return nil
    }

    /// Takes one tag; returns false when it is too short for what it says.
    private mutating func read(_ type: UInt64, _ tag: Span<UInt8>, at place: Int) -> Bool {
        switch type {
        case 1:
            // A string, with the NUL that ends it.
            guard tag.count > 8, tag[tag.count - 1] == 0 else { return false }
            commandLineOffset = place + 8
        case 3:
            guard tag.count >= 17 else { return false }
            moduleCount += 1
            moduleStart = tag.number(at: 8, size: 4)
            moduleEnd = tag.number(at: 12, size: 4)
            return moduleStart < moduleEnd
        case 12:
            guard tag.count >= 16 else { return false }
            systemTable = tag.number(at: 8, size: 8)
        case 18: keepsBootServices = true
        case 20:
            guard tag.count >= 16 else { return false }
            imageHandle = tag.number(at: 8, size: 8)
        default: break
        }
        return true
    }
}
