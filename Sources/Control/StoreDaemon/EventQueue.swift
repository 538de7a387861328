import CEpoll
import Glibc

/// The binding to epoll, and to sockets that do not wait.
/// - NOTE: unsafe to the compiler because `epoll_event` holds a union; only `data.fd` is used.
@safe struct EventQueue {
    /// What to be told of about a descriptor.
    enum Interest {
        /// Nothing but that it is gone.
        case nothing
        /// That there is something to read.
        case input
        /// That there is room to write.
        case output
    }

    private let descriptor: Int32
    private var ready = unsafe [epoll_event](repeating: epoll_event(), count: 64)

    /// Creates a queue; nil when the system has none left.
    init?() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        if descriptor < 0 { return nil }
    }

    /// Watches a descriptor, for the first time or anew. Where `once` is said it is told of what
    /// came when it comes, and when it is watched anew, not as long as it is there.
    func watch(_ number: Int32, isNew: Bool, _ interest: Interest, once: Bool) -> Bool {
        var event = unsafe epoll_event()
        let trigger = once ? EPOLLET.rawValue : 0
        switch interest {
        case .nothing: unsafe event.events = trigger
        case .input: unsafe event.events = EPOLLIN.rawValue | trigger
        case .output: unsafe event.events = EPOLLOUT.rawValue | trigger
        }
        unsafe event.data.fd = number
        // SAFETY: the event lives through the call.
        return unsafe epoll_ctl(
            descriptor, isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, number, &event) == 0
    }

    /// Waits for something to happen, for ever if the time is negative; returns at how many
    /// descriptors it did.
    mutating func wait(timeoutInMilliseconds: Int32) -> Int {
        let capacity = Int32(unsafe ready.count)
        // SAFETY: the buffer has room for as many events as are asked for.
        let count = unsafe ready.withUnsafeMutableBufferPointer { buffer in
            unsafe epoll_wait(descriptor, buffer.baseAddress, capacity, timeoutInMilliseconds)
        }
        return max(0, Int(count))
    }

    /// The descriptor at which something happened, by its index below what `wait` returned.
    func descriptor(at index: Int) -> Int32 { unsafe ready[index].data.fd }
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

/// The microseconds of a clock that does not go back, and that goes on every few milliseconds.
func monotonicMicroseconds() -> UInt64 {
    var time = timespec()
    // SAFETY: the record lives through the call.
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
}

/// Lets every signal do what it does: whoever started the program may have blocked some, and with
/// them the request to end.
func unblockSignals() {
    var none = sigset_t()
    // SAFETY: the set lives through both calls; nothing is to be returned.
    unsafe sigemptyset(&none)
    _ = unsafe sigprocmask(SIG_SETMASK, &none, nil)
}

/// All bytes of a file; nil when it cannot be read or has more than 64 MiB.
func fileContents(_ path: String) -> [UInt8]? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { closeDescriptor(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= 64 << 20 {
        // SAFETY: the buffer has room for `$0.count` bytes.
        let count = unsafe piece.withUnsafeMutableBytes {
            unsafe read(file, $0.baseAddress, $0.count)
        }
        guard count >= 0 else { return nil }
        if count == 0 { return bytes }
        bytes += piece.prefix(count)
    }
    return nil
}
