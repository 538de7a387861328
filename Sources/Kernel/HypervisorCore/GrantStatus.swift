/// How one request of a grant table operation ended, by Xen's numbers (public `grant_table.h`,
/// `GNTST_…`).
public enum GrantStatus: Int16, Error, Equatable {
    /// `GNTST_okay`.
    case okay = 0
    /// `GNTST_general_error`: a flag that is not offered, or a grant that does not permit this.
    case generalError = -1
    /// `GNTST_bad_gntref`: no such entry.
    case badReference = -3
    /// `GNTST_bad_handle`: no such mapping.
    case badHandle = -4
    /// `GNTST_bad_virt_addr`: the address is not the mapping's.
    case badAddress = -5
    /// `GNTST_bad_dev_addr`: there are no device mappings.
    case badDeviceAddress = -6
    /// `GNTST_no_device_space`: no handle is free, or the channels' pages are all mapped.
    case noSpace = -7
    /// `GNTST_permission_denied`: the policy does not permit it, or there is no such domain.
    case permissionDenied = -8
    /// `GNTST_bad_page`: the frame is not the domain's memory.
    case badPage = -9
    /// `GNTST_bad_copy_arg`: the bytes leave their page.
    case badCopyArgument = -10
}

/// The index of an entry in the table of the domain that grants (Xen: `grant_ref_t`).
public struct GrantReference: Equatable, BitwiseCopyable {
    /// The index, from 0.
    public let number: UInt32

    /// Names the entry with this index.
    public init(number: UInt32) { self.number = number }

    /// `GNTTAB_RESERVED_CONSOLE`: the console ring.
    public static var console: GrantReference { GrantReference(number: 0) }
    /// `GNTTAB_RESERVED_XENSTORE`: the store ring.
    public static var store: GrantReference { GrantReference(number: 1) }
}

/// The first word of an entry as its owner wrote it (`struct grant_entry_v1`).
///
/// - Layout: `u16 flags` [guest; hypervisor sets 3 and 4], `u16 domid` [guest].
/// - Trust: read once; the guest may change it at any moment.
struct GrantWord: Equatable, BitwiseCopyable {
    let bits: UInt32

    /// `GTF_reading`, the bit's number.
    static var readingBit: Int { 3 }
    /// `GTF_writing`, the bit's number.
    static var writingBit: Int { 4 }

    private static var permitAccess: UInt32 { 1 }
    private static var typeMask: UInt32 { 3 }
    private static var readOnly: UInt32 { 1 << 2 }
    /// `GTF_PWT`, `GTF_PCD`, `GTF_PAT`, `GTF_sub_page`: kinds of pages that are not offered.
    private static var otherKinds: UInt32 { 0xf << 5 }

    /// The entry that permits `grantee` to read and write.
    static func permitting(_ grantee: DomainID) -> GrantWord {
        GrantWord(bits: permitAccess | UInt32(grantee.number) << 16)
    }

    /// The domain that may use the entry.
    var grantee: DomainID { DomainID(number: UInt16(truncatingIfNeeded: bits >> 16)) }
    /// Whether it grants a whole page, of ordinary memory.
    var isWholePage: Bool {
        bits & (GrantWord.typeMask | GrantWord.otherKinds) == GrantWord.permitAccess
    }
    /// Whether it may only be read.
    var isReadOnly: Bool { bits & GrantWord.readOnly != 0 }

    /// The same entry, in use.
    func inUse(writing: Bool) -> GrantWord {
        let reading = bits | 1 << UInt32(GrantWord.readingBit)
        return GrantWord(
            bits: writing ? reading | 1 << UInt32(GrantWord.writingBit) : reading)
    }
}
