import ArgumentParser
import FoundationEssentials
import PolicySyntax
import SystemImage
import VirtualHardware

/// Reads and writes files for the commands; says on standard error what is wrong with one.
enum Files {
    /// The largest file that is read whole and is no boot bundle.
    static let largestSizeInBytes = 16 << 20

    /// Says that a file cannot be read or written; the caller throws what this returns.
    static func fail(_ path: String, _ reason: String) -> ExitCode {
        StandardError.write("casemate: `\(DiagnosticRenderer.harmless(path))`: \(reason)\n")
        return ExitStatus.inputOutput
    }

    /// Whether something has a name, also a link that leads nowhere.
    static func exists(_ path: String) -> Bool {
        (try? FileManager.default.attributesOfItem(atPath: path)) != nil
    }

    /// Reads an ordinary file.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    static func read(_ path: String, limit: Int = largestSizeInBytes) throws -> [UInt8] {
        do throws(FileError) {
            let file = try InputFile(reading: path)
            guard file.sizeInBytes <= UInt64(limit) else {
                throw FileError(path: path, reason: "it has more than \(limit) bytes")
            }
            return try file.contents()
        } catch {
            throw fail(error.path, error.reason)
        }
    }

    /// Replaces a file whole, or not at all; nothing is left when a person ends the program.
    ///
    /// - Parameter mode: its permissions; nil: what the process gives new files.
    /// - Throws: `ExitStatus.inputOutput`; the status of a signal that came meanwhile.
    static func write(_ bytes: [UInt8], to path: String, mode: Int? = nil) throws {
        TerminationSignals.hold()
        try replace(bytes, at: path, mode: mode)
        if let signal = TerminationSignals.next() { throw ExitStatus.ended(by: signal) }
    }

    /// The same for a program that looks after signals itself.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    static func replace(_ bytes: [UInt8], at path: String, mode: Int? = nil) throws {
        do throws(FileError) {
            var file = try OutputFile(creating: path)
            if let mode { try file.setPermissions(mode) }
            try file.write(bytes.span)
            try file.synchronize()
            try file.publish()
        } catch {
            throw fail(error.path, error.reason)
        }
    }
}
