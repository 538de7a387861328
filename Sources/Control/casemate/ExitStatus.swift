import ArgumentParser

/// The answers that every subcommand gives by its exit status; the root command's help lists them.
/// A wrong command line is 64, which the argument parser says.
enum ExitStatus {
    /// A claim does not hold, or what was given is refused.
    static let refused = ExitCode(1)
    /// An input could not be read, or an output could not be written: `EX_IOERR`.
    static let inputOutput = ExitCode(74)
    /// An order was given, and what became of it is not known yet: `EX_TEMPFAIL`.
    static let untold = ExitCode(75)
    /// A person ended the program: 128 and the number of the signal, as shells say it.
    static func ended(by signal: Int32) -> ExitCode { ExitCode(128 + signal) }
}
