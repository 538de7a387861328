#if hasFeature(Embedded)

    import ControlFrames
    import HypervisorCore
    import MachineX86

    /// COM2, on which the hypervisor itself sends frames until a compartment gets the line
    /// (docs/decisions/0021-two-lives-of-com2.md).
    struct ControlLine: ~Copyable {
        fileprivate var port = SerialPort.second
        private var sequence: UInt32 = 0
        fileprivate var isOurs = true

        init() { port.start() }

        /// Sends one frame (`docs/abi/control-frames.md`), and says so on the console if not all of
        /// it was taken in time. A payload too long for a frame is not sent.
        mutating func send(
            _ kind: ControlFrameKind, _ payload: Span<UInt8>, _ console: inout ConsoleLog
        ) {
            guard isOurs else { return }
            let header: ControlFrameHeader
            do throws(ControlFrameError) {
                header = try ControlFrameHeader(
                    kind: kind, sequence: sequence + 1, payload: payload)
            } catch { return }
            sequence += 1
            let bytes = header.encoded
            for index in bytes.indices { port.write(bytes[index]) }
            for index in payload.indices { port.write(payload[index]) }
            let lost = port.takeLostCount()
            if lost > 0 { console.say("control line: bytes lost, not taken: \(lost)", .error) }
        }
    }

    extension ControlLine {
        /// Says that the line is a compartment's, and leaves the port as after a reset: nothing of
        /// what was sent or received is in it.
        mutating func handOver(_ console: inout ConsoleLog) {
            send(.handedOver, Span(), &console)
            isOurs = false
            port.drain()
            port.start()
        }
    }

#endif
