/// A cpio archive in the `newc` format, made in the simplest way there is, so that readers and the
/// product's own writer have something else to agree with.
public enum NewcArchive {
    /// One member, padded: a file that all may read, unless the mode says otherwise.
    public static func member(
        _ name: String, _ content: [UInt8], mode: Int = 0o100644
    ) -> [UInt8] {
        func field(_ value: Int) -> [UInt8] {
            let text = String(value, radix: 16, uppercase: true)
            return Array((String(repeating: "0", count: 8 - text.count) + text).utf8)
        }
        var bytes = Array("070701".utf8)
        let fields = [0, mode, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
        for value in fields { bytes += field(value) }
        bytes += Array(name.utf8) + [0]
        while bytes.count % 4 != 0 { bytes.append(0) }
        bytes += content
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }

    /// An archive of members, with its end.
    public static func archive(_ members: [(String, [UInt8])]) -> [UInt8] {
        members.flatMap { member($0.0, $0.1) } + member("TRAILER!!!", [])
    }
}
