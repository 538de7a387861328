/// Why a system manifest was refused. Each case is one rule of `docs/abi/manifest.md`.
public enum SystemManifestError: Error, Equatable {
    /// - `truncated`: the file ends before its header and section directory do.
    /// - `badMagic`: the file does not start with `CASEMATE`.
    /// - `unsupportedVersion`: the format version is not 1.
    /// - `badHeaderSize`: the header size is not 320.
    /// - `badFileSize`: the stated size is not the file's, or is above 8 MiB.
    case truncated, badMagic, unsupportedVersion, badHeaderSize, badFileSize
    /// - `unknownFeature`: a must-understand feature bit is set that this reader does not know, or
    ///   does not enforce.
    /// - `featureMismatch`: the records call for a feature whose bit is not set, or the other way
    ///   round.
    /// - `reservedNotZero`: a reserved field, or padding between sections, is not zero.
    /// - `badSystemVersion`: the system version is 0.
    /// - `protectionUnsupported`: the file names a signature algorithm that this version does not
    ///   know, or a rollback counter, which it does not check and does not pretend to.
    case unknownFeature, featureMismatch, reservedNotZero, badSystemVersion, protectionUnsupported
    /// - `badSignatureFields`: the file has no signature algorithm and yet a key or a signature, or
    ///   the reverse.
    /// - `badSectionDirectory`: the section count is outside 1 to 16, or a kind is unknown,
    ///   repeated or out of order.
    /// - `badSectionPlacement`: a section does not start, or the file does not end, where the one
    ///   before it ends.
    /// - `badRecordSize`: a record size is not the one of its kind, or a length is no multiple of
    ///   it.
    case badSignatureFields, badSectionDirectory, badSectionPlacement, badRecordSize
    /// - `badRecordCount`: a section that must be present is missing, or has more or fewer records
    ///   than allowed.
    /// - `certificateMismatch`: the certificate section and feature bit 0 do not agree.
    /// - `badText`: a string is not UTF-8, holds a NUL, or is cut inside a character.
    /// - `badStringReference`: a string reference leaves the string section, or its length is
    ///   outside the limits.
    /// - `badSourceReference`: a source reference names no source, or its line or column is 0.
    case badRecordCount, certificateMismatch, badText, badStringReference, badSourceReference
    /// - `badLabel`: a label's numbers are 0 or too large, or its high level does not dominate its
    ///   low level.
    /// - `badModule`: a module's kind is unknown, or its size is 0.
    /// - `duplicateModule`: two modules have the same digest.
    /// - `badDomainID`: a compartment's domain id is not its position, counted from 1.
    /// - `badIndex`: a label, module or compartment index is out of range, or names the wrong kind.
    case badLabel, badModule, duplicateModule, badDomainID, badIndex
    /// - `badMemorySize`: a compartment's memory is no multiple of 4 KiB or outside 32 MiB to 64
    ///   GiB.
    /// - `badVirtualCPUCount`: a compartment's vCPU count is outside 1 to 8.
    /// - `badService`: a compartment's flags, service, used services or powers are unknown, it uses
    ///   itself or a service that nobody provides, or two provide the same.
    /// - `badSchedule`: a compartment's schedule is unknown, or a number of it is out of range or
    ///   not in use.
    /// - `badChannel`: a channel's kind or flags are unknown, its pages do not go with its kind, or
    ///   it joins a compartment with itself.
    case badMemorySize, badVirtualCPUCount, badService, badSchedule, badChannel
    /// - `badChannelOrder`: the order of channels does not name each of them once, in rising order
    ///   of their names.
    /// - `badSubtree`: a subtree's path is not absolute, or a set names a compartment that does not
    ///   exist, or leaves the owner out.
    /// - `badDirectory`: a channel's directory is not in order, or its writer and reader are not
    ///   the channel's.
    /// - `badDevice`: a device's flags are unknown, it has an address without having a PCI
    ///   function, or another device has the same function.
    /// - `badDeviceRange`: a device's ranges are not in rising order, overlap, or have another kind
    ///   or bounds.
    case badChannelOrder, badSubtree, badDirectory, badDevice, badDeviceRange
    /// - `badExemption`: an exemption names a link that does not exist.
    /// - `badStoreQuota`: a quota of the store says nothing, or too much, or its compartment does
    ///   not use the store.
    /// - `badTPMCommands`: a command of the TPM is allowed that cannot be, or nobody serves the
    ///   TPM.
    /// - `duplicateName`: two compartments or two channels share a name.
    case badExemption, badStoreQuota, badTPMCommands, duplicateName

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
