/// The boot bundle (`docs/abi/boot-bundle.md`): a cpio archive in the `newc` format.
///
/// - Trust: the bytes came with the hypervisor and are measured by what they contain. `init` proves
///   that the archive is well-formed and its names are in the order that the page gives.
public struct BootBundle: ~Escapable {
    /// Where a member's content is, in bytes from the start of the bundle.
    public struct Member: BitwiseCopyable {
        /// Its first byte.
        public let offset: Int
        /// Its length.
        public let size: Int
    }

    /// The XenFlask policy.
    public let policy: Member
    /// The system manifest.
    public let manifest: Member
    /// How many modules follow.
    public let moduleCount: Int

    private let modules: InlineArray<64, Member>

    /// Reads an archive.
    ///
    /// - Returns: nil when it is malformed, or its members are not the expected ones.
    @_lifetime(copy bytes)
    public init?(validating bytes: Span<UInt8>) {
        let none = Member(offset: 0, size: 0)
        var members = InlineArray<66, Member>(repeating: none)
        var count = 0
        var place = 0
        while true {
            guard let header = Header(bytes, at: place) else { return nil }
            if header.isTrailer { break }
            guard count < 66, header.hasName(of: count, in: bytes) else { return nil }
            members[count] = Member(offset: header.content, size: header.size)
            count += 1
            place = header.next
        }
        guard count >= 2 else { return nil }
        policy = members[0]
        manifest = members[1]
        moduleCount = count - 2
        var modules = InlineArray<64, Member>(repeating: none)
        for index in 0..<moduleCount { modules[index] = members[index + 2] }
        self.modules = modules
    }

    /// The module at `index`, in the manifest's order.
    public func module(at index: Int) -> Member? {
        index >= 0 && index < moduleCount ? modules[index] : nil
    }

    /// One member's header: magic `070701`, then thirteen numbers of eight hexadecimal digits, of
    /// which the seventh is the file's size and the twelfth the name's, NUL included.
    private struct Header {
        let name: Int
        let nameSize: Int
        let content: Int
        let size: Int
        let next: Int
        let isTrailer: Bool

        init?(_ bytes: Span<UInt8>, at place: Int) {
            let magic: InlineArray<6, UInt8> = [0x30, 0x37, 0x30, 0x37, 0x30, 0x31]
            guard place >= 0, bytes.count - place >= 110 else { return nil }
            for index in 0..<6 where bytes[place + index] != magic[index] { return nil }
            guard let size = Header.number(bytes, place + 54),
                let nameSize = Header.number(bytes, place + 94),
                nameSize >= 1, nameSize <= 64
            else { return nil }
            name = place + 110
            self.nameSize = nameSize
            content = (name + nameSize + 3) & ~3
            guard content <= bytes.count, size <= bytes.count - content else { return nil }
            self.size = size
            next = (content + size + 3) & ~3
            isTrailer = Header.equals(bytes, name, nameSize, "TRAILER!!!")
        }

        private static func number(_ bytes: Span<UInt8>, _ place: Int) -> Int? {
            var value = 0
            for index in 0..<8 {
                let byte = bytes[place + index]
                let digit: UInt8
                switch byte {
                case 0x30...0x39: digit = byte - 0x30
                case 0x41...0x46: digit = byte - 0x37
                case 0x61...0x66: digit = byte - 0x57
                default: return nil
                }
                value = value << 4 | Int(digit)
            }
            return value
        }

        private static func equals(
            _ bytes: Span<UInt8>, _ name: Int, _ size: Int, _ text: String
        ) -> Bool {
            let wanted = text.utf8.span
            guard name + size <= bytes.count, size == wanted.count + 1,
                bytes[name + size - 1] == 0
            else { return false }
            for index in wanted.indices where bytes[name + index] != wanted[index] {
                return false
            }
            return true
        }

        /// Whether the name is the one of member `index`: `policy`, `manifest`, `module/0` ….
        func hasName(of index: Int, in bytes: Span<UInt8>) -> Bool {
            switch index {
            case 0: return Header.equals(bytes, name, nameSize, "policy")
            case 1: return Header.equals(bytes, name, nameSize, "manifest")
            default: break
            }
            let prefix = "module/".utf8.span
            guard nameSize >= 9, nameSize <= 10, name + nameSize <= bytes.count,
                bytes[name + nameSize - 1] == 0
            else { return false }
            for position in prefix.indices where bytes[name + position] != prefix[position] {
                return false
            }
            var number = 0
            for position in 7..<(nameSize - 1) {
                let digit = bytes[name + position]
                guard digit >= 0x30, digit <= 0x39 else { return false }
                number = number * 10 + Int(digit - 0x30)
            }
            let isShortest = nameSize == 9 || bytes[name + 7] != 0x30
            return isShortest && number == index - 2
        }
    }
}
