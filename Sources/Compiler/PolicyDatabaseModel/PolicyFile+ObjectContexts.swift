extension PolicyFile {
    /// The labels of what is not made by a policy's subjects. Xen and Linux share the first table.
    public struct ObjectContextTables: Equatable, Sendable {
        /// The labels of initial identifiers.
        public var initialIdentifiers: [NumberedContext] = []

        /// Xen: the labels of physical interrupts.
        public var interrupts: [NumberedContext] = []
        /// Xen: the labels of I/O ports.
        public var ports: [PortRangeContext] = []
        /// Xen: the labels of I/O memory.
        public var frames: [FrameRangeContext] = []
        /// Xen: the labels of PCI devices.
        public var pciDevices: [NumberedContext] = []
        /// Xen, from version 30: the labels of paths in the device tree.
        public var deviceTreePaths: [NamedContext] = []

        /// Linux: the labels of file systems.
        public var fileSystems: [NamedContextPair] = []
        /// Linux: the labels of network ports.
        public var networkPorts: [NetworkPortContext] = []
        /// Linux: the labels of network interfaces.
        public var networkInterfaces: [NamedContextPair] = []
        /// Linux: the labels of IPv4 addresses.
        public var nodes: [NodeContext] = []
        /// Linux: how file systems label their files.
        public var fileSystemUses: [FileSystemUseRecord] = []
        /// Linux, from version 17: the labels of IPv6 addresses.
        public var wideNodes: [WideNodeContext] = []
        /// Linux, from version 31: the labels of InfiniBand partition keys.
        public var infinibandKeys: [InfinibandKeyContext] = []
        /// Linux, from version 31: the labels of InfiniBand ports.
        public var infinibandPorts: [InfinibandPortContext] = []

        /// Creates empty tables.
        public init() {}
    }
}

extension PolicyFile.ObjectContextTables {
    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.table(&initialIdentifiers)
        switch pass.format.target {
        case .xen:
            try pass.leaveOut(hasLinuxTables)
            try layOutXen(&pass)
        case .linux:
            try pass.leaveOut(hasXenTables)
            try layOutLinux(&pass)
        }
    }

    private mutating func layOutXen(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.table(&interrupts)
        try pass.table(&ports)
        try pass.table(&frames)
        try pass.table(&pciDevices)
        if pass.format.hasWideDevices {
            try pass.table(&deviceTreePaths)
        } else {
            try pass.leaveOut(!deviceTreePaths.isEmpty)
        }
    }

    private mutating func layOutLinux(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.table(&fileSystems)
        try pass.table(&networkPorts)
        try pass.table(&networkInterfaces)
        try pass.table(&nodes)
        try pass.table(&fileSystemUses)
        if pass.format.has(.wideNodes) {
            try pass.table(&wideNodes)
        } else {
            try pass.leaveOut(!wideNodes.isEmpty)
        }
        if pass.format.has(.infiniband) {
            try pass.table(&infinibandKeys)
            try pass.table(&infinibandPorts)
        } else {
            try pass.leaveOut(!infinibandKeys.isEmpty || !infinibandPorts.isEmpty)
        }
    }

    private var hasXenTables: Bool {
        !interrupts.isEmpty || !ports.isEmpty || !frames.isEmpty || !pciDevices.isEmpty
            || !deviceTreePaths.isEmpty
    }

    private var hasLinuxTables: Bool {
        !fileSystems.isEmpty || !networkPorts.isEmpty || !networkInterfaces.isEmpty
            || !nodes.isEmpty || !fileSystemUses.isEmpty || !wideNodes.isEmpty
            || !infinibandKeys.isEmpty || !infinibandPorts.isEmpty
    }
}
