package import PolicyDatabaseModel

extension StatementReader {
    /// Reads the rest of a statement that labels something.
    ///
    /// - Returns: false if the keyword begins none.
    mutating func labelStatement(
        _ keyword: Keyword, _ offset: Int
    ) throws(SourceFailure) -> Bool {
        switch keyword {
        case .sid: try initialIdentifier()
        case .fscon: try fileSystem()
        case .fs_use_xattr: try fileSystemUse(1)
        case .fs_use_trans: try fileSystemUse(2)
        case .fs_use_task: try fileSystemUse(3)
        case .genfscon: try genericPath()
        case .portcon: try networkPort()
        case .netifcon: try networkInterface()
        case .nodecon: try node()
        case .ibpkeycon: try infinibandKey()
        case .ibendportcon: try infinibandPort()
        case .pirqcon: policy.labels.interrupts.append((try number32(), try context()))
        case .pcidevicecon: policy.labels.pciDevices.append((try number32(), try context()))
        case .ioportcon: try ports()
        case .iomemcon: try frames()
        case .devicetreecon:
            policy.labels.deviceTreePaths.append((try raw("a path"), try context()))
        default: return false
        }
        _ = takeIf(";")
        return true
    }

    private mutating func context() throws(SourceFailure) -> ContextText {
        let offset = token.range.lowerBound
        let user = try name("a label's user")
        try take(":")
        let role = try name("a label's role")
        try take(":")
        let type = try name("a label's type")
        let range = takeIf(":") ? try self.range() : nil
        return ContextText(user: user, role: role, type: type, range: range, offset: offset)
    }

    /// `sid name` declares, `sid name label` labels.
    private mutating func initialIdentifier() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("an initial identifier")
        guard token.kind == .name, keyword == nil else {
            guard policy.initialIdentifiers.declare(name) != nil else {
                throw twice("the initial identifier", name, offset)
            }
            return
        }
        policy.labels.initialIdentifiers.append((name, try context()))
    }

    private mutating func fileSystem() throws(SourceFailure) {
        let (major, minor) = (try number32(), try number32())
        let name = String(major, radix: 16).twoDigits + ":" + String(minor, radix: 16).twoDigits
        policy.labels.fileSystems.append((name, try context(), try context()))
    }

    private mutating func fileSystemUse(_ behavior: UInt32) throws(SourceFailure) {
        policy.labels.fileSystemUses.append(
            (behavior, try raw("a file system"), try context()))
    }

    private mutating func genericPath() throws(SourceFailure) {
        let fileSystem = try raw("a file system")
        let path = try raw("a path")
        var objectClass: String?
        if isSign("-") {
            let offset = token.range.lowerBound
            let letter = try raw("a kind of file")
            let classes = [
                "-b": "blk_file", "-c": "chr_file", "-d": "dir", "-p": "fifo_file",
                "-l": "lnk_file", "-s": "sock_file", "--": "file",
            ]
            objectClass = classes[letter]
            guard objectClass != nil else {
                throw SourceFailure(.syntax, "`\(letter)` is no kind of file", at: offset)
            }
        }
        policy.labels.genericFileSystems.append(
            Labels.GenericPath(
                fileSystem: fileSystem, path: path, objectClass: objectClass,
                context: try context()))
    }

    /// Reads a number, or two with `-` between them.
    private mutating func numberRange(
        most: UInt64
    ) throws(SourceFailure) -> (first: UInt64, last: UInt64) {
        let offset = token.range.lowerBound
        let first = try number()
        let last = takeIf("-") ? try number() : first
        guard first <= last, last <= most else {
            throw SourceFailure(.badRange, "this is no range of numbers here", at: offset)
        }
        return (first, last)
    }

    private mutating func networkPort() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let protocols: [String: UInt32] = ["tcp": 6, "udp": 17, "dccp": 33, "sctp": 132]
        guard let number = protocols[text(try name("a protocol"))] else {
            throw SourceFailure(
                .syntax, "the protocols are `tcp`, `udp`, `dccp` and `sctp`", at: offset)
        }
        let range = try numberRange(most: 65535)
        policy.labels.networkPorts.append(
            Labels.NetworkPort(
                networkProtocol: number, first: UInt32(range.first), last: UInt32(range.last),
                context: try context()))
    }

    private mutating func networkInterface() throws(SourceFailure) {
        policy.labels.networkInterfaces.append(
            (try raw("an interface"), try context(), try context()))
    }

    private mutating func node() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let (address, mask) = (try raw("an address"), try raw("a mask"))
        if let address = InternetAddress.narrow(address), let mask = InternetAddress.narrow(mask) {
            policy.labels.nodes.append((address, mask, try context()))
        } else if let address = InternetAddress.wide(address),
            let mask = InternetAddress.wide(mask)
        {
            policy.labels.wideNodes.append((address, mask, try context()))
        } else {
            throw SourceFailure(
                .syntax, "`\(address)` and `\(mask)` are no address and mask", at: offset)
        }
    }

    private mutating func infinibandKey() throws(SourceFailure) {
        let offset = token.range.lowerBound
        guard let prefix = InternetAddress.wide(try raw("a subnet")),
            prefix.third == 0, prefix.fourth == 0
        else { throw SourceFailure(.syntax, "this is no subnet's prefix", at: offset) }
        let range = try numberRange(most: 65535)
        policy.labels.infinibandKeys.append(
            (prefix, UInt32(range.first), UInt32(range.last), try context()))
    }

    private mutating func infinibandPort() throws(SourceFailure) {
        let device = try raw("a device")
        let offset = token.range.lowerBound
        let port = try number32()
        guard (1...255).contains(port) else {
            throw SourceFailure(.badRange, "ports are 1 to 255", at: offset)
        }
        policy.labels.infinibandPorts.append((device, port, try context()))
    }

    private mutating func ports() throws(SourceFailure) {
        let range = try numberRange(most: 0xffff_ffff)
        policy.labels.ports.append(
            (UInt32(range.first), UInt32(range.last), try context()))
    }

    private mutating func frames() throws(SourceFailure) {
        let range = try numberRange(most: .max)
        policy.labels.frames.append((range.first, range.last, try context()))
    }
}

extension String {
    /// The text with zeros before it, to two characters.
    fileprivate var twoDigits: String { count < 2 ? "0" + self : self }
}

/// Addresses as text.
package enum InternetAddress {
    /// Returns an IPv4 address, its first byte as the most significant; nil if it is none.
    package static func narrow(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard part.utf8.count <= 3, part.utf8.allSatisfy({ (48...57).contains($0) }),
                let byte = UInt8(part)
            else { return nil }
            address = address << 8 | UInt32(byte)
        }
        return address
    }

    /// Returns an IPv6 address; nil if it is none.
    ///
    /// - Source: RFC 4291, section 2.2.
    package static func wide(_ text: String) -> PolicyFile.WideAddress? {
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2, let head = groups(halves[0]) else { return nil }
        var groups = head
        if halves.count == 2 {
            guard let tail = self.groups(halves[1]), head.count + tail.count < 8 else { return nil }
            groups += Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        }
        guard groups.count == 8 else { return nil }
        var address = PolicyFile.WideAddress()
        address.first = UInt32(groups[0]) << 16 | UInt32(groups[1])
        address.second = UInt32(groups[2]) << 16 | UInt32(groups[3])
        address.third = UInt32(groups[4]) << 16 | UInt32(groups[5])
        address.fourth = UInt32(groups[6]) << 16 | UInt32(groups[7])
        return address
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        for part in text.split(separator: ":", omittingEmptySubsequences: false) {
            if part.contains("."), let address = narrow(String(part)) {
                groups += [UInt16(address >> 16), UInt16(address & 0xffff)]
            } else if (1...4).contains(part.utf8.count), let group = UInt16(part, radix: 16) {
                groups.append(group)
            } else {
                return nil
            }
        }
        return groups
    }
}
