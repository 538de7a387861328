/// The interface of the TPM: one command in, one response out, every wait bounded.
///
/// Two are driven: FIFO (also of TPM 1.2, where it is called TIS), and command response buffer
/// (CRB).
///
/// - Invariant: *(released)* between exchanges the locality is relinquished, also after an error,
///   but while a guest's command runs.
/// - Source: TCG PC Client Platform TPM Profile for TPM 2.0, sections 6.5.2 and 6.5.3; TCG PC
///   Client Specific TPM Interface Specification (TIS) 1.3 for TPM 1.2.
struct TPMInterface<Registers: TPMRegisters & ~Copyable>: ~Copyable {
    var registers: Registers
    private(set) var kind = InterfaceKind.fifo

    /// The command before an exchange, the response after it: first ours, from 512 on a guest's.
    var buffer = InlineArray<4096, UInt8>(repeating: 0)
    /// Where in the buffer the command begins that is sent, and its response.
    var base = 0
    /// How far the guest's command is.
    var guest = GuestPhase.free

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
    /// response then stand in it. A guest's command is not waited for long.
    ///
    /// - Precondition: the count is from 10 to 512.
    /// - Throws: what `start`, `waitForEnd` and `finish` throw. The buffer is then undefined.
    mutating func exchange(commandByteCount: Int) throws(TPMError) -> Int {
        reclaim()
        try start(commandByteCount)
        do throws(TPMError) {
            try waitForEnd(milliseconds: InterfaceLimit.commandInMilliseconds)
        } catch {
            cancel()
            end()
            throw error
        }
        return try finish()
    }

    /// Sends the first `count` bytes from `base` on, and has the TPM begin.
    ///
    /// - Throws: `.localityTimeout` and what sending throws; the TPM is idle again then.
    @inline(never)
    mutating func start(_ count: Int) throws(TPMError) {
        if kind == .fifo { try requestLocality() } else { try requestCRBLocality() }
        do throws(TPMError) {
            if kind == .fifo { try send(count) } else { try sendCRB(count) }
        } catch {
            end()
            throw error
        }
    }

    /// Waits until the command that runs has ended, or its cancellation has.
    ///
    /// - Throws: `.responseTimeout`; with no time at all, when that was not so at the first look.
    @inline(never)
    mutating func waitForEnd(milliseconds: UInt64) throws(TPMError) {
        let isReady = guest == .cancelled
        let fifo = isReady ? FIFOStatus.commandReady : FIFOStatus.valid | FIFOStatus.dataAvailable
        let (register, mask, value) =
            kind == .fifo
            ? (FIFORegister.status, fifo, fifo) : (CRBRegister.start, CRBBits.start, 0)
        try wait(
            register, mask, equals: value, milliseconds: milliseconds, otherwise: .responseTimeout)
    }

    /// Reads the response of a command that has ended to `base`.
    ///
    /// - Returns: its length.
    /// - Throws: what receiving throws. The TPM is idle again, whatever happened.
    @inline(never)
    mutating func finish() throws(TPMError) -> Int {
        do throws(TPMError) {
            let count = try kind == .fifo ? receive() : receiveCRB()
            end()
            return count
        } catch {
            end()
            throw error
        }
    }

    /// Asks the TPM to end the command that runs.
    mutating func cancel() {
        let (register, value) =
            kind == .fifo
            ? (FIFORegister.status, FIFOStatus.commandReady) : (CRBRegister.cancel, CRBBits.cancel)
        registers.write32(register, value)
    }

    /// Makes the TPM idle again and gives the locality back.
    @inline(never)
    mutating func end() {
        let (register, value) =
            kind == .fifo
            ? (FIFORegister.status, FIFOStatus.commandReady) : (CRBRegister.request, CRBBits.goIdle)
        registers.write32(register, value)
        if kind == .fifo { relinquishLocality() } else { relinquishCRBLocality() }
    }

    /// A byte of the command that is sent or of its response, from `base` on.
    subscript(byte index: Int) -> UInt8 {
        @inline(never) get { buffer[base &+ index] }
        @inline(never) set { buffer[base &+ index] = newValue }
    }

    /// The big-endian number of the four bytes at `start`.
    @inline(never)
    func number(at start: Int) -> UInt32 {
        var number: UInt32 = 0
        for index in start..<start &+ 4 { number = number << 8 | UInt32(self[byte: index]) }
        return number
    }

    /// Returns the length that the response's header names, 10 to `limit`.
    ///
    /// - Throws: `.responseLengthInvalid`.
    func responseByteCount(limit: Int) throws(TPMError) -> Int {
        let count = Int(number(at: 2))
        guard count >= 10, count <= limit else {
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
enum InterfaceKind {
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
