import BootArena
import Digests
import EventLog
import TPMDevice
import TestSupport
import Testing

private let allBanks = PCRBanks(sha1: true, sha256: true, sha384: true)
private let sha1Alone = PCRBanks(sha1: true, sha256: false, sha384: false)

@Test(
    "the recorder extends what it logs: replaying the log gives the registers",
    arguments: Model.allCases)
func recorderReplays(model: Model) throws {
    let tpm = SimulatedTPM(model)
    let (algorithm, count): (UInt16, Int) = model == .onePointTwo ? (4, 20) : (0x0C, 48)
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
    #expect(view.banks == (model == .onePointTwo ? sha1Alone : allBanks))
    let zero = [UInt8](repeating: 0, count: count)
    var replayed = [12: zero, 13: zero]
    var cursor = view.records
    while let record = cursor.next() {
        let digest = record.sha384?.array ?? record.sha1?.array ?? []
        let register = Int(record.pcr.rawValue)
        replayed[register] = hash(algorithm, try #require(replayed[register]) + digest)
    }
    #expect(replayed[12] == tpm.pcrs[algorithm]?[12])
    #expect(replayed[13] == tpm.pcrs[algorithm]?[13])
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
