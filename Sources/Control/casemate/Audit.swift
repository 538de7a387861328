import ArgumentParser
import ControlFrames
import PolicySyntax
import VirtualHardware

/// `casemate audit`: what a running machine refused.
struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Show what a running machine refused, and what became of its compartments.",
        discussion: """
            Prints each different record of the hypervisor once, with how often it came: denials \
            as sentences with the rule and its source line, starts, failures and ends. What the \
            hypervisor only counted, because one compartment caused more than 16 in a second, is \
            counted at the end.

            The records are those on the machine's terminal, which may show everything: the \
            operator there is cleared for all of it. A system may have a compartment `audit` that \
            gets a part of them; --records asks the control compartment for that part, which most \
            policies refuse.

            With --follow new records are shown as they come, and those that come again with their \
            rate, once a second, until Ctrl-C.

            EXIT STATUS
              0   the records were shown
              1   the control compartment may not read records
              64  the command line is wrong
              74  no machine runs, or its record cannot be read

            EXAMPLE
              casemate audit --follow
            """)

    @Flag(help: "Go on showing what comes.")
    var follow = false

    @Flag(help: "Ask the agent in the control compartment instead of the terminal.")
    var records = false

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    @OptionGroup var running: RunningOption

    func validate() throws {
        if follow && (json || records) {
            throw ValidationError("--follow goes with neither --json nor --records")
        }
        if json && records { throw ValidationError("--json and --records exclude each other") }
    }

    func run() throws {
        let system = try running.find()
        if records { return try showRecords(system) }
        var summary = AuditSummary()
        for line in try system.transcript().lines { summary.take(line) }
        if json { return try StandardOutput.write(document(summary).text) }
        for entry in summary.entries {
            try StandardOutput.write(Audit.text(entry, times: entry.count))
        }
        if summary.uncounted > 0 {
            try StandardOutput.write("\(summary.uncounted) more were only counted\n")
        }
        if follow { try showNew(system, &summary) }
    }

    private static func text(_ entry: AuditSummary.Entry, times: Int) -> String {
        "\(entry.number): \(entry.sentence)\(times > 1 ? " (\(times) times)" : "")\n"
    }

    /// Shows what comes: the first of a sentence at once, more of it once a second.
    private func showNew(_ system: RunningSystem, _ summary: inout AuditSummary) throws {
        TerminationSignals.hold()
        var transcript = ConsoleTranscript()
        var again: [Int: Int] = [:]
        var uncounted = summary.uncounted
        var last = ContinuousClock.now
        do throws(VirtualHardwareError) {
            let socket = try connectUnix(system.consoleSocket)
            while TerminationSignals.next() == nil {
                if try !readable([socket.number], timeoutInMilliseconds: 200).isEmpty {
                    let bytes = try socket.readSome()
                    guard !bytes.isEmpty else { throw .connectionClosed }
                    transcript.feed(bytes)
                }
                for line in transcript.takeLines() {
                    guard let place = summary.take(line) else { continue }
                    if summary.entries[place].count > 1 {
                        again[place, default: 0] += 1
                    } else {
                        writeToStandardOutput(
                            Array(Audit.text(summary.entries[place], times: 1).utf8))
                    }
                }
                guard last.duration(to: .now) >= .seconds(1) else { continue }
                last = .now
                for (place, count) in again.sorted(by: { $0.key < $1.key }) {
                    let entry = summary.entries[place]
                    writeToStandardOutput(
                        Array("\(entry.number): again, \(count) in 1 s: \(entry.sentence)\n".utf8))
                }
                again = [:]
                if summary.uncounted > uncounted {
                    let more = summary.uncounted - uncounted
                    writeToStandardOutput(Array("\(more) more in 1 s were only counted\n".utf8))
                    uncounted = summary.uncounted
                }
            }
        } catch {
            guard error == .connectionClosed else {
                StandardError.write("casemate: \(error.message)\n")
                throw ExitStatus.inputOutput
            }
            StandardError.write("casemate: the machine has ended\n")
        }
    }

    private func showRecords(_ system: RunningSystem) throws {
        var client = try system.connect()
        let reply: ControlReply
        do throws(ControlClientError) {
            reply = try client.ask(.readRecords)
        } catch { throw ControlFailure.say(error) }
        client.close()
        let text = String(decoding: reply.payload.dropFirst(4), as: UTF8.self)
        for line in text.split(whereSeparator: \.isNewline) {
            try StandardOutput.write(DiagnosticRenderer.harmless(String(line)) + "\n")
        }
    }

    private func document(_ summary: AuditSummary) -> JSONValue {
        .object([
            ("format", .string("casemate-audit-1")),
            (
                "records",
                .array(
                    summary.entries.map { entry in
                        .object([
                            ("number", .number(entry.number)),
                            ("sentence", .string(entry.sentence)),
                            ("count", .number(UInt64(entry.count))),
                        ])
                    })
            ),
            ("onlyCounted", .number(summary.uncounted)),
        ])
    }
}
