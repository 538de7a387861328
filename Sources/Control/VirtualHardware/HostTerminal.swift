// C binding: signals and the terminal of the host.
internal import Glibc

/// The signals that ask us to end, taken when we look for them instead of when they come, so that
/// every process that was started is ended first.
public enum TerminationSignals {
    /// Holds SIGINT, SIGTERM and SIGHUP back from now on, in threads that start later too.
    public static func hold() {
        var signals = held()
        _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        // A closed standard output is an error of `write`, not an end.
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Returns a signal that came since; `nil` if none did.
    public static func next() -> Int32? {
        var signals = held()
        var none = timespec()
        let number = unsafe sigtimedwait(&signals, nil, &none)
        return number > 0 ? number : nil
    }

    private static func held() -> sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&signals, number) }
        return signals
    }
}

/// Standard input, without line editing and echo while this object lives: the guest does both.
public final class RawInput {
    private var saved: termios?

    /// Changes the terminal, if standard input is one.
    ///
    /// - Parameter keepsSignals: whether Ctrl-C still is a signal; else it is a byte like others.
    public init(keepsSignals: Bool = true) {
        var state = termios()
        guard isatty(STDIN_FILENO) == 1, unsafe tcgetattr(STDIN_FILENO, &state) == 0 else { return }
        saved = state
        state.c_lflag &= ~tcflag_t(ICANON | ECHO)
        if !keepsSignals { state.c_lflag &= ~tcflag_t(ISIG) }
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &state)
    }

    deinit {
        guard var saved else { return }
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &saved)
    }

    /// The descriptor to wait for.
    public var number: Int32 { STDIN_FILENO }

    /// Reads what was typed; nothing means that the input has ended.
    public func read() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            // SAFETY: the buffer has room for 4096 bytes, of which `count` are initialised.
            count = unsafe max(0, Glibc.read(STDIN_FILENO, buffer.baseAddress, 4096))
        }
    }
}

/// Writes bytes to standard output; what a closed output does not take is lost.
public func writeToStandardOutput(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
        // SAFETY: the buffer has `$0.count` bytes.
        let count = unsafe rest.withUnsafeBytes {
            unsafe Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
        }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}
