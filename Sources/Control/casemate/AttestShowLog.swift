import Appraisal
import ArgumentParser
import Digests
import PolicySyntax

/// `casemate attest show-log`: an event log in words.
struct AttestShowLog: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show-log",
        abstract: "Show an event log, event by event.",
        discussion: """
            Reads the log of a machine, or of an evidence file, and prints for each event its \
            register, its type, its digest for the strongest bank up to SHA-256, and what it says \
            of itself. Nothing of it is verified: `attest verify` does that.

            EXIT STATUS
              0   the log was shown
              1   the file is no event log, or no evidence
              64  the command line is wrong
              74  the file could not be read

            EXAMPLE
              casemate attest show-log run/event-log
            """)

    @Argument(help: "The log, or an evidence file.", completion: .file())
    var file: String

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let bytes = try Files.read(file)
        let entries: [EventLogEntry]
        do throws(Refusal) {
            let log = bytes.first == UInt8(ascii: "{") ? try Evidence(json: bytes).eventLog : bytes
            entries = try EventLog<Unverified>(validating: log).entries
        } catch {
            StandardError.write("refused[\(error.code)]: \(error.message)\n")
            throw ExitStatus.refused
        }
        if json { return try StandardOutput.write(document(entries).text) }
        for entry in entries {
            let digest = entry.sha256?.hexadecimal ?? entry.sha1?.hexadecimal ?? "none"
            let summary = DiagnosticRenderer.harmless(entry.summary)
            try StandardOutput.write(
                "PCR \(entry.pcr)  \(entry.typeName)  \(digest)\n"
                    + (summary.isEmpty ? "" : "    \(summary)\n"))
        }
        StandardError.write("note: not verified; `attest verify` compares a log with a quote\n")
    }

    private func document(_ entries: [EventLogEntry]) -> JSONValue {
        let events = entries.map { entry in
            JSONValue.object([
                ("pcr", .number(UInt64(entry.pcr))), ("type", .string(entry.typeName)),
                ("sha1", entry.sha1.map { .string($0.hexadecimal) } ?? .null),
                ("sha256", entry.sha256.map { .string($0.hexadecimal) } ?? .null),
                ("sha384", entry.sha384.map { .string($0.hexadecimal) } ?? .null),
                ("summary", .string(entry.summary)),
            ])
        }
        return .object([
            ("format", .string("casemate-event-log-1")), ("verified", .bool(false)),
            ("events", .array(events)),
        ])
    }
}
