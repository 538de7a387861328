/// A line in which a kernel says that it denied, or granted, something.
///
/// Linux's audit and Xen's console write it alike: `avc:  denied  { read } for ... scontext=...
/// tcontext=... tclass=...`; what else is in the line does not matter here.
/// - Source: Linux `security/selinux/avc.c`, `avc_audit_pre_callback`; Xen `xsm/flask/avc.c`,
///   `avc_audit`.
package struct DenialLine: Equatable, Sendable {
    /// Whether the line says `denied`, not `granted`.
    package let isDenial: Bool
    /// The permissions.
    package let permissions: [String]
    /// The label of the subject.
    package let source: String
    /// The label of the object.
    package let target: String
    /// The class.
    package let objectClass: String

    /// Reads a line.
    ///
    /// - Returns: nil when it is not such a line.
    package init?(_ line: String) {
        guard let start = line.firstRange(of: "avc:"),
            let open = line[start.upperBound...].firstIndex(of: "{"),
            let close = line[open...].firstIndex(of: "}")
        else { return nil }
        let words = line[start.upperBound..<open].split(separator: " ")
        guard let word = words.first, word == "denied" || word == "granted" else { return nil }
        isDenial = word == "denied"
        permissions = line[line.index(after: open)..<close].split(separator: " ").map(String.init)
        var fields: [String: String] = [:]
        for item in line[close...].split(whereSeparator: \.isWhitespace) {
            let parts = item.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields[String(parts[0])] = String(parts[1].filter { $0 != "\"" })
        }
        guard !permissions.isEmpty, let source = fields["scontext"],
            let target = fields["tcontext"], let objectClass = fields["tclass"]
        else { return nil }
        self.source = source
        self.target = target
        self.objectClass = objectClass
    }

    /// The different lines of a log, in their order, each once.
    ///
    /// - Parameter most: how many at most.
    package static func all(in text: String, most: Int) -> [DenialLine] {
        var found: [DenialLine] = []
        for line in text.split(whereSeparator: \.isNewline) where found.count < most {
            if let denial = DenialLine(String(line)), !found.contains(denial) {
                found.append(denial)
            }
        }
        return found
    }
}
