import ControlFrames
import VirtualHardware

/// A machine on somebody's terminal.
struct TerminalSession {
    private let machine: VirtualMachine
    private let sockets: MachineSockets
    private let directory: String

    /// Starts the machine.
    init(_ configuration: MachineConfiguration) throws(VirtualHardwareError) {
        directory = configuration.directory
        machine = try VirtualMachine(configuration)
        sockets = try MachineSockets(directory)
    }

    /// Connects the terminal to the machine until one of them ends.
    ///
    /// - Returns: whether the machine did not stop for a reason of its own.
    func run() throws(VirtualHardwareError) -> Bool {
        let input = RawInput()
        var isInputOpen = true
        var hasStopped = false
        var hasSpoken = false
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
                    hasSpoken = true
                    sockets.show(bytes)
                    if let changed = recorder?.take(bytes) { _ = write(changed) }
                    writeToStandardOutput(bytes)
                case .frame(let frame):
                    hasStopped = hasStopped || frame.kind == .stopped
                    keep(frame, &log)
                    if frame.kind == .handedOver {
                        recorder = ChangeRecorder(directory, log: log)
                    }
                case .owner(let bytes): sockets.answer(bytes)
                case .brokenControlLine(let error):
                    StandardError.write("casemate: \(error.message)\n")
                case .ended:
                    if !hasSpoken { StandardError.write(lastLines(of: machine.logPath)) }
                    return !hasStopped
                }
            }
        }
        return true
    }

    /// Keeps the event log for quotes, with what is added to it while the machine runs.
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
    }

    private var logPath: String { directory + "/event-log" }

    private func write(_ log: [UInt8]) -> Bool {
        (try? Files.replace(log, at: logPath)) != nil
    }
}
