import CommonIntermediateLanguage
import Foundation
import KernelPolicyLanguage
import PolicyDatabaseModel
import TestSupport
import Testing

/// A statement that makes a good policy bad.
struct Bad: Sendable, CustomTestStringConvertible {
    let text: String
    let reason: KernelPolicyError.Reason
    /// Part of the message.
    let says: String
    /// Whether secilc takes it all the same.
    var isOurs = false

    init(
        _ text: String, _ reason: KernelPolicyError.Reason, _ says: String, isOurs: Bool = false
    ) {
        (self.text, self.reason, self.says) = (text, reason, says)
        self.isOurs = isOurs
    }

    var testDescription: String { "\(reason.rawValue): \(text)" }

    static let all = syntax + names + kinds + classes + rules + levels + labels + missing

    private static let syntax = [
        Bad("(type)", .syntax, "name"), Bad("(type 1x)", .syntax, "cannot be a name"),
        Bad("(type a b)", .syntax, "too many"), Bad("(allow ta ta)", .syntax, "a class"),
        Bad("(nonsense ta)", .syntax, "no statement"), Bad("(type x", .syntax, "not closed"),
        Bad("(type x))", .syntax, "closes nothing"), Bad("stray", .syntax, "parentheses"),
        Bad("(type \"x", .syntax, "quotation mark"), Bad("(type all)", .syntax, "a word"),
        Bad("(type self)", .syntax, "a word"), Bad("(boolean x maybe)", .syntax, "`true`"),
        Bad("(boolean and true)", .syntax, "a word"), Bad("(call m ta)", .syntax, "parentheses"),
        Bad("(call m (ta ta))", .syntax, "1 parameters"), Bad("(call m)", .syntax, "1 parameters"),
        Bad("(macro n ((kind X)))", .syntax, "a parameter"),
        Bad("(booleanif p)", .syntax, "a condition"),
        Bad("(booleanif (nand p q) (true (allow ta ta (file (read)))))", .syntax, "operator"),
        Bad("(booleanif p (true (type x)))", .syntax, "booleanif"),
        Bad("(booleanif p (true))", .syntax, "has a statement"),
        Bad(
            "(booleanif p (true (allow ta ta (file (read)))) (true))", .syntax, "a block `true`"),
        Bad("(booleanif p (true (neverallow ta ta (file (read)))))", .syntax, "booleanif"),
        Bad("(typeattributeset x1 (and ta))", .syntax, "`and`"),
        Bad("(typeattributeset x1 (range ta ta))", .syntax, "`range`"),
        Bad("(constrain (file (read)) (dom t1 t2))", .syntax, "equal or not"),
        Bad("(constrain (file (read)) (eq u1 t2))", .syntax, "compared"),
        Bad("(constrain (file (read)) (eq t3 ta))", .syntax, "compared"),
        Bad("(deny ta ta)", .syntax, "a class"),
        Bad("(booleanif p (true (deny ta ta (file (read)))))", .syntax, "booleanif"),
        Bad("(block b (category c1))", .syntax, "block"),
        Bad("(macro n () (block b))", .syntax, "macro"),
        Bad("(optional o (macro n ()))", .syntax, "optional"),
        Bad("(fsuse some ext4 (u r ta ((s0) (s0))))", .syntax, "xattr"),
        Bad("(portcon smtp 5 (u r ta ((s0) (s0))))", .syntax, "protocols"),
        Bad("(defaultuser file low)", .syntax, "default"),
        Bad("(handleunknown ask)", .syntax, "deny"),
    ]

    private static let names = [
        // secilc writes it, and nothing reads that.
        Bad("(typetransition ta ta file \"\" ta)", .syntax, "name is empty", isOurs: true),
        Bad("(allow none ta (file (read)))", .undeclared, "none"),
        Bad("(allow notself ta (file (read)))", .undeclared, "notself"),
        Bad("(typetransition ta other file ta)", .undeclared, "other"),
        Bad("(allow ta none (file (read)))", .undeclared, "none"),
        Bad("(allow ta ta (none (read)))", .undeclared, "none"),
        Bad("(allow ta ta none)", .undeclared, "none"), Bad("(call none)", .undeclared, "none"),
        Bad("(call m (none))", .undeclared, "X"),
        Bad("(block b (blockinherit none))", .undeclared, "none"),
        Bad("(in none (type x))", .undeclared, "none"),
        Bad("(roletype none ta)", .undeclared, "none"),
        Bad("(userrole none r)", .undeclared, "none"),
        Bad("(tunableif none (true (allow ta ta (file (read)))))", .undeclared, "none"),
        Bad("(booleanif none (true (allow ta ta (file (read)))))", .undeclared, "none"),
        Bad("(typealias x) (typealiasactual x none)", .undeclared, "none"),
        Bad("(typeattributeset x1 (none))", .undeclared, "none"),
        Bad("(sidcontext none (u r ta ((s0) (s0))))", .undeclared, "none"),
        Bad("(allow ta ta b.c (file (read)))", .syntax, "a class"),
        Bad("(type ta)", .declaredTwice, "ta"), Bad("(role r)", .declaredTwice, "`r`"),
        Bad("(macro m ())", .declaredTwice, "`m`"),
        Bad("(block m)", .declaredTwice, "`m`"), Bad("(class file (x))", .declaredTwice, "file"),
        Bad("(tunable t false)", .declaredTwice, "`t`"),
        Bad("(mls true) (mls true)", .declaredTwice, "mls"),
    ]

    private static let kinds = [
        Bad("(typepermissive x1)", .wrongKind, "an attribute"),
        Bad("(typetransition ta ta file x1)", .wrongKind, "an attribute"),
        Bad("(typeattributeset ta (tb))", .wrongKind, "no attribute"),
        Bad("(call b1) (block b1)", .wrongKind, "no macro"),
        Bad("(block b (blockinherit m))", .wrongKind, "no block"),
        Bad("(classmapping file read (file (read)))", .wrongKind, "no class map"),
    ]

    private static let classes = [
        Bad("(allow ta ta (file (none)))", .noPermission, "none"),
        Bad("(class x (y))", .missing, "classorder"),
        Bad("(class x (y y)) (classorder (file x))", .declaredTwice, "`y`"),
        Bad("(classmap cm (a)) (allow ta ta (cm (a)))", .missing, "classmapping"),
        Bad("(classpermission cp) (allow ta ta cp)", .missing, "classpermissionset"),
        Bad("(common co (read)) (classcommon file co)", .declaredTwice, "read"),
        Bad("(classorder (file process))", .conflict, "order"),
    ]

    private static let rules = [
        Bad("(allow ta tb (file (read))) (neverallow ta tb (file (read)))", .neverAllowed, "`ta`"),
        Bad(
            "(allow ta tb (file (ioctl))) (neverallowx ta tb (ioctl file (5)))", .neverAllowed,
            "operation"),
        Bad(
            "(typetransition ta tb file ta) (typetransition ta tb file tb)", .conflict, "another"),
        Bad("(typebounds ta tb) (allow tb ta (file (read)))", .boundsExceeded, "`ta` may not"),
        Bad("(typebounds ta tb) (typebounds tb ta)", .conflict, "itself"),
        Bad("(typebounds ta tb) (typebounds ta tb)", .conflict, "already"),
    ]

    private static let levels = [
        Bad("(sensitivity s1)", .missing, "s1"), Bad("(category c1)", .missing, "c1"),
        Bad("(level v (s0 (c9)))", .undeclared, "c9"),
        Bad("(levelrange v ((s0 (c0)) (s0)))", .badLevel, "dominate"),
        Bad("(userlevel u (s0))", .declaredTwice, "level"),
        Bad("(user v)", .missing, "no level"),
    ]

    private static let labels = [
        Bad("(context c (u r tb ((s0) (s0))))", .badContext, "go together"),
        Bad("(context c (u object_r ta ((s0) (s0))))", .badContext, "go together"),
        Bad("(portcon tcp 70000 (u r ta ((s0) (s0))))", .badRange, "70000", isOurs: true),
        Bad("(portcon tcp (9 5) (u r ta ((s0) (s0))))", .badRange, "ends before"),
        Bad("(ibendportcon d 0 (u r ta ((s0) (s0))))", .badRange, "ports"),
        Bad("(nodecon (1.2.3) (255.0.0.0) (u r ta ((s0) (s0))))", .syntax, "no address"),
        Bad("(policycap none)", .undeclared, "none"),
    ]

    private static let missing = [
        Bad("(typealias x)", .missing, "nothing")
    ]
}

@Test("what is wrong is refused, as secilc does, with its reason", arguments: Bad.all)
func refused(bad: Bad) throws {
    let head = RandomPolicy.head + "(type ta) (type tb) (typeattribute x1)\n"
    _ = try Target.linux33.ours([head])
    let refusal = #expect(throws: KernelPolicyRefusal.self) {
        try Target.linux33.ours([head + bad.text + "\n"])
    }
    let found = try #require(refusal).errors
    #expect(
        found.contains { $0.reason == bad.reason && $0.message.contains(bad.says) },
        "\(found.map { "\($0.line): \($0.reason): \($0.message)" })")
    #expect(found.allSatisfy { $0.file == "0.cil" })
    #expect(try bad.isOurs || Target.linux33.secilc([head + bad.text + "\n"]) == nil)
}
