/// The security classes, permissions and initial SIDs of one version of Xen, in its numbering.
///
/// For: writing a policy for a Xen, and finding out whether a Xen takes one. Nearly every release
/// renumbers something, and refuses a policy with another numbering. Not for: Casemate's own
/// hypervisor, whose classes are `PolicyDatabase.ObjectClass`.
///
/// - Invariant (from data): `all` is generated from `policy/flask/xen-*.json`.
public struct XenClassMap: Equatable, Sendable {
    /// A class: the position of a permission is its bit.
    public struct SecurityClass: Equatable, Sendable {
        /// The name.
        public let name: String
        /// The permissions, in order.
        public let permissions: [String]
    }

    /// The version, such as `4.17`.
    public let version: String
    /// The initial SIDs: the first is number 1.
    public let initialSIDs: [String]
    /// The classes: the first is number 1.
    public let classes: [SecurityClass]

    /// Creates a map from names with spaces between.
    init(_ version: String, initialSIDs: String, classes: [(name: String, permissions: String)]) {
        self.version = version
        self.initialSIDs = initialSIDs.split(separator: " ").map(String.init)
        self.classes = classes.map {
            SecurityClass(
                name: $0.name, permissions: $0.permissions.split(separator: " ").map(String.init))
        }
    }

    /// Returns the map of a version; nil when it is not among `all`.
    public static func of(version: String) -> XenClassMap? { all.first { $0.version == version } }

    /// Returns the number of a class, from 1; nil when this Xen has none of that name.
    public func number(ofClass name: String) -> UInt32? {
        classes.firstIndex { $0.name == name }.map { UInt32($0) + 1 }
    }
}
