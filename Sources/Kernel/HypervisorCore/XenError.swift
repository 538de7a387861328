/// The errors that a hypercall answers with, by Xen's numbers (public `errno.h`). The number goes
/// to the guest negated.
public enum XenError: Error, Equatable {
    /// `XEN_EPERM`: the policy does not permit it, or the thing does not exist for the caller.
    case notPermitted
    /// `XEN_EFAULT`: an argument lies outside the caller's memory.
    case badAddress
    /// `XEN_EINVAL`: an argument has no meaning here.
    case invalidArgument
    /// `XEN_ENOSPC`: the caller's table is full.
    case noSpace
    /// `XEN_ENOSYS`: no such operation.
    case unknownOperation
    /// `XEN_EIO`: the machine could not do it.
    case failed
    /// `XEN_EBUSY`: somebody else does it.
    case busy
    /// `XEN_EEXIST`: there is one already.
    case alreadyExists
    /// `XEN_ETIME`: the moment has passed.
    case timeHasPassed
    /// `XEN_ENOENT`: there is no such thing.
    case notFound
    /// `XEN_EOPNOTSUPP`: not in this state.
    case notSupported

    /// What the guest finds in RAX.
    public var result: Int64 {
        switch self {
        case .notPermitted: -1
        case .notFound: -2
        case .failed: -5
        case .badAddress: -14
        case .busy: -16
        case .alreadyExists: -17
        case .invalidArgument: -22
        case .noSpace: -28
        case .unknownOperation: -38
        case .timeHasPassed: -62
        case .notSupported: -95
        }
    }
}
