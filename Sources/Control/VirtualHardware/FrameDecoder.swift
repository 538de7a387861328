public import ControlFrames

/// A frame whose checksum was right.
public struct ControlFrame: Equatable, Sendable {
    /// What it is.
    public let kind: ControlFrameKind
    /// Its payload.
    public let payload: [UInt8]
}

/// Cuts frames out of the bytes of COM2. Once broken, it stays broken: behind a bad header there
/// is no way to find the next frame.
public struct FrameDecoder: Sendable {
    private var pending: [UInt8] = []
    private var expectedSequence: UInt32 = 1
    private var skips: Bool
    private var isHandedOver = false

    /// Starts before the first frame.
    ///
    /// - Parameter skipsToFirstFrame: whether something else may come before it, as when firmware
    ///   has its console on the same line.
    public init(skipsToFirstFrame: Bool = false) {
        skips = skipsToFirstFrame
    }

    /// Takes bytes and returns the frames that they complete.
    ///
    /// - Throws: `.brokenFrame` for a malformed header, a sequence number other than the next,
    ///   or a wrong checksum.
    public mutating func feed(_ bytes: [UInt8]) throws(VirtualHardwareError) -> [ControlFrame] {
        pending += bytes
        if skips { skipToFirstFrame() }
        guard !skips else { return [] }
        var frames: [ControlFrame] = []
        while !isHandedOver, pending.count >= ControlFrameHeader.byteCount {
            let header = try self.header()
            guard header.sequence == expectedSequence else {
                throw .brokenFrame("sequence number \(header.sequence), not \(expectedSequence)")
            }
            let end = ControlFrameHeader.byteCount + header.payloadByteCount
            guard pending.count >= end else { break }
            let payload = Array(pending[ControlFrameHeader.byteCount..<end])
            guard header.accepts(payload: payload.span) else { throw .brokenFrame("checksum") }
            frames.append(ControlFrame(kind: header.kind, payload: payload))
            pending.removeFirst(end)
            expectedSequence += 1
            isHandedOver = header.kind == .handedOver
        }
        return frames
    }

    /// Drops what stands before the first header of a first frame, if that is there yet.
    private mutating func skipToFirstFrame() {
        var start = 0
        while pending.count - start >= ControlFrameHeader.byteCount {
            let bytes = Array(pending[start..<start + ControlFrameHeader.byteCount])
            if let header = try? ControlFrameHeader(validating: bytes.span), header.sequence == 1 {
                skips = false
                break
            }
            start += 1
        }
        pending.removeFirst(start)
    }

    /// Takes the bytes that came after the hypervisor gave the line to a compartment.
    public mutating func takeOwnersBytes() -> [UInt8] {
        guard isHandedOver else { return [] }
        defer { pending = [] }
        return pending
    }

    private func header() throws(VirtualHardwareError) -> ControlFrameHeader {
        let bytes = Array(pending.prefix(ControlFrameHeader.byteCount))
        do throws(ControlFrameError) {
            return try ControlFrameHeader(validating: bytes.span)
        } catch {
            throw .brokenFrame("\(error.reason)")
        }
    }
}
