import Appraisal
import ArgumentParser
import ControlFrames
import Digests
import PolicyAuthority
import PolicySyntax
import VirtualHardware

/// `casemate list`: the compartments of a running machine.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the compartments of a running machine.",
        discussion: """
            Prints a line for each compartment: its domain, what it is doing, which of its lives \
            it is in (1 is the first), how often it was started again after a failure, and of how \
            often at most, its memory and its label.

            Of a compartment that the control compartment may start and end, the hypervisor says \
            so through the agent there (docs/abi/control-frames.md). Of the others it is what the \
            hypervisor said on the machine's terminal, which is the operator's; the last column \
            says which.

            EXIT STATUS
              0   the list is whole
              1   the agent could not be asked; the rest of the list is there
              64  the command line is wrong
              74  no machine runs, or its run directory cannot be read

            EXAMPLE
              casemate list --json
            """)

    @OptionGroup var running: RunningOption

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    /// One line of the list.
    private struct Row {
        let compartment: RunningSystem.Compartment
        let state: String
        let life: UInt32
        let restarts: UInt32
        let source: String
    }

    func run() throws {
        let system = try running.find()
        let compartments = system.compartments
        var lives = RecordedLives(
            compartments.map {
                ($0.name, $0.startRank == 0, !$0.startsAutomatically)
            })
        for line in try system.transcript().lines { lives.take(line) }
        let (answers, failure) = ask(system, compartments)
        let rows = compartments.enumerated().map { index, compartment in
            let recorded = lives.lives[index]
            let answer = answers.first { $0.domain == compartment.domain && $0.error == 0 }
            return Row(
                compartment: compartment,
                state: answer.map { List.word($0.life) } ?? recorded.state.rawValue,
                life: answer?.generation ?? recorded.number, restarts: recorded.restarts,
                source: answer == nil ? "terminal" : "control")
        }
        try StandardOutput.write(json ? document(system, rows).text : text(rows))
        if let failure { throw ControlFailure.say(failure) }
    }

    /// Asks the agent about those that it may know of.
    private func ask(
        _ system: RunningSystem, _ compartments: [RunningSystem.Compartment]
    ) -> (answers: [ControlDomainState], failure: ControlClientError?) {
        let domains = compartments.filter { !$0.startsAutomatically && $0.usesControl }
            .map(\.domain)
        guard !domains.isEmpty else { return ([], nil) }
        do throws(ControlClientError) {
            var client = try ControlClient(system.controlSocket)
            let reply = try client.ask(.list, ControlPayload.list(domains))
            client.close()
            return (List.states(reply), nil)
        } catch { return ([], error) }
    }

    /// The records of an answer about domains.
    static func states(_ reply: ControlReply) -> [ControlDomainState] {
        guard let answer = try? ControlAnswer(validating: reply.payload.span, kind: reply.kind)
        else { return [] }
        return (0..<answer.domainCount).map { answer.domain(at: $0) }
    }

    /// A life in one word.
    static func word(_ life: ControlDomainState.Life) -> String {
        switch life {
        case .running: "running"
        case .absent: "absent"
        case .stopped(let reason): reason == 3 ? "failed" : "stopped"
        case .ending: "changing"
        case .unknown: "unknown"
        }
    }

    private func text(_ rows: [Row]) -> String {
        let table =
            [["NAME", "DOMAIN", "STATE", "LIFE", "RESTARTS", "MEMORY", "LABEL", "SAID BY"]]
            + rows.map { row in
                [
                    row.compartment.name, "\(row.compartment.domain)", row.state, "\(row.life)",
                    "\(row.restarts) of \(row.compartment.restartLimit)",
                    "\(row.compartment.memoryInBytes >> 20) MiB", row.compartment.label,
                    row.source,
                ]
            }
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        return table.map { cells in
            let padded = zip(cells, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            var line = padded.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    private func document(_ system: RunningSystem, _ rows: [Row]) -> JSONValue {
        let items = rows.map { row in
            JSONValue.object([
                ("name", .string(row.compartment.name)),
                ("domain", .number(UInt64(row.compartment.domain))),
                ("state", .string(row.state)), ("life", .number(UInt64(row.life))),
                ("restarts", .number(UInt64(row.restarts))),
                ("restartLimit", .number(UInt64(row.compartment.restartLimit))),
                ("memoryInBytes", .number(row.compartment.memoryInBytes)),
                ("label", .string(row.compartment.label)), ("saidBy", .string(row.source)),
            ])
        }
        return .object([
            ("format", .string("casemate-list-1")),
            ("system", .string(system.reference.system.name)),
            ("version", .number(system.manifest.systemVersion)),
            ("manifest", .string(system.manifest.digest.hexadecimal)),
            ("compartments", .array(items)),
        ])
    }
}
