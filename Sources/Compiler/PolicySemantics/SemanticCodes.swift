public import PolicySyntax

/// The rules of names: what `Resolver` refuses.
extension DiagnosticCode {
    /// `POL-NAM-001`
    public static let nameTaken = DiagnosticCode(
        "POL-NAM-001",
        "A name is declared once; compartments, levels and integrities share their names.")
    /// `POL-NAM-002`
    public static let unknownCompartment = DiagnosticCode(
        "POL-NAM-002", "Whoever a statement names as a compartment is declared.")
    /// `POL-NAM-003`
    public static let unknownLevel = DiagnosticCode(
        "POL-NAM-003", "A label begins with a declared level.")
    /// `POL-NAM-004`
    public static let unknownCategory = DiagnosticCode(
        "POL-NAM-004", "The categories of a label are declared.")
    /// `POL-NAM-005`
    public static let unknownOperand = DiagnosticCode(
        "POL-NAM-005", "An assertion names declared compartments, levels or integrities.")
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
        "POL-NAM-010",
        "`system`, `levels`, `categories`, `integrity` and each `target` stand once.")
    /// `POL-NAM-011`
    public static let missingField = DiagnosticCode(
        "POL-NAM-011",
        "A compartment has `kernel`, `memory` and `vcpus`; a store and a device have `owner`.")
    /// `POL-NAM-012`
    public static let repeatedField = DiagnosticCode(
        "POL-NAM-012", "A block has each field once, except what a device may have more of.")
    /// `POL-NAM-013`
    public static let channelToItself = DiagnosticCode(
        "POL-NAM-013", "A channel joins two different compartments.")
    /// `POL-NAM-014`
    public static let badFileName = DiagnosticCode(
        "POL-NAM-014", "A file lies in the system's folder or below it.")

    /// `POL-NAM-015`
    public static let unknownService = DiagnosticCode(
        "POL-NAM-015",
        "A service is `store`, `console`, `control`, `tpm` or `audit`, and declared to be used.")
    /// `POL-NAM-016`
    public static let unknownLink = DiagnosticCode(
        "POL-NAM-016", "An exemption and a claim of control name declared channels, stores or uses."
    )
    /// `POL-NAM-017`
    public static let emptySet = DiagnosticCode(
        "POL-NAM-017", "A set of `each` is at least one compartment.")
    /// `POL-NAM-018`
    public static let missingReason = DiagnosticCode(
        "POL-NAM-018", "An exemption gives a reason.")
    /// `POL-NAM-019`
    public static let smallConflict = DiagnosticCode(
        "POL-NAM-019", "A conflict has at least two members.")
    /// `POL-NAM-020`
    public static let longExpandedName = DiagnosticCode(
        "POL-NAM-020", "A channel of `each` has a name of at most 63 characters.")
    /// `POL-NAM-021`
    public static let pagesOfRing = DiagnosticCode(
        "POL-NAM-021", "A ring, and nothing else, has a number of pages.")
    /// `POL-NAM-022`
    public static let badStorePath = DiagnosticCode(
        "POL-NAM-022", "A path of the store begins with `/` and has plain parts.")
    /// `POL-NAM-023`
    public static let badDeviceAddress = DiagnosticCode(
        "POL-NAM-023", "An address of a device is one that the machine can have.")
    /// `POL-NAM-024`
    public static let badImport = DiagnosticCode(
        "POL-NAM-024",
        "An import names a readable file of declarations without `system` or `target`.")
    /// `POL-NAM-025`
    public static let importCycle = DiagnosticCode(
        "POL-NAM-025", "No file imports itself, by any number of steps.")

    /// `POL-NAM-026`
    public static let unknownCommand = DiagnosticCode(
        "POL-NAM-026", "A command is one of the TPM that users may be given, named by its service.")

    /// The rules of names, in the order of their codes.
    public static let nameCodes: [DiagnosticCode] = [
        .nameTaken, .unknownCompartment, .unknownLevel, .unknownCategory, .unknownOperand,
        .unknownTarget, .unknownChannelKind, .unknownKernel, .missingStatement,
        .repeatedStatement, .missingField, .repeatedField, .channelToItself, .badFileName,
        .unknownService, .unknownLink, .emptySet, .missingReason, .smallConflict,
        .longExpandedName, .pagesOfRing, .badStorePath, .badDeviceAddress, .badImport, .importCycle,
        .unknownCommand,
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

    /// `POL-INT-001`
    public static let integrityCycle = DiagnosticCode(
        "POL-INT-001", "An integrity stands once in the order of integrities.")
    /// `POL-INT-002`
    public static let unknownIntegrity = DiagnosticCode(
        "POL-INT-002", "The integrity of a compartment is declared.")
    /// `POL-INT-003`
    public static let missingIntegrity = DiagnosticCode(
        "POL-INT-003", "Every compartment has an integrity when the system declares an order.")

    /// The rules of levels that `Resolver` refuses, in the order of their codes.
    public static let levelCodes: [DiagnosticCode] = [
        .rangeUpsideDown, .levelCycle, .repeatedCategory, .integrityCycle, .unknownIntegrity,
        .missingIntegrity,
    ]
}

/// The bounds of `SystemLimits`.
extension DiagnosticCode {
    /// `POL-LIM-001`
    public static let tooManyCompartments = DiagnosticCode(
        "POL-LIM-001", "A system has at most 512 compartments.")
    /// `POL-LIM-002`
    public static let tooManyChannels = DiagnosticCode(
        "POL-LIM-002", "A system has at most 4,096 channels.")
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

    /// `POL-LIM-012`
    public static let tooManyExemptions = DiagnosticCode(
        "POL-LIM-012", "A system has at most 1,024 exemptions, with `each` written out.")
    /// `POL-LIM-013`
    public static let valueOutOfBounds = DiagnosticCode(
        "POL-LIM-013", "Every number lies within the bounds of its field.")

    /// The bounds, in the order of their codes.
    public static let limitCodes: [DiagnosticCode] = [
        .tooManyCompartments, .tooManyChannels, .tooManyLevels, .tooManyCategories,
        .tooManyAssertions, .memoryOutOfBounds, .memoryNotInPages, .vcpusOutOfBounds,
        .versionZero, .longCommandLine, .longFileName, .tooManyExemptions, .valueOutOfBounds,
    ]
}
