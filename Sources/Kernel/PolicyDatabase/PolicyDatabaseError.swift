/// Why a policy was refused. A policy that is refused decides nothing: the machine stops.
public enum PolicyDatabaseError: Error, Equatable {
    /// - `truncated`: the file ends inside a record.
    /// - `tooLarge`: the file is larger than 16 MiB.
    /// - `badMagic`: the file does not start with the number of policies, 0xf97cff8c.
    /// - `foreignTarget`: the policy is for another system than Xen, such as SELinux.
    /// - `unsupportedVersion`: the version is neither 24 nor 30.
    case truncated, tooLarge, badMagic, foreignTarget, unsupportedVersion
    /// - `badTableCount`: the number of symbol or object-context tables is not the version's.
    /// - `unknownConfiguration`: a configuration bit is set that the format does not define.
    /// - `multiLevelSecurityDisabled`: the policy has no levels: it was compiled without
    ///   multi-level security.
    /// - `permissiveType`: a type is permissive: its denials would not be enforced elsewhere.
    case badTableCount, unknownConfiguration, multiLevelSecurityDisabled, permissiveType
    /// - `badBitmap`: a bitmap's unit, order or bounds are wrong, or a word of it is empty.
    /// - `bitOutOfRange`: a bitmap names something that does not exist.
    /// - `badSymbolValue`: a symbol's number is 0, too large, given twice or left out.
    /// - `badSymbolName`: a symbol's name is empty, longer than 255 bytes, or given twice in its
    ///   table.
    /// - `tooManySymbols`: a table has more symbols than this reader accepts.
    case badBitmap, bitOutOfRange, badSymbolValue, badSymbolName, tooManySymbols
    /// - `classMapMismatch`: classes or permissions are not those of the hypervisor, by name and
    ///   number.
    /// - `classInheritsCommon`: a class inherits permissions, which Xen's format forbids.
    /// - `validateTransitionUnsupported`: a class has rules on transitions between labels, which
    ///   nothing here enforces.
    /// - `boundsUnsupported`: a user, role or type is bounded by another, which nothing here
    ///   enforces.
    case classMapMismatch, classInheritsCommon, validateTransitionUnsupported, boundsUnsupported
    /// - `badObjectRole`: role 1 is not `object_r`.
    /// - `badTypeProperties`: a type's properties are undefined or contradict each other.
    /// - `badBoolean`: a Boolean's state is neither 0 nor 1.
    /// - `badLevel`: a level's sensitivity is 0 or unknown, or it holds a category that the policy
    ///   does not allow with it.
    /// - `badRange`: a range has neither one nor two levels, or its high level does not dominate
    ///   its low one.
    case badObjectRole, badTypeProperties, badBoolean, badLevel, badRange
    /// - `tooManyContexts`: there are more than 1,024 object contexts of a kind, or 8,192 range
    ///   transitions.
    /// - `tooManyCategories`: a category's number is above 256.
    /// - `badConstraint`: a constraint's operator, attribute or nesting is unknown or impossible.
    /// - `badAccessRule`: a rule names a type or class that does not exist, or its kind is not
    ///   exactly one.
    /// - `duplicateAccessRule`: two access rules share source, target, class and kind.
    case tooManyContexts, tooManyCategories, badConstraint, badAccessRule, duplicateAccessRule
    /// - `noAccessRules`: the table of access rules is empty.
    /// - `tooManyUnorderedRules`: unordered access rules are too many to be searched for
    ///   duplicates.
    /// - `badConditional`: a conditional's expression is malformed, or its state is not what its
    ///   Booleans say.
    /// - `badRoleRule`: a role transition or role allow rule names a role or type that does not
    ///   exist.
    /// - `fileRulesUnsupported`: there are file-name transitions or file-system contexts, which
    ///   Xen's format forbids.
    case noAccessRules, tooManyUnorderedRules, badConditional, badRoleRule, fileRulesUnsupported
    /// - `badInitialSID`: an initial SID is unknown or given twice, or that of `xen` is missing.
    /// - `badObjectContext`: an object context's range is reversed.
    /// - `badContext`: a context is invalid: its user, role, type and levels do not go together.
    /// - `badRangeTransition`: a range transition names a type or class that does not exist.
    /// - `badTypeAttributes`: a type is not among its own attributes.
    case badInitialSID, badObjectContext, badContext, badRangeTransition, badTypeAttributes
    /// - `trailingBytes`: bytes follow the last table.
    case trailingBytes

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .truncated: "policy: truncated"
        case .tooLarge: "policy: larger than 16 MiB"
        case .badMagic: "policy: not a policy"
        case .foreignTarget: "policy: made for another system than Xen"
        case .unsupportedVersion: "policy: version is neither 24 nor 30"
        case .badTableCount: "policy: wrong number of tables"
        case .unknownConfiguration: "policy: unknown configuration bit"
        case .multiLevelSecurityDisabled: "policy: has no levels"
        case .permissiveType: "policy: has a permissive type"
        case .badBitmap: "policy: malformed bitmap"
        case .bitOutOfRange: "policy: a set names what does not exist"
        case .badSymbolValue: "policy: symbol numbers are not 1, 2, 3"
        case .badSymbolName: "policy: bad or repeated name"
        case .tooManySymbols: "policy: too many symbols"
        case .classMapMismatch: "policy: classes are not this hypervisor's"
        case .classInheritsCommon: "policy: a class inherits permissions"
        case .validateTransitionUnsupported: "policy: has validatetrans rules"
        case .boundsUnsupported: "policy: has bounded symbols"
        case .badObjectRole: "policy: role 1 is not object_r"
        case .badTypeProperties: "policy: bad type properties"
        case .badBoolean: "policy: bad Boolean state"
        case .badLevel: "policy: bad level"
        case .badRange: "policy: bad range"
        case .tooManyContexts: "policy: too many contexts"
        case .tooManyCategories: "policy: more than 256 categories"
        case .badConstraint: "policy: bad constraint"
        case .badAccessRule: "policy: bad access rule"
        case .duplicateAccessRule: "policy: access rule given twice"
        case .noAccessRules: "policy: has no access rules"
        case .tooManyUnorderedRules: "policy: too many unordered rules"
        case .badConditional: "policy: bad conditional"
        case .badRoleRule: "policy: bad role rule"
        case .fileRulesUnsupported: "policy: has rules about files"
        case .badInitialSID: "policy: bad initial SID"
        case .badObjectContext: "policy: bad object context"
        case .badContext: "policy: invalid context"
        case .badRangeTransition: "policy: bad range transition"
        case .badTypeAttributes: "policy: bad type attributes"
        case .trailingBytes: "policy: bytes after its end"
        }
    }
}
