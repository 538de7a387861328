// C binding: processes of the host.
internal import Glibc

/// A program of the host in a process group of its own, which ends with its owner: when that says
/// so, or is gone, and when this process ends, however it does.
///
/// - Invariant: *(bound)* the kernel kills the program when the thread that started it ends
///   (`PR_SET_PDEATHSIG`); that thread is the program's own, and waits for its end.
public final class ChildProcess {
    /// The program's name, for messages.
    public let name: String
    private let identifier: pid_t
    private var status: Int32?

    /// Starts a program found on PATH, its input empty, its output in a file.
    ///
    /// - Parameters:
    ///   - passing: descriptors that it inherits, as 3, 4, 5 … in their order.
    ///   - startsOthers: whether it starts programs that would outlive it, or becomes another
    ///     user's; then all of its process group ends with this process, by a shell that stands for
    ///     it.
    /// - Throws: `.programMissing`; `.systemCall`.
    public init(
        _ name: String, _ arguments: [String], passing: [Descriptor] = [], outputPath: String,
        startsOthers: Bool = false
    ) throws(VirtualHardwareError) {
        self.name = name
        guard isProgram(name) else { throw .programMissing(name) }
        guard isProgram(ChildProcess.binder) else { throw .programMissing(ChildProcess.binder) }
        // We may be gone before the kernel was told what that means for the program.
        let script =
            startsOthers
            ? "[ \"$PPID\" = \"$0\" ] || exit; trap 'kill -KILL 0' TERM; \"$@\" & wait $!"
            : "[ \"$PPID\" = \"$0\" ] && exec \"$@\""
        let words = [
            ChildProcess.binder, "--pdeathsig", startsOthers ? "TERM" : "KILL", "--", "/bin/sh",
            "-c", script, "\(getpid())", name,
        ]
        identifier = try spawnBound(words + arguments, passing: passing, outputPath: outputPath)
    }

    /// The program of util-linux, essential in Debian, that asks the kernel for a signal.
    private static let binder = "/usr/bin/setpriv"

    deinit {
        end()
    }

    /// Returns the exit status if the program has ended: 0 to 255, or 128 and the signal.
    public func exitStatus() -> Int32? {
        if let status { return status }
        var raw: Int32 = 0
        // SAFETY: the status lives across the call.
        guard unsafe waitpid(identifier, &raw, WNOHANG) == identifier else { return nil }
        let result = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F)
        status = result
        return result
    }

    /// Waits for the program to end; `nil` after the time.
    public func wait(timeoutInMilliseconds: Int) -> Int32? {
        for _ in 0...timeoutInMilliseconds / 10 {
            if let status = exitStatus() { return status }
            usleep(10_000)
        }
        return exitStatus()
    }

    /// Ends the program and all that it started: asks, waits two seconds, kills.
    public func end() {
        guard exitStatus() == nil else { return }
        _ = kill(-identifier, SIGTERM)
        if wait(timeoutInMilliseconds: 2000) != nil { return }
        _ = kill(-identifier, SIGKILL)
        _ = wait(timeoutInMilliseconds: 5000)
    }
}

/// Whether a program can be started: by its path, or by its name on PATH.
private func isProgram(_ name: String) -> Bool {
    func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }
    if name.contains("/") { return isExecutable(name) }
    let folders = (environmentValue("PATH") ?? "/usr/bin:/bin").split(separator: ":")
    return folders.contains { isExecutable("\($0)/\(name)") }
}

/// Starts a program as `spawn` does, on a thread that waits for its end.
private func spawnBound(
    _ words: [String], passing: [Descriptor], outputPath: String
) throws(VirtualHardwareError) -> pid_t {
    let (answer, result) = try socketPair()
    _ = try InterposerThread(isJoinable: false) {
        // The process's signals are for other threads.
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, nil)
        var numbers: [Int32] = [0, 0]
        do throws(VirtualHardwareError) {
            numbers[1] = try spawn(words, passing: passing, outputPath: outputPath)
        } catch {
            if case .systemCall(_, let code) = error { numbers[0] = code }
        }
        try? result.writeAll(
            numbers.flatMap { number in
                (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
            })
        guard numbers[1] > 0 else { return }
        var information = unsafe siginfo_t()
        // The program is left for its owner to collect, who may be faster.
        // SAFETY: the structure lives across the call.
        _ = unsafe waitid(P_PID, id_t(numbers[1]), &information, WEXITED | WNOWAIT)
    }
    let bytes = try answer.readExactly(8, timeoutInMilliseconds: 120_000)
    let numbers = [bytes[..<4], bytes[4...]].map { bytes in
        bytes.reversed().reduce(Int32(0)) { $0 << 8 | Int32($1) }
    }
    guard numbers[1] > 0 else { throw .systemCall("posix_spawn", errno: numbers[0]) }
    return numbers[1]
}

/// Starts a program in a process group of its own, with default signals.
private func spawn(
    _ words: [String], passing: [Descriptor], outputPath: String
) throws(VirtualHardwareError) -> pid_t {
    // Duplicates above all the numbers that the program is to see, so that no copy hits another.
    var sources: [Descriptor] = []
    for descriptor in passing { sources.append(Descriptor(taking: try descriptor.duplicate())) }
    defer { withExtendedLifetime(sources) {} }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(
        &actions, 1, outputPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    for (index, source) in sources.enumerated() {
        unsafe posix_spawn_file_actions_adddup2(&actions, source.number, Int32(3 + index))
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    var pointers = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { unsafe pointers.forEach { unsafe free($0) } }
    var identifier: pid_t = 0
    // SAFETY: the argument list ends with a null pointer, and all memory lives across the call.
    let code = unsafe posix_spawnp(
        &identifier, words[0], &actions, &attributes, &pointers, environ)
    guard code == 0 else { throw .systemCall("posix_spawn", errno: code) }
    return identifier
}
