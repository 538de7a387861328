import Digests
import EventLog
import TestSupport
import Testing

/// One event of a log that a firmware could have written.
private struct Event {
    var pcr: UInt32 = 4
    var eventType: UInt32 = 0x8000_0003
    var digests: [(UInt16, [UInt8])] = [(0x0D, digest(64, 0x0D)), (0x0B, digest(32, 0x0B))]
    var data: [UInt8] = [1, 2, 3]

    var agile: [UInt8] {
        number(pcr) + number(eventType) + number(UInt32(digests.count))
            + digests.flatMap { [UInt8($0), 0] + $1 } + number(UInt32(data.count)) + data
    }

    var legacy: [UInt8] {
        number(pcr) + number(eventType) + digest(20, 4) + number(UInt32(data.count)) + data
    }
}

private func digest(_ count: Int, _ byte: UInt8) -> [UInt8] {
    [UInt8](repeating: byte, count: count)
}

private func number(_ value: UInt32) -> [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// A header that ours never is: SHA-512 first, an older errata, vendor information.
private func header(_ algorithms: [(UInt16, UInt16)] = [(0x0D, 64), (0x0B, 32)]) -> [UInt8] {
    var data = Array("Spec ID Event03\0".utf8) + number(0) + [0, 2, 105, 1]
    data += number(UInt32(algorithms.count))
    data += algorithms.flatMap { [UInt8($0), 0, UInt8($1), 0] } + [3, 9, 9, 9]
    return number(0) + number(3) + digest(20, 0) + number(UInt32(data.count)) + data
}

/// Takes a firmware's log over into one of ours, and reads that with our own reader.
private func takenOver(
    _ log: [UInt8], banks: PCRBanks = PCRBanks(sha1: false, sha256: true, sha384: false),
    room: Int = 65536
) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0xEE, count: room)
    var writer = try EventLogWriter(banks: banks, in: buffer.mutableSpan)
    let before = writer.count
    do {
        let count = try writer.takeOver(try FirmwareEventLog(log.span), in: buffer.mutableSpan)
        let bytes = Array(buffer.prefix(writer.count))
        let view = try EventLogView(validating: bytes.span)
        let records = view.recordCount
        #expect(records == count)
        return bytes
    } catch {
        let after = writer.count
        #expect(after == before)
        throw error
    }
}

@Test("a firmware's events come out in our form: digests of our banks, data as it was")
func takingOver() throws {
    let events = [Event(), Event(pcr: 9, eventType: 13, data: Array("/casemate/grub.cfg\0".utf8))]
    let bytes = try takenOver(header() + events.flatMap(\.agile) + digest(100, 0))
    let view = try EventLogView(validating: bytes.span)
    var cursor = view.records
    for event in events {
        guard let record = cursor.next() else {
            Issue.record("an event was lost")
            return
        }
        let (pcr, eventType) = (record.pcr.rawValue, record.eventType)
        #expect(pcr == event.pcr && eventType == event.eventType)
        let (sha1, sha256, sha384) = (record.sha1, record.sha256, record.sha384)
        let wanted = Digest256(digest(32, 0x0B).span)
        #expect(sha256 == wanted && sha1 == nil && sha384 == nil)
        let data = record.data
        let bytes = data.indices.map { data[$0] }
        #expect(bytes == event.data)
    }
    let isOver = cursor.next() == nil
    #expect(isOver)
}

@Test("a log of TPM 1.2 comes out with SHA-1 alone, and cannot stand for another bank")
func legacy() throws {
    let log = Event().legacy + Event(pcr: 0, eventType: 3).legacy + digest(64, 0xFF)
    let banks = PCRBanks(sha1: true, sha256: false, sha384: false)
    let bytes = try takenOver(log, banks: banks)
    let view = try EventLogView(validating: bytes.span)
    let count = view.recordCount
    #expect(count == 2)
    var cursor = view.records
    let sha1 = cursor.next()?.sha1
    let wanted = Digest160(digest(20, 4).span)
    #expect(sha1 == wanted)
    #expect(throws: EventLogError.digestsMalformed) { try takenOver(log) }
}

@Test("a log that lacks a bank, names unknown digests or registers, or is cut, is not taken")
func refusals() throws {
    let good = header() + Event().agile
    #expect(throws: Never.self) { try takenOver(good) }
    let banks = PCRBanks(sha1: true, sha256: true, sha384: false)
    #expect(throws: EventLogError.digestsMalformed) { try takenOver(good, banks: banks) }
    var event = Event()
    event.digests[0].0 = 0x0C
    #expect(throws: EventLogError.digestsMalformed) { try takenOver(header() + event.agile) }
    event = Event(pcr: 24)
    #expect(throws: EventLogError.registerOutOfRange) { try takenOver(header() + event.agile) }
    for algorithms: [(UInt16, UInt16)] in [
        [], [(0x0B, 31)], [(0x0B, 32), (0x0B, 32)], [(0x12, 0)], [(0x12, 65)],
    ] {
        #expect(throws: EventLogError.algorithmsMalformed) { try takenOver(header(algorithms)) }
    }
    for count in header().count + 1..<good.count {
        #expect(throws: EventLogError.truncated) { try takenOver(Array(good.prefix(count))) }
    }
    let room = try takenOver(good).count
    #expect(throws: Never.self) { try takenOver(good, room: room) }
    #expect(throws: EventLogError.bufferFull) { try takenOver(good, room: room - 1) }
}

@Test("no bytes whatever make reading a firmware's log trap")
func randomLogs() throws {
    var generator = SeededGenerator(seed: 11)
    let good = header() + Event().agile + Event(pcr: 0, eventType: 3).agile
    for _ in 0..<20_000 {
        var bytes = good
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = generator.bytes(1)[0]
        }
        _ = try? takenOver(bytes)
        _ = try? takenOver(generator.bytes(80))
    }
}
