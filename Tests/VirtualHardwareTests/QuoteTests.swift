import Appraisal
import BootArena
import Digests
import EventLog
import Foundation
import TPMDevice
import TPMSoftwareStack
import Testing
import VirtualHardware

/// Two compartments, as a compiler would describe them.
func sampleReference() -> ReferenceValues {
    func module(_ name: String) -> ReferenceModule {
        ReferenceModule(name: name, sha384: SHA384.hash(Array(name.utf8).span))
    }
    func compartment(_ name: String, _ domainID: UInt32, line: Int) -> ReferenceCompartment {
        ReferenceCompartment(
            name: name, source: SourceReference(file: "system.casemate", line: line),
            domainID: domainID, labelText: "u:r:\(name):s0",
            labelRecord: (0..<88).map { UInt8($0) + UInt8(domainID) }, kernel: module("debian"),
            initrd: module("\(name).cpio"), commandLine: "console=hvc0",
            memoryInBytes: 192 << 20, vcpuCount: 1)
    }
    return ReferenceValues(
        system: ReferenceSystem(name: "sample", version: 3),
        policy: SHA384.hash(Array("policy".utf8).span),
        manifest: SHA384.hash(Array("manifest".utf8).span),
        compartments: [
            compartment("sensor", 1, line: 8), compartment("collector", 2, line: 16),
        ])
}

/// Measures a system as the hypervisor does; returns the event log.
func measure(_ reference: ReferenceValues, _ machine: EmulatedMachine) throws -> [UInt8] {
    var arena = BootArena(hostSizeInBytes: 1 << 14)
    let memory = try arena.reserve(count: 8192, repeating: UInt8(0))
    var recorder = try MeasurementRecorder(
        registers: ForwardingRegisters(machine), log: memory)
    try recorder.measure(PolicyMeasurement(reference.policy))
    try recorder.measure(ManifestMeasurement(reference.manifest))
    for compartment in reference.compartments {
        let name = Array(compartment.name.utf8)
        let commandLine = Array(compartment.commandLine.utf8)
        let label = compartment.labelRecord
        let event = CompartmentMeasurement(
            name: name.span, domainID: compartment.domainID, label: label.span,
            kernel: compartment.kernel.sha384, initrd: compartment.initrd?.sha384,
            commandLine: commandLine.span, memoryInBytes: compartment.memoryInBytes,
            vcpuCount: compartment.vcpuCount)
        try recorder.measure(event)
    }
    let log = recorder.log
    return log.indices.map { log[$0] }
}

/// Takes a quote as `casemate attest quote` does.
func quote(_ machine: EmulatedMachine, nonce: [UInt8], log: [UInt8]) throws -> Evidence {
    let connection = try TPMConnection(
        over: SocketTransport(
            takingSocket: try connectUnix(machine.socketPath).duplicate()))
    let quote = try connection.quote(qualifyingData: nonce, registers: [12, 13, 15])
    return Evidence(
        quote: quote.statement, signature: quote.signature,
        attestationKey: quote.attestationKey, eventLog: log)
}

private let nonce = (0..<32).map { UInt8($0) }

@Suite(.serialized) struct QuoteTests {
    @Test("what the driver measures into a TPM, a quote shows and the appraiser accepts")
    func wholeFlow() throws {
        let machine = try EmulatedMachine()
        defer { machine.end() }
        let reference = sampleReference()
        let log = try measure(reference, machine)
        let evidence = try quote(machine, nonce: nonce, log: log)
        let appraiser = Appraiser(
            reference: reference,
            policy: AppraisalPolicy(nonce: nonce, attestationKeyName: nil))
        guard case .accepted(let accepted) = appraiser.appraise(evidence) else {
            Issue.record("refused: \(appraiser.appraise(evidence))")
            return
        }
        #expect(accepted.compartments == ["sensor", "collector"])
        #expect(accepted.isFresh)
        #expect(!accepted.isKeyKnown)
        // The key is the same for the same TPM, and it can be quoted after the machine's end.
        try machine.shutDown()
        let again = try quote(machine, nonce: [7], log: log)
        #expect(again.attestationKey == evidence.attestationKey)
        let policy = AppraisalPolicy(nonce: [7], attestationKeyName: accepted.attestationKeyName)
        guard case .accepted = Appraiser(reference: reference, policy: policy).appraise(again)
        else {
            Issue.record("the second quote was refused")
            return
        }
        try recordVector(reference, evidence)
    }

    @Test("what the driver measures into a TPM 1.2, its registers show and its log replays")
    func wholeFlowOnePointTwo() throws {
        let machine = try EmulatedMachine(.onePointTwo)
        defer { machine.end() }
        let log = try measure(sampleReference(), machine)
        let view = try EventLogView(validating: log.span)
        #expect(view.banks == PCRBanks(sha1: true, sha256: false, sha384: false))
        #expect(view.recordCount == 4)
        let zero = [UInt8](repeating: 0, count: 20)
        var replayed = [12: zero, 13: zero]
        var cursor = view.records
        while let record = cursor.next() {
            let register = Int(record.pcr.rawValue)
            let sha1 = record.sha1
            let digest = try #require(sha1)
            let computed = SHA1.hash(record.data)
            #expect(digest == computed)
            let value = try #require(replayed[register])
            replayed[register] = SHA1.hash((value + digest.array).span).array
        }
        // The machine starts its TPM once more: it says that it is started, and is used.
        var device = TPMDevice(registers: ForwardingRegisters(machine))
        try device.start()
        #expect(device.family == .onePointTwo)
        let policy = try readSHA1(12, &device)
        let compartments = try readSHA1(13, &device)
        #expect(policy == replayed[12])
        #expect(compartments == replayed[13])
        #expect(replayed[12] != zero && replayed[13] != zero)
    }

    @Test("nobody outside the machine extends a register of a TPM 1.2, or owns it")
    func outsidersCannotExtendOnePointTwo() throws {
        let machine = try EmulatedMachine(.onePointTwo)
        defer { machine.end() }
        let outsider = try connectUnix(machine.socketPath)
        for code in [UInt8(0x14), 0x99, 0x0D, 0x5D, 0xC8] {
            try outsider.writeAll([0, 0xC1, 0, 0, 0, 12, 0, 0, 0, code, 0, 0])
            #expect(try outsider.readExactly(10) == [0, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0x0A])
        }
    }

    @Test("nobody outside the machine extends a register or clears its TPM")
    func outsidersCannotExtend() throws {
        let machine = try EmulatedMachine()
        defer { machine.end() }
        let outsider = try connectUnix(machine.socketPath)
        for code in [UInt8(0x82), 0x44, 0x26, 0x3D] {
            try outsider.writeAll([0x80, 1, 0, 0, 0, 12, 0, 0, 1, code, 0, 0])
            #expect(try outsider.readExactly(10) == [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x43])
        }
    }

    /// Renews `attestation/vectors` when asked to: each quote is by another key.
    private func recordVector(_ reference: ReferenceValues, _ evidence: Evidence) throws {
        guard ProcessInfo.processInfo.environment["CASEMATE_RECORD_QUOTE"] != nil else { return }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appendingPathComponent("attestation/vectors")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(reference.encoded()).write(
            to: folder.appendingPathComponent("sample.reference-values.json"))
        try Data(evidence.encoded()).write(
            to: folder.appendingPathComponent("sample.evidence.json"))
    }
}

/// Reads a register of a TPM 1.2 (`TPM_PCRRead`) as a guest's command is run.
private func readSHA1(
    _ register: UInt8, _ device: inout TPMDevice<ForwardingRegisters>
) throws -> [UInt8] {
    let command: [UInt8] = [0, 0xC1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, register]
    for (index, byte) in command.enumerated() { device[guest: index] = byte }
    try device.beginGuestCommand(command.count)
    for _ in 0..<1_000_000 where device.isGuestRunning() {}
    let response = device.guestResponse
    #expect(response == 30)
    return (10..<30).map { device[guest: $0] }
}
