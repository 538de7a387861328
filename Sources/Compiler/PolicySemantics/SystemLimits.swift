import PolicySyntax

/// The bounds of one system. Each is a diagnostic of its own when exceeded.
///
/// - Source: docs/abi/manifest.md and docs/abi/certificate.md, whose records they fit.
public enum SystemLimits {
    /// The most sensitivities of one system.
    public static let sensitivities = 64
    /// The most categories of one system.
    public static let categories = 256
    /// The most compartments of one system.
    public static let compartments = CompartmentSet.capacity
    /// The most channels of one system.
    public static let channels = 4096
    /// The most assertions of one system.
    public static let assertions = 256
    /// The most exemptions of one system, after `each(…)` has been written out.
    public static let exemptions = 1024
    /// The longest name, in bytes.
    public static let nameBytes = SyntaxLimits.nameBytes
    /// The longest command line, in bytes: Linux's `COMMAND_LINE_SIZE` less its final NUL.
    public static let commandLineBytes = 2047
    /// The longest file name, in bytes.
    public static let fileNameBytes = 255
    /// The least memory of a compartment, in bytes.
    public static let leastMemoryInBytes: UInt64 = 32 << 20
    /// The most memory of a compartment, in bytes.
    public static let mostMemoryInBytes: UInt64 = 64 << 30
    /// Memory is a multiple of this many bytes: one page.
    public static let pageSizeInBytes: UInt64 = 4096
    /// The most virtual processors of a compartment.
    public static let vcpus: UInt32 = 8
}
