/// The interface of the TPM: one command in, one response out, every wait bounded.
///
/// Two are driven: FIFO (also of TPM 1.2, where it is called TIS), and command response buffer
/// (CRB).
///
/// - Invariant: *(released)* between exchanges the locality is relinquished, also after an error.
/// - Source: TCG PC Client Platform TPM Profile for TPM 2.0, sections 6.5.2 and 6.5.3; TCG PC
///   Client Specific TPM Interface Specification (TIS) 1.3 for TPM 1.2.
struct TPMInterface<Registers: TPMRegisters & ~Copyable>: ~Copyable {
    var registers: Registers
    private var kind = InterfaceKind.fifo

    /// The command before an exchange, the response after it.
    var buffer = InlineArray<512, UInt8>(repeating: 0)

    init(registers: consuming Registers) {
        self.registers = registers
    }

    /// Finds the interface and the family of the TPM behind it.
    ///
    /// The interface's type is read first: a CRB has no device and vendor identification where
    /// FIFO has it, and a TPM 1.2 has no type, which then reads as all ones.
    ///
    /// - Throws: `.absent`, `.interfaceNotSupported`, `.localityTimeout`, `.familyNotSupported`.
    mutating func detect() throws(TPMError) -> TPMFamily {
        switch registers.read32(FIFORegister.interfaceID) & 0xF {
        case 1:
            kind = .commandResponseBuffer
            return try detectCRB()
        case 0, 0xF:
            kind = .fifo
            return try detectFIFO()
        default:
            throw .interfaceNotSupported
        }
    }

    /// Sends the first `commandByteCount` bytes of the buffer and returns how many bytes of
    /// response then stand in it.
    ///
    /// - Precondition: the count is from 10 to 512.
    /// - Throws: what an exchange through the interface that was found throws. The buffer is
    ///   then undefined.
    mutating func exchange(commandByteCount: Int) throws(TPMError) -> Int {
        switch kind {
        case .fifo: try exchangeFIFO(commandByteCount)
        case .commandResponseBuffer: try exchangeCRB(commandByteCount)
        }
    }

    /// Returns the length that the response's header names, 10 to `limit`.
    ///
    /// - Throws: `.responseLengthInvalid`.
    func responseByteCount(limit: Int) throws(TPMError) -> Int {
        let number =
            UInt32(buffer[2]) << 24 | UInt32(buffer[3]) << 16 | UInt32(buffer[4]) << 8
            | UInt32(buffer[5])
        guard let count = Int(exactly: number), count >= 10, count <= limit else {
            throw .responseLengthInvalid
        }
        return count
    }

    /// Waits until the bits of `mask` in a register equal `value`.
    ///
    /// - Throws: `error` after the time.
    mutating func wait(
        _ register: UInt32, _ mask: UInt32, equals value: UInt32, milliseconds: UInt64,
        otherwise error: TPMError
    ) throws(TPMError) {
        var wait = BoundedWait(milliseconds: milliseconds, &registers)
        repeat {
            if registers.read32(register) & mask == value { return }
        } while wait.goesOn(&registers)
        throw error
    }
}

/// The interfaces that are driven.
private enum InterfaceKind {
    case fifo
    case commandResponseBuffer
}

/// A wait that ends: by the clock, and by the number of polls if the clock stands still.
struct BoundedWait {
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
        return polls < InterfaceLimit.polls && registers.tick() &- start <= ticks
    }
}
