import Appraisal
import ArgumentParser
import ControlFrames
import Digests
import FoundationEssentials
import VirtualHardware

/// A machine that runs while somebody watches what it shows, and then asks for a quote of it.
final class WatchedMachine {
    /// What it has shown.
    private(set) var seen = Observation()
    private let machine: VirtualMachine
    private let directory: String
    /// The way to its agent; nil: nobody asks that.
    private let sockets: MachineSockets?

    /// Starts it.
    ///
    /// - Parameter isServed: whether its agent is to be asked for the quote.
    /// - Throws: `VirtualHardwareError`; what was started until then has been ended.
    init(
        _ configuration: MachineConfiguration, isServed: Bool
    ) throws(VirtualHardwareError) {
        directory = configuration.directory
        machine = try VirtualMachine(configuration)
        sockets = isServed ? try MachineSockets(directory, isListed: false) : nil
    }

    /// Ends it.
    func end() { machine.end() }

    /// Lets it run for at most a fifth of a second, and notes what it shows.
    ///
    /// - Returns: whether it runs on, and no signal wants an end.
    /// - Throws: `VirtualHardwareError` when it, or its TPM, has failed.
    func goOn() throws(VirtualHardwareError) -> Bool {
        if let signal = TerminationSignals.next() { seen.endingSignal = signal }
        guard seen.endingSignal == nil, !seen.hasEnded else { return false }
        let (events, ready) = try machine.wait(
            timeoutInMilliseconds: sockets?.isPressing == true ? 5 : 200,
            others: sockets?.descriptors ?? [])
        try sockets?.serve(ready, machine)
        for event in events {
            seen.take(event)
            switch event {
            case .console(let bytes): sockets?.show(bytes)
            case .owner(let bytes): sockets?.answer(bytes)
            default: break
            }
        }
        return !seen.hasEnded
    }

    /// Takes a quote: through its agent, if that is to be asked, else through the interposer.
    ///
    /// - Parameter limit: how long the agent is asked again while nobody answers.
    /// - Returns: the evidence; nil when there is none, for the reason that is noted.
    /// - Throws: `VirtualHardwareError` when the machine fails meanwhile.
    func quote(
        _ nonce: [UInt8], timeoutInSeconds limit: Int
    ) throws(VirtualHardwareError) -> Evidence? {
        guard let log = seen.eventLog else { return nil }
        guard sockets != nil else {
            return try? QuoteTaker.take(tpm: machine.tpmSocketPath, nonce: nonce, eventLog: log)
        }
        guard let program = pathOfProgram(),
            (try? Files.replace(log, at: directory + "/event-log")) != nil
        else {
            seen.quoteFailure = "`\(directory)/event-log` cannot be written"
            return nil
        }
        let path = directory + "/evidence.json"
        let start = ContinuousClock.now
        var status: Int32
        // Its control compartment may not have come so far yet.
        repeat {
            let words = [
                "attest", "quote", "--run", directory, "--through", TPMWay.agent.rawValue,
                "--nonce", hexadecimalText(nonce), "--output", path,
            ]
            guard let ended = try run(program, words) else { return nil }
            status = ended
        } while status == ExitStatus.inputOutput.rawValue
            && start.duration(to: .now) < .seconds(limit)
        guard status == 0, let data = FileManager.default.contents(atPath: path) else {
            return nil
        }
        return try? Evidence(json: [UInt8](data))
    }

    /// Runs a program beside the machine, as its operators do.
    ///
    /// - Returns: its status; nil when the machine ended first, or a signal came.
    private func run(
        _ program: String, _ words: [String]
    ) throws(VirtualHardwareError) -> Int32? {
        let output = directory + "/quote.log"
        try? FileManager.default.removeItem(atPath: output)
        let child = try ChildProcess(program, words, outputPath: output)
        defer { child.end() }
        while true {
            if let status = child.exitStatus() {
                seen.quoteFailure = status == 0 ? nil : lastLines(of: output)
                return status
            }
            guard try goOn() else {
                seen.quoteFailure = "the machine ended before its agent had answered"
                return nil
            }
        }
    }
}

/// What one boot has shown so far.
struct Observation {
    var transcript = ConsoleTranscript()
    var eventLog: [UInt8]?
    var stopReason: String?
    var hasEnded = false
    /// The signal that ended the wait for it; nil for none.
    var endingSignal: Int32?
    var result: AttestationResult?
    /// Why there is no quote, as far as that is known.
    var quoteFailure: String?

    /// Whether the hypervisor took policy and manifest.
    var hasStarted: Bool {
        transcript.first("casemate", containing: "policy and manifest: valid") != nil
    }

    /// The attestation key of a machine that was accepted.
    var attestationKeyName: [UInt8]? {
        if case .accepted(let machine) = result { return machine.attestationKeyName }
        return nil
    }

    mutating func take(_ event: MachineEvent) {
        switch event {
        case .console(let bytes): transcript.feed(bytes)
        case .frame(let frame) where frame.kind == .eventLog: eventLog = frame.payload
        case .frame(let frame) where frame.kind == .laterEvent: eventLog? += frame.payload
        case .frame(let frame) where frame.kind == .stopped:
            stopReason = String(decoding: frame.payload, as: UTF8.self)
        case .frame, .owner, .brokenControlLine: break
        case .ended: hasEnded = true
        }
    }

    /// What the hypervisor said last, for a person who asks why something is missing.
    var lastWord: String {
        if let stopReason { return "stopped: \(stopReason)" }
        let line = transcript.lines.last { $0.isHypervisor }?.text
        return line.map { "the hypervisor's last line is `\($0)`" } ?? "the machine said nothing"
    }
}
