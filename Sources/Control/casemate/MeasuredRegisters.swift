import Appraisal
import Digests
import EventLog
import VirtualHardware

/// The values of registers of a TPM 1.2: what its host reads, unsigned, for a check of the
/// measuring itself. No evidence: a relying party elsewhere would have to believe the reader.
struct MeasuredRegisters: Equatable {
    private var values: [UInt32: [UInt8]] = [:]

    /// The value of PCR 13.
    var compartments: [UInt8]? { values[13] }

    /// Reads them through a machine's TPM socket: 12, 13 and 15; those of the boot chain, too, if
    /// the log explains them.
    ///
    /// - Throws: what the socket throws; `.emulatorProtocol` if the TPM refuses.
    init(reading socketPath: String, explainedBy log: [UInt8]) throws(VirtualHardwareError) {
        let socket = try connectUnix(socketPath)
        for register in QuotePlan.registers(explaining: log) {
            values[register] = try readRegister(UInt8(register), through: socket)
        }
    }

    /// Computes what a machine has that measured the events of its log, and nothing else.
    init(replaying log: [UInt8]) {
        for register in QuotePlan.registers(explaining: log) {
            values[register] = [UInt8](repeating: 0, count: 20)
        }
        for entry in (try? EventLog<Unverified>(validating: log))?.entries ?? []
        where entry.eventType != eventTypeNoAction {
            extend(entry.pcr, by: entry.sha1?.array ?? [])
        }
    }

    /// Computes what a machine has that measures exactly the events of reference values.
    init(expectedBy reference: ReferenceValues) {
        for event in reference.bootLoader?.events ?? [] {
            extend(event.pcr, by: event.sha1.array)
        }
        for event in reference.events { extend(event.pcr, by: event.sha1.array) }
    }

    /// Whether it has all that another one has.
    func contains(_ other: MeasuredRegisters) -> Bool {
        other.values.allSatisfy { values[$0] == $1 }
    }

    private mutating func extend(_ register: UInt32, by digest: [UInt8]) {
        let value = values[register] ?? [UInt8](repeating: 0, count: 20)
        values[register] = SHA1.hash((value + digest).span).array
    }
}

/// `TPM_PCRRead` (TPM Main 1.2, Part 3, section 16.2).
private func readRegister(
    _ register: UInt8, through socket: Descriptor
) throws(VirtualHardwareError) -> [UInt8] {
    try socket.writeAll([0x00, 0xC1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, register])
    let header = try socket.readExactly(10)
    guard header == [0x00, 0xC4, 0, 0, 0, 30, 0, 0, 0, 0] else {
        throw .emulatorProtocol("`TPM_PCRRead` was refused")
    }
    return try socket.readExactly(20)
}
