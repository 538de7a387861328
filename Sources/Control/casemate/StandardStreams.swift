import ArgumentParser
import Glibc

/// The stream for diagnostics: what is wrong, never what was asked for.
enum StandardError {
    /// Writes text. When the stream is closed the text is lost, and nothing else happens.
    static func write(_ text: String) { _ = writeAll(Array(text.utf8), to: STDERR_FILENO) }

    /// Whether diagnostics may be coloured: a terminal shows them, and nobody asked for plain text.
    static var isColored: Bool { showsColor(STDERR_FILENO) }
}

/// The stream for what was asked for.
enum StandardOutput {
    /// Writes text.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error, when the
    ///   stream does not take it: an answer that nobody got is none.
    static func write(_ text: String) throws {
        guard let code = writeAll(Array(text.utf8), to: STDOUT_FILENO) else { return }
        // SAFETY: `strerror` returns a string that lives until the thread's next call of it.
        let reason = unsafe String(cString: strerror(code))
        StandardError.write("casemate: standard output: \(reason)\n")
        throw ExitStatus.inputOutput
    }

    /// Whether answers may be coloured.
    static var isColored: Bool { showsColor(STDOUT_FILENO) }
}

/// The stream that an input comes by when its name is `-`.
enum StandardInput {
    /// Reads to the end.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error, when the
    ///   stream cannot be read, or has more than `limit` bytes.
    static func read(limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var part: [UInt8] = Array(repeating: 0, count: 1 << 16)
        while bytes.count <= limit {
            // SAFETY: the kernel writes at most as many bytes as the array has.
            let count = unsafe part.withUnsafeMutableBytes {
                unsafe Glibc.read(STDIN_FILENO, $0.baseAddress, $0.count)
            }
            guard count >= 0 else {
                // SAFETY: `strerror` returns a string that lives until the thread's next call.
                let reason = unsafe String(cString: strerror(errno))
                StandardError.write("casemate: standard input: \(reason)\n")
                throw ExitStatus.inputOutput
            }
            guard count > 0 else { return bytes }
            bytes += part.prefix(count)
        }
        StandardError.write("casemate: standard input: it has more than \(limit) bytes\n")
        throw ExitStatus.inputOutput
    }
}

/// Writes all bytes; returns nil, or the error that kept it from that.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    var written = 0
    while written < bytes.count {
        // SAFETY: the pointer is used within the closure, for as many bytes as it has.
        let count = unsafe bytes[written...].withUnsafeBytes { rest in
            unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
        }
        guard count > 0 else { return errno }
        written += count
    }
    return nil
}

/// Whether a stream is a terminal with colours, whose user has not said no.
///
/// - Source: https://no-color.org
private func showsColor(_ descriptor: Int32) -> Bool {
    func variable(_ name: String) -> String? {
        // SAFETY: the string that `getenv` returns lives while the environment is not changed, and
        // this program never changes it.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
    guard variable("NO_COLOR") ?? "" == "", let terminal = variable("TERM") else { return false }
    return terminal != "dumb" && isatty(descriptor) == 1
}
