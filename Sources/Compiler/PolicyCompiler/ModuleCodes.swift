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
