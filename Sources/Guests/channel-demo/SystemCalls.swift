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

    /// Reads a node of the store as text.
    ///
    /// - Throws: what the store answered: `ENOENT` when there is none, `EACCES` when it is closed.
    static func readNode(_ path: String) throws(SystemError) -> [UInt8] {
        let capacity = 4096
        var value = [UInt8](repeating: 0, count: capacity)
        let name = Array(path.utf8) + [0]
        var answer: Int32 = 0
        unsafe name.withUnsafeBytes { name in
            unsafe value.withUnsafeMutableBufferPointer { value in
                // SAFETY: the name ends in 0, the buffer holds `capacity` bytes; both outlive this.
                answer = unsafe guest_store_read(
                    name.assumingMemoryBound(to: CChar.self).baseAddress, value.baseAddress,
                    capacity)
            }
        }
        return Array(value[..<Int(try checked(answer))])
    }

    /// Writes a node of the store.
    ///
    /// - Throws: what the store answered: `EACCES` when it is closed for writing.
    static func writeNode(_ path: String, _ text: String) throws(SystemError) {
        let name = Array(path.utf8) + [0]
        let value = Array(text.utf8)
        var answer: Int32 = 0
        unsafe name.withUnsafeBytes { name in
            unsafe value.withUnsafeBufferPointer { value in
                // SAFETY: the name ends in 0, and both outlive the call.
                answer = unsafe guest_store_write(
                    name.assumingMemoryBound(to: CChar.self).baseAddress, value.baseAddress,
                    value.count)
            }
        }
        _ = try checked(answer)
    }

    /// Makes the program's ring of new pages that `remote` may map for reading; returns their
    /// references.
    ///
    /// - Throws: what `/dev/xen/gntalloc` answered.
    static func grantRing(
        _ device: Int32, to remote: UInt32, pages: UInt32
    ) throws(SystemError) -> [UInt32] {
        var references = [UInt32](repeating: 0, count: Int(pages))
        var answer: Int32 = 0
        unsafe references.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer holds `pages` numbers and outlives the call.
            answer = unsafe guest_ring_grant(device, remote, pages, buffer.baseAddress)
        }
        _ = try checked(answer)
        return references
    }

    /// Makes the program's ring of pages that `remote` granted.
    ///
    /// - Throws: what `/dev/xen/gntdev` answered; `EINVAL` when the hypervisor refused a page.
    static func mapRing(
        _ device: Int32, of remote: UInt32, _ references: [UInt32], writable: Bool
    ) throws(SystemError) {
        var answer: Int32 = 0
        unsafe references.withUnsafeBufferPointer { buffer in
            // SAFETY: the buffer holds as many numbers as are announced and outlives the call.
            answer = unsafe guest_ring_map(
                device, remote, UInt32(references.count), writable ? 1 : 0, buffer.baseAddress)
        }
        _ = try checked(answer)
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
