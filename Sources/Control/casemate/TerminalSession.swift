import Appraisal
import ControlFrames
import VirtualHardware

/// A machine on somebody's terminal.
struct TerminalSession {
    private let machine: VirtualMachine
    private let sockets: MachineSockets
    private let configuration: MachineConfiguration
    /// What the machine should measure.
    private let reference: ReferenceValues

    /// When the machine was switched on.
    private let start = ContinuousClock.now

    /// Starts the machine.
    init(
        _ configuration: MachineConfiguration, reference: ReferenceValues
    ) throws(VirtualHardwareError) {
        self.configuration = configuration
        self.reference = reference
        machine = try VirtualMachine(configuration)
        sockets = try MachineSockets(configuration.directory)
    }

    /// Connects the terminal to the machine until one of them ends.
    ///
    /// - Returns: whether the machine did not stop for a reason of its own.
    func run() throws(VirtualHardwareError) -> Bool {
        let input = RawInput()
        var isInputOpen = true
        var hasStopped = false
        var hasWarned = false
        var log: [UInt8] = []
        var recorder: ChangeRecorder?
        while TerminationSignals.next() == nil {
            let (events, ready) = try machine.wait(
                timeoutInMilliseconds: sockets.isPressing ? 5 : 200,
                others: sockets.descriptors + (isInputOpen ? [input.number] : []))
            if ready.contains(input.number) {
                let typed = input.read()
                if typed.isEmpty { isInputOpen = false } else { try machine.sendToConsole(typed) }
            }
            try sockets.serve(ready, machine)
            for event in events {
                switch event {
                case .console(let bytes):
                    sockets.show(bytes)
                    if sockets.hasLostRecord, !hasWarned {
                        hasWarned = true
                        StandardError.write(
                            "casemate: the disk is full: `list` and `audit` miss what is said\n")
                    }
                    if let changed = recorder?.take(bytes) { _ = write(changed) }
                    writeToStandardOutput(bytes)
                case .frame(let frame):
                    hasStopped = hasStopped || frame.kind == .stopped
                    keep(frame, &log)
                    if frame.kind == .handedOver {
                        recorder = ChangeRecorder(configuration.directory, log: log)
                    }
                case .owner(let bytes): sockets.answer(bytes)
                case .brokenControlLine(let error):
                    StandardError.write("casemate: \(error.message)\n")
                case .ended: return !hasStopped
                }
            }
        }
        return true
    }

    /// Keeps the event log for quotes, with what is added to it while the machine runs, and attests
    /// the machine when it has measured what it starts with.
    private func keep(_ frame: ControlFrame, _ log: inout [UInt8]) {
        switch frame.kind {
        case .eventLog: log = frame.payload
        case .laterEvent where !log.isEmpty: log += frame.payload
        default: return
        }
        guard write(log), frame.kind == .eventLog else { return }
        StandardError.write(
            "casemate: measured; quote with --tpm \(machine.tpmSocketPath) --event-log "
                + "\(logPath)\n")
        attest(frame.payload)
    }

    private var logPath: String { configuration.directory + "/event-log" }

    private func write(_ log: [UInt8]) -> Bool {
        (try? Files.replace(log, at: logPath)) != nil
    }

    /// Says whether the machine runs what it should, by a quote that nobody could know before.
    private func attest(_ log: [UInt8]) {
        // As many as a TPM of either family takes.
        let nonce = (0..<20).map { _ in UInt8.random(in: 0...255) }
        guard
            let evidence = try? QuoteTaker.take(
                tpm: machine.tpmSocketPath, nonce: nonce, eventLog: log)
        else { return }
        let policy = AppraisalPolicy(
            nonce: nonce, attestationKeyName: nil,
            permitsOnePointTwo: configuration.tpm == .onePointTwo)
        switch Appraiser(reference: reference, policy: policy).appraise(evidence) {
        case .accepted: say("it runs what the reference values say")
        case .refused(let refusals):
            for refusal in refusals { say("refused, \(refusal.message)") }
        }
    }

    private func say(_ verdict: String) {
        let passed = start.duration(to: .now).components
        let tenths = passed.seconds * 10 + passed.attoseconds / 100_000_000_000_000_000
        StandardError.write(
            "casemate: attested, \(tenths / 10).\(tenths % 10) s after power-on: \(verdict)\n")
    }
}
