import Digests
import EventLog
import TPMDevice
import TestSupport
import Testing

private typealias Device = TPMDevice<SimulatedRegisters>

private let digests = EventDigests(of: [UInt8](repeating: 9, count: 3).span)

/// A command that the simulated TPM answers, and takes long for: reading register 16.
private func reading(_ model: Model) -> [UInt8] {
    model == .onePointTwo
        ? [0, 0xC1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, 16]
        : [0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7E, 0, 0, 0, 1, 0, 0x0B, 3, 0, 0, 1]
}

private func slowCode(_ model: Model) -> UInt32 { model == .onePointTwo ? 0x15 : 0x17E }

/// A TPM that was started, and takes long for `reading`.
private func started(_ tpm: SimulatedTPM) throws -> Device {
    var device = TPMDevice(registers: SimulatedRegisters(tpm: tpm))
    try device.start()
    tpm.slowCodes = [slowCode(tpm.model)]
    return device
}

extension TPMDevice where Registers: ~Copyable {
    fileprivate mutating func put(_ command: [UInt8]) {
        for (index, byte) in command.enumerated() { self[guest: index] = byte }
    }

    fileprivate mutating func begin(_ command: [UInt8]) throws {
        put(command)
        let judged = guestCommand(command.count)
        #expect(judged != nil)
        try beginGuestCommand(command.count)
    }

    /// The response that was taken; nil: there is none.
    fileprivate var response: [UInt8]? {
        guestResponse.map { count in (0..<count).map { self[guest: $0] } }
    }
}

private func value(_ response: [UInt8]?, _ model: Model) -> [UInt8]? {
    response.map { Array($0.suffix(model == .onePointTwo ? 20 : 32)) }
}

private func bank(_ model: Model) -> UInt16 { model == .onePointTwo ? 4 : 0x0B }

@Test(
    "a guest's command runs until the TPM has ended it; nobody waits", arguments: Model.allCases)
func runs(model: Model) throws {
    let tpm = SimulatedTPM(model)
    var device = try started(tpm)
    let isIdle = device.isGuestRunning()
    #expect(!isIdle)
    #expect(device.guestResponse == nil)
    try device.begin(reading(model))
    let accesses = tpm.accesses
    for _ in 0..<10 {
        let isRunning = device.isGuestRunning()
        #expect(isRunning)
    }
    // A few accesses for each look, however long the TPM takes.
    #expect(tpm.accesses - accesses <= 40)
    #expect(device.guestResponse == nil)
    #expect(tpm.holdsLocality)
    tpm.complete()
    let isRunning = device.isGuestRunning()
    #expect(!isRunning)
    #expect(value(device.response, model) == tpm.pcrs[bank(model)]?[16])
    #expect(!tpm.holdsLocality)
    #expect(tpm.commands.last == reading(model))
}

@Test(
    "the machine's own measurement cancels a guest's command that goes on, and is done",
    arguments: Model.allCases)
func isNotStarved(model: Model) throws {
    let tpm = SimulatedTPM(model)
    var device = try started(tpm)
    let banks = try device.activeBanks()
    try device.begin(reading(model))
    try device.extend(.changes, with: digests, banks: banks)
    #expect(tpm.wasCancelled)
    let zero = [UInt8](repeating: 0, count: model == .onePointTwo ? 20 : 32)
    let digest = model == .onePointTwo ? digests.sha1.array : digests.sha256.array
    #expect(tpm.pcrs[bank(model)]?[15] == hash(bank(model), zero + digest))
    let isRunning = device.isGuestRunning()
    #expect(!isRunning)
    // Behind a FIFO there is no response; a CRB gives `TPM_RC_CANCELED`.
    let expected: [UInt8] =
        model == .twoPointZeroCRB ? [0x80, 1, 0, 0, 0, 10, 0, 0, 9, 9] : []
    #expect(device.response == expected)
    // The next one is served.
    tpm.slowCodes = []
    try device.begin(reading(model))
    _ = device.isGuestRunning()
    #expect(value(device.response, model) == tpm.pcrs[bank(model)]?[16])
}

@Test(
    "a guest's command that ends while the machine waits keeps its response",
    arguments: Model.allCases)
func endsInTime(model: Model) throws {
    let tpm = SimulatedTPM(model)
    var device = try started(tpm)
    let banks = try device.activeBanks()
    try device.begin(reading(model))
    tpm.looksUntilDone = 20
    try device.extend(.changes, with: digests, banks: banks)
    #expect(!tpm.wasCancelled)
    #expect(value(device.response, model) == tpm.pcrs[bank(model)]?[16])
    let isRunning = device.isGuestRunning()
    #expect(!isRunning)
}

@Test(
    "a TPM that cannot be cancelled fails the measurement in bounded time, and serves again later",
    arguments: [Model.onePointTwo, .twoPointZero])
func cannotBeCancelled(model: Model) throws {
    let tpm = SimulatedTPM(model)
    var device = try started(tpm)
    let banks = try device.activeBanks()
    tpm.ignoresCancel = true
    try device.begin(reading(model))
    var failure: TPMError?
    do throws(TPMError) {
        try device.extend(.changes, with: digests, banks: banks)
    } catch { failure = error }
    #expect(failure == .readyTimeout)
    #expect(device.guestResponse == 0)
    tpm.complete()
    try device.extend(.changes, with: digests, banks: banks)
    #expect(!tpm.holdsLocality)
}

@Test("a guest's cancelled command ends, with or without a response", arguments: Model.allCases)
func guestCancels(model: Model) throws {
    let tpm = SimulatedTPM(model)
    var device = try started(tpm)
    device.cancelGuestCommand()
    #expect(!tpm.wasCancelled)
    try device.begin(reading(model))
    device.cancelGuestCommand()
    #expect(tpm.wasCancelled)
    let isRunning = device.isGuestRunning()
    #expect(!isRunning)
    #expect(device.guestResponse == (model == .twoPointZeroCRB ? 10 : 0))
    #expect(!tpm.holdsLocality)
}

@Test("a TPM that fails a guest's command leaves no response, and the locality free")
func failures() throws {
    for fault in [Fault.responseTruncated, .lengthField(4_097), .lengthField(9), .fatalError] {
        for model in Model.allCases where fault != .fatalError || model == .twoPointZeroCRB {
            let tpm = SimulatedTPM(model)
            var device = try started(tpm)
            tpm.slowCodes = []
            // A CRB has no end of a response but the length in it.
            if fault == .responseTruncated, model == .twoPointZeroCRB { continue }
            tpm.fault = fault
            try device.begin(reading(model))
            let isRunning = device.isGuestRunning()
            #expect(!isRunning)
            #expect(device.guestResponse == 0, "\(fault) \(model)")
            #expect(!tpm.holdsLocality)
        }
    }
}

@Test("the registers that tell what runs are reserved, to each command that changes one")
func reservedRegisters() throws {
    let tpm = SimulatedTPM()
    var device = try started(tpm)
    let reserved = Set((0...9) + [12, 13, 15])
    for code in [UInt32(0x13C), 0x13D, 0x182, 0x185, 0x14, 0xA3, 0x17E, 0x17B] {
        for register in Array(0..<24) + [24, 255, 0x4000_0007, 0xFFFF_FFFF] {
            let command =
                [0x80, 2] + bytes(22) + bytes(code) + bytes(UInt32(register)) + bytes(0) + bytes(0)
            device.put(command)
            let judged = device.guestCommand(22)
            #expect(judged?.code == code)
            let changes = code != 0x17E && code != 0x17B
            #expect(
                judged?.reachesReservedRegister == (changes && reserved.contains(register)),
                "\(code) \(register)")
        }
    }
}

@Test("bytes that are not one whole command are none")
func wholeCommands() throws {
    let tpm = SimulatedTPM()
    var device = try started(tpm)
    let most = Device.guestCapacity
    for (count, length, isWhole) in [
        (10, UInt32(10), true), (9, 9, false), (0, 0, false), (10, 11, false), (11, 10, false),
        (most, UInt32(most), true), (most + 1, UInt32(most + 1), false), (10, 0x8000_000A, false),
    ] {
        device.put([0x80, 1] + bytes(length) + bytes(0x17B))
        let judged = device.guestCommand(count)
        #expect((judged != nil) == isWhole, "\(count) \(length)")
    }
}

private func bytes(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
}
