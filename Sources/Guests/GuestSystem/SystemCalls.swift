// The guest programs' only C binding: texts become pointers here and nowhere else.

private import CGuest

/// What Linux, or the hypervisor through it, answered when it refused.
package struct SystemError: Error, Equatable {
    /// The number, above zero: the C `errno`.
    package let number: Int32

    /// Names an answer.
    package init(number: Int32) { self.number = number }

    /// `EPERM`: the policy does not permit it.
    package static var notPermitted: SystemError { SystemError(number: 1) }
    /// `ENOENT`: there is no such thing, or it is not to be known.
    package static var notFound: SystemError { SystemError(number: 2) }
    /// `ETIMEDOUT`: nothing came in time.
    package static var timedOut: SystemError { SystemError(number: 110) }
    /// `EPROTO`: the far end does not keep to the protocol.
    package static var protocolViolation: SystemError { SystemError(number: 71) }

    /// The C spelling, or `errno <number>` for one that this program does not expect.
    package var name: String {
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
        case 71: "EPROTO"
        case 110: "ETIMEDOUT"
        default: "errno \(number)"
        }
    }
}

/// A port of this domain's event channels.
package struct EventChannelPort: Equatable {
    /// Its index in the domain's table.
    package let index: UInt32
}

/// The system calls that the program makes.
package enum SystemCalls {
    /// Opens a device for reading and writing; reports a failure.
    ///
    /// - Throws: what `open` answered.
    package static func open(_ path: StaticString) throws(SystemError) -> Int32 {
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
    package static func readNode(_ path: String) throws(SystemError) -> [UInt8] {
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
    package static func writeNode(_ path: String, _ text: String) throws(SystemError) {
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

    /// Returns the program's arguments, its own name first.
    ///
    /// Embedded Swift has no `CommandLine`, so they are read back from `/proc/self/cmdline`.
    ///
    /// - Throws: what `open` or `read` answered.
    package static func arguments() throws(SystemError) -> [[UInt8]] {
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

    /// Reads a file, at most 64 KiB of it.
    ///
    /// - Throws: what `open` or `read` answered.
    package static func readFile(_ path: [UInt8]) throws(SystemError) -> [UInt8] {
        let capacity = 65_536
        var bytes = [UInt8](repeating: 0, count: capacity)
        let name = path + [0]
        var answer: Int32 = 0
        unsafe name.withUnsafeBytes { name in
            unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                // SAFETY: the name ends in 0, the buffer holds `capacity` bytes; both outlive this.
                answer = unsafe guest_read_file(
                    name.assumingMemoryBound(to: CChar.self).baseAddress, buffer.baseAddress,
                    capacity)
            }
        }
        return Array(bytes[..<Int(try checked(answer))])
    }

    /// Returns random bytes, at most 256.
    ///
    /// - Throws: what `getrandom` answered.
    package static func randomBytes(_ count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var answer: Int32 = 0
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer holds `count` bytes and outlives the call.
            answer = unsafe guest_random(buffer.baseAddress, count)
        }
        guard try checked(answer) == Int32(count) else { throw SystemError(number: 5) }
        return bytes
    }

    /// Reads audit records: everything before `index` is done with, which then says where the next
    /// ones begin.
    ///
    /// - Throws: the hypervisor's answer: `EPERM` when the policy does not let this domain.
    package static func readRecords(
        _ privcmd: Int32, from index: inout UInt32
    ) throws(SystemError) -> [UInt8] {
        let capacity = 4096
        var bytes = [UInt8](repeating: 0, count: capacity)
        var answer: Int32 = 0
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer holds `capacity` bytes; it and the index outlive the call.
            answer = unsafe guest_read_records(privcmd, buffer.baseAddress, capacity, &index)
        }
        return Array(bytes[..<Int(try checked(answer))])
    }

    /// Prints `casemate-guest: ` and the text as one line, in one call, so that lines of several
    /// programs do not mix.
    package static func report(_ text: String) {
        let line = Array("casemate-guest: \(text)\n".utf8)
        unsafe line.withUnsafeBufferPointer { buffer in
            // SAFETY: the buffer outlives the call. A console that refuses leaves nobody to tell.
            _ = unsafe guest_write(buffer.baseAddress, buffer.count)
        }
    }

    /// Sleeps for some time, or less when a signal comes.
    package static func sleep(milliseconds: UInt32) {
        _ = guest_sleep_milliseconds(milliseconds)
    }

    /// Sleeps until the program is ended.
    package static func sleepForever() -> Never {
        while true { sleep(milliseconds: .max) }
    }

    /// Ends the program with a status: 0, it did what it is for; 1, something was refused or did
    /// not come; 2, the command line is wrong.
    package static func exit(status: Int32) -> Never {
        guest_exit(status)
    }

    /// Turns a result of `CGuest` into a value or an error.
    ///
    /// - Throws: the refusal, when `answer` is below zero.
    package static func checked(_ answer: Int32) throws(SystemError) -> Int32 {
        if answer < 0 { throw SystemError(number: 0 &- answer) }
        return answer
    }
}
