public import PolicySyntax

/// The rules of boot modules: what `casemate build` refuses.
extension DiagnosticCode {
    /// `SYS-MOD-001`
    public static let moduleMissing = DiagnosticCode(
        "SYS-MOD-001", "Every kernel and initial RAM disk is a file that is found.")
    /// `SYS-MOD-002`
    public static let moduleEmpty = DiagnosticCode(
        "SYS-MOD-002", "A kernel or initial RAM disk is not empty.")
}

/// The rules of `system.lock`: what `casemate build --locked` refuses.
extension DiagnosticCode {
    /// `SYS-LCK-001`
    public static let lockMissing = DiagnosticCode(
        "SYS-LCK-001", "A locked build has a `system.lock` beside its source.")
    /// `SYS-LCK-002`
    public static let lockMalformed = DiagnosticCode(
        "SYS-LCK-002", "A lock has the documented shape, and is of this system.")
    /// `SYS-LCK-003`
    public static let lockDrift = DiagnosticCode(
        "SYS-LCK-003", "A kernel or initial RAM disk has the size and digest that are locked.")
    /// `SYS-LCK-004`
    public static let notLocked = DiagnosticCode(
        "SYS-LCK-004", "Every kernel and initial RAM disk of a locked build is in the lock.")
    /// `SYS-LCK-005`
    public static let lockIdle = DiagnosticCode(
        "SYS-LCK-005", "A lock holds nothing that no compartment names.")
}
