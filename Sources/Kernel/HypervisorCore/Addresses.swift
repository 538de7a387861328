/// Addresses and frame numbers of three worlds that must never meet by accident: the machine's, a
/// guest's physical and a guest's virtual memory. There is no conversion between them except by a
/// named function of the machine.

/// A 4 KiB frame of the machine's memory (Xen: mfn).
public struct MachineFrame: Equatable, BitwiseCopyable {
    /// The frame's number: its machine address divided by 4,096.
    public let number: UInt64

    /// Names the frame with this number.
    public init(number: UInt64) { self.number = number }
}

/// A 4 KiB frame of a guest's physical memory (Xen: gfn).
public struct GuestFrame: Equatable, BitwiseCopyable {
    /// The frame's number: its guest-physical address divided by 4,096.
    public let number: UInt64

    /// Names the frame with this number.
    public init(number: UInt64) { self.number = number }
}

/// A guest-physical address.
public struct GuestPhysicalAddress: Equatable, BitwiseCopyable {
    /// Bytes from the guest's address 0.
    public let value: UInt64

    /// Names the byte at this address.
    public init(_ value: UInt64) { self.value = value }

    /// The frame that holds the byte.
    public var frame: GuestFrame { GuestFrame(number: value >> 12) }

    /// The byte's place in its frame, 0 to 4,095.
    public var offsetInBytes: Int { Int(truncatingIfNeeded: value & 0xfff) }
}

/// An address as the guest's own page tables understand it. It is an allegation: it shows neither
/// that anything is mapped there nor that it stays mapped.
public struct GuestVirtualAddress: Equatable, BitwiseCopyable {
    /// The 64-bit address.
    public let value: UInt64

    /// Names the byte at this address.
    public init(_ value: UInt64) { self.value = value }
}

/// The number of a domain (Xen: domid). 0 is the hypervisor's own end of the console.
public struct DomainID: Equatable, BitwiseCopyable {
    /// The number.
    public let number: UInt16

    /// Names the domain with this number.
    public init(number: UInt16) { self.number = number }

    /// The hypervisor itself, as the far end of every console.
    public static var hypervisor: DomainID { DomainID(number: 0) }

    /// `DOMID_SELF`: the caller.
    public static var caller: DomainID { DomainID(number: 0x7ff0) }
}

/// A virtual processor: which of which domain.
public struct VirtualCPUID: Equatable, BitwiseCopyable {
    /// The domain.
    public let domain: DomainID
    /// Its number in the domain, from 0.
    public let number: Int

    /// Names a processor of a domain.
    public init(domain: DomainID, number: Int) {
        self.domain = domain
        self.number = number
    }
}

/// The number of an event channel's end in its domain (Xen: `evtchn_port_t`).
public struct EventChannelPort: Equatable, BitwiseCopyable {
    /// The number; 0 is no port.
    public let number: UInt32

    /// Names the port with this number.
    public init(number: UInt32) { self.number = number }
}
