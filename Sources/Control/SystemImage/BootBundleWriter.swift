public import Digests

/// Writes a boot bundle: what a PVH start hands to the hypervisor beside the hypervisor itself.
///
/// Equal members make equal bundles: mode, owner, times and inode numbers are zero.
/// - Source: `docs/abi/boot-bundle.md`; the cpio format `newc`, magic `070701`, as the Linux
///   kernel documents it under initramfs buffer format.
public struct BootBundleWriter<Output: ByteOutput & ~Copyable>: ~Copyable {
    private var output: Output
    private var moduleCount = 0

    /// Starts a bundle with its first two members.
    public init(
        to output: consuming Output, policy: [UInt8], manifest: [UInt8]
    ) throws(FileError) {
        self.output = output
        try append("policy", policy)
        try append("manifest", manifest)
    }

    /// Appends the next module, whole, without holding it in memory.
    ///
    /// - Returns: SHA-384 of what was read. A caller that knows the digest compares: the file may
    ///   have changed since.
    /// - Throws: when reading or writing fails, or the file's size is not what it was when opened.
    public mutating func appendModule(
        _ file: inout InputFile
    ) throws(FileError) -> Digest384 {
        try writeHeader("module/\(moduleCount)", size: file.sizeInBytes, path: file.path)
        moduleCount += 1
        var hash = SHA384()
        var rest = file.sizeInBytes
        var isShort = false
        while rest > 0, !isShort {
            var part: UInt64 = 0
            isShort = try !file.readOn { (bytes) throws(FileError) in
                part = UInt64(bytes.count)
                guard part <= rest else { return }
                hash.update(bytes)
                try output.write(bytes)
            }
            guard part <= rest else { break }
            rest -= part
        }
        guard rest == 0 else {
            throw FileError(path: file.path, reason: "its size changes while it is read")
        }
        try writePadding(after: file.sizeInBytes)
        return hash.finalize()
    }

    /// Ends the bundle.
    public consuming func finish() throws(FileError) -> Output {
        try writeHeader("TRAILER!!!", size: 0, path: "")
        return output
    }

    private mutating func append(_ name: String, _ bytes: [UInt8]) throws(FileError) {
        try writeHeader(name, size: UInt64(bytes.count), path: name)
        try output.write(bytes.span)
        try writePadding(after: UInt64(bytes.count))
    }

    private mutating func writeHeader(
        _ name: String, size: UInt64, path: String
    ) throws(FileError) {
        guard let header = memberHeader(name, size: size) else {
            throw FileError(path: path, reason: "it has 4 GiB or more, too much for a bundle")
        }
        try output.write(header.span)
    }

    private mutating func writePadding(after count: UInt64) throws(FileError) {
        let padding: [UInt8] = Array(repeating: 0, count: Int((4 - count % 4) % 4))
        if !padding.isEmpty { try output.write(padding.span) }
    }
}

/// Returns the header of a member: thirteen numbers of eight digits, of which only the sizes of
/// file and name are not zero, the name, and padding; nil for a member of 4 GiB or more.
func memberHeader(_ name: String, size: UInt64) -> [UInt8]? {
    guard let size = UInt32(exactly: size) else { return nil }
    var numbers: [UInt32] = Array(repeating: 0, count: 13)
    numbers[6] = size
    numbers[11] = UInt32(name.utf8.count + 1)
    let digits = numbers.map(eightDigits).joined()
    let header = Array("070701\(digits)\(name)".utf8) + [0]
    return header + Array(repeating: 0, count: (4 - header.count % 4) % 4)
}

/// Returns a number as eight hexadecimal digits.
private func eightDigits(_ number: UInt32) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: 8 - text.count) + text
}
