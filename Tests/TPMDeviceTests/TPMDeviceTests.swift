import Digests
import EventLog
import TPMDevice
import TestSupport
import Testing

private let pcr12 = PCRIndex.policy
private let digests = EventDigests(of: [UInt8](repeating: 9, count: 3).span)
private let allBanks = PCRBanks(sha1: true, sha256: true, sha384: true)

/// Starts a device and extends PCR 12 once; returns the error, if any.
private func useDevice(_ tpm: SimulatedTPM) -> TPMError? {
    var device = TPMDevice(registers: SimulatedRegisters(tpm: tpm))
    do throws(TPMError) {
        try device.start()
        let banks = try device.activeBanks()
        try device.extend(pcr12, with: digests, banks: banks)
        return nil
    } catch {
        return error
    }
}

@Test(
    "a TPM 2.0 is started, asked for its banks, and extended in each of them",
    arguments: [Model.twoPointZero, .twoPointZeroCRB])
func wholeFlow(model: Model) throws {
    let tpm = SimulatedTPM(model)
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
    #expect(!tpm.holdsLocality)
}

@Test("a TPM 1.2 is started, found to have SHA-1 alone, and extended")
func wholeFlowOnePointTwo() throws {
    let tpm = SimulatedTPM(.onePointTwo)
    var device = TPMDevice(registers: SimulatedRegisters(tpm: tpm))
    try device.start()
    #expect(device.family == .onePointTwo)
    let banks = try device.activeBanks()
    #expect(banks == PCRBanks(sha1: true, sha256: false, sha384: false))
    try device.extend(pcr12, with: digests, banks: banks)
    let zero = [UInt8](repeating: 0, count: 20)
    #expect(tpm.pcrs[4]?[12] == hash(4, zero + digests.sha1.array))
    #expect(tpm.pcrs[4]?[13] == zero)
    #expect(tpm.pcrs[0x0B]?[12] == [UInt8](repeating: 0, count: 32))
    #expect(!tpm.holdsLocality)
}

@Test("commands of TPM 1.2 are the bytes that the main specification gives")
func commandBytesOnePointTwo() {
    let tpm = SimulatedTPM(.onePointTwo)
    #expect(useDevice(tpm) == nil)
    func capability(_ area: UInt8, _ low: UInt8) -> [UInt8] {
        [0, 0xC1, 0, 0, 0, 22, 0, 0, 0, 0x65, 0, 0, 0, area, 0, 0, 0, 4, 0, 0, 1, low]
    }
    #expect(
        tpm.commands == [
            [0, 0xC1, 0, 0, 0, 12, 0, 0, 0, 0x99, 0, 1],
            capability(4, 8), capability(4, 9), capability(5, 1),
            [0, 0xC1, 0, 0, 0, 34, 0, 0, 0, 0x14, 0, 0, 0, 12] + digests.sha1.array,
        ])
}

@Test("commands are the bytes that the library specification gives, through either interface")
func commandBytes() {
    let other = SimulatedTPM(.twoPointZeroCRB, algorithms: [0x000B])
    #expect(useDevice(other) == nil)
    let tpm = SimulatedTPM(algorithms: [0x000B])
    defer { #expect(other.commands == tpm.commands) }
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
    #expect(tpm.commands.count == 3)
}

@Test("a TPM that firmware has started is used; any other refusal of Startup is reported")
func startedBefore() {
    let tpm = SimulatedTPM()
    tpm.isStarted = true
    #expect(useDevice(tpm) == nil)
    let broken = SimulatedTPM(fault: .failCommand(code: 0x144, with: 0x101))
    #expect(useDevice(broken) == .commandFailed(code: 0x101))
    let old = SimulatedTPM(.onePointTwo)
    old.isStarted = true
    #expect(useDevice(old) == nil)
    let brokenOld = SimulatedTPM(.onePointTwo, fault: .failCommand(code: 0x99, with: 9))
    #expect(useDevice(brokenOld) == .commandFailed(code: 9))
}

@Test("every burst count from 1 to 200 carries whole commands and responses", arguments: 1...200)
func burstCounts(burst: Int) {
    let tpm = SimulatedTPM()
    tpm.burst = UInt32(burst)
    #expect(useDevice(tpm) == nil)
    let old = SimulatedTPM(.onePointTwo)
    old.burst = UInt32(burst)
    #expect(useDevice(old) == nil)
}

@Test(
    "each misbehaviour of the interface has its own error, and the locality is given back",
    arguments: [
        (Fault.absent, TPMError.absent),
        (.reservedInterface, .interfaceNotSupported),
        (.familyUnknown, .familyNotSupported),
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
        (.shortBody(command: 0x17A), .responseMalformed),
        (.longBody(command: 0x17A), .responseMalformed),
        (.shortBody(command: 0x182), .responseMalformed),
        (.longBody(command: 0x182), .responseMalformed),
    ])
func misbehaviour(fault: Fault, error: TPMError) {
    let tpm = SimulatedTPM(fault: fault)
    #expect(useDevice(tpm) == error)
    #expect(!tpm.holdsLocality)
}

@Test(
    "each misbehaviour of a CRB has its own error, and the locality is given back",
    arguments: [
        (Fault.absent, TPMError.absent),
        (.reservedInterface, .interfaceNotSupported),
        (.noLocality, .localityTimeout),
        (.otherLocality, .localityTimeout),
        (.neverReady, .readyTimeout),
        (.staysIdle, .readyTimeout),
        (.neverEnds, .responseTimeout),
        (.fatalError, .fatalError),
        (.window(register: 0x58, reads: 11), .bufferOutOfRange),
        (.window(register: 0x58, reads: 0xF80), nil),
        (.window(register: 0x58, reads: 0xF81), .bufferOutOfRange),
        (.window(register: 0x58, reads: 0xFFFF_FFFF), .bufferOutOfRange),
        (.window(register: 0x5C, reads: 0xFED4_007F), .bufferOutOfRange),
        (.window(register: 0x5C, reads: 0xFED4_1000), .bufferOutOfRange),
        (.window(register: 0x5C, reads: 0x0000_1000), .bufferOutOfRange),
        (.window(register: 0x60, reads: 1), .bufferOutOfRange),
        (.window(register: 0x64, reads: 9), .bufferOutOfRange),
        (.window(register: 0x64, reads: 18), .responseLengthInvalid),
        (.window(register: 0x64, reads: 0x801), .bufferOutOfRange),
        (.window(register: 0x68, reads: 0), .bufferOutOfRange),
        (.window(register: 0x68, reads: 0xFFFF_FFF0), .bufferOutOfRange),
        (.window(register: 0x6C, reads: 1), .bufferOutOfRange),
        (.lengthField(0), .responseLengthInvalid),
        (.lengthField(513), .responseLengthInvalid),
        (.lengthField(0xFFFF_FFFF), .responseLengthInvalid),
        (.wrongTag, .responseMalformed),
        (.failCommand(code: 0x182, with: 0x907), .commandFailed(code: 0x907)),
        (.shortBody(command: 0x17A), .responseMalformed),
        (.longBody(command: 0x182), .responseMalformed),
    ] as [(Fault, TPMError?)])
func misbehaviourOfCRB(fault: Fault, error: TPMError?) {
    let tpm = SimulatedTPM(.twoPointZeroCRB, fault: fault)
    #expect(useDevice(tpm) == error)
    #expect(!tpm.holdsLocality)
    #expect(tpm.wasCancelled == (fault == .neverEnds))
}

@Test(
    "each misbehaviour of a TPM 1.2 has its own error, and the locality is given back",
    arguments: [
        (Fault.disabled, TPMError.disabled),
        (.deactivated, .disabled),
        (.flagIsNoFlag, .responseMalformed),
        (.registerCount(16), nil),
        (.registerCount(24), nil),
        (.registerCount(15), .noActiveBank),
        (.neverReady, .readyTimeout),
        (.neverData, .responseTimeout),
        (.responseTruncated, .responseTruncated),
        (.responseOverlong, .responseOverlong),
        (.lengthField(9), .responseLengthInvalid),
        (.wrongTag, .responseMalformed),
        (.failCommand(code: 0x65, with: 1), .commandFailed(code: 1)),
        (.failCommand(code: 0x14, with: 2), .commandFailed(code: 2)),
        (.shortBody(command: 0x65), .responseMalformed),
        (.longBody(command: 0x65), .responseMalformed),
        (.longBody(command: 0x99), .responseMalformed),
        (.shortBody(command: 0x14), .responseMalformed),
        (.longBody(command: 0x14), .responseMalformed),
    ] as [(Fault, TPMError?)])
func misbehaviourOfOnePointTwo(fault: Fault, error: TPMError?) {
    let tpm = SimulatedTPM(.onePointTwo, fault: fault)
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

@Test(
    "a TPM that dies at any register access is refused, never trusted", arguments: [0xFF, 0x00],
    Model.allCases)
func deathAtEveryAccess(byte: Int, model: Model) {
    let whole = SimulatedTPM(model)
    #expect(useDevice(whole) == nil)
    // What is read last is behind the header of an extension's response, where nothing stands that
    // counts: a CRB has no status behind it.
    let unproved = model == .twoPointZeroCRB ? 2 + 13 : 3
    for access in 0..<whole.accesses - 1 {
        let tpm = SimulatedTPM(model, fault: .deadAfter(access: access, reads: UInt8(byte)))
        let error = useDevice(tpm)
        // The last accesses only end a command whose response was read.
        if error == nil { #expect(access >= whole.accesses - unproved) }
    }
}

@Test("banks are those with PCR 12, 13 and 15; what we cannot extend refuses the TPM")
func bankRules() {
    let cases: [([(algorithm: UInt16, bitmap: [UInt8])], TPMError?)] = [
        ([(0x0B, [0xFF, 0xFF, 0xFF])], nil),
        ([(0x0B, [0, 0xB0, 0])], nil),
        ([(0x0B, [0, 0x30, 0])], .partialBank),
        ([(0x0B, [0, 0x10, 0])], .partialBank),
        ([(0x0B, [0, 0x80, 0])], .partialBank),
        ([(0x0B, [0, 0x20, 0])], .partialBank),
        ([(0x0B, [0xFF, 0xFF, 0xFF]), (0x0D, [0, 0, 0])], nil),
        ([(0x0B, [0xFF, 0xFF, 0xFF]), (0x0D, [0, 0xB0, 0])], .unknownActiveBank),
        ([(0x0B, [0xFF])], .noActiveBank),
        ([], .noActiveBank),
    ]
    for (banks, error) in cases {
        let tpm = SimulatedTPM()
        tpm.banks = banks
        #expect(useDevice(tpm) == error)
    }
}
