/// The bounds of form.
public enum SyntaxLimits {
    /// The longest name, in bytes, which are characters.
    public static let nameBytes = 63
}
