import BootArena
import Digests
import EventLog
import TPMDevice
import TestSupport
import Testing

private let pcr12 = PCRIndex.policy
private let digests = EventDigests(of: [UInt8](repeating: 9, count: 3).span)
private let allBanks = PCRBanks(sha1: true, sha256: true, sha384: true)

/// Starts a device, extends PCR 12 once and reads it back; returns the error, if any.
private func useDevice(_ tpm: SimulatedTPM) -> TPMError? {
    var device = TPMDevice(registers: SimulatedRegisters(tpm: tpm))
    do throws(TPMError) {
        try device.start()
        let banks = try device.activeBanks()
        try device.extend(pcr12, with: digests, banks: banks)
        _ = try device.read(pcr12)
        return nil
    } catch {
        return error
    }
}

@Test("a TPM is started, asked for its banks, extended in each of them, and read")
func wholeFlow() throws {
    let tpm = SimulatedTPM()
    var device = TPMDevice(registers: SimulatedRegisters(tpm: tpm))
    try device.start()
    let banks = try device.activeBanks()
    #expect(banks == allBanks)
    try device.extend(pcr12, with: digests, banks: banks)
    for (algorithm, digest) in [
        (UInt16(4), digests.sha1.array), (0x0B, digests.sha256.array), (0x0C, digests.sha384.array),
    ] {
        let zero = [UInt8](repeating: 0, count: digest.count)
        #expect(tpm.pcrs[algorithm]?[12] == hash(algorithm, zero + digest))
        #expect(tpm.pcrs[algorithm]?[13] == zero)
    }
    let value = try device.read(pcr12)
    #expect(value.array == tpm.pcrs[0x0B]?[12])
    #expect(!tpm.holdsLocality)
}

@Test("commands are the bytes that the library specification gives")
func commandBytes() {
    let tpm = SimulatedTPM(algorithms: [0x000B])
    #expect(useDevice(tpm) == nil)
    #expect(tpm.commands[0] == [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0])
    #expect(
        tpm.commands[1]
            == [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7A, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1])
    let head: [UInt8] = [
        0x80, 2, 0, 0, 0, 0x41, 0, 0, 1, 0x82, 0, 0, 0, 12, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0,
        0, 0, 0, 0, 1, 0, 0x0B,
    ]
    #expect(tpm.commands[2] == head + digests.sha256.array)
    #expect(
        tpm.commands[3]
            == [0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7E, 0, 0, 0, 1, 0, 0x0B, 3, 0, 0x10, 0])
}

@Test("a TPM that firmware has started is used; any other refusal of Startup is reported")
func startedBefore() {
    let tpm = SimulatedTPM()
    tpm.isStarted = true
    #expect(useDevice(tpm) == nil)
    let broken = SimulatedTPM(fault: .failCommand(code: 0x144, with: 0x101))
    #expect(useDevice(broken) == .commandFailed(code: 0x101))
}

@Test("every burst count from 1 to 200 carries whole commands and responses", arguments: 1...200)
func burstCounts(burst: Int) {
    let tpm = SimulatedTPM()
    tpm.burst = UInt32(burst)
    #expect(useDevice(tpm) == nil)
}

@Test(
    "each misbehaviour of the interface has its own error, and the locality is given back",
    arguments: [
        (Fault.absent, TPMError.absent),
        (.crbInterface, .interfaceNotSupported),
        (.familyOneTwo, .familyNotSupported),
        (.noLocality, .localityTimeout),
        (.neverReady, .readyTimeout),
        (.statusNeverValid, .statusTimeout),
        (.noBurst, .burstTimeout),
        (.expectNeverSet, .expectEndedEarly),
        (.expectStuck, .expectStuck),
        (.neverData, .responseTimeout),
        (.responseTruncated, .responseTruncated),
        (.responseOverlong, .responseOverlong),
        (.lengthField(0), .responseLengthInvalid),
        (.lengthField(9), .responseLengthInvalid),
        (.lengthField(513), .responseLengthInvalid),
        (.lengthField(0xFFFF_FFFF), .responseLengthInvalid),
        (.lengthField(512), .responseTruncated),
        (.wrongTag, .responseMalformed),
        (.failCommand(code: 0x182, with: 0x907), .commandFailed(code: 0x907)),
        (.failCommand(code: 0x17A, with: 0x101), .commandFailed(code: 0x101)),
        (.failCommand(code: 0x17E, with: 0x101), .commandFailed(code: 0x101)),
        (.shortBody(command: 0x17A), .responseMalformed),
        (.longBody(command: 0x17A), .responseMalformed),
        (.shortBody(command: 0x182), .responseMalformed),
        (.longBody(command: 0x182), .responseMalformed),
        (.shortBody(command: 0x17E), .responseMalformed),
        (.longBody(command: 0x17E), .responseMalformed),
    ])
func misbehaviour(fault: Fault, error: TPMError) {
    let tpm = SimulatedTPM(fault: fault)
    #expect(useDevice(tpm) == error)
    #expect(!tpm.holdsLocality)
}

@Test("a wait ends by the number of polls when the clock stands still")
func clockStandsStill() {
    let tpm = SimulatedTPM(fault: .clockStandsStill)
    #expect(useDevice(tpm) == nil)
    let dead = SimulatedTPM(fault: .clockStandsStill)
    dead.burst = 0
    #expect(useDevice(dead) == .burstTimeout)
}

@Test("a TPM that dies at any register access is refused, never trusted", arguments: [0xFF, 0x00])
func deathAtEveryAccess(byte: Int) {
    let whole = SimulatedTPM()
    #expect(useDevice(whole) == nil)
    for access in 0..<whole.accesses - 1 {
        let tpm = SimulatedTPM(fault: .deadAfter(access: access, reads: UInt8(byte)))
        let error = useDevice(tpm)
        // The last accesses only end a command whose response was read.
        if error == nil { #expect(access >= whole.accesses - 3) }
    }
}

@Test("banks are those with PCR 12 and 13; what we cannot extend refuses the TPM")
func bankRules() {
    let cases: [([(algorithm: UInt16, bitmap: [UInt8])], TPMError?)] = [
        ([(0x0B, [0xFF, 0xFF, 0xFF])], nil),
        ([(0x0B, [0, 0x30, 0])], nil),
        ([(0x0B, [0, 0x10, 0])], .partialBank),
        ([(0x0B, [0, 0x20, 0])], .partialBank),
        ([(0x0B, [0xFF, 0xFF, 0xFF]), (0x0D, [0, 0, 0])], nil),
        ([(0x0B, [0xFF, 0xFF, 0xFF]), (0x0D, [0, 0x30, 0])], .unknownActiveBank),
        ([(0x0B, [0xFF])], .noActiveBank),
        ([], .noActiveBank),
    ]
    for (banks, error) in cases {
        let tpm = SimulatedTPM()
        tpm.banks = banks
        #expect(useDevice(tpm) == error)
    }
}

@Test("the recorder extends what it logs: replaying the log gives the registers")
func recorderReplays() throws {
    let tpm = SimulatedTPM()
    var arena = BootArena(hostSizeInBytes: 1 << 14)
    let memory = try arena.reserve(count: 8192, repeating: UInt8(0))
    var recorder = try MeasurementRecorder(
        registers: SimulatedRegisters(tpm: tpm), log: memory)
    let label = [UInt8](repeating: 1, count: 88)
    try recorder.measure(PolicyMeasurement(.zero))
    try recorder.measure(ManifestMeasurement(.zero))
    for domain in UInt32(1)...3 {
        let event = CompartmentMeasurement(
            name: label.span.extracting(first: 3), domainID: domain, label: label.span,
            kernel: .zero, initrd: nil, commandLine: label.span.extracting(first: 7),
            memoryInBytes: 1 << 27, vcpuCount: 1)
        try recorder.measure(event)
    }
    try recorder.measure(StopMeasurement(reason: label.span))
    let view = try EventLogView(validating: recorder.log)
    #expect(view.recordCount == 6)
    var replayed = [12: [UInt8](repeating: 0, count: 48), 13: [UInt8](repeating: 0, count: 48)]
    var cursor = view.records
    while let record = cursor.next() {
        let digest = record.sha384?.array ?? []
        let register = Int(record.pcr.rawValue)
        replayed[register] = hash(0x0C, try #require(replayed[register]) + digest)
    }
    #expect(replayed[12] == tpm.pcrs[0x0C]?[12])
    #expect(replayed[13] == tpm.pcrs[0x0C]?[13])
}

@Test("an event that the log cannot take is refused before the TPM knows of it")
func fullLog() throws {
    let tpm = SimulatedTPM()
    var arena = BootArena(hostSizeInBytes: 1 << 14)
    let memory = try arena.reserve(count: 400, repeating: UInt8(0))
    var recorder = try MeasurementRecorder(
        registers: SimulatedRegisters(tpm: tpm), log: memory)
    try recorder.measure(PolicyMeasurement(.zero))
    let registers = tpm.pcrs
    let count = recorder.log.count
    var refusal: MeasurementError?
    do throws(MeasurementError) {
        try recorder.measure(ManifestMeasurement(.zero))
    } catch {
        refusal = error
    }
    #expect(refusal == .log(.bufferFull))
    #expect(tpm.pcrs == registers)
    #expect(recorder.log.count == count)
}

@Test("an event that the TPM refuses is not in the log, and is reported")
func refusedExtension() throws {
    let tpm = SimulatedTPM()
    var arena = BootArena(hostSizeInBytes: 1 << 14)
    let memory = try arena.reserve(count: 4096, repeating: UInt8(0))
    var recorder = try MeasurementRecorder(
        registers: SimulatedRegisters(tpm: tpm), log: memory)
    let count = recorder.log.count
    tpm.fault = .failCommand(code: 0x182, with: 0x907)
    var refusal: MeasurementError?
    do throws(MeasurementError) {
        try recorder.measure(PolicyMeasurement(.zero))
    } catch {
        refusal = error
    }
    #expect(refusal == .tpm(.commandFailed(code: 0x907)))
    #expect(recorder.log.count == count)
}
