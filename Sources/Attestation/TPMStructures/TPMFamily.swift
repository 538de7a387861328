/// Which specification a TPM follows.
public enum TPMFamily: Equatable, Sendable {
    /// TPM 1.2.
    case onePointTwo
    /// TPM 2.0.
    case twoPointZero
}
