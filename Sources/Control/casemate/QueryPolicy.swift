import ArgumentParser
import KernelPolicyLanguage
import PolicyAnalysis
import PolicyDatabaseModel
import PolicySyntax

/// The policy that a question is asked of.
enum QueryPolicy {
    /// The largest policy that is read: a source may be much larger than a binary.
    static let largestSizeInBytes = 256 << 20

    /// Reads a binary policy or a `policy.conf`.
    ///
    /// - Parameter takesSource: whether it may be a `policy.conf`.
    /// - Throws: `ExitStatus.inputOutput`; `ExitStatus.refused`, after the reason was written to
    ///   standard error, when the file is no policy.
    static func read(_ path: String, takesSource: Bool = true) throws -> IndexedPolicy {
        let bytes = try Files.read(path, limit: largestSizeInBytes)
        let isSource = takesSource && !isBinary(bytes)
        let file = try isSource ? compiled(bytes, path) : decoded(bytes, path)
        return try answer { () throws(PolicyAnalysisError) in try IndexedPolicy(file) }
    }

    /// Whether a file begins as binary policies do.
    static func isBinary(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x8c, 0xff, 0x7c, 0xf9]) }

    private static func decoded(_ bytes: [UInt8], _ path: String) throws -> PolicyFile {
        do throws(PolicyFileError) {
            return try PolicyFile(validating: bytes)
        } catch {
            let name = DiagnosticRenderer.harmless(path)
            StandardError.write(
                "casemate: `\(name)`: no policy: \(error.reason) at byte \(error.offset)\n")
            throw ExitStatus.refused
        }
    }

    /// Compiles a source for the target that its classes are of: Xen's has a class `xen`.
    private static func compiled(_ bytes: [UInt8], _ path: String) throws -> PolicyFile {
        let text = String(decoding: bytes.prefix(1 << 16), as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).prefix(4_000)
        let isXen = lines.contains { $0.trimmed == "class xen" }
        guard
            let format = isXen ? PolicyFormat.xen30 : PolicyFormat(.linux, version: 33)
        else { throw ExitStatus.refused }
        var options = KernelPolicy.Options(format)
        options.isMultilevel = lines.contains { $0.hasPrefix("sensitivity ") }
        do throws(KernelPolicyRefusal) {
            return try KernelPolicy(compiling: bytes, name: path, options: options).file
        } catch {
            for failure in error.errors {
                let place = "\(failure.file):\(failure.line):\(failure.column)"
                let line = "\(place): error[\(failure.reason.rawValue)]: \(failure.message)"
                StandardError.write(DiagnosticRenderer.harmless(line) + "\n")
            }
            throw ExitStatus.refused
        }
    }

    /// Runs what answers a question; says what is wrong with it.
    ///
    /// - Throws: `ExitStatus.refused`, after the reason was written to standard error.
    static func answer<Answer>(
        _ body: () throws(PolicyAnalysisError) -> Answer
    ) throws -> Answer {
        do throws(PolicyAnalysisError) {
            return try body()
        } catch {
            StandardError.write("casemate: \(DiagnosticRenderer.harmless(error.message))\n")
            throw ExitStatus.refused
        }
    }
}

extension Substring {
    /// The text without blanks at its ends.
    fileprivate var trimmed: Substring {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
