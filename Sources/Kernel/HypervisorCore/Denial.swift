public import PolicyDatabase

/// What the policy refused: enough to name both compartments, the class, the permission and the
/// line of the system file that decides about the pair.
public struct Denial: BitwiseCopyable {
    /// Who asked.
    public let source: DomainID
    /// Whom it would have reached; the source itself, or the hypervisor, for operations that reach
    /// no other domain. A domain that does not exist is reported as asked for.
    public let target: DomainID
    /// The permission that is missing, and its class.
    public let permission: Permission
    /// The operation's name.
    public let operation: StaticString
    /// Of what a service denied, the number of the object's label, from 0; of a command of the TPM
    /// its code; nil where `target` says it.
    public let object: UInt32?

    /// Makes a record.
    public init(
        source: DomainID, target: DomainID, permission: Permission, operation: StaticString,
        object: UInt32? = nil
    ) {
        self.source = source
        self.target = target
        self.permission = permission
        self.operation = operation
        self.object = object
    }
}
