import BootArena
import CEpoll
import Glibc

/// The binding to epoll, to sockets that do not wait, and to memory that starts as zeros.
/// - NOTE: unsafe to the compiler because `epoll_event` holds a union; only `data.fd` is used.
@safe struct EventQueue {
    private let descriptor: Int32
    private var ready = unsafe [epoll_event](repeating: epoll_event(), count: 64)

    /// Creates a queue; nil when the system has none left.
    init?() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        if descriptor < 0 { return nil }
    }

    /// Watches a descriptor, for the first time or anew: for input, or for room to write.
    func watch(_ number: Int32, isNew: Bool, writes: Bool) -> Bool {
        var event = unsafe epoll_event()
        unsafe event.events = writes ? EPOLLOUT.rawValue : EPOLLIN.rawValue
        unsafe event.data.fd = number
        // SAFETY: the event lives through the call.
        return unsafe epoll_ctl(
            descriptor, isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, number, &event) == 0
    }

    /// Waits for something to happen; returns the descriptors at which it did.
    mutating func wait() -> [Int32] {
        let capacity = Int32(unsafe ready.count)
        // SAFETY: the buffer has room for as many events as are asked for.
        let count = unsafe ready.withUnsafeMutableBufferPointer { buffer in
            unsafe epoll_wait(descriptor, buffer.baseAddress, capacity, -1)
        }
        guard count > 0 else { return [] }
        return unsafe ready[..<Int(count)].map { unsafe $0.data.fd }
    }
}

/// Accepts a connection that does not wait; nil when there is none.
func acceptWithoutWaiting(_ listener: Int32) -> Int32? {
    let number = accept(listener, nil, nil)
    guard number >= 0 else { return nil }
    guard fcntl(number, F_SETFD, FD_CLOEXEC) == 0, fcntl(number, F_SETFL, O_NONBLOCK) == 0 else {
        closeDescriptor(number)
        return nil
    }
    return number
}

/// Closes a descriptor, which leaves every queue by that.
func closeDescriptor(_ number: Int32) { _ = close(number) }

/// Reads into `buffer` from `start`; 0 when the other side has closed or there is an error, nil
/// when nothing is there.
func readWithoutWaiting(
    _ number: Int32, into buffer: inout [UInt8], from start: Int
) -> Int? {
    // SAFETY: the buffer has `$0.count - start` bytes from `start`.
    let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe recv(number, $0.baseAddress.map { unsafe $0 + start }, $0.count - start, 0)
    }
    if count < 0, errno == EAGAIN || errno == EINTR { return nil }
    return max(0, count)
}

/// Writes from `buffer` what lies between `start` and `end`; returns how much, nil on an error.
func writeWithoutWaiting(
    _ number: Int32, _ buffer: [UInt8], from start: Int, to end: Int
) -> Int? {
    // SAFETY: the buffer has the bytes from `start` to `end`.
    let count = unsafe buffer.withUnsafeBytes {
        unsafe send(
            number, $0.baseAddress.map { unsafe $0 + start }, end - start, Int32(MSG_NOSIGNAL))
    }
    if count < 0 { return errno == EAGAIN || errno == EINTR ? 0 : nil }
    return count
}

/// An arena in fresh memory of the system, of which untouched pages cost nothing; nil when the
/// system has not enough.
func systemArena(sizeInBytes: Int) -> BootArena? {
    let memory = unsafe mmap(
        nil, sizeInBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard unsafe memory != MAP_FAILED, let start = unsafe memory else { return nil }
    // SAFETY: an anonymous mapping is page-aligned, zero, ours alone, and never unmapped.
    return unsafe BootArena(unsafeMemory: start, sizeInBytes: sizeInBytes, isZero: true)
}

/// Lets every signal do what it does: whoever started the program may have blocked some, and with
/// them the request to end.
func unblockSignals() {
    var none = sigset_t()
    // SAFETY: the set lives through both calls; nothing is to be returned.
    unsafe sigemptyset(&none)
    _ = unsafe sigprocmask(SIG_SETMASK, &none, nil)
}
