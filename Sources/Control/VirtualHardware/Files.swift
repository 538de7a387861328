// C binding: files and directories of the host.
internal import FoundationEssentials
internal import Glibc

/// Makes a directory of mode 0700; one that is there already must be a directory of ours.
///
/// - Parameter mayTighten: whether one that others may enter is closed to them; else it is refused,
///   since it may be somebody's for something else.
/// - Throws: `.fileFailed`.
public func makePrivateDirectory(
    _ path: String, mayTighten: Bool = true
) throws(VirtualHardwareError) {
    if unsafe mkdir(path, 0o700) == 0 { return }
    guard errno == EEXIST else { throw .fileFailed(path, reason: errorText(errno)) }
    var information = stat()
    guard unsafe lstat(path, &information) == 0 else {
        throw .fileFailed(path, reason: errorText(errno))
    }
    guard information.st_mode & S_IFMT == S_IFDIR, information.st_uid == getuid() else {
        throw .fileFailed(path, reason: "it is there, and no folder of yours")
    }
    guard information.st_mode & 0o077 != 0 else { return }
    guard mayTighten else {
        throw .fileFailed(
            path, reason: "others may enter it; close it with chmod 700, or name a new folder")
    }
    guard unsafe chmod(path, 0o700) == 0 else {
        throw .fileFailed(path, reason: errorText(errno))
    }
}

/// Takes a directory for this process, for as long as the descriptor lives.
///
/// - Returns: nil when another process has it.
/// - Throws: `.fileFailed`.
public func lockDirectory(_ path: String) throws(VirtualHardwareError) -> Descriptor? {
    let number = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { throw .fileFailed(path, reason: errorText(errno)) }
    let directory = Descriptor(taking: number)
    guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
        guard errno == EWOULDBLOCK else { throw .fileFailed(path, reason: errorText(errno)) }
        return nil
    }
    return directory
}

/// Makes a new directory of mode 0700 for temporary files and returns its path.
///
/// - Throws: `.systemCall`.
public func makeTemporaryDirectory() throws(VirtualHardwareError) -> String {
    var template = Array("/tmp/casemate-XXXXXX".utf8CString)
    // SAFETY: the template is a NUL-terminated array that lives across the call.
    let isMade = unsafe template.withUnsafeMutableBufferPointer {
        unsafe $0.baseAddress.map { unsafe mkdtemp($0) != nil } ?? false
    }
    guard isMade else { throw .systemCall("mkdtemp", errno: errno) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Removes a directory that `makeTemporaryDirectory` made, with the files and directories in it.
public func removeTemporaryDirectory(_ path: String) {
    guard path.hasPrefix("/tmp/casemate-") else { return }
    try? FileManager.default.removeItem(atPath: path)
}

/// Returns the last lines of a text file, at most 1 KiB, without the last line break; nothing if it
/// cannot be read.
public func lastLines(of path: String) -> String {
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return "" }
    let file = Descriptor(taking: number)
    let size = lseek(number, 0, SEEK_END)
    _ = lseek(number, max(0, size - 1024), SEEK_SET)
    let bytes = (try? file.readSome(limit: 1024)) ?? []
    var text = String(decoding: bytes, as: UTF8.self)
    while text.last?.isNewline == true { text.removeLast() }
    return text
}

/// Creates a file of mode 0600 for writing; one that is there is emptied.
///
/// - Throws: `.fileFailed`.
func createPrivateFile(_ path: String) throws(VirtualHardwareError) -> Descriptor {
    let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard number >= 0 else { throw .fileFailed(path, reason: errorText(errno)) }
    return Descriptor(taking: number)
}
