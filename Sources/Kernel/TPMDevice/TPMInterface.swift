/// The FIFO interface: one command in, one response out, every wait bounded.
///
/// - Invariant: *(released)* between exchanges the locality is relinquished, also after an error.
/// - Source: TCG PC Client Platform TPM Profile for TPM 2.0, sections 6.5.2 and 6.5.3.
struct TPMInterface<Registers: TPMRegisters & ~Copyable>: ~Copyable {
    private var registers: Registers

    /// The command before an exchange, the response after it.
    var buffer = InlineArray<512, UInt8>(repeating: 0)

    init(registers: consuming Registers) {
        self.registers = registers
    }

    /// Checks that a TPM 2.0 with the FIFO interface answers.
    ///
    /// - Throws: `.absent`, `.interfaceNotSupported`, `.localityTimeout`, `.familyNotSupported`.
    mutating func detect() throws(TPMError) {
        let identity = registers.read32(FIFORegister.deviceVendorID)
        guard identity != 0xFFFF_FFFF, identity != 0 else { throw .absent }
        let type = registers.read32(FIFORegister.interfaceID) & 0xF
        guard type == 0 || type == 0xF else { throw .interfaceNotSupported }
        try requestLocality()
        let family = FIFOStatus.family(registers.read32(FIFORegister.status))
        relinquishLocality()
        guard family == 1 else { throw .familyNotSupported }
    }

    /// Sends the first `commandByteCount` bytes of the buffer and returns how many bytes of
    /// response then stand in it.
    ///
    /// - Precondition: the count is from 10 to 512.
    /// - Throws: the timeouts, `.expectEndedEarly`, `.expectStuck`, and what reading a response
    ///   throws. The buffer is then undefined.
    mutating func exchange(commandByteCount: Int) throws(TPMError) -> Int {
        try requestLocality()
        do throws(TPMError) {
            try send(commandByteCount)
            try waitForStatus(
                FIFOStatus.valid | FIFOStatus.dataAvailable,
                equals: FIFOStatus.valid | FIFOStatus.dataAvailable,
                milliseconds: FIFOLimit.commandInMilliseconds, otherwise: .responseTimeout)
            let count = try receive()
            end()
            return count
        } catch {
            end()
            throw error
        }
    }

    /// Writes the command and starts it.
    private mutating func send(_ count: Int) throws(TPMError) {
        registers.write32(FIFORegister.status, FIFOStatus.commandReady)
        try waitForStatus(
            FIFOStatus.commandReady, equals: FIFOStatus.commandReady,
            milliseconds: FIFOLimit.readyInMilliseconds, otherwise: .readyTimeout)
        var burst: UInt32 = 0
        for index in 0..<count {
            if burst == 0 { burst = try waitForBurst() }
            if index == count - 1 { try expect(true, otherwise: .expectEndedEarly) }
            registers.write8(FIFORegister.dataFIFO, buffer[index])
            burst -= 1
        }
        try expect(false, otherwise: .expectStuck)
        registers.write32(FIFORegister.status, FIFOStatus.go)
    }

    /// Reads the response: its header, then as many bytes as the header says.
    private mutating func receive() throws(TPMError) -> Int {
        var expected = 6
        var count = 0
        var burst: UInt32 = 0
        while count < expected {
            if burst == 0 { burst = try waitForBurst() }
            if count == expected - 1 {
                guard try isDataAvailable() else { throw .responseTruncated }
            }
            buffer[count] = registers.read8(FIFORegister.dataFIFO)
            count += 1
            burst -= 1
            if count == 6 { expected = try responseByteCount() }
        }
        guard try !isDataAvailable() else { throw .responseOverlong }
        return count
    }

    /// Returns the length that the response's header names.
    private func responseByteCount() throws(TPMError) -> Int {
        let number =
            UInt32(buffer[2]) << 24 | UInt32(buffer[3]) << 16 | UInt32(buffer[4]) << 8
            | UInt32(buffer[5])
        guard let count = Int(exactly: number), count >= 10, count <= 512 else {
            throw .responseLengthInvalid
        }
        return count
    }

    /// Makes the TPM idle again and gives the locality back.
    private mutating func end() {
        registers.write32(FIFORegister.status, FIFOStatus.commandReady)
        relinquishLocality()
    }

    private mutating func requestLocality() throws(TPMError) {
        let wanted = FIFOAccess.valid | FIFOAccess.activeLocality
        registers.write8(FIFORegister.access, FIFOAccess.requestUse)
        var wait = BoundedWait(milliseconds: FIFOLimit.localityInMilliseconds, &registers)
        repeat {
            let access = registers.read8(FIFORegister.access)
            if access != 0xFF, access & wanted == wanted { return }
        } while wait.goesOn(&registers)
        throw .localityTimeout
    }

    private mutating func relinquishLocality() {
        registers.write8(FIFORegister.access, FIFOAccess.activeLocality)
    }

    /// Waits for a burst count above 0 and returns it.
    private mutating func waitForBurst() throws(TPMError) -> UInt32 {
        var wait = BoundedWait(milliseconds: FIFOLimit.statusInMilliseconds, &registers)
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
        var wait = BoundedWait(milliseconds: FIFOLimit.statusInMilliseconds, &registers)
        repeat {
            let status = registers.read32(FIFORegister.status)
            if status & FIFOStatus.valid != 0 { return status }
        } while wait.goesOn(&registers)
        throw .statusTimeout
    }

    /// Waits until the bits of `mask` equal `value`.
    private mutating func waitForStatus(
        _ mask: UInt32, equals value: UInt32, milliseconds: UInt64, otherwise error: TPMError
    ) throws(TPMError) {
        var wait = BoundedWait(milliseconds: milliseconds, &registers)
        repeat {
            if registers.read32(FIFORegister.status) & mask == value { return }
        } while wait.goesOn(&registers)
        throw error
    }
}

/// A wait that ends: by the clock, and by the number of polls if the clock stands still.
private struct BoundedWait {
    private let start: UInt64
    private let ticks: UInt64
    private var polls = 0

    init<Registers: TPMRegisters & ~Copyable>(
        milliseconds: UInt64, _ registers: inout Registers
    ) {
        start = registers.tick()
        let (product, overflow) = registers.ticksPerMillisecond.multipliedReportingOverflow(
            by: milliseconds)
        ticks = overflow ? .max : product
    }

    /// Counts a poll and returns whether another one is allowed.
    mutating func goesOn<Registers: TPMRegisters & ~Copyable>(
        _ registers: inout Registers
    ) -> Bool {
        polls += 1
        // WRAPS: the difference of two ticks, also across the clock's wrap.
        return polls < FIFOLimit.polls && registers.tick() &- start <= ticks
    }
}
