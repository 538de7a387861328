// C binding: libselinux's labels of paths, and its word on peers of a host that runs SELinux.
import CSELinux
import Glibc

/// What a file of contexts says about a path.
enum PathLabel: Equatable {
    /// A context, as it stands in the file: nobody but the policy says whether it is one.
    case context(String)
    /// Nothing.
    case none
    /// The library failed: the path must not be labelled at all.
    case failure
}

/// A file of contexts by path, in the format of SELinux's `file_contexts`; the last line that
/// matches counts.
///
/// - Trust: the library returns whatever text the file holds, valid or not.
@safe final class PathLabels {
    private let handle: OpaquePointer

    /// Opens a file; nil when the library cannot.
    init?(_ path: String) {
        casemate_selinux_be_quiet()
        guard unsafe access(path, R_OK) == 0 else { return nil }
        // SAFETY: the option's text lives through the call, which copies it.
        let opened = unsafe path.withCString { text in
            var option = unsafe selinux_opt(type: SELABEL_OPT_PATH, value: text)
            return unsafe selabel_open(UInt32(SELABEL_CTX_FILE), &option, 1)
        }
        guard let opened = unsafe opened else { return nil }
        unsafe handle = opened
    }

    deinit { unsafe selabel_close(handle) }

    /// Looks a path up, which starts with `/` and holds no NUL.
    func label(of path: String) -> PathLabel {
        var found: UnsafeMutablePointer<CChar>?
        errno = 0
        // SAFETY: the library allocates what it returns in `found`; it is copied and freed here.
        let code = unsafe selabel_lookup_raw(handle, &found, path, 0)
        let number = errno
        guard code == 0, let text = unsafe found else {
            return number == ENOENT ? .none : .failure
        }
        let context = unsafe String(cString: text)
        unsafe freecon(text)
        return .context(context)
    }
}

/// Whether the host's own SELinux, if it runs, lets a peer talk to this process: an additional
/// check, never the only one. Off such a host the library would say yes to everything, so it is not
/// asked.
func hostPermits(_ socket: Int32) -> Bool {
    guard is_selinux_enabled() == 1 else { return true }
    var own: UnsafeMutablePointer<CChar>?
    var peer: UnsafeMutablePointer<CChar>?
    // SAFETY: both texts are allocated by the library and freed here, whatever was asked of them.
    defer {
        unsafe freecon(own)
        unsafe freecon(peer)
    }
    guard unsafe getcon_raw(&own) == 0, unsafe getpeercon_raw(socket, &peer) == 0,
        let own = unsafe own, let peer = unsafe peer
    else { return false }
    return unsafe selinux_check_access(peer, own, "unix_stream_socket", "connectto", nil) == 0
}

/// The user of the process at the other end of a socket; nil when the system does not say.
func peerUser(_ socket: Int32) -> UInt32? {
    var credentials = PeerCredentials()
    var size = socklen_t(MemoryLayout<PeerCredentials>.size)
    // SAFETY: the record has the size that is given.
    let code = unsafe getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size)
    return code == 0 ? credentials.user : nil
}

/// `struct ucred` of unix(7).
private struct PeerCredentials {
    var process: Int32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0
}
