import Appraisal
import ArgumentParser
import Digests
import FoundationEssentials
import Glibc
import PolicySyntax
import SystemManifest
import TPMSoftwareStack
import TPMStructures
import VirtualHardware

/// The options by which a command finds a machine's TPM.
struct MachineTPMOption: ParsableArguments {
    @Option(
        help: """
            The Unix socket of a TPM, instead of a running machine's; or tcsd, tcsd:HOST or \
            tcsd:HOST:PORT, the TPM 1.2 that TrouSerS serves there.
            """, completion: .file())
    var tpm: TPMPlace?

    @Option(
        help: ArgumentHelp(
            "Where a TPM 1.2's wrapped key, PATH.key, and its owner's secrets, PATH.owner, lie; "
                + "beside a socket unless said, and to be said for a tcsd.", valueName: "path"),
        completion: .file())
    var tpmFiles: String?

    @Option(
        help: ArgumentHelp(
            "How long a tcsd may take altogether; 300 unless said.", valueName: "seconds"))
    var tpmTimeout: Int?

    @OptionGroup var running: RunningOption

    @Option(
        help: ArgumentHelp(
            "How to reach a running machine's TPM, agent or interposer; by the agent, if its "
                + "control compartment uses the TPM, unless said.", valueName: "way"))
    var through: TPMWay?

    func validate() throws {
        guard tpm == nil || running.directory == nil && through == nil else {
            throw ValidationError(
                "--tpm names a TPM; --run and --through are of a running machine.")
        }
        if case .daemon = tpm {
            guard tpmFiles != nil else { throw ValidationError("--tpm tcsd needs --tpm-files.") }
        } else if tpmTimeout != nil {
            throw ValidationError("--tpm-timeout is a tcsd's.")
        }
        guard (1...86_400).contains(tpmTimeout ?? 1) else {
            throw ValidationError("the timeout is from 1 to 86400 seconds")
        }
        guard tpmFiles == nil || tpm != nil else {
            throw ValidationError("--tpm-files needs --tpm.")
        }
    }

    /// Finds the TPM.
    ///
    /// - Throws: `ExitStatus.inputOutput` if no machine runs, after that was said.
    func find() throws -> MachineTPM {
        switch tpm {
        case .socket(let path): return MachineTPM(socketPath: path, files: tpmFiles)
        case .daemon(let daemon):
            return MachineTPM(
                way: .daemon, socketPath: "", files: tpmFiles ?? "",
                daemon: ServingDaemon(place: daemon, timeoutInSeconds: tpmTimeout ?? 300),
                system: nil)
        case nil: break
        }
        let system = try running.find()
        let way = through ?? (system.controlUsesTPM ? .agent : .interposer)
        let path = system.path + "/tpm.socket"
        return MachineTPM(
            way: way, socketPath: path, files: path, daemon: nil, system: system)
    }
}

/// A TPM that the command line names.
enum TPMPlace: ExpressibleByArgument {
    /// Behind a Unix socket.
    case socket(String)
    /// Behind TrouSerS.
    case daemon(TrouSerSDaemon)

    /// Returns nil for a tcsd whose host is empty, or whose port is none.
    init?(argument: String) {
        let words = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard words[0] == "tcsd" else {
            self = .socket(argument)
            return
        }
        guard words.count <= 3, words.dropFirst().first != "" else { return nil }
        var port: UInt16?
        if words.count == 3 {
            guard let number = UInt16(words[2]), number > 0 else { return nil }
            port = number
        }
        self = .daemon(
            TrouSerSDaemon(host: words.count > 1 ? String(words[1]) : nil, port: port))
    }
}

/// What lies between this program and a TPM.
enum TPMWay: String, ExpressibleByArgument, CaseIterable {
    /// The agent in the machine's control compartment, and the control line.
    case agent
    /// What `casemate run` puts between QEMU and its emulated TPM.
    case interposer
    /// A socket that was named.
    case socket
    /// A tcsd that was named.
    case daemon = "tcsd"

    init?(argument: String) {
        guard TPMWay.allValueStrings.contains(argument) else { return nil }
        self.init(rawValue: argument)
    }

    static var allValueStrings: [String] { [agent.rawValue, interposer.rawValue] }

    /// For people.
    var words: String {
        switch self {
        case .agent: "the agent in the control compartment"
        case .interposer: "the interposer of `casemate run`"
        case .socket: "its socket"
        case .daemon: "its tcsd"
        }
    }
}

/// A machine's TPM, and the way to it.
struct MachineTPM {
    let way: TPMWay
    /// The socket; none for a tcsd.
    let socketPath: String
    /// What the files begin with that hold what is known of a TPM 1.2: its owner's secrets, and its
    /// wrapped key.
    let files: String
    /// The tcsd; nil for another way.
    let daemon: ServingDaemon?
    /// The machine; nil for a socket or a tcsd.
    let system: RunningSystem?

    /// Asks the TPM something. What is asked by the agent, and ended by Ctrl-C, leaves nothing in
    /// the TPM.
    ///
    /// - Throws: `ExitStatus`, after the reason was written to standard error: `.inputOutput` when
    ///   the TPM cannot be reached, or the key of a TPM 1.2 cannot be read or kept; `.refused`
    ///   when it refused; what ends a program that a signal ended.
    func use<Answer>(
        _ ask: (any AttestingTPM) throws(TPMConnectionError) -> Answer
    ) throws -> Answer {
        if way == .agent, let system {
            TerminationSignals.hold()
            let line = try AgentLine(system)
            defer { line.close() }
            return try line.judging { try converse(line.transport, ask) }
        }
        if let daemon {
            return try TPMFailure.saying {
                let (kept, secrets) = (try keptKey(), try secrets())
                let (answer, key) = try daemon.inTime {
                    let tpm = try TrouSerSConnection(
                        to: daemon.place, secrets: secrets, wrappedKey: kept)
                    return (try ask(PatientTPM(tpm)), tpm.wrappedKey)
                }
                try keep(key, insteadOf: kept)
                return answer
            }
        }
        let transport: SocketTransport
        do throws(VirtualHardwareError) {
            transport = SocketTransport(takingSocket: try connectUnix(socketPath).duplicate())
        } catch {
            StandardError.write("casemate: `\(socketPath)`: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
        return try TPMFailure.saying { try converse(transport, ask) }
    }

    /// Takes a quote over what a log explains.
    ///
    /// - Parameter log: the log; nil, where the agent is asked: the machine's own, as it is when
    ///   the quote is taken.
    /// - Throws: what `use` throws.
    func quote(
        nonce: [UInt8], explaining log: [UInt8]?
    ) throws -> (quote: TPMQuote, eventLog: [UInt8]) {
        guard log == nil, way == .agent, let system else {
            let log = log ?? []
            let quote = try use { tpm throws(TPMConnectionError) in
                try tpm.quote(
                    qualifyingData: nonce, registers: QuotePlan.registers(explaining: log))
            }
            return (quote, log)
        }
        TerminationSignals.hold()
        let line = try AgentLine(system)
        defer { line.close() }
        return try line.judging {
            // What is measured between log and quote makes both anew.
            for _ in 0..<8 {
                let log = try line.eventLog()
                let quote = try converse(line.transport) { tpm throws(TPMConnectionError) in
                    try tpm.quote(
                        qualifyingData: nonce, registers: QuotePlan.registers(explaining: log))
                }
                if try line.eventLogByteCount() == log.count { return (quote, log) }
            }
            StandardError.write("casemate: the machine measures so much that no quote fits\n")
            throw ExitStatus.refused
        }
    }

    /// - Throws: `TPMConnectionError`; `ExitStatus.inputOutput`, after that was said.
    private func converse<Answer>(
        _ transport: any TPMTransport,
        _ ask: (any AttestingTPM) throws(TPMConnectionError) -> Answer
    ) throws -> Answer {
        guard try family(ofTPMBehind: transport) == .onePointTwo else {
            return try ask(PatientTPM(try TPMConnection(over: transport)))
        }
        let kept = try keptKey()
        let tpm = OnePointTwoConnection(over: transport, secrets: try secrets(), wrappedKey: kept)
        let answer = try ask(PatientTPM(tpm))
        try keep(tpm.wrappedKey, insteadOf: kept)
        return answer
    }

    /// The wrapped key of a TPM 1.2, if there is one.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    private func keptKey() throws -> [UInt8]? {
        let path = files + ".key"
        return Files.exists(path) ? try Files.read(path, limit: 1 << 16) : nil
    }

    /// - Throws: `ExitStatus.inputOutput`.
    private func keep(_ key: [UInt8]?, insteadOf kept: [UInt8]?) throws {
        if let key, key != kept { try Files.write(key, to: files + ".key", mode: 0o600) }
    }

    /// The secrets of a TPM 1.2's owner.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    private func secrets() throws -> OnePointTwoSecrets {
        let path = files + ".owner"
        guard Files.exists(path) else { return .wellKnown }
        let text = String(decoding: try Files.read(path, limit: 128), as: UTF8.self)
        let digits = text.last == "\n" ? String(text.dropLast()) : text
        guard let bytes = bytesOfHexadecimal(digits),
            let secrets = OnePointTwoSecrets(
                owner: Array(bytes.prefix(20)), storageRoot: Array(bytes.dropFirst(20)))
        else { throw Files.fail(path, "it is not two secrets of 20 bytes in hexadecimal") }
        return secrets
    }
}

extension MachineTPM {
    /// The TPM behind a socket.
    ///
    /// - Parameter files: what the files of a TPM 1.2 begin with; nil: the socket's path.
    init(socketPath: String, files: String? = nil) {
        self.init(
            way: .socket, socketPath: socketPath, files: files ?? socketPath, daemon: nil,
            system: nil)
    }
}

/// A tcsd, and how long it may take.
struct ServingDaemon {
    let place: TrouSerSDaemon
    let timeoutInSeconds: Int

    /// Asks the tcsd something. When it takes too long, that is said and the program ends: its
    /// library waits without an end, and there is no way to stop it.
    ///
    /// - Throws: what `body` throws; `ExitStatus.inputOutput` without a thread to wait with.
    func inTime<Value>(_ body: () throws -> Value) throws -> Value {
        let seconds = timeoutInSeconds
        let deadline: Deadline
        do throws(VirtualHardwareError) {
            deadline = try Deadline(seconds: seconds) {
                StandardError.write(
                    "casemate: the tcsd has not answered for \(seconds) seconds\n")
                _exit(ExitStatus.inputOutput.rawValue)
            }
        } catch {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
        defer { deadline.end() }
        return try body()
    }
}

/// A session with the agent, for commands of the TPM.
private final class AgentLine {
    private var client: ControlClient?
    private var failure: ControlClientError?
    private var signal: Int32?

    /// Begins a session.
    ///
    /// - Throws: `ExitStatus`, after the reason was written to standard error.
    init(_ system: RunningSystem) throws { client = try system.connect() }

    /// The transport of the session, which does not keep it alive.
    var transport: RelayTransport {
        RelayTransport(isInterrupted: { [unowned self] in isInterrupted }) {
            [unowned self] command throws(TPMConnectionError) in try relay(command)
        }
    }

    /// Does something with the TPM, and says what went wrong: on the way to it before what that
    /// means for the TPM.
    ///
    /// - Throws: `ExitStatus`.
    func judging<Answer>(_ body: () throws -> Answer) throws -> Answer {
        let answer = Result { try body() }
        if isInterrupted, let signal {
            StandardError.write("casemate: interrupted\n")
            throw ExitStatus.ended(by: signal)
        }
        if let failure { throw ControlFailure.say(failure) }
        return try TPMFailure.saying { try answer.get() }
    }

    /// Ends the session.
    func close() { client.take()?.close() }

    private var isInterrupted: Bool {
        if signal == nil { signal = TerminationSignals.next() }
        return signal != nil
    }

    /// Reads the event log.
    ///
    /// - Throws: `.connectionBroken`; `judging` says why.
    func eventLog() throws(TPMConnectionError) -> [UInt8] {
        try noting { () throws(ControlClientError) in
            try client?.readEventLog(isInterrupted: { isInterrupted })
        }
    }

    /// Reads how long the event log is.
    ///
    /// - Throws: `.connectionBroken`; `judging` says why.
    func eventLogByteCount() throws(TPMConnectionError) -> Int {
        try noting { () throws(ControlClientError) in
            try client?.eventLogByteCount(isInterrupted: { isInterrupted })
        }
    }

    private func relay(_ command: [UInt8]) throws(TPMConnectionError) -> [UInt8] {
        try noting { () throws(ControlClientError) in
            try client?.runTPMCommand(command, isInterrupted: { isInterrupted })
        }
    }

    /// Notes why the agent could not be asked.
    private func noting<Answer>(
        _ ask: () throws(ControlClientError) -> Answer?
    ) throws(TPMConnectionError) -> Answer {
        do throws(ControlClientError) {
            guard let answer = try ask() else { throw .noAgent }
            return answer
        } catch {
            failure = error
            throw .connectionBroken
        }
    }
}

/// What a TPM did not do, for people.
private enum TPMFailure {
    /// - Throws: `ExitStatus.refused` for what a TPM did not do, and `ExitStatus.inputOutput` when
    ///   there is no stack to reach it by, after that was said; other errors as they are.
    static func saying<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as TPMConnectionError {
            StandardError.write("casemate: \(error.message)\n")
            switch error {
            case .daemonSilent, .stackMissing: throw ExitStatus.inputOutput
            default: throw ExitStatus.refused
            }
        }
    }
}
