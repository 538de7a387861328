// C binding: memory of the system, files in memory, and the start of a successor.
import BootArena
import CEpoll
import Glibc
import VirtualHardware

/// Memory that starts as zeros, of which untouched pages cost nothing, and that stays for as long
/// as the process.
@safe final class SystemMemory {
    private let start: UnsafeMutableRawPointer
    /// Its size.
    let sizeInBytes: Int

    /// Takes memory from the system; nil when it has not enough.
    init?(sizeInBytes: Int) {
        let memory = unsafe mmap(
            nil, sizeInBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard unsafe memory != MAP_FAILED, let start = unsafe memory else { return nil }
        // Large pages, where the system has them for who asks: a large store misses less.
        if sizeInBytes >= 64 << 20 { _ = unsafe madvise(start, sizeInBytes, MADV_HUGEPAGE) }
        unsafe self.start = start
        self.sizeInBytes = sizeInBytes
    }

    /// An arena in it.
    ///
    /// - Precondition: nothing else has an arena in it.
    func arena() -> BootArena {
        // SAFETY: an anonymous mapping is page-aligned, ours alone, and never unmapped. It is zero,
        // or holds what a predecessor's tables held, in which nothing may be written either.
        unsafe BootArena(unsafeMemory: start, sizeInBytes: sizeInBytes, isZero: true)
    }

    private static let pieceBytes = 1 << 16
    /// `SEEK_DATA` and `SEEK_HOLE` of lseek(2).
    private static let (seekData, seekHole): (Int32, Int32) = (3, 4)

    /// Writes all that is not zero to a file, from `offset`; false on an error.
    func save(to file: Int32, at offset: Int) -> Bool {
        for from in stride(from: 0, to: sizeInBytes, by: SystemMemory.pieceBytes) {
            let count = min(SystemMemory.pieceBytes, sizeInBytes - from)
            // SAFETY: the piece lies inside the mapping.
            let piece = unsafe UnsafeRawBufferPointer(start: start + from, count: count)
            guard unsafe piece.contains(where: { $0 != 0 }) else { continue }
            guard unsafe pwrite(file, piece.baseAddress, count, off_t(offset + from)) == count
            else { return false }
        }
        return ftruncate(file, off_t(offset + sizeInBytes)) == 0
    }

    /// Reads what `save` wrote; false on an error, or if the file has another size.
    func load(from file: Int32, at offset: Int) -> Bool {
        var status = stat()
        guard unsafe fstat(file, &status) == 0, Int(status.st_size) == offset + sizeInBytes else {
            return false
        }
        var data = off_t(offset)
        while true {
            // Holes stay untouched.
            data = lseek(file, data, SystemMemory.seekData)
            guard data >= 0 else { return errno == ENXIO }
            let end = lseek(file, data, SystemMemory.seekHole)
            let from = max(0, Int(data) - offset)
            guard end > data, Int(end) - offset <= sizeInBytes else { return false }
            var position = from
            while position < Int(end) - offset {
                let count = min(1 << 30, Int(end) - offset - position)
                // SAFETY: the piece lies inside the mapping.
                let got = unsafe pread(file, start + position, count, off_t(offset + position))
                guard got > 0 else { return false }
                position += got
            }
            data = end
        }
    }
}

/// A new file in memory, which a successor inherits; nil when the system refuses.
func memoryFile() -> Int32? {
    let file = casemate_memory_file()
    return file >= 0 ? file : nil
}

/// Writes all bytes to the start of a file.
func writeFile(_ file: Int32, _ bytes: [UInt8]) -> Bool {
    // SAFETY: the buffer has `$0.count` bytes.
    unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) } == bytes.count
}

/// Reads at most `count` bytes of a file, from its start.
func readFile(_ file: Int32, count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    // SAFETY: the buffer has room for `$0.count` bytes.
    let got = unsafe bytes.withUnsafeMutableBytes {
        unsafe pread(file, $0.baseAddress, $0.count, 0)
    }
    return got >= 0 ? Array(bytes.prefix(got)) : nil
}

/// Starts a program that inherits descriptors, and waits for one byte from it on the descriptor
/// that it is told last; false if it does not come, and then the program is gone.
func startSuccessor(
    _ program: String, _ arguments: [String], inheriting descriptors: [Int32], ready: Int32,
    awaiting: Int32, timeoutInMilliseconds: Int32
) -> Bool {
    var actions = unsafe posix_spawn_file_actions_t()
    // SAFETY: the actions live until they are destroyed; all texts are copied by the spawn.
    _ = unsafe posix_spawn_file_actions_init(&actions)
    defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
    for number in descriptors + [ready] {
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, number, number)
    }
    var texts = unsafe ([program] + arguments).map { unsafe strdup($0) }
    unsafe texts.append(nil)
    defer {
        while let text = unsafe texts.popLast() { unsafe free(text) }
    }
    var child = pid_t()
    // SAFETY: nobody changes the environment: the daemon has one thread.
    guard unsafe posix_spawn(&child, program, &actions, nil, texts, environ) == 0 else {
        return false
    }
    closeDescriptor(ready)
    var waiting = pollfd(fd: awaiting, events: Int16(POLLIN), revents: 0)
    var byte: UInt8 = 0
    if unsafe poll(&waiting, 1, timeoutInMilliseconds) == 1, unsafe read(awaiting, &byte, 1) == 1 {
        return true
    }
    kill(child, SIGKILL)
    _ = waitpid(child, nil, 0)
    return false
}

/// A pipe: its reading and its writing end; nil when the system has none left.
func newPipe() -> (reading: Int32, writing: Int32)? {
    var ends: (Int32, Int32) = (-1, -1)
    // SAFETY: a tuple of two `Int32` is an array of two.
    let code = unsafe withUnsafeMutableBytes(of: &ends) {
        unsafe pipe($0.bindMemory(to: Int32.self).baseAddress)
    }
    guard code == 0, fcntl(ends.0, F_SETFD, FD_CLOEXEC) == 0,
        fcntl(ends.1, F_SETFD, FD_CLOEXEC) == 0
    else { return nil }
    return (ends.0, ends.1)
}

/// Writes one byte to a pipe, and closes it.
func signalReady(_ pipe: Int32) {
    var byte: UInt8 = 1
    _ = unsafe write(pipe, &byte, 1)
    closeDescriptor(pipe)
}

/// Lets a descriptor not be inherited, and reads on it not wait.
func setAdopted(_ number: Int32) -> Bool {
    fcntl(number, F_SETFD, FD_CLOEXEC) == 0 && fcntl(number, F_SETFL, O_NONBLOCK) == 0
}

/// Tells the service manager that this process serves, if there is one (`sd_notify(3)`).
func notifyManager() {
    guard let path = environmentValue("NOTIFY_SOCKET"), path.utf8.count < 100 else { return }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    let size = MemoryLayout<sa_family_t>.size + bytes.count
    // SAFETY: the path is shorter than the field.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return }
    defer { closeDescriptor(socket) }
    let text = Array("READY=1\nMAINPID=\(getpid())".utf8)
    // SAFETY: text and address live through the call, and have the sizes that are given.
    _ = unsafe text.withUnsafeBytes { text in
        unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(
                    socket, text.baseAddress, text.count, Int32(MSG_NOSIGNAL), address,
                    socklen_t(size))
            }
        }
    }
}
