import CommonIntermediateLanguage
import Foundation
import KernelPolicyLanguage
import PolicyAnalysis
import PolicyDatabaseModel
import TestSupport

extension Decoder {
    /// The policies of the tests that have every statement.
    private static func policySource(_ names: String...) throws -> [UInt8] {
        try names.flatMap { name in
            let url = RepositoryFiles.root.appending(
                path: "Tests/PolicyFileTests/Policies/\(name)")
            return try RepositoryFiles.bytes(of: url)
        }
    }

    /// What a decoder begins with: the policies of the tests, and from the corpus a small policy
    /// with each of many lines behind it, good ones and bad ones, and whole policies.
    private static func seeds(_ folder: String, _ suffix: String) throws -> [[UInt8]] {
        let corpus = "Tests/DecoderFuzzer/Corpus/\(folder)"
        let base = try RepositoryFiles.bytes(
            of: RepositoryFiles.root.appending(path: "\(corpus)/base.\(suffix)"))
        let lines = try RepositoryFiles.bytes(
            of: RepositoryFiles.root.appending(path: "\(corpus)/statements"))
        let whole = try RepositoryFiles.files(in: corpus, suffix: ".\(suffix)")
            .map { try RepositoryFiles.bytes(of: $0) }
        return whole + lines.split(separator: 10).map { base + $0 + [10] }
    }

    /// More words and sets than a table has room for at first.
    private static let manyWords: [UInt8] = Array(
        (0..<1_100).map { "allow a\($0) b\($0);\n" }.joined().utf8)

    /// A text with what is to be made of it.
    private static func marked(_ mark: String, _ text: [UInt8]) -> [UInt8] {
        Array("\(mark)\n".utf8) + text
    }

    /// Both languages that others have.
    static func policySources() throws -> [Decoder] {
        let (linux, xen) = (try policySource("linux.conf"), try policySource("xen.conf"))
        let sources = [
            marked("#! selinux 33 M", linux), marked("#! selinux 24 M", linux),
            marked("#! selinux 25 M", linux), marked("#! xen 30 M", xen),
            marked("#! xen 24 M", xen), manyWords,
        ]
        let intermediate = try [
            marked(";! selinux 33 M", policySource("common.cil", "linux.cil")),
            marked(";! xen 30 M", policySource("common.cil", "xen.cil")),
            marked(";! selinux 33 M", policySource("containers.cil")),
        ]
        return [
            Decoder(
                name: "policy-conf", seeds: try sources + seeds("conf", "conf"), most: 16_384,
                change: TokenChanges.changing(PolicyWords.conf), decode: compileConf,
                prefersAccepted: true),
            Decoder(
                name: "cil", seeds: try intermediate + seeds("cil", "cil"), most: 16_384,
                change: TokenChanges.changing(PolicyWords.cil), decode: compileIntermediate,
                prefersAccepted: true),
        ]
    }

    /// What is to be made of a source: what stands in its last line behind `#!` or `;!`, as
    /// `casemate compile` has it.
    private struct Wish {
        let format: PolicyFormat
        private let words: Set<String>

        init(_ bytes: [UInt8]) {
            let mark = bytes.indices.dropLast().last(where: {
                bytes[$0 + 1] == UInt8(ascii: "!")
                    && (bytes[$0] == UInt8(ascii: "#") || bytes[$0] == UInt8(ascii: ";"))
            })
            let line = bytes[(mark.map { $0 + 2 } ?? bytes.count)...].prefix(while: { $0 != 10 })
            let parts = String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init)
            let isXen = parts.contains("xen")
            let version = parts.lazy.compactMap { UInt32($0) }.first ?? (isXen ? 30 : 33)
            words = Set(parts)
            format = PolicyFormat(isXen ? .xen : .linux, version: version) ?? .xen30
        }

        func has(_ word: String) -> Bool { words.contains(word) }
    }

    private static func compileConf(_ bytes: [UInt8]) -> Outcome {
        let wish = Wish(bytes)
        var options = KernelPolicy.Options(wish.format)
        options.isMultilevel = wish.has("M")
        options.checksNeverAllow = !wish.has("N")
        do throws(KernelPolicyRefusal) {
            let policy = try KernelPolicy(compiling: bytes, name: "fuzz", options: options)
            return written(policy.file)
        } catch {
            return refused(error)
        }
    }

    private static func compileIntermediate(_ bytes: [UInt8]) -> Outcome {
        let wish = Wish(bytes)
        var options = CommonIntermediatePolicy.Options(wish.format)
        if wish.has("M") { options.isMultilevel = true }
        options.checksNeverAllow = !wish.has("N")
        options.preservesTunables = wish.has("P")
        options.allowsMultipleDeclarations = wish.has("m")
        options.hasQualifiedNames = wish.has("Q")
        options.ignoresDoNotAudit = wish.has("D")
        // A long source is two files.
        let middle = bytes.count > 2_000 ? bytes[1_000...].firstIndex(of: 10) ?? 0 : 0
        var left = [("a", Array(bytes[..<middle])), ("b", Array(bytes[middle...]))].makeIterator()
        do {
            let policy = try CommonIntermediatePolicy(options: options) { left.next() }
            guard policy.fileContexts.isEmpty || policy.fileContexts.hasSuffix("\n") else {
                return .broken("labels of files are lines")
            }
            guard policy.requirements.allSatisfy({ !$0.text.contains("\n") && $0.line > 0 }) else {
                return .broken("a requirement is in a line")
            }
            return written(policy.file)
        } catch let refusal as KernelPolicyRefusal {
            return refused(refusal)
        } catch {
            return .broken("what is refused is refused with its place")
        }
    }

    private static func refused(_ refusal: KernelPolicyRefusal) -> Outcome {
        guard (1...KernelPolicyRefusal.most).contains(refusal.errors.count) else {
            return .broken("a refusal has some errors, and not too many")
        }
        let isShown = refusal.errors.allSatisfy {
            !$0.message.isEmpty && !$0.message.contains("\n") && $0.column > 0
        }
        return isShown ? .refused : .broken("an error is one line and has a place")
    }

    /// What is compiled can be written and read, with less rules too, and asked some things.
    private static func written(_ file: PolicyFile) -> Outcome {
        guard let bytes = try? file.encoded(), let again = try? PolicyFile(validating: bytes) else {
            return .broken("what is compiled can be written and read")
        }
        guard again == file else { return .broken("what is written is read as it was") }
        var reduced = file
        reduced.removeRedundantRules()
        guard (try? reduced.encoded()) != nil else {
            return .broken("what has less rules can be written")
        }
        guard let policy = try? IndexedPolicy(file) else {
            return .broken("what is compiled can be asked")
        }
        return PolicySummary(policy).text.isEmpty ? .broken("a summary says something") : .accepted
    }
}

/// The words of both languages.
private enum PolicyWords {
    static let conf = [
        "class", "common", "inherits", "sid", "default_user", "default_range", "default_role",
        "default_type", "source", "target", "low", "high", "low-high", "glblub", "sensitivity",
        "dominance", "category", "level", "range", "alias", "attribute", "attribute_role",
        "expandattribute", "type", "typealias", "typeattribute", "typebounds", "types", "roles",
        "role", "roleattribute", "user", "permissive", "policycap", "module", "require", "bool",
        "tunable", "true", "false", "if", "else", "optional", "allow", "auditallow", "auditdeny",
        "dontaudit", "neverallow", "allowxperm", "auditallowxperm", "dontauditxperm",
        "neverallowxperm", "ioctl", "type_transition", "type_member", "type_change",
        "range_transition", "role_transition", "self", "constrain", "validatetrans",
        "mlsconstrain", "mlsvalidatetrans", "not", "and", "or", "xor", "eq", "dom", "domby",
        "incomp", "u1", "u3", "r2", "t1", "t3", "l1", "h2", "fscon", "fs_use_xattr", "genfscon",
        "portcon", "netifcon", "nodecon", "ibpkeycon", "ibendportcon", "pirqcon", "iomemcon",
        "ioportcon", "pcidevicecon", "devicetreecon", "{", "}", "(", ")", ";", ":", ",", "-", "~",
        "*", "^", "==", "!=", "&&", "||", "!", "0", "1", "0xffff", "0x10000", "4294967296",
        "99999999999999999999", "fe80::", "::1", "10.0.0.1", "255.255.255.0", "\"name\"", "\"",
        "tcp", "udp", "-c", "--", "#line 1 \"a\"", "\n", "s0", "c0", "c0.c66", "s0:c0 - s2:c1",
        "dom0_t", "guest_t", "privileged", "compartment", "domain", "file", "xen", "is_on",
        "system_u", "system_r", "guest_r", "{ { dom0_t", "é", "\u{0}",
    ]

    static let cil = [
        "block", "blockabstract", "blockinherit", "macro", "call", "in", "before", "after",
        "optional", "tunable", "tunableif", "boolean", "booleanif", "true", "false", "and", "or",
        "not", "xor", "eq", "neq", "all", "range", "dom", "domby", "incomp", "self", "notself",
        "other", "*", "t1",
        "t2", "r1", "u1", "u2", "l1", "l2", "h1", "h2", "t3", "type", "typealias",
        "typealiasactual", "typeattribute", "typeattributeset", "expandtypeattribute",
        "typebounds", "typepermissive", "role", "roletype", "roleattribute", "roleattributeset",
        "roleallow", "roletransition", "rolebounds", "user", "userrole", "userattribute",
        "userattributeset", "userlevel", "userrange", "userbounds", "userprefix", "selinuxuser",
        "common", "classcommon", "class", "classorder", "unordered", "classpermission",
        "classpermissionset", "classmap", "classmapping", "permissionx", "ioctl", "sensitivity",
        "sensitivityalias", "sensitivityorder", "category", "categoryalias", "categoryorder",
        "categoryset", "sensitivitycategory", "level", "levelrange", "context", "sid", "sidorder",
        "sidcontext", "policycap", "handleunknown", "mls", "defaultuser", "defaultrange",
        "source", "target", "low-high", "glblub", "deny", "allow", "auditallow", "dontaudit",
        "neverallow", "allowx", "neverallowx", "typetransition", "typechange", "rangetransition",
        "constrain", "mlsconstrain", "validatetrans", "filecon", "fsuse", "genfscon", "netifcon",
        "nodecon", "portcon", "ipaddr", "ibpkeycon", "ibendportcon", "pirqcon", "iomemcon",
        "ioportcon", "pcidevicecon", "devicetreecon", "tcp", "xattr", "file", "dir", "any", "(",
        ")", "()", "((", "))", "0", "65536", "0xffffffff", "18446744073709551616", "fe80::",
        "10.0.0.1", "\"/a\"", "\"", ";", ";IFL;", ";;* lms 3 a", ";;* lme", "\n", ".", "a.b", "s0",
        "c0",
        "domain", "guest_t", "kernel_t", "system_r", "guest_u", "é", "\u{0}",
    ]
}
