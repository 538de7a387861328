import Glibc

/// Messages to people, and the end of the program.
enum StandardError {
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        // SAFETY: the buffer has `$0.count` bytes.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
    }

    static func exit() -> Never { Glibc.exit(2) }
}
