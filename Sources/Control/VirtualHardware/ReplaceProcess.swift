// C binding: this process becomes another program.
internal import Glibc

/// Becomes another program with these words; returns only if that cannot be.
public func replaceProcess(_ program: String, _ arguments: [String]) {
    var words = unsafe ([program] + arguments).map { unsafe strdup($0) }
    unsafe words.append(nil)
    // SAFETY: the texts live until the call has replaced the process, or failed.
    _ = unsafe execv(program, words)
    while let word = unsafe words.popLast() { unsafe free(word) }
}

/// The folder of the program that runs; nil when the system does not say.
public func directoryOfProgram() -> String? {
    guard let path = pathOfProgram(), let slash = path.lastIndex(of: "/") else { return nil }
    return String(path[..<slash])
}

/// The file of the program that runs; nil when the system does not say.
public func pathOfProgram() -> String? {
    var bytes = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the buffer has room for `$0.count` bytes.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe buffer.withMemoryRebound(to: CChar.self) { text in
            unsafe text.baseAddress.map { unsafe readlink("/proc/self/exe", $0, text.count) } ?? 0
        }
    }
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
}

/// The value of a variable of the environment; nil when it has none.
public func environmentValue(_ name: String) -> String? {
    // SAFETY: the string lives while the environment is not changed, which nobody here does.
    unsafe getenv(name).map { unsafe String(cString: $0) }
}
