/// The rules of form: what the lexer and the parser refuse.
extension DiagnosticCode {
    /// `POL-SYN-001`
    public static let notUTF8 = DiagnosticCode(
        "POL-SYN-001", "A source is UTF-8 text.")
    /// `POL-SYN-002`
    public static let strangeCharacter = DiagnosticCode(
        "POL-SYN-002", "Outside strings and comments only the characters of the grammar stand.")
    /// `POL-SYN-003`
    public static let hiddenText = DiagnosticCode(
        "POL-SYN-003", "No character hides or reorders the text around it.")
    /// `POL-SYN-004`
    public static let unfinishedString = DiagnosticCode(
        "POL-SYN-004", "A string ends on the line where it begins.")
    /// `POL-SYN-005`
    public static let badStringContent = DiagnosticCode(
        "POL-SYN-005", "A string holds no control character, and `\\` only before `\"` or `\\`.")
    /// `POL-SYN-006`
    public static let badNumber = DiagnosticCode(
        "POL-SYN-006", "A number is decimal, has no leading zero and fits in 64 bits.")
    /// `POL-SYN-007`
    public static let unknownStatement = DiagnosticCode(
        "POL-SYN-007", "Every statement begins with the name of a statement.")
    /// `POL-SYN-008`
    public static let unexpectedToken = DiagnosticCode(
        "POL-SYN-008", "The parts of a statement stand in the order of the grammar.")
    /// `POL-SYN-009`
    public static let unclosedBlock = DiagnosticCode(
        "POL-SYN-009", "A block that is opened is closed.")
    /// `POL-SYN-010`
    public static let textAfterStatement = DiagnosticCode(
        "POL-SYN-010", "A statement ends with its line.")
    /// `POL-SYN-011`
    public static let unknownField = DiagnosticCode(
        "POL-SYN-011", "A line of a block begins with the name of a field.")
    /// `POL-SYN-012`
    public static let longName = DiagnosticCode(
        "POL-SYN-012", "A name has at most 63 characters.")
    /// `POL-SYN-013`
    public static let tooManyErrors = DiagnosticCode(
        "POL-SYN-013", "One run reports at most 100 errors.")
    /// `POL-SYN-014`
    public static let largeFile = DiagnosticCode(
        "POL-SYN-014", "A source has at most 1 MiB.")
    /// `POL-SYN-015`
    public static let unknownUnit = DiagnosticCode(
        "POL-SYN-015", "Memory is given in `KiB`, `MiB` or `GiB`, time in `us`, `ms` or `s`.")
    /// `POL-SYN-016`
    public static let strayBrace = DiagnosticCode(
        "POL-SYN-016", "A closing brace closes a block.")

    /// The rules of form, in the order of their codes.
    public static let syntaxCodes: [DiagnosticCode] = [
        .notUTF8, .strangeCharacter, .hiddenText, .unfinishedString, .badStringContent,
        .badNumber, .unknownStatement, .unexpectedToken, .unclosedBlock, .textAfterStatement,
        .unknownField, .longName, .tooManyErrors, .largeFile, .unknownUnit, .strayBrace,
    ]
}
