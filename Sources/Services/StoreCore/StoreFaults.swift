/// A mistake that a xenstore was published with, by the number of its advisory, and that tests put
/// back to see that they would notice it.
///
/// - Source: Xen security advisories (XSA) of these numbers.
package enum FaultPoint: Int, Sendable {
    /// Watches tell of nodes that their owner may not read.
    case xsa115
    /// A transaction conflicts with every write, wherever it was.
    case xsa206
    /// A connection can be closed by the name of one that was closed before.
    case xsa233
    /// The quota of nodes is not looked at.
    case xsa272
    /// Permissions of a domain that is gone hold for the next of its number.
    case xsa322
    /// A path is checked against the wrong length.
    case xsa323
    /// An event that exceeds a message is lost.
    case xsa324
    /// A domain that does not fetch its events survives its end.
    case xsa325
    /// Events are queued without a limit.
    case xsa326
    /// A reset leaves watches behind.
    case xsa330
    /// An owner can give its nodes away.
    case xsa352
    /// Who may read a node may change its permissions.
    case xsa353
    /// A transaction in which a request was refused is committed in part.
    case xsa414
    /// Nodes stay when the one above them is removed.
    case xsa415
    /// Memory that waits for a client to read is not limited.
    case xsa416
    /// Nodes of a domain that is gone stay for its successor.
    case xsa417
    /// Deep trees are walked with a limited stack.
    case xsa418
    /// What another removes stays counted.
    case xsa419
    /// Lengths lose their upper bit.
    case xsa420
    /// Nodes that a transaction makes are not counted.
    case xsa421
    /// A path may end with a slash.
    case xsa481
    /// Counters of a domain that is gone count for its successor.
    case xsa483
    /// Watches are not reset inside a transaction.
    case xsa484
}

/// Which mistakes are there. A type and not a value, so that the product, which has none, holds not
/// even the question: every `has` is a constant there.
package protocol StoreFaults {
    /// Whether a mistake is there.
    static func has(_ point: FaultPoint) -> Bool
}

/// None: the product.
package enum NoFaults: StoreFaults {
    /// No.
    @inline(__always)
    package static func has(_ point: FaultPoint) -> Bool { false }
}
