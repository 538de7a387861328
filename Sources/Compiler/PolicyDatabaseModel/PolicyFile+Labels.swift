extension PolicyFile {
    /// A level.
    public struct LevelRecord: Equatable, Sendable {
        /// The sensitivity's number, from 1.
        public var sensitivity: UInt32 = 0
        /// The categories. Bit *n* is category *n* + 1.
        public var categories = PolicyBitmap()

        /// Creates an empty record.
        public init() {}
    }

    /// A range of levels.
    public struct RangeRecord: Equatable, Sendable {
        /// The lowest level.
        public var low = LevelRecord()
        /// The highest level; nil when it is the lowest.
        public var high: LevelRecord? = nil

        /// Creates an empty record.
        public init() {}
    }

    /// A label.
    public struct ContextRecord: Equatable, Sendable {
        /// The user's number.
        public var user: UInt32 = 0
        /// The role's number.
        public var role: UInt32 = 0
        /// The type's number.
        public var type: UInt32 = 0
        /// The levels. From version 19.
        public var range = RangeRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of something with a number: an initial identifier, an interrupt, a PCI device.
    public struct NumberedContext: Equatable, Sendable {
        /// The number; segment, bus, device and function for PCI.
        public var number: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of I/O ports.
    public struct PortRangeContext: Equatable, Sendable {
        /// The first.
        public var first: UInt32 = 0
        /// The last.
        public var last: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of I/O memory.
    public struct FrameRangeContext: Equatable, Sendable {
        /// The first frame. Below 2^32 in version 24.
        public var first: UInt64 = 0
        /// The last frame.
        public var last: UInt64 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of something with a name: a path in the device tree.
    public struct NamedContext: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The two labels of a file system or network interface.
    public struct NamedContextPair: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The label of the file system or interface.
        public var context = ContextRecord()
        /// The label of what is in it or comes from it.
        public var contentContext = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of network ports.
    public struct NetworkPortContext: Equatable, Sendable {
        /// The protocol, as in IP: 6 TCP, 17 UDP.
        public var networkProtocol: UInt32 = 0
        /// The first.
        public var first: UInt32 = 0
        /// The last.
        public var last: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of IPv4 addresses.
    public struct NodeContext: Equatable, Sendable {
        /// The address, its first byte as the most significant.
        public var address: UInt32 = 0
        /// The mask, likewise.
        public var mask: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of IPv6 addresses.
    public struct WideNodeContext: Equatable, Sendable {
        /// The address.
        public var address = WideAddress()
        /// The mask.
        public var mask = WideAddress()
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// An IPv6 address: four words, first byte first.
    public struct WideAddress: Equatable, Sendable {
        /// Bytes 0 to 3.
        public var first: UInt32 = 0
        /// Bytes 4 to 7.
        public var second: UInt32 = 0
        /// Bytes 8 to 11.
        public var third: UInt32 = 0
        /// Bytes 12 to 15.
        public var fourth: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// How a file system labels its files.
    public struct FileSystemUseRecord: Equatable, Sendable {
        /// 1 extended attributes, 2 transitions, 3 the creating task.
        public var behavior: UInt32 = 0
        /// The name.
        public var name = ""
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of InfiniBand partition keys.
    public struct InfinibandKeyContext: Equatable, Sendable {
        /// The subnet's prefix: bytes 0 to 3.
        public var prefixHigh: UInt32 = 0
        /// Bytes 4 to 7.
        public var prefixLow: UInt32 = 0
        /// The first key.
        public var first: UInt32 = 0
        /// The last key.
        public var last: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The label of an InfiniBand port.
    public struct InfinibandPortContext: Equatable, Sendable {
        /// The device's name.
        public var device = ""
        /// The port.
        public var port: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// The labels in a file system without labels of its own.
    public struct GenericFileSystemRecord: Equatable, Sendable {
        /// The file system's name.
        public var name = ""
        /// The paths, the longest first.
        public var paths: [GenericPathRecord] = []

        /// Creates an empty record.
        public init() {}
    }

    /// The label of what begins with a path.
    public struct GenericPathRecord: Equatable, Sendable {
        /// The path.
        public var path = ""
        /// The class of the object; 0 for any.
        public var objectClass: UInt32 = 0
        /// The label.
        public var context = ContextRecord()

        /// Creates an empty record.
        public init() {}
    }
}

extension PolicyFile.LevelRecord: LayoutRecord {
    static let leastByteCount = 16

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&sensitivity)
        try pass.record(&categories)
    }
}

extension PolicyFile.RangeRecord: LayoutRecord {
    static let leastByteCount = 20

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        var count: UInt32 = high == nil ? 1 : 2
        try pass.word(&count)
        switch count {
        case 1: try pass.record(&low)
        case 2:
            // Both sensitivities stand before both sets.
            var other = high ?? PolicyFile.LevelRecord()
            try pass.words(&low.sensitivity, &other.sensitivity)
            try pass.record(&low.categories)
            try pass.record(&other.categories)
            high = other
        default: throw pass.failure(.badRange)
        }
    }
}

extension PolicyFile.ContextRecord: LayoutRecord {
    static let leastByteCount = 12

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&user, &role)
        try pass.word(&type)
        if pass.format.has(.levels) {
            try pass.record(&range)
        } else {
            try pass.leaveOut(range != PolicyFile.RangeRecord())
        }
    }
}

extension PolicyFile.NumberedContext: LayoutRecord {
    static let leastByteCount = 16

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&number)
        try pass.record(&context)
    }
}

extension PolicyFile.PortRangeContext: LayoutRecord {
    static let leastByteCount = 40

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&first, &last)
        try pass.record(&context)
    }
}

extension PolicyFile.FrameRangeContext: LayoutRecord {
    static let leastByteCount = 40

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        if pass.format.hasWideDevices {
            try pass.doubleWord(&first)
            try pass.doubleWord(&last)
        } else {
            try pass.leaveOut((first | last) >> 32 != 0)
            var low = UInt32(truncatingIfNeeded: first)
            var high = UInt32(truncatingIfNeeded: last)
            try pass.words(&low, &high)
            first = UInt64(low)
            last = UInt64(high)
        }
        try pass.record(&context)
    }
}

extension PolicyFile.NamedContext: LayoutRecord {
    static let leastByteCount = 37

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.name(&name)
        try pass.record(&context)
    }
}

extension PolicyFile.NamedContextPair: LayoutRecord {
    static let leastByteCount = 29

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.name(&name)
        try pass.record(&context)
        try pass.record(&contentContext)
    }
}

extension PolicyFile.NetworkPortContext: LayoutRecord {
    static let leastByteCount = 24

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&networkProtocol)
        try pass.words(&first, &last)
        try pass.record(&context)
    }
}

extension PolicyFile.NodeContext: LayoutRecord {
    static let leastByteCount = 20

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.networkWord(&address)
        try pass.networkWord(&mask)
        try pass.record(&context)
    }
}

extension PolicyFile.WideNodeContext: LayoutRecord {
    static let leastByteCount = 44

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.record(&address)
        try pass.record(&mask)
        try pass.record(&context)
    }
}

extension PolicyFile.WideAddress: LayoutRecord {
    static let leastByteCount = 16

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.networkWord(&first)
        try pass.networkWord(&second)
        try pass.networkWord(&third)
        try pass.networkWord(&fourth)
    }
}

extension PolicyFile.FileSystemUseRecord: LayoutRecord {
    static let leastByteCount = 21

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&behavior)
        try pass.name(&name)
        try pass.record(&context)
    }
}

extension PolicyFile.InfinibandKeyContext: LayoutRecord {
    static let leastByteCount = 48

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.networkWord(&prefixHigh)
        try pass.networkWord(&prefixLow)
        try pass.words(&first, &last)
        try pass.record(&context)
    }
}

extension PolicyFile.InfinibandPortContext: LayoutRecord {
    static let leastByteCount = 41

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: device)
        try pass.word(&port)
        try pass.text(&device, byteCount: length)
        try pass.record(&context)
    }
}

extension PolicyFile.GenericFileSystemRecord: LayoutRecord {
    static let leastByteCount = 9

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.name(&name)
        try pass.table(&paths)
    }
}

extension PolicyFile.GenericPathRecord: LayoutRecord {
    static let leastByteCount = 21

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.name(&path)
        try pass.word(&objectClass)
        try pass.record(&context)
    }
}
