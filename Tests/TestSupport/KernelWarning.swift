/// A warning of a guest's kernel, as it stands in its record.
public enum KernelWarning {
    /// What a warning says: without its time, and with `#` for each number, so that two machines'
    /// warnings can be compared.
    public static func plain(_ warning: String) -> String {
        warning.replacing(#/^\[ *[0-9.]+\] /#, with: "")
            .replacing(#/\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b/#, with: "#")
    }
}
