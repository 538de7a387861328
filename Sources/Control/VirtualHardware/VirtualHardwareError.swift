/// An emulated machine with an emulated TPM: QEMU, swtpm, and what stands between them.
///
/// For: running a built system at once on any Debian PC, unattended or at a terminal, and taking
/// quotes of the machine while it runs. Not for: production; an emulated TPM's keys prove nothing
/// about hardware. It trusts the programs of the host and nothing that the machine says.
/// Invariants:
/// - no TCP port is opened; sockets are inherited pairs, or lie in a directory of mode 0700;
/// - every process that was started is ended with the object that started it, and with us.

/// Why the emulated hardware failed.
public enum VirtualHardwareError: Error, Equatable {
    /// A system call failed; its name and `errno`.
    case systemCall(String, errno: Int32)
    /// A program cannot be started; its name.
    case programMissing(String)
    /// The firmware, or a machine's copy of its variables, is not there; the path.
    case firmwareMissing(String)
    /// A file cannot be read or written; its path, and why.
    case fileFailed(String, reason: String)
    /// A program ended with a failure; its name, and the end of what it wrote.
    case programFailed(String, output: String)
    /// A program that must not end has ended; its name, and 0 to 255 or 128 and the signal.
    case programEnded(String, status: Int32)
    /// The path of a socket is longer than `sun_path` allows; the path.
    case pathTooLong(String)
    /// The other side closed a connection.
    case connectionClosed
    /// The other side did not answer in time.
    case timeout
    /// swtpm answered something that its protocol does not have; what.
    case emulatorProtocol(String)
    /// COM2 carried something that is no frame; what.
    case brokenFrame(String)

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .systemCall(let name, let number): "`\(name)` failed: \(errorText(number))"
        case .programMissing(let name): "the program `\(name)` cannot be started; is it installed?"
        case .firmwareMissing(let path): "`\(path)` is not there; is the package ovmf installed?"
        case .fileFailed(let path, let reason): "`\(path)`: \(reason)"
        case .programFailed(let name, let output):
            "the program `\(name)` failed\(output.isEmpty ? "" : ": ")\(output)"
        case .programEnded(let name, let status):
            "the program `\(name)` "
                + (status > 128 ? "was ended by signal \(status - 128)" : "ended, status \(status)")
                + "; the machine was ended with it"
        case .pathTooLong(let path): "the path `\(path)` is too long for a socket"
        case .connectionClosed: "the emulated machine closed the connection"
        case .timeout: "the emulated machine did not answer in time"
        case .emulatorProtocol(let what): "the emulated TPM broke its protocol: \(what)"
        case .brokenFrame(let what): "the control line broke: \(what)"
        }
    }
}
