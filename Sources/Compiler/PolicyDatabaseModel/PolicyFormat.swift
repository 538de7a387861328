/// For whom a policy is, and the version of its format.
///
/// The same version means different things to Xen and to Linux: 30 added 64-bit I/O memory and the
/// device tree for the one, extended permissions for the other.
public struct PolicyFormat: Hashable, Sendable {
    /// Who loads the policy. The raw value is the file's name for it.
    public enum Target: String, Sendable, CaseIterable {
        /// Xen.
        case xen = "XenFlask"
        /// Linux.
        case linux = "SE Linux"
    }

    /// Who loads the policy.
    public let target: Target
    /// The version.
    public let version: UInt32

    /// Creates a format; nil unless it is one of `all`.
    public init?(_ target: Target, version: UInt32) {
        let isKnown =
            switch target {
            case .xen: version == 24 || version == 30
            case .linux: version >= 15 && version <= 33
            }
        guard isKnown else { return nil }
        self.init(target: target, version: version)
    }

    private init(target: Target, version: UInt32) {
        self.target = target
        self.version = version
    }

    /// The format of Xen since 4.6.
    public static let xen30 = PolicyFormat(target: .xen, version: 30)

    /// Every format that is read and written.
    public static let all =
        [24, 30].map { PolicyFormat(target: .xen, version: $0) }
        + (15...33).map { PolicyFormat(target: .linux, version: $0) }

    /// What some formats have and others do not. Raw values are the first version with it.
    enum Feature: UInt32 {
        /// Booleans and conditionals.
        case booleans = 16
        /// Linux only: labels of IPv6 addresses.
        case wideNodes = 17
        /// Sensitivities, categories, ranges in labels, and constraints on changes of label.
        case levels = 19
        /// Rules of one size, each with one kind, about types and attributes; before, a rule says
        /// all kinds at once, about types only.
        case compactRules = 20
        case rangeTransitionClasses = 21
        case capabilities = 22
        case permissiveTypes = 23
        case bounds = 24
        case filenameTransitions = 25
        case roleTransitionClasses = 26
        case objectDefaults = 27
        case defaultTypes = 28
        case constraintNames = 29
        /// Linux only.
        case extendedPermissions = 30
        /// Linux only.
        case infiniband = 31
        /// Linux only.
        case groupedFilenameTransitions = 33
    }

    func has(_ feature: Feature) -> Bool {
        switch feature {
        case .extendedPermissions, .infiniband, .groupedFilenameTransitions:
            target == .linux && version >= feature.rawValue
        default: version >= feature.rawValue
        }
    }

    /// Whether frames of I/O memory have 64 bits and the device tree has labels.
    var hasWideDevices: Bool { target == .xen && version >= 30 }

    /// How many tables of symbols there are.
    var symbolTableCount: UInt32 { has(.levels) ? 8 : has(.booleans) ? 6 : 5 }

    /// How many tables of object contexts there are.
    var objectContextTableCount: UInt32 {
        switch target {
        case .xen: hasWideDevices ? 6 : 5
        case .linux: has(.infiniband) ? 9 : has(.wideNodes) ? 7 : 6
        }
    }
}

/// Why bytes are not a policy, or why a policy cannot be written, and where.
public struct PolicyFileError: Error, Equatable {
    /// What is wrong.
    public enum Reason: Sendable, CaseIterable {
        /// The file does not begin as a policy for Xen or Linux does.
        case notAPolicy
        /// The version is not one that is read: see `PolicyFormat.all`.
        case unsupportedVersion
        /// The configuration has unknown bits, or asks to allow and to reject what is unknown.
        case badConfiguration
        /// There are other tables than the version has, or a table has another size than the
        /// table that it belongs to.
        case wrongTableCount
        /// The file ends within a record.
        case truncated
        /// A count announces more records than the rest of the file can hold.
        case countTooLarge
        /// A set's words are not 64 bits wide, not in rising order, empty, or not at multiples of
        /// 64; or its length is another than that of its last word.
        case badBitmap
        /// A name is empty, or not UTF-8.
        case badName
        /// A range has neither one level nor two.
        case badRange
        /// A rule has no kind or several, its data has another form than its kind, or its type
        /// number is zero.
        case badRule
        /// A policy has something that its version has no place for.
        case notInFormat
        /// Bytes follow the last table.
        case trailingBytes
    }

    /// What is wrong.
    public let reason: Reason
    /// Where, in bytes from the file's begin: behind what was read or written last.
    public let offset: Int

    /// Creates an error.
    public init(reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}
