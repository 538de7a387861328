/// The command response buffer: registers that say where command and response lie, both inside
/// locality 0's window. A TPM whose buffers lie elsewhere is not driven.
extension TPMInterface where Registers: ~Copyable {
    /// Checks that the interface grants its locality; what has a CRB is of family 2.0.
    ///
    /// - Throws: `.localityTimeout`.
    mutating func detectCRB() throws(TPMError) -> TPMFamily {
        try requestCRBLocality()
        relinquishCRBLocality()
        return .twoPointZero
    }

    /// Exchanges a command for a response.
    ///
    /// - Throws: `.localityTimeout`, `.readyTimeout`, `.bufferOutOfRange`, `.responseTimeout`,
    ///   `.fatalError`, `.responseLengthInvalid`.
    mutating func exchangeCRB(_ commandByteCount: Int) throws(TPMError) -> Int {
        try requestCRBLocality()
        do throws(TPMError) {
            try becomeReady()
            try start(commandByteCount)
            let count = try receiveCRB()
            endCRB()
            return count
        } catch {
            endCRB()
            throw error
        }
    }

    private mutating func becomeReady() throws(TPMError) {
        registers.write32(CRBRegister.request, CRBBits.commandReady)
        try wait(
            CRBRegister.request, CRBBits.commandReady, equals: 0,
            milliseconds: InterfaceLimit.readyInMilliseconds, otherwise: .readyTimeout)
        try wait(
            CRBRegister.status, CRBBits.idle, equals: 0,
            milliseconds: InterfaceLimit.readyInMilliseconds, otherwise: .readyTimeout)
    }

    /// Copies the command to where the interface wants it, starts it, and waits for its end. A
    /// command that does not end is cancelled, so that the TPM is not left busy.
    private mutating func start(_ count: Int) throws(TPMError) {
        let offset = try window(
            CRBRegister.commandAddressLow, CRBRegister.commandAddressHigh,
            CRBRegister.commandSize, atLeast: count
        ).offset
        for index in 0..<count {
            registers.write8(offset + UInt32(truncatingIfNeeded: index), buffer[index])
        }
        registers.write32(CRBRegister.start, CRBBits.start)
        do throws(TPMError) {
            try wait(
                CRBRegister.start, CRBBits.start, equals: 0,
                milliseconds: InterfaceLimit.commandInMilliseconds, otherwise: .responseTimeout)
        } catch {
            registers.write32(CRBRegister.cancel, CRBBits.cancel)
            throw error
        }
        guard registers.read32(CRBRegister.status) & CRBBits.fatalError == 0 else {
            throw .fatalError
        }
    }

    /// Reads the response: its header, then as many bytes as the header says.
    private mutating func receiveCRB() throws(TPMError) -> Int {
        let (offset, size) = try window(
            CRBRegister.responseAddressLow, CRBRegister.responseAddressHigh,
            CRBRegister.responseSize, atLeast: 10)
        var expected = 6
        var count = 0
        while count < expected {
            buffer[count] = registers.read8(offset + UInt32(truncatingIfNeeded: count))
            count += 1
            if count == 6 { expected = try responseByteCount(limit: min(size, 512)) }
        }
        return count
    }

    /// Returns where in locality 0 a buffer lies, and its size.
    ///
    /// - Throws: `.bufferOutOfRange` if it is smaller than `atLeast`, or not wholly between the
    ///   registers and the end of locality 0.
    private mutating func window(
        _ low: UInt32, _ high: UInt32, _ size: UInt32, atLeast minimum: Int
    ) throws(TPMError) -> (offset: UInt32, size: Int) {
        let address = registers.read32(low)
        let size = registers.read32(size)
        let (offset, below) = address.subtractingReportingOverflow(CRBRegister.base)
        guard registers.read32(high) == 0, !below, offset >= CRBRegister.dataBuffer,
            offset < CRBRegister.end, size <= CRBRegister.end - offset,
            let count = Int(exactly: size), count >= minimum
        else { throw .bufferOutOfRange }
        return (offset, count)
    }

    /// Makes the TPM idle again and gives the locality back.
    private mutating func endCRB() {
        registers.write32(CRBRegister.request, CRBBits.goIdle)
        relinquishCRBLocality()
    }

    private mutating func requestCRBLocality() throws(TPMError) {
        registers.write32(CRBRegister.localityControl, CRBBits.requestAccess)
        do throws(TPMError) {
            try wait(
                CRBRegister.localityState, CRBBits.localityMask, equals: CRBBits.localityGranted,
                milliseconds: InterfaceLimit.localityInMilliseconds, otherwise: .localityTimeout)
        } catch {
            // INVARIANT (released): a locality that is granted too late is not kept.
            relinquishCRBLocality()
            throw error
        }
    }

    private mutating func relinquishCRBLocality() {
        registers.write32(CRBRegister.localityControl, CRBBits.relinquish)
    }
}
