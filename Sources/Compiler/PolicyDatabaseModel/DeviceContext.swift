public import PolicyDatabase

extension PolicyDatabaseModel {
    /// A device and its label.
    public struct DeviceContext: Equatable, Sendable {
        /// The device.
        public var device: Device
        /// The label.
        public var context: SecurityContext

        /// Creates a labelled device.
        public init(_ device: Device, _ context: SecurityContext) {
            self.device = device
            self.context = context
        }
    }

    /// A device, as Xen's policies name it.
    public enum Device: Equatable, Sendable {
        /// A physical interrupt.
        case interrupt(UInt32)
        /// I/O ports, first to last.
        case ports(UInt32, UInt32)
        /// Frames of I/O memory, first to last.
        case frames(UInt64, UInt64)
        /// A PCI device: segment, bus, device and function.
        case pci(UInt32)
        /// A path in the device tree; version 30 only.
        case deviceTree(String)

        /// The table of object contexts that it stands in.
        var tableIndex: Int {
            switch self {
            case .interrupt: 1
            case .ports: 2
            case .frames: 3
            case .pci: 4
            case .deviceTree: 5
            }
        }
    }
}
