import Appraisal
import Digests
import VirtualHardware

/// The values of PCR 12 and 13 of a TPM 1.2: what its host reads, unsigned, for a check of the
/// measuring itself. No evidence: a relying party elsewhere would have to believe the reader.
struct MeasuredRegisters: Equatable {
    let policy: [UInt8]
    let compartments: [UInt8]

    /// Reads them through a machine's TPM socket.
    ///
    /// - Throws: what the socket throws; `.emulatorProtocol` if the TPM refuses.
    init(reading socketPath: String) throws(VirtualHardwareError) {
        let socket = try connectUnix(socketPath)
        policy = try readRegister(12, through: socket)
        compartments = try readRegister(13, through: socket)
    }

    /// Computes what a machine has that measures exactly the events of reference values.
    init(expectedBy reference: ReferenceValues) {
        func replay(_ register: UInt32) -> [UInt8] {
            reference.events.filter { $0.pcr == register }.reduce([UInt8](repeating: 0, count: 20))
            {
                SHA1.hash(($0 + $1.sha1.array).span).array
            }
        }
        policy = replay(12)
        compartments = replay(13)
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
