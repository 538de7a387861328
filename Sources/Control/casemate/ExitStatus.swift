import ArgumentParser

/// The answers that every subcommand gives by its exit status; the root command's help lists them.
enum ExitStatus {
    /// A claim is refuted, or the source has errors.
    static let refused = ExitCode(1)
    /// The input could not be read, or the output could not be written.
    static let unreadable = ExitCode(2)
}
