import Glibc

/// The stream for diagnostics: what is wrong, never what was asked for.
enum StandardError {
    /// Writes text. When the stream is closed the text is lost, and nothing else happens.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            // SAFETY: the pointer is used within the closure, for as many bytes as it has.
            let count = unsafe bytes[written...].withUnsafeBytes { rest in
                unsafe Glibc.write(STDERR_FILENO, rest.baseAddress, rest.count)
            }
            guard count > 0 else { return }
            written += count
        }
    }
}
