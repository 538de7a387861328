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

    /// Both languages that others have, and the questions about what comes of them.
    static func policySources() throws -> [Decoder] {
        let sources = try [policySource("linux.conf"), policySource("xen.conf")]
        let intermediate = try [
            policySource("common.cil", "linux.cil"), policySource("common.cil", "xen.cil"),
            policySource("containers.cil"),
        ]
        return [
            Decoder(
                name: "policy-conf", seeds: sources + confSeeds, most: 16_384,
                change: SourceChanges.changing(PolicyWords.conf), decode: compileConf),
            Decoder(
                name: "cil", seeds: intermediate + cilSeeds, most: 16_384,
                change: SourceChanges.changing(PolicyWords.cil), decode: compileIntermediate),
        ]
    }

    /// What the sources of the tests have no reason to say.
    private static let confSeeds = [
        "optional { require { type a; class file { read }; } allow a a:file read; } else { }",
        "optional { require { bool b; role r; user u; sensitivity s0; category c0; attribute a; "
            + "attribute_role g; } }",
        "#line 5 \"a.te\"\ntype a;\n#line 9\ntype b;\n",
    ].map { Array($0.utf8) }

    private static let cilSeeds = [
        ";;* lms 40 a.te\n(type a)\n;;* lme\n;;* lmx 7 b.te\n(type b)\n;;* lme\n",
        "(block a (blockabstract a) (type t)) (block b (blockinherit a)) (in after b (type u))",
        "(macro m ((type T) (string S) (name N)) (allow T self (file (read)))) "
            + "(call m (a \"s\" n))",
        "(optional o (allow none none (file (read))) (optional p (type x)))",
        "(tunable t true) (tunableif (and t (not t)) (true (type a)) (false (type b)))",
    ].map { Array($0.utf8) }

    private static func format(_ bytes: [UInt8]) -> (PolicyFormat, isMultilevel: Bool) {
        let sum = bytes.reduce(0, &+)
        let text = bytes.prefix(4_096)
        let isXen = text.contains { $0 == UInt8(ascii: "x") } && sum % 4 == 0
        let version: UInt32 =
            isXen ? (sum % 8 == 0 ? 24 : 30) : [33, 30, 26, 24][Int(sum >> 4) % 4]
        return (PolicyFormat(isXen ? .xen : .linux, version: version) ?? .xen30, sum % 16 != 1)
    }

    private static func compileConf(_ bytes: [UInt8]) -> Outcome {
        let (format, isMultilevel) = format(bytes)
        var options = KernelPolicy.Options(format)
        options.isMultilevel = isMultilevel
        do throws(KernelPolicyRefusal) {
            let policy = try KernelPolicy(compiling: bytes, name: "fuzz", options: options)
            return written(policy.file)
        } catch {
            return refused(error)
        }
    }

    private static func compileIntermediate(_ bytes: [UInt8]) -> Outcome {
        let (format, isMultilevel) = format(bytes)
        var options = CommonIntermediatePolicy.Options(format)
        if isMultilevel { options.isMultilevel = true }
        options.preservesTunables = bytes.count % 8 == 1
        options.allowsMultipleDeclarations = bytes.count % 8 == 2
        options.hasQualifiedNames = bytes.count % 16 == 3
        options.ignoresDoNotAudit = bytes.count % 8 == 4
        // A long source is two files.
        let middle = bytes.count > 2_000 ? bytes[1_000...].firstIndex(of: 10) ?? 0 : 0
        var left = [("a", Array(bytes[..<middle])), ("b", Array(bytes[middle...]))].makeIterator()
        do {
            let policy = try CommonIntermediatePolicy(options: options) { left.next() }
            guard policy.fileContexts.isEmpty || policy.fileContexts.hasSuffix("\n") else {
                return .broken("labels of files are lines")
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
        "not", "xor", "eq", "neq", "all", "range", "dom", "domby", "incomp", "self", "*", "t1",
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
        "10.0.0.1", "\"/a\"", "\"", ";", ";;* lms 3 a", ";;* lme", "\n", ".", "a.b", "s0", "c0",
        "domain", "guest_t", "kernel_t", "system_r", "guest_u", "é", "\u{0}",
    ]
}
