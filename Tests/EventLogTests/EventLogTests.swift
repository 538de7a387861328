import Digests
import EventLog
import TestSupport
import Testing

private let allBanks = PCRBanks(sha1: true, sha256: true, sha384: true)
private let zeroDigest = Digest384.zero

/// A log with a policy, a manifest and one compartment, and the digests that were extended.
private func sampleLog(_ banks: PCRBanks = allBanks) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0xEE, count: 4096)
    var writer = try EventLogWriter(banks: banks, in: buffer.mutableSpan)
    let first = try writer.prepare(PolicyMeasurement(zeroDigest), in: buffer.mutableSpan)
    writer.commit(first)
    let second = try writer.prepare(ManifestMeasurement(zeroDigest), in: buffer.mutableSpan)
    writer.commit(second)
    let name = Array("one".utf8)
    let label = [UInt8](repeating: 3, count: 88)
    let commandLine = Array("console=hvc0".utf8)
    let third = try writer.prepare(
        CompartmentMeasurement(
            name: name.span, domainID: 1, label: label.span, kernel: zeroDigest, initrd: nil,
            commandLine: commandLine.span, memoryInBytes: 1 << 26, vcpuCount: 1),
        in: buffer.mutableSpan)
    writer.commit(third)
    return Array(buffer.prefix(writer.count))
}

/// Returns what the view says about `bytes`: the number of records, or the error.
private func structure(of bytes: [UInt8]) -> Result<Int, EventLogError> {
    do throws(EventLogError) {
        return .success(try EventLogView(validating: bytes.span).recordCount)
    } catch {
        return .failure(error)
    }
}

@Test("a compartment's event data is laid out as the interface says, byte by byte")
func compartmentLayout() {
    let name = Array("guest".utf8)
    let label = (0..<88).map { UInt8($0) }
    let commandLine = Array("a b".utf8)
    let kernel = SHA384.hash(name.span)
    let initrd = SHA384.hash(label.span)
    let data = CompartmentMeasurement(
        name: name.span, domainID: 0x0102, label: label.span, kernel: kernel, initrd: initrd,
        commandLine: commandLine.span, memoryInBytes: 0x1_0000_0000, vcpuCount: 2
    ).eventData
    var expected: [UInt8] = []
    expected += [1, 0, 0, 0, 5, 0, 0, 0] + name
    expected += [2, 0, 0, 0, 4, 0, 0, 0, 2, 1, 0, 0]
    expected += [3, 0, 0, 0, 88, 0, 0, 0] + label
    expected += [4, 0, 0, 0, 48, 0, 0, 0] + kernel.array
    expected += [5, 0, 0, 0, 48, 0, 0, 0] + initrd.array
    expected += [6, 0, 0, 0, 3, 0, 0, 0] + commandLine
    expected += [7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    expected += [8, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0]
    let count = UInt8(expected.count - 256)
    #expect(data == [0x03, 0x4D, 0x53, 0x43, count, 1, 0, 0] + expected)
}

@Test("a compartment without an initrd measures a field of length 0")
func noInitrd() {
    let empty: [UInt8] = []
    let label = [UInt8](repeating: 0, count: 88)
    let data = CompartmentMeasurement(
        name: empty.span, domainID: 1, label: label.span, kernel: zeroDigest, initrd: nil,
        commandLine: empty.span, memoryInBytes: 0, vcpuCount: 1
    ).eventData
    let field = 8 + 8 + 12 + 96 + 56
    #expect(Array(data[field..<field + 16]) == [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0])
}

@Test("policy, manifest and stop carry their tag, length and payload")
func simpleLayouts() {
    let digest = SHA384.hash([UInt8]().span)
    #expect(
        PolicyMeasurement(digest).eventData == [1, 0x4D, 0x53, 0x43, 48, 0, 0, 0] + digest.array)
    #expect(
        ManifestMeasurement(digest).eventData == [2, 0x4D, 0x53, 0x43, 48, 0, 0, 0] + digest.array)
    let reason = Array("no".utf8)
    #expect(
        StopMeasurement(reason: reason.span).eventData
            == [15, 0x4D, 0x53, 0x43, 2, 0, 0, 0] + reason)
}

@Test("what the writer writes, the reader reads")
func roundTrip() throws {
    let log = try sampleLog()
    let view = try EventLogView(validating: log.span)
    #expect(view.recordCount == 3)
    #expect(view.banks == allBanks)
    var cursor = view.records
    var registers: [UInt32] = []
    while let record = cursor.next() {
        registers.append(record.pcr.rawValue)
        #expect(record.eventType == eventTypeTag)
        let digests = EventDigests(of: record.data)
        #expect(record.sha1 == digests.sha1)
        #expect(record.sha256 == digests.sha256)
        #expect(record.sha384 == digests.sha384)
    }
    #expect(registers == [12, 12, 13])
}

@Test(
    "records carry a digest for each active bank and no other",
    arguments: [
        PCRBanks(sha1: false, sha256: true, sha384: false),
        PCRBanks(sha1: true, sha256: true, sha384: false),
        PCRBanks(sha1: false, sha256: true, sha384: true),
    ])
func banksDecideDigests(banks: PCRBanks) throws {
    let log = try sampleLog(banks)
    let view = try EventLogView(validating: log.span)
    var cursor = view.records
    while let record = cursor.next() {
        #expect((record.sha1 != nil) == banks.sha1)
        #expect((record.sha256 != nil) == banks.sha256)
        #expect((record.sha384 != nil) == banks.sha384)
    }
}

@Test("a prepared event is no part of the log before it is committed")
func preparedIsInvisible() throws {
    var buffer = [UInt8](repeating: 0, count: 1024)
    var writer = try EventLogWriter(banks: allBanks, in: buffer.mutableSpan)
    let before = writer.count
    let event = try writer.prepare(PolicyMeasurement(zeroDigest), in: buffer.mutableSpan)
    #expect(writer.count == before)
    #expect(structure(of: Array(buffer.prefix(writer.count))) == .success(0))
    writer.commit(event)
    #expect(structure(of: Array(buffer.prefix(writer.count))) == .success(1))
}

@Test("an event that fits exactly is written; with one byte less it is refused")
func bufferBounds() throws {
    let header = 32 + 29 + 12
    let event = 12 + allBanks.digestListByteCount + 4 + 8 + 48
    for (size, fits) in [(header + event, true), (header + event - 1, false)] {
        var buffer = [UInt8](repeating: 0, count: size)
        let writer = try EventLogWriter(banks: allBanks, in: buffer.mutableSpan)
        #expect(writer.count == header)
        let before = Array(buffer.prefix(header))
        do throws(EventLogError) {
            _ = try writer.prepare(PolicyMeasurement(zeroDigest), in: buffer.mutableSpan)
            #expect(fits)
        } catch {
            #expect(!fits)
            #expect(error == .bufferFull)
        }
        #expect(writer.count == header)
        #expect(Array(buffer.prefix(header)) == before)
    }
    var small = [UInt8](repeating: 0, count: header - 1)
    #expect(throws: EventLogError.bufferFull) {
        _ = try EventLogWriter(banks: allBanks, in: small.mutableSpan).count
    }
}

@Test("a log cut at any byte is refused, except between records")
func everyTruncation() throws {
    let log = try sampleLog()
    var accepted: [Int] = []
    for count in 0..<log.count where (try? structure(of: Array(log.prefix(count))).get()) != nil {
        accepted.append(count)
    }
    #expect(accepted.count == 3)
    #expect(structure(of: log) == .success(3))
}

@Test("every header byte matters: any other value is refused")
func headerBytes() throws {
    let log = try sampleLog()
    for offset in 0..<32 + 29 + 12 {
        var mutated = log
        mutated[offset] ^= 0x80
        #expect((try? structure(of: mutated).get()) == nil, "offset \(offset)")
    }
}

@Test("registers up to 23 are read, 24 is refused")
func registerRange() throws {
    var log = try sampleLog()
    let record = 32 + 29 + 12
    log[record] = 23
    #expect(structure(of: log) == .success(3))
    log[record] = 24
    #expect(structure(of: log) == .failure(.registerOutOfRange))
}

@Test("random bytes and random mutations never trap the reader")
func randomBytes() throws {
    var generator = SeededGenerator.announced(0x1e1)
    let log = try sampleLog()
    for _ in 0..<2000 {
        var mutated = log
        for _ in 0..<Int(generator.next() % 4) + 1 {
            mutated[Int(generator.next() % UInt64(log.count))] = UInt8(generator.next() & 255)
        }
        _ = structure(of: mutated)
        _ = structure(of: generator.bytes(Int(generator.next() % 200)))
    }
}
