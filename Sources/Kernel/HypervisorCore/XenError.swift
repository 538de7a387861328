/// The errors that a hypercall answers with, by Xen's numbers (public `errno.h`). The number goes
/// to the guest negated.
public enum XenError: Int64, Error {
    /// `XEN_EPERM`: the policy does not permit it, or the thing does not exist for the caller.
    case notPermitted = -1
    /// `XEN_EFAULT`: an argument lies outside the caller's memory.
    case badAddress = -14
    /// `XEN_EINVAL`: an argument has no meaning here.
    case invalidArgument = -22
    /// `XEN_ENOSPC`: the caller's table is full.
    case noSpace = -28
    /// `XEN_ENOSYS`: no such operation.
    case unknownOperation = -38
    /// `XEN_EIO`: the machine could not do it.
    case failed = -5
    /// `XEN_EBUSY`: somebody else does it.
    case busy = -16
    /// `XEN_EEXIST`: there is one already.
    case alreadyExists = -17
    /// `XEN_ETIME`: the moment has passed.
    case timeHasPassed = -62
    /// `XEN_ENOENT`: there is no such thing.
    case notFound = -2
    /// `XEN_EOPNOTSUPP`: not in this state.
    case notSupported = -95

    /// What the guest finds in RAX.
    public var result: Int64 { rawValue }
}
