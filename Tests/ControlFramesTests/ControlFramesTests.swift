import ControlFrames
import TestSupport
import Testing

private let payload = Array("123456789".utf8)

private func encoded(_ kind: ControlFrameKind = .eventLog, _ sequence: UInt32 = 1) throws -> [UInt8]
{
    let header = try ControlFrameHeader(kind: kind, sequence: sequence, payload: payload.span)
    return header.encoded.indices.map { header.encoded[$0] }
}

/// Returns the header that `bytes` hold, or the error.
private func decoded(_ bytes: [UInt8]) -> Result<ControlFrameHeader, ControlFrameError> {
    do throws(ControlFrameError) {
        return .success(try ControlFrameHeader(validating: bytes.span))
    } catch {
        return .failure(error)
    }
}

private func accepts(_ header: ControlFrameHeader, _ payload: [UInt8]) -> Bool {
    header.accepts(payload: payload.span)
}

@Test("the checksum of the standard check string is 0xCBF43926, whole and in pieces")
func standardCheck() {
    #expect(CRC32.checksum(of: payload.span) == 0xCBF4_3926)
    var state = CRC32()
    state.update(payload.span.extracting(0..<4))
    state.update(payload.span.extracting(4..<9))
    #expect(state.value == 0xCBF4_3926)
}

@Test("a header is laid out as the interface says, byte by byte")
func layout() throws {
    let expected: [UInt8] = [
        0x43, 0x4D, 0x43, 0x46, 1, 0, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0,
        0x26, 0x39, 0xF4, 0xCB,
    ]
    #expect(try encoded(.stopped, 5) == expected)
}

@Test("a header that was written is read again")
func roundTrip() throws {
    let header = try decoded(encoded(.eventLog, 0xFFFF_FFFF)).get()
    #expect(header.kind == .eventLog)
    #expect(header.sequence == 0xFFFF_FFFF)
    #expect(header.payloadByteCount == 9)
    #expect(accepts(header, payload))
}

@Test("each field that a reader must check is refused by its own error")
func refusals() throws {
    let good = try encoded()
    func with(_ offset: Int, _ value: UInt8) -> [UInt8] {
        var bytes = good
        bytes[offset] = value
        return bytes
    }
    #expect(decoded(Array(good.dropLast())) == .failure(.wrongHeaderLength))
    #expect(decoded(good + [0]) == .failure(.wrongHeaderLength))
    for offset in 0..<4 { #expect(decoded(with(offset, 0)) == .failure(.badMagic)) }
    #expect(decoded(with(4, 2)) == .failure(.unknownVersion))
    #expect(decoded(with(5, 1)) == .failure(.unknownVersion))
    for offset in 8..<12 { #expect(decoded(with(offset, 1)) == .failure(.unknownFeature)) }
    #expect(decoded(with(12, 0)) == .failure(.sequenceZero))
    #expect((try? decoded(with(6, 9)).get())?.kind == ControlFrameKind(rawValue: 9))
}

@Test("a payload of 1 MiB is accepted, one byte more is refused")
func payloadLimit() throws {
    var bytes = try encoded()
    bytes[16...19] = [0, 0, 0x10, 0]
    #expect((try? decoded(bytes).get())?.payloadByteCount == 1 << 20)
    bytes[16] = 1
    #expect(decoded(bytes) == .failure(.payloadTooLong))
    let large = [UInt8](repeating: 0, count: 1 << 20)
    #expect(throws: Never.self) {
        _ = try ControlFrameHeader(kind: .eventLog, sequence: 1, payload: large.span)
    }
    let larger = large + [0]
    #expect(throws: ControlFrameError.payloadTooLong) {
        _ = try ControlFrameHeader(kind: .eventLog, sequence: 1, payload: larger.span)
    }
    #expect(throws: ControlFrameError.sequenceZero) {
        _ = try ControlFrameHeader(kind: .eventLog, sequence: 0, payload: payload.span)
    }
}

@Test("a payload with any bit flipped, or another length, is not accepted")
func payloadChecks() throws {
    let header = try decoded(encoded()).get()
    for bit in 0..<8 * payload.count {
        var mutated = payload
        mutated[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(!accepts(header, mutated))
    }
    #expect(!accepts(header, Array(payload.prefix(8))))
}
