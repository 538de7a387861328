// The program's only C binding: texts become pointers here and nowhere else.

internal import CGuest

/// What Linux, or the hypervisor through it, answered when it refused.
struct SystemError: Error, Equatable {
    /// The number, above zero: the C `errno`.
    let number: Int32

    /// `EPERM`: the policy does not permit it.
    static let notPermitted = SystemError(number: 1)

    /// The C spelling, or `errno <number>` for one that this program does not expect.
    var name: String {
        switch number {
        case 1: "EPERM"
        case 2: "ENOENT"
        case 3: "ESRCH"
        case 4: "EINTR"
        case 5: "EIO"
        case 6: "ENXIO"
        case 12: "ENOMEM"
        case 13: "EACCES"
        case 14: "EFAULT"
        case 16: "EBUSY"
        case 19: "ENODEV"
        case 22: "EINVAL"
        case 25: "ENOTTY"
        case 28: "ENOSPC"
        case 38: "ENOSYS"
        case 110: "ETIMEDOUT"
        default: "errno \(number)"
        }
    }
}

/// A port of this domain's event channels.
struct EventChannelPort: Equatable {
    /// Its index in the domain's table.
    let index: UInt32
}

/// The system calls that the program makes.
enum SystemCalls {
    /// Opens a device for reading and writing; reports a failure.
    ///
    /// - Throws: what `open` answered.
    static func open(_ path: StaticString) throws(SystemError) -> Int32 {
        // SAFETY: a static string is zero-terminated and lives for ever.
        let bytes = unsafe UnsafeRawPointer(path.utf8Start).assumingMemoryBound(to: CChar.self)
        do throws(SystemError) {
            return try unsafe checked(guest_open(bytes))
        } catch {
            report("cannot open \(path): \(error.name)")
            throw error
        }
    }

    /// Returns the program's arguments, its own name first.
    ///
    /// Embedded Swift has no `CommandLine`, so they are read back from `/proc/self/cmdline`.
    ///
    /// - Throws: what `open` or `read` answered.
    static func arguments() throws(SystemError) -> [[UInt8]] {
        let capacity = 4096
        var bytes = [UInt8](repeating: 0, count: capacity)
        var answer: Int32 = 0
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer holds `capacity` bytes and outlives the call.
            answer = unsafe guest_read_file("/proc/self/cmdline", buffer.baseAddress, capacity)
        }
        let count = Int(try checked(answer))
        return bytes[..<count].split(separator: 0, omittingEmptySubsequences: false)
            .map { Array($0) }
    }

    /// Prints `casemate-guest: ` and the text as one line, in one call, so that lines of several
    /// programs do not mix.
    static func report(_ text: String) {
        let line = Array("casemate-guest: \(text)\n".utf8)
        unsafe line.withUnsafeBufferPointer { buffer in
            // SAFETY: the buffer outlives the call. A console that refuses leaves nobody to tell.
            _ = unsafe guest_write(buffer.baseAddress, buffer.count)
        }
    }

    /// Sleeps for some seconds, or less when a signal comes.
    static func sleep(seconds: UInt32) {
        _ = guest_sleep_seconds(seconds)
    }

    /// Ends the program with a status: 0, it did what it is for; 1, something was refused or did
    /// not come; 2, the command line is wrong.
    static func exit(status: Int32) -> Never {
        guest_exit(status)
    }

    /// Turns a result of `CGuest` into a value or an error.
    ///
    /// - Throws: the refusal, when `answer` is below zero.
    static func checked(_ answer: Int32) throws(SystemError) -> Int32 {
        if answer < 0 { throw SystemError(number: 0 &- answer) }
        return answer
    }
}
