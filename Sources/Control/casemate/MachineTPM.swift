import ArgumentParser
import Digests
import FoundationEssentials
import PolicySyntax
import SystemManifest
import TPMSoftwareStack
import TPMStructures
import VirtualHardware

/// The options by which a command finds a machine's TPM.
struct MachineTPMOption: ParsableArguments {
    @Option(
        help: "The Unix socket of a TPM, instead of a running machine's.", completion: .file())
    var tpm: String?

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
    }

    /// Finds the TPM.
    ///
    /// - Throws: `ExitStatus.inputOutput` if no machine runs, after that was said.
    func find() throws -> MachineTPM {
        if let tpm { return MachineTPM(way: .socket, socketPath: tpm, system: nil) }
        let system = try running.find()
        let way = through ?? (system.controlUsesTPM ? .agent : .interposer)
        return MachineTPM(
            way: way, socketPath: system.path + "/tpm.socket", system: system)
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

    init?(argument: String) {
        guard argument != TPMWay.socket.rawValue else { return nil }
        self.init(rawValue: argument)
    }

    static var allValueStrings: [String] { [agent.rawValue, interposer.rawValue] }

    /// For people.
    var words: String {
        switch self {
        case .agent: "the agent in the control compartment"
        case .interposer: "the interposer of `casemate run`"
        case .socket: "its socket"
        }
    }
}

/// A machine's TPM, and the way to it.
struct MachineTPM {
    let way: TPMWay
    /// Beside it lie what is known of a TPM 1.2: its owner's secrets, and its wrapped key.
    let socketPath: String
    /// The machine; nil for a socket.
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
        let transport: SocketTransport
        do throws(VirtualHardwareError) {
            transport = SocketTransport(takingSocket: try connectUnix(socketPath).duplicate())
        } catch {
            StandardError.write("casemate: `\(socketPath)`: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
        return try TPMFailure.saying { try converse(transport, ask) }
    }

    /// - Throws: `TPMConnectionError`; `ExitStatus.inputOutput`, after that was said.
    private func converse<Answer>(
        _ transport: any TPMTransport,
        _ ask: (any AttestingTPM) throws(TPMConnectionError) -> Answer
    ) throws -> Answer {
        guard try family(ofTPMBehind: transport) == .onePointTwo else {
            return try ask(PatientTPM(try TPMConnection(over: transport)))
        }
        let path = socketPath + ".key"
        let kept = Files.exists(path) ? try Files.read(path, limit: 1 << 16) : nil
        let tpm = OnePointTwoConnection(over: transport, secrets: try secrets(), wrappedKey: kept)
        let answer = try ask(PatientTPM(tpm))
        if let key = tpm.wrappedKey, key != kept { try Files.write(key, to: path, mode: 0o600) }
        return answer
    }

    /// The secrets of a TPM 1.2's owner.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    private func secrets() throws -> OnePointTwoSecrets {
        let path = socketPath + ".owner"
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

    private func relay(_ command: [UInt8]) throws(TPMConnectionError) -> [UInt8] {
        do throws(ControlClientError) {
            guard
                let response = try client?.runTPMCommand(
                    command, isInterrupted: { isInterrupted })
            else { throw .noAgent }
            return response
        } catch {
            failure = error
            throw .connectionBroken
        }
    }
}

/// What a TPM did not do, for people.
private enum TPMFailure {
    /// - Throws: `ExitStatus.refused` for what a TPM did not do, after that was said; other errors
    ///   as they are.
    static func saying<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as TPMConnectionError {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.refused
        }
    }
}
