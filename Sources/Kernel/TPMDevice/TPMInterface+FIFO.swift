/// The FIFO interface, of TPM 2.0 and 1.2.
extension TPMInterface where Registers: ~Copyable {
    /// Checks that a TPM answers and returns its family.
    ///
    /// A TPM 1.2 leaves the bits of the family zero. One that is taken for the wrong family
    /// refuses the tag of its first command.
    ///
    /// - Throws: `.absent`, `.localityTimeout`, `.familyNotSupported`.
    mutating func detectFIFO() throws(TPMError) -> TPMFamily {
        let identity = registers.read32(FIFORegister.deviceVendorID)
        guard identity != 0xFFFF_FFFF, identity != 0 else { throw .absent }
        try requestLocality()
        let family = FIFOStatus.family(registers.read32(FIFORegister.status))
        relinquishLocality()
        switch family {
        case 0: return .onePointTwo
        case 1: return .twoPointZero
        default: throw .familyNotSupported
        }
    }

    /// Writes the command and starts it.
    ///
    /// - Throws: the timeouts, `.expectEndedEarly`, `.expectStuck`.
    mutating func send(_ count: Int) throws(TPMError) {
        registers.write32(FIFORegister.status, FIFOStatus.commandReady)
        try wait(
            FIFORegister.status, FIFOStatus.commandReady, equals: FIFOStatus.commandReady,
            milliseconds: InterfaceLimit.readyInMilliseconds, otherwise: .readyTimeout)
        var burst: UInt32 = 0
        for index in 0..<count {
            if burst == 0 { burst = try waitForBurst() }
            if index == count - 1 { try expect(true, otherwise: .expectEndedEarly) }
            registers.write8(FIFORegister.dataFIFO, self[byte: index])
            burst -= 1
        }
        try expect(false, otherwise: .expectStuck)
        registers.write32(FIFORegister.status, FIFOStatus.go)
    }

    /// Reads the response: its header, then as many bytes as the header says.
    mutating func receive() throws(TPMError) -> Int {
        var expected = 6
        var count = 0
        var burst: UInt32 = 0
        while count < expected {
            if burst == 0 { burst = try waitForBurst() }
            if count == expected - 1 {
                guard try isDataAvailable() else { throw .responseTruncated }
            }
            self[byte: count] = registers.read8(FIFORegister.dataFIFO)
            count += 1
            burst -= 1
            if count == 6 { expected = try responseByteCount(limit: responseLimit) }
        }
        guard try !isDataAvailable() else { throw .responseOverlong }
        return count
    }

    mutating func requestLocality() throws(TPMError) {
        let wanted = FIFOAccess.valid | FIFOAccess.activeLocality
        registers.write8(FIFORegister.access, FIFOAccess.requestUse)
        var wait = BoundedWait(milliseconds: InterfaceLimit.localityInMilliseconds, &registers)
        repeat {
            let access = registers.read8(FIFORegister.access)
            if access != 0xFF, access & wanted == wanted { return }
        } while wait.goesOn(&registers)
        // INVARIANT (released): a locality that is granted too late is not kept.
        relinquishLocality()
        throw .localityTimeout
    }

    mutating func relinquishLocality() {
        registers.write8(FIFORegister.access, FIFOAccess.activeLocality)
    }

    /// Waits for a burst count above 0 and returns it.
    private mutating func waitForBurst() throws(TPMError) -> UInt32 {
        var wait = BoundedWait(milliseconds: InterfaceLimit.statusInMilliseconds, &registers)
        repeat {
            let burst = FIFOStatus.burstCount(registers.read32(FIFORegister.status))
            if burst > 0 { return burst }
        } while wait.goesOn(&registers)
        throw .burstTimeout
    }

    /// Waits for a valid status and checks `Expect` in it.
    private mutating func expect(_ expected: Bool, otherwise error: TPMError) throws(TPMError) {
        let status = try validStatus()
        guard (status & FIFOStatus.expect != 0) == expected else { throw error }
    }

    private mutating func isDataAvailable() throws(TPMError) -> Bool {
        try validStatus() & FIFOStatus.dataAvailable != 0
    }

    /// Waits for `stsValid` and returns the status.
    private mutating func validStatus() throws(TPMError) -> UInt32 {
        var wait = BoundedWait(milliseconds: InterfaceLimit.statusInMilliseconds, &registers)
        repeat {
            let status = registers.read32(FIFORegister.status)
            if status & FIFOStatus.valid != 0 { return status }
        } while wait.goesOn(&registers)
        throw .statusTimeout
    }
}
