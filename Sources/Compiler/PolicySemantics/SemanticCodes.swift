public import PolicySyntax

/// The rules of names: what `Resolver` refuses.
extension DiagnosticCode {
    /// `POL-NAM-001`
    public static let nameTaken = DiagnosticCode(
        "POL-NAM-001", "A name is declared once; compartments and levels share their names.")
    /// `POL-NAM-002`
    public static let unknownCompartment = DiagnosticCode(
        "POL-NAM-002", "A channel joins declared compartments.")
    /// `POL-NAM-003`
    public static let unknownLevel = DiagnosticCode(
        "POL-NAM-003", "A label begins with a declared level.")
    /// `POL-NAM-004`
    public static let unknownCategory = DiagnosticCode(
        "POL-NAM-004", "The categories of a label are declared.")
    /// `POL-NAM-005`
    public static let unknownOperand = DiagnosticCode(
        "POL-NAM-005", "An assertion names declared compartments or levels.")
    /// `POL-NAM-006`
    public static let unknownTarget = DiagnosticCode(
        "POL-NAM-006", "The target is one that the compiler knows.")
    /// `POL-NAM-007`
    public static let unknownChannelKind = DiagnosticCode(
        "POL-NAM-007", "The kind of a channel is one that the compiler knows.")
    /// `POL-NAM-008`
    public static let unknownKernel = DiagnosticCode(
        "POL-NAM-008", "A kernel's name is one that the compiler knows.")
    /// `POL-NAM-009`
    public static let missingStatement = DiagnosticCode(
        "POL-NAM-009", "A system has `system`, `target`, `levels` and at least one `compartment`.")
    /// `POL-NAM-010`
    public static let repeatedStatement = DiagnosticCode(
        "POL-NAM-010", "`system`, `target`, `levels` and `categories` stand once.")
    /// `POL-NAM-011`
    public static let missingField = DiagnosticCode(
        "POL-NAM-011", "A compartment has `kernel`, `memory` and `vcpus`.")
    /// `POL-NAM-012`
    public static let repeatedField = DiagnosticCode(
        "POL-NAM-012", "A compartment has each field once.")
    /// `POL-NAM-013`
    public static let channelToItself = DiagnosticCode(
        "POL-NAM-013", "A channel joins two different compartments.")
    /// `POL-NAM-014`
    public static let badFileName = DiagnosticCode(
        "POL-NAM-014", "A file lies in the system's folder or below it.")

    /// The rules of names, in the order of their codes.
    public static let nameCodes: [DiagnosticCode] = [
        .nameTaken, .unknownCompartment, .unknownLevel, .unknownCategory, .unknownOperand,
        .unknownTarget, .unknownChannelKind, .unknownKernel, .missingStatement,
        .repeatedStatement, .missingField, .repeatedField, .channelToItself, .badFileName,
    ]
}

/// The rules of levels: what makes the lattice and its ranges well formed.
extension DiagnosticCode {
    /// `POL-MLS-001`
    public static let rangeUpsideDown = DiagnosticCode(
        "POL-MLS-001", "The high level of a range dominates its low level.")
    /// `POL-MLS-002`
    public static let levelCycle = DiagnosticCode(
        "POL-MLS-002", "A level stands once in the order of levels.")
    /// `POL-MLS-003`
    public static let repeatedCategory = DiagnosticCode(
        "POL-MLS-003", "A category stands once in a label.")

    /// The rules of levels that `Resolver` refuses, in the order of their codes.
    public static let levelCodes: [DiagnosticCode] = [
        .rangeUpsideDown, .levelCycle, .repeatedCategory,
    ]
}

/// The bounds of `SystemLimits`.
extension DiagnosticCode {
    /// `POL-LIM-001`
    public static let tooManyCompartments = DiagnosticCode(
        "POL-LIM-001", "A system has at most 32 compartments.")
    /// `POL-LIM-002`
    public static let tooManyChannels = DiagnosticCode(
        "POL-LIM-002", "A system has at most 512 channels.")
    /// `POL-LIM-003`
    public static let tooManyLevels = DiagnosticCode(
        "POL-LIM-003", "A system has at most 64 levels.")
    /// `POL-LIM-004`
    public static let tooManyCategories = DiagnosticCode(
        "POL-LIM-004", "A system has at most 256 categories.")
    /// `POL-LIM-005`
    public static let tooManyAssertions = DiagnosticCode(
        "POL-LIM-005", "A system has at most 256 assertions.")
    /// `POL-LIM-006`
    public static let memoryOutOfBounds = DiagnosticCode(
        "POL-LIM-006", "A compartment has from 32 MiB to 64 GiB of memory.")
    /// `POL-LIM-007`
    public static let memoryNotInPages = DiagnosticCode(
        "POL-LIM-007", "Memory is a multiple of 4 KiB.")
    /// `POL-LIM-008`
    public static let vcpusOutOfBounds = DiagnosticCode(
        "POL-LIM-008", "A compartment has from 1 to 8 virtual processors.")
    /// `POL-LIM-009`
    public static let versionZero = DiagnosticCode(
        "POL-LIM-009", "A system's version is at least 1.")
    /// `POL-LIM-010`
    public static let longCommandLine = DiagnosticCode(
        "POL-LIM-010", "A command line has at most 2,047 bytes.")
    /// `POL-LIM-011`
    public static let longFileName = DiagnosticCode(
        "POL-LIM-011", "A file's name has at most 255 bytes.")

    /// The bounds, in the order of their codes.
    public static let limitCodes: [DiagnosticCode] = [
        .tooManyCompartments, .tooManyChannels, .tooManyLevels, .tooManyCategories,
        .tooManyAssertions, .memoryOutOfBounds, .memoryNotInPages, .vcpusOutOfBounds,
        .versionZero, .longCommandLine, .longFileName,
    ]
}
