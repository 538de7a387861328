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
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
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

    /// Reads the whole file.
    ///
    /// - Throws: when it cannot be read.
    public consuming func contents() throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(clamping: sizeInBytes))
        let descriptor = self.descriptor
        while true {
            // SAFETY: the kernel writes at most as many bytes as the buffer has.
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe read(descriptor, $0.baseAddress, $0.count)
            }
            guard count >= 0 else { throw FileError(path: path, code: errno) }
            guard count > 0 else { return bytes }
            bytes += buffer.prefix(count)
        }
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
    /// - Throws: when it cannot be created, or something has the name that is no ordinary file.
    public init(creating path: String) throws(FileError) {
        let kind = try fileKind(path)
        guard kind == nil || kind == S_IFREG else {
            throw FileError(path: path, reason: "it is not an ordinary file")
        }
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

    /// Sets who may read and write the file.
    public mutating func setPermissions(_ mode: Int) throws(FileError) {
        guard fchmod(descriptor, mode_t(truncatingIfNeeded: mode & 0o777)) == 0 else {
            throw FileError(path: path, code: errno)
        }
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

/// Files that appear together in a folder: each is written whole under a temporary name, and all
/// get their own when everything is on the disk. A folder that is not published is left as it was.
///
/// A folder that is not there appears with its files in one step. In one that is there each file is
/// replaced by one step of its own, after the last chance to fail that can be foreseen; other files
/// stay.
public struct OutputFolder: ~Copyable {
    private let path: String
    private let stagingPath: String
    private let isNew: Bool
    private var names: [String] = []
    private var isPublished = false

    /// Prepares a folder; makes the folders that it lies in.
    ///
    /// - Throws: when `path` is there and is no folder, or nothing can be made in it.
    public init(preparing path: String) throws(FileError) {
        var trimmed = Substring(path)
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        let path = String(trimmed)
        guard !path.isEmpty else { throw FileError(path: path, reason: "a folder has a name") }
        let kind = try fileKind(path)
        guard kind == nil || kind == S_IFDIR else {
            throw FileError(path: path, reason: "it is not a folder")
        }
        if kind == nil { try makeParents(of: path) }
        let staging =
            kind == nil ? "\(path).partial-\(getpid())" : "\(path)/.partial-\(getpid())"
        // SAFETY: the path is a string, which is a C string for the time of the call.
        guard unsafe mkdir(staging, mode_t(0o777)) == 0 else {
            throw FileError(path: path, code: errno)
        }
        self.path = path
        isNew = kind == nil
        stagingPath = staging
    }

    deinit {
        guard !isPublished else { return }
        // SAFETY: the paths are strings, which are C strings for the time of the call.
        for name in names { _ = unsafe unlink("\(stagingPath)/\(name)") }
        _ = unsafe rmdir(stagingPath)
    }

    /// Starts a file of the folder. It is to be published before the folder is.
    ///
    /// - Parameter name: the last component of its path; no two files have the same.
    /// - Throws: when it cannot be created.
    public mutating func file(_ name: String) throws(FileError) -> OutputFile {
        names.append(name)
        return try OutputFile(creating: "\(stagingPath)/\(name)")
    }

    /// Gives the files their places.
    ///
    /// - Throws: when that is not possible; nothing has changed then, unless the operating system
    ///   failed in the middle of it.
    public mutating func publish() throws(FileError) {
        guard !isNew else {
            try rename(stagingPath, to: path)
            isPublished = true
            return
        }
        for name in names where try fileKind("\(path)/\(name)") == S_IFDIR {
            throw FileError(path: "\(path)/\(name)", reason: "a folder has the file's name")
        }
        for name in names { try rename("\(stagingPath)/\(name)", to: "\(path)/\(name)") }
        // SAFETY: the path is a string, which is a C string for the time of the call.
        _ = unsafe rmdir(stagingPath)
        isPublished = true
    }

    private func rename(_ from: String, to path: String) throws(FileError) {
        // SAFETY: the paths are strings, which are C strings for the time of the call.
        guard unsafe Glibc.rename(from, path) == 0 else { throw FileError(path: path, code: errno) }
    }
}

/// Returns what is at a path, behind symbolic links, as `S_IFMT` has it; nil for nothing.
private func fileKind(_ path: String) throws(FileError) -> mode_t? {
    var status = stat()
    // SAFETY: `status` is ours and of the type that `stat` fills.
    guard unsafe stat(path, &status) == 0 else {
        guard errno == ENOENT else { throw FileError(path: path, code: errno) }
        return nil
    }
    return status.st_mode & S_IFMT
}

/// Makes the folders that a path lies in.
private func makeParents(of path: String) throws(FileError) {
    var place = path.startIndex
    while let slash = path[place...].firstIndex(of: "/") {
        place = path.index(after: slash)
        guard slash > path.startIndex else { continue }
        let parent = String(path[..<slash])
        // SAFETY: the path is a string, which is a C string for the time of the call.
        guard unsafe mkdir(parent, mode_t(0o777)) == 0 || errno == EEXIST else {
            throw FileError(path: parent, code: errno)
        }
    }
}

/// Files that only their owner may read.
public enum PrivateFile {
    /// Writes a new one.
    ///
    /// - Throws: when something has the name already, when everybody may write in the folder and so
    ///   put another file in the place of this one, or when the file system does not keep others
    ///   from reading. Nothing is left then.
    public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        var status = stat()
        // SAFETY: `status` is ours and of the type that `stat` fills.
        guard unsafe stat(folder, &status) == 0 else { throw FileError(path: path, code: errno) }
        guard status.st_mode & S_IWOTH == 0 else {
            throw FileError(path: path, reason: "everybody may write in its folder")
        }
        // SAFETY: the path is a string, which is a C string for the time of the call.
        let descriptor = unsafe open(
            path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        defer { close(descriptor) }
        do throws(FileError) {
            guard try isPrivate(descriptor, path) else {
                throw FileError(path: path, reason: "the file system lets others read it")
            }
            // SAFETY: the kernel reads at most as many bytes as the array has.
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            guard count == bytes.count, fsync(descriptor) == 0 else {
                throw FileError(path: path, code: errno)
            }
        } catch {
            // SAFETY: the path is a string, which is a C string for the time of the call.
            _ = unsafe unlink(path)
            throw error
        }
    }

    /// Returns whether neither the group nor everybody else may read or write a file.
    ///
    /// - Throws: when it cannot be looked at.
    public static func isPrivate(_ path: String) throws(FileError) -> Bool {
        // SAFETY: the path is a string, which is a C string for the time of the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        defer { close(descriptor) }
        return try isPrivate(descriptor, path)
    }

    private static func isPrivate(
        _ descriptor: Int32, _ path: String
    ) throws(FileError) -> Bool {
        var status = stat()
        // SAFETY: `status` is ours and of the type that `fstat` fills.
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw FileError(path: path, code: errno)
        }
        return status.st_mode & 0o077 == 0
    }
}
