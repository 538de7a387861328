// C binding: a thread of the host.
internal import Glibc

/// A thread that runs one function, and is joined once or never.
final class InterposerThread {
    private var thread = pthread_t()
    private var isJoined = false

    /// Starts the thread. What `body` holds is the thread's alone from now on.
    ///
    /// - Parameter isJoinable: whether it is joined, once; else nobody waits for it.
    /// - Throws: `.systemCall`.
    init(
        isJoinable: Bool = true, _ body: sending @escaping () -> Void
    ) throws(VirtualHardwareError) {
        let box = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
        // SAFETY: the thread takes the one reference that `passRetained` made.
        let code = unsafe pthread_create(
            &thread, nil,
            { pointer in
                if let pointer = unsafe pointer {
                    unsafe Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
                }
                return nil
            }, box)
        guard code == 0 else {
            unsafe Unmanaged<Body>.fromOpaque(box).release()
            throw .systemCall("pthread_create", errno: code)
        }
        guard !isJoinable else { return }
        isJoined = true
        _ = pthread_detach(thread)
    }

    /// Waits for the thread's end.
    func join() {
        guard !isJoined else { return }
        isJoined = true
        _ = pthread_join(thread, nil)
    }
}

private final class Body {
    let run: () -> Void

    init(_ run: @escaping () -> Void) {
        self.run = run
    }
}
