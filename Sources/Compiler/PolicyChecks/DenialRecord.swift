/// One denial, as the hypervisor's audit trail or an access-vector message of Xen says it.
///
/// - Trust: the line may hold anything; it is read or not, and nothing of it is believed beyond
///   what it says.
public struct DenialRecord: Equatable, Sendable {
    /// One side of a denial.
    public enum Party: Equatable, Sendable {
        /// A compartment, by its name.
        case compartment(String)
        /// A compartment, by the number of its domain, from 1.
        case domain(Int)
        /// The hypervisor.
        case hypervisor
        /// Nobody that is known.
        case unknown
    }

    /// A line of a source.
    public struct Place: Equatable, Sendable {
        /// The file, relative to the system's folder.
        public let file: String
        /// The line, from 1.
        public let line: UInt32
    }

    /// Who asked.
    public let source: Party
    /// Whom it would have reached.
    public let target: Party
    /// The class of the object.
    public let objectClass: String
    /// The permissions that were asked for; at least one.
    public let permissions: [String]
    /// The C name of the hypercall; nil when the line does not say.
    public let operation: String?
    /// The line of the source that the message names; nil when it does not.
    public let place: Place?

    /// The most bytes of a line that is read.
    private static let longestLine = 4_096

    /// Reads a line; nil for one that is no denial.
    ///
    /// - Source: `AuditTrail` of the hypervisor, `audit 1: denied CLASS { PERMISSION } from A to B
    ///   by OPERATION; FILE:LINE: …`; Xen 4.17 `xsm/flask/avc.c`, `avc:  denied  { PERMISSION } for
    ///   domid=… scontext=… tcontext=… tclass=…`, which Linux writes alike.
    public init?(line: some StringProtocol) {
        guard line.utf8.count <= DenialRecord.longestLine else { return nil }
        let words = String(line).split { $0.isWhitespace }.map { String($0) }
        guard let start = words.firstIndex(of: "denied") else { return nil }
        let rest = Array(words[(start + 1)...])
        guard let open = rest.firstIndex(of: "{"), let close = rest.firstIndex(of: "}"),
            open < 2, close > open + 1
        else { return nil }
        let permissions = Array(rest[(open + 1)..<close])
        let tail = Array(rest[(close + 1)...])
        guard permissions.allSatisfy(DenialRecord.isName) else { return nil }
        if open == 1, DenialRecord.isName(rest[0]) {
            self.init(sentence: tail, objectClass: rest[0], permissions: permissions)
        } else if open == 0 {
            self.init(pairs: tail, permissions: permissions)
        } else {
            return nil
        }
    }

    /// `from A to B by OPERATION; FILE:LINE: …`
    private init?(sentence words: [String], objectClass: String, permissions: [String]) {
        guard words.first == "from", let to = words.firstIndex(of: "to"), to > 1 else { return nil }
        let end = words.firstIndex(of: "by") ?? words.count
        guard let source = DenialRecord.party(words[1..<to]), end > to + 1,
            let target = DenialRecord.party(words[(to + 1)..<end])
        else { return nil }
        var rest = words[min(end + 1, words.count)...]
        var operation: String?
        if let word = rest.popFirst() {
            let name = word.hasSuffix(";") ? String(word.dropLast()) : word
            guard DenialRecord.isName(name) else { return nil }
            operation = name
        }
        self.source = source
        self.target = target
        self.objectClass = objectClass
        self.permissions = permissions
        self.operation = operation
        place = rest.first.flatMap(DenialRecord.place)
    }

    /// `for domid=2 target=1 scontext=… tcontext=… tclass=…`
    private init?(pairs words: [String], permissions: [String]) {
        func value(_ key: String) -> String? {
            words.first { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.count + 1)) }
        }
        guard let scontext = value("scontext"), let tcontext = value("tcontext"),
            let objectClass = value("tclass"), DenialRecord.isName(objectClass)
        else { return nil }
        let source = DenialRecord.types(in: scontext).first.map(DenialRecord.Party.compartment)
        let targets = DenialRecord.types(in: tcontext)
        // The end of a channel is named after both compartments: the other one is reached.
        let other = targets.last.map(DenialRecord.Party.compartment)
        self.source = source ?? DenialRecord.domain(value("domid"))
        let named = DenialRecord.domain(value("target"))
        let isHypervisor = tcontext.contains(":xen_t") || tcontext.contains("-console")
        target = isHypervisor ? .hypervisor : other ?? named
        self.objectClass = objectClass
        self.permissions = permissions
        operation = nil
        place = nil
    }

    // MARK: Parts of a line

    /// A letter or `_`, then letters, digits and `_`, as names of the language and of C are.
    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 63 else { return false }
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & 0xdf) || byte == 0x5f }
        return isLetter(first)
            && text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
    }

    private static func party(_ words: ArraySlice<String>) -> Party? {
        switch Array(words) {
        case ["the", "hypervisor"]: return .hypervisor
        case let words where words.count == 3 && words[0] == "no" && words[1] == "domain":
            return .unknown
        case let words where words.count == 1 && isName(words[0]): return .compartment(words[0])
        default: return nil
        }
    }

    private static func place(_ word: String) -> Place? {
        let parts = word.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 2, !parts[0].isEmpty, let line = UInt32(parts[1]), line > 0 else {
            return nil
        }
        return Place(file: String(parts[0]), line: line)
    }

    /// The compartments that the type of a context is named after: none for one of Xen's own.
    private static func types(in context: String) -> [String] {
        let parts = context.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return [] }
        let words = parts[2].split(separator: "-", omittingEmptySubsequences: false).map(
            String.init)
        switch words.count {
        case 2 where isName(words[0]): return [words[0]]
        case 3 where words[1] == "to" && isName(words[0]) && isName(words[2]):
            return [words[0], words[2]]
        default: return []
        }
    }

    private static func domain(_ text: String?) -> Party {
        guard let text, let number = UInt16(text), number > 0 else { return .unknown }
        return .domain(Int(number))
    }
}
