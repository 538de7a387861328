import Appraisal
import ArgumentParser
import Digests
import FoundationEssentials
import PolicySyntax
import VerifierState

/// `casemate attest machine`: which machines a verifier knows.
struct AttestMachine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "machine",
        abstract: "Add, list and remove the machines that a verifier knows.",
        discussion: """
            A verifier's folder holds one SQLite file, with the machines, the nonces that were \
            given out and the answers, and token-key.pem, the key that signs `verify --token`; \
            relying parties take token-key.pem.pub. Whoever can write the folder can enrol.
            """,
        subcommands: [MachineAdd.self, MachineList.self, MachineRemove.self]
    )
}

/// The option that all of them have.
struct StateOption: ParsableArguments {
    @Option(help: "The verifier's folder.", completion: .directory)
    var state: String
}

/// `casemate attest machine add`.
struct MachineAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a machine, by the key that `enrol accept` wrote.",
        discussion: """
            Makes the folder, which only its owner reads, and its key when they are not there. A \
            name and a key are taken once.

            EXIT STATUS
              0   the machine was added
              1   the key's file is malformed, or the name or the key is taken
              64  the command line is wrong
              74  a file could not be read or written

            EXAMPLE
              casemate attest machine add rack-7 --key key.json --state verifier
            """)

    @Argument(help: "The machine's name, 1 to 63 bytes.")
    var name: String

    @Option(help: "The key's file.", completion: .file())
    var key: String

    @OptionGroup var folder: StateOption

    func run() throws {
        let enrolled: EnrolledKey = try EnrolmentFiles.read(key)
        let (attestation, endorsement) = try EnrolmentFiles.refusing {
            () throws(EnrolmentRefusal) in (try enrolled.name(), try enrolled.endorsementName())
        }
        let state = try VerifierFolder(creating: folder.state).state
        try VerifierFolder.refusing { () throws(VerifierStateError) in
            try state.enrol(
                name, attestationKeyName: attestation, endorsementKeyName: endorsement, at: Date())
        }
    }
}

/// `casemate attest machine list`.
struct MachineList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the machines, and the last answer about each.",
        discussion: """
            A line for each machine, by name: its attestation key, and the last answer with its \
            time, or `not judged yet`.

            EXIT STATUS
              0   the machines were listed
              64  the command line is wrong
              74  the folder could not be read

            EXAMPLE
              casemate attest machine list --state verifier
            """)

    @OptionGroup var folder: StateOption

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let state = try VerifierFolder(opening: folder.state).state
        var rows: [(machine: EnrolledMachine, last: Judgement?)] = []
        for machine in try VerifierFolder.refusing({ () throws(VerifierStateError) in
            try state.machines()
        }) {
            let last = try VerifierFolder.refusing { () throws(VerifierStateError) in
                try state.judgements(of: machine.name, limit: 1).first
            }
            rows.append((machine, last))
        }
        if json { return try StandardOutput.write(document(rows).text) }
        for (machine, last) in rows {
            try StandardOutput.write(
                "\(DiagnosticRenderer.harmless(machine.name))  "
                    + "\(hexadecimalText(machine.attestationKeyName))  "
                    + "\(last.map(\.sentence) ?? "not judged yet")\n")
        }
    }

    private func document(
        _ rows: [(machine: EnrolledMachine, last: Judgement?)]
    ) -> JSONValue {
        .object([
            ("format", .string("casemate-machines-1")),
            (
                "machines",
                .array(
                    rows.map { machine, last in
                        .object([
                            ("name", .string(machine.name)),
                            (
                                "attestationKey",
                                .string(hexadecimalText(machine.attestationKeyName))
                            ),
                            (
                                "endorsementKey",
                                .string(hexadecimalText(machine.endorsementKeyName))
                            ),
                            ("enrolledAt", .string(machine.enrolledAt.formatted(.iso8601))),
                            ("last", last.map { .string($0.sentence) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}

extension Judgement {
    /// The answer in one line.
    var sentence: String {
        let time = judgedAt.formatted(.iso8601)
        switch outcome {
        case .accepted(let system, let version, _):
            return "\(time) accepted: \(DiagnosticRenderer.harmless(system)) version \(version)"
        case .refused(let codes): return "\(time) refused: \(codes.joined(separator: " "))"
        }
    }
}

/// `casemate attest machine remove`.
struct MachineRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Forget a machine, its nonces and the answers about it.",
        discussion: """
            EXIT STATUS
              0   the machine was forgotten
              1   there is none of this name
              64  the command line is wrong
              74  the folder could not be read or written

            EXAMPLE
              casemate attest machine remove rack-7 --state verifier
            """)

    @Argument(help: "The machine's name.")
    var name: String

    @OptionGroup var folder: StateOption

    func run() throws {
        let state = try VerifierFolder(opening: folder.state).state
        try VerifierFolder.refusing { () throws(VerifierStateError) in try state.forget(name) }
    }
}

/// `casemate attest nonce`.
struct AttestNonce: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nonce",
        abstract: "Give out a nonce for one machine.",
        discussion: """
            Prints 20 random bytes in hexadecimal, and remembers them: `verify --state` accepts \
            them in one quote of this machine, once, within their lifetime.

            EXIT STATUS
              0   the nonce was printed
              1   there is no such machine
              64  the command line is wrong
              74  the folder could not be read or written

            EXAMPLE
              casemate attest nonce --machine rack-7 --state verifier
            """)

    @Option(help: "The machine's name.")
    var machine: String

    @Option(help: "How long it serves, in seconds, 1 to 86400.")
    var lifetime = 300

    @OptionGroup var folder: StateOption

    func validate() throws {
        guard (1...86_400).contains(lifetime) else {
            throw ValidationError("a nonce lives for 1 to 86400 seconds")
        }
    }

    func run() throws {
        let state = try VerifierFolder(opening: folder.state).state
        let nonce = try VerifierFolder.refusing { () throws(VerifierStateError) in
            try state.issueNonce(for: machine, lifetime: lifetime, at: Date())
        }
        try StandardOutput.write("\(hexadecimalText(nonce))\n")
    }
}
