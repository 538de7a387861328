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

    private mutating func becomeReady() throws(TPMError) {
        registers.write32(CRBRegister.request, CRBBits.commandReady)
        try wait(
            CRBRegister.request, CRBBits.commandReady, equals: 0,
            milliseconds: InterfaceLimit.readyInMilliseconds, otherwise: .readyTimeout)
        try wait(
            CRBRegister.status, CRBBits.idle, equals: 0,
            milliseconds: InterfaceLimit.readyInMilliseconds, otherwise: .readyTimeout)
    }

    /// Copies the command to where the interface wants it, and starts it.
    ///
    /// - Throws: `.readyTimeout`, `.bufferOutOfRange`.
    mutating func sendCRB(_ count: Int) throws(TPMError) {
        try becomeReady()
        registers.write32(CRBRegister.cancel, 0)
        let offset = try window(
            CRBRegister.commandAddressLow, CRBRegister.commandAddressHigh,
            CRBRegister.commandSize, atLeast: count
        ).offset
        for index in 0..<count {
            registers.write8(offset + UInt32(truncatingIfNeeded: index), self[byte: index])
        }
        registers.write32(CRBRegister.start, CRBBits.start)
    }

    /// Reads the response: its header, then as many bytes as the header says.
    ///
    /// - Throws: `.fatalError`, `.bufferOutOfRange`, `.responseLengthInvalid`.
    mutating func receiveCRB() throws(TPMError) -> Int {
        guard registers.read32(CRBRegister.status) & CRBBits.fatalError == 0 else {
            throw .fatalError
        }
        let (offset, size) = try window(
            CRBRegister.responseAddressLow, CRBRegister.responseAddressHigh,
            CRBRegister.responseSize, atLeast: 10)
        var expected = 6
        var count = 0
        while count < expected {
            self[byte: count] = registers.read8(offset + UInt32(truncatingIfNeeded: count))
            count += 1
            if count == 6 { expected = try responseByteCount(limit: min(size, responseLimit)) }
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

    mutating func requestCRBLocality() throws(TPMError) {
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

    mutating func relinquishCRBLocality() {
        registers.write32(CRBRegister.localityControl, CRBBits.relinquish)
    }
}
