#if hasFeature(Embedded)

    import ControlFrames
    import MachineX86

    /// COM2, on which the hypervisor itself sends frames while no compartment owns the line.
    struct ControlLine: ~Copyable {
        private let port = SerialPort.second
        private var sequence: UInt32 = 0

        init() { port.start() }

        /// Sends one frame (`docs/abi/control-frames.md`). A payload too long for a frame is not
        /// sent.
        mutating func send(_ kind: ControlFrameKind, _ payload: Span<UInt8>) {
            let header: ControlFrameHeader
            do throws(ControlFrameError) {
                header = try ControlFrameHeader(
                    kind: kind, sequence: sequence + 1, payload: payload)
            } catch { return }
            sequence += 1
            let bytes = header.encoded
            for index in bytes.indices { port.write(bytes[index]) }
            for index in payload.indices { port.write(payload[index]) }
        }
    }

#endif
