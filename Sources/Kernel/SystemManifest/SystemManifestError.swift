/// Why a system manifest was refused. Each case is one rule of `docs/abi/manifest.md`.
public enum SystemManifestError: Error, Equatable {
    /// The file ends before its header and section directory do.
    case truncated
    /// The file does not start with `CASEMATE`.
    case badMagic
    /// The format version is not 1.
    case unsupportedVersion
    /// The header size is not 320.
    case badHeaderSize
    /// The stated size is not the file's, or is above 8 MiB.
    case badFileSize
    /// A must-understand feature bit is set that this reader does not know, or does not enforce.
    case unknownFeature
    /// The records call for a feature whose bit is not set, or the other way round.
    case featureMismatch
    /// A reserved field, or padding between sections, is not zero.
    case reservedNotZero
    /// The system version is 0.
    case badSystemVersion
    /// The file names a signature algorithm that this version does not know, or a rollback counter,
    /// which it does not check and does not pretend to.
    case protectionUnsupported
    /// The file has no signature algorithm and yet a key or a signature, or the reverse.
    case badSignatureFields
    /// The section count is outside 1 to 16, or a kind is unknown, repeated or out of order.
    case badSectionDirectory
    /// A section does not start, or the file does not end, where the one before it ends.
    case badSectionPlacement
    /// A record size is not the one of its kind, or a length is no multiple of it.
    case badRecordSize
    /// A section that must be present is missing, or has more or fewer records than allowed.
    case badRecordCount
    /// The certificate section and feature bit 0 do not agree.
    case certificateMismatch
    /// A string is not UTF-8, holds a NUL, or is cut inside a character.
    case badText
    /// A string reference leaves the string section, or its length is outside the limits.
    case badStringReference
    /// A source reference names no source, or its line or column is 0.
    case badSourceReference
    /// A label's numbers are 0 or too large, or its high level does not dominate its low level.
    case badLabel
    /// A module's kind is unknown, or its size is 0.
    case badModule
    /// Two modules have the same digest.
    case duplicateModule
    /// A compartment's domain id is not its position, counted from 1.
    case badDomainID
    /// A label, module or compartment index is out of range, or names the wrong kind.
    case badIndex
    /// A compartment's memory is no multiple of 4 KiB or outside 32 MiB to 64 GiB.
    case badMemorySize
    /// A compartment's vCPU count is outside 1 to 8.
    case badVirtualCPUCount
    /// A compartment's flags, service, used services or powers are unknown, it uses itself or a
    /// service that nobody provides, or two provide the same.
    case badService
    /// A compartment's schedule is unknown, or a number of it is out of range or not in use.
    case badSchedule
    /// A channel's kind or flags are unknown, its pages do not go with its kind, or it joins a
    /// compartment with itself.
    case badChannel
    /// The order of channels does not name each of them once, in rising order of their names.
    case badChannelOrder
    /// A subtree's path is not absolute, or a set names a compartment that does not exist, or
    /// leaves the owner out.
    case badSubtree
    /// A channel's directory is not in order, or its writer and reader are not the channel's.
    case badDirectory
    /// A device's flags are unknown, it has an address without having a PCI function, or another
    /// device has the same function.
    case badDevice
    /// A device's ranges are not in rising order, overlap, or have another kind or bounds.
    case badDeviceRange
    /// An exemption names a link that does not exist.
    case badExemption
    /// A quota of the store says nothing, or too much, or its compartment does not use the store.
    case badStoreQuota
    /// A command of the TPM is allowed that cannot be, or nobody serves the TPM.
    case badTPMCommands
    /// Two compartments or two channels share a name.
    case duplicateName

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .truncated: "manifest: truncated"
        case .badMagic: "manifest: not a Casemate manifest"
        case .unsupportedVersion: "manifest: unsupported format version"
        case .badHeaderSize: "manifest: wrong header size"
        case .badFileSize: "manifest: wrong file size"
        case .unknownFeature: "manifest: unknown required feature"
        case .featureMismatch: "manifest: features and records disagree"
        case .reservedNotZero: "manifest: reserved bytes are not zero"
        case .badSystemVersion: "manifest: system version is 0"
        case .protectionUnsupported: "manifest: unknown signature algorithm, or a rollback counter"
        case .badSignatureFields: "manifest: signature fields contradict each other"
        case .badSectionDirectory: "manifest: bad section directory"
        case .badSectionPlacement: "manifest: sections overlap or leave gaps"
        case .badRecordSize: "manifest: wrong record size"
        case .badRecordCount: "manifest: wrong number of records"
        case .certificateMismatch: "manifest: certificate and feature bit disagree"
        case .badText: "manifest: text is not UTF-8"
        case .badStringReference: "manifest: bad string reference"
        case .badSourceReference: "manifest: bad source reference"
        case .badLabel: "manifest: bad label"
        case .badModule: "manifest: bad module"
        case .duplicateModule: "manifest: a module appears twice"
        case .badDomainID: "manifest: domain ids are not 1, 2, 3"
        case .badIndex: "manifest: index out of range"
        case .badMemorySize: "manifest: bad memory size"
        case .badVirtualCPUCount: "manifest: bad vCPU count"
        case .badService: "manifest: bad service, use or power"
        case .badSchedule: "manifest: bad schedule"
        case .badChannel: "manifest: bad channel"
        case .badChannelOrder: "manifest: channels are not in order"
        case .badSubtree: "manifest: bad subtree of the store"
        case .badDirectory: "manifest: bad directory of a channel"
        case .badDevice: "manifest: bad device"
        case .badDeviceRange: "manifest: bad range of a device"
        case .badExemption: "manifest: bad exemption"
        case .badStoreQuota: "manifest: bad quota of the store"
        case .badTPMCommands: "manifest: bad commands of the TPM"
        case .duplicateName: "manifest: a name appears twice"
        }
    }
}
