import Digests
import Glibc

/// The binding to files: read from the start to the end, and written so that a reader sees all of
/// a file or nothing.

/// Why a file cannot be read or written.
public struct FileError: Error, Equatable {
    /// The path, as it was given.
    public let path: String
    /// What the operating system says.
    public let reason: String

    /// Creates an error with a reason of our own.
    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    fileprivate init(path: String, code: Int32) {
        self.path = path
        // SAFETY: `strerror` returns a string that lives until the thread's next call of it.
        reason = unsafe String(cString: strerror(code))
    }
}

/// An ordinary file, open for reading once from its start.
public struct InputFile: ~Copyable {
    /// The path, as it was given.
    public let path: String
    /// The size when it was opened, in bytes.
    public let sizeInBytes: UInt64
    private let descriptor: Int32
    private var buffer: [UInt8]

    /// Opens a file.
    ///
    /// - Throws: when there is none, it may not be read, or it is not an ordinary file.
    public init(reading path: String) throws(FileError) {
        // SAFETY: the path is a string, which is a C string for the time of the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        var status = stat()
        // SAFETY: `status` is ours and of the type that `fstat` fills.
        guard unsafe fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw FileError(path: path, code: code)
        }
        guard status.st_mode & S_IFMT == S_IFREG, let size = UInt64(exactly: status.st_size) else {
            close(descriptor)
            throw FileError(path: path, reason: "it is not an ordinary file")
        }
        self.path = path
        sizeInBytes = size
        self.descriptor = descriptor
        buffer = Array(repeating: 0, count: 1 << 20)
    }

    deinit { close(descriptor) }

    /// Reads on and hands what was read to `body`; returns false at the end, without calling it.
    public mutating func readOn(
        _ body: (Span<UInt8>) throws(FileError) -> Void
    ) throws(FileError) -> Bool {
        let descriptor = self.descriptor
        // SAFETY: the kernel writes at most as many bytes as the buffer has.
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe read(descriptor, $0.baseAddress, $0.count)
        }
        guard count >= 0 else { throw FileError(path: path, code: errno) }
        guard count > 0 else { return false }
        try body(buffer.span.extracting(first: count))
        return true
    }
}

/// Takes bytes, one after another.
public protocol ByteOutput: ~Copyable {
    /// Writes all of `bytes`.
    mutating func write(_ bytes: Span<UInt8>) throws(FileError)
}

/// A file under a temporary name, which gets its own only when it is complete. One that is not
/// published leaves nothing behind.
public struct OutputFile: ~Copyable, ByteOutput {
    private let path: String
    private let temporaryPath: String
    private let descriptor: Int32
    private var isPublished = false

    /// Creates a file that will be `path`, beside it.
    ///
    /// - Throws: when it cannot be created.
    public init(creating path: String) throws(FileError) {
        let temporaryPath = "\(path).partial-\(getpid())"
        // SAFETY: the path is a string, which is a C string for the time of the call.
        let descriptor = unsafe open(
            temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o644))
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        self.path = path
        self.temporaryPath = temporaryPath
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
        // SAFETY: the path is a string, which is a C string for the time of the call.
        if !isPublished { _ = unsafe unlink(temporaryPath) }
    }

    /// Writes all of `bytes`.
    public mutating func write(_ bytes: Span<UInt8>) throws(FileError) {
        let descriptor = self.descriptor
        var rest = bytes
        while !rest.isEmpty {
            // SAFETY: the kernel reads at most as many bytes as the span has.
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else { throw FileError(path: path, code: errno) }
            rest = rest.extracting(droppingFirst: count)
        }
    }

    /// Brings what was written to the disk, without giving it its name.
    public mutating func synchronize() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw FileError(path: path, code: errno) }
    }

    /// Gives the file its name, replacing one that had it.
    public mutating func publish() throws(FileError) {
        // SAFETY: the paths are strings, which are C strings for the time of the call.
        guard unsafe rename(temporaryPath, path) == 0 else {
            throw FileError(path: path, code: errno)
        }
        isPublished = true
    }
}
