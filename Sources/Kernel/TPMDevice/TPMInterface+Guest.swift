/// How far a guest's command is.
enum GuestPhase: Equatable {
    /// There is none.
    case free
    /// The TPM has it.
    case running
    /// The TPM was asked to end it.
    case cancelled
    /// It has ended. Its response has so many bytes; 0: there is none.
    case ended(Int)
}

/// A guest's command runs while guests run: it is begun, looked at, and ended, and nobody waits for
/// it but who needs the TPM for the machine itself.
extension TPMInterface where Registers: ~Copyable {
    /// Where the guest's command, and its response, stand in the buffer.
    static var guestBase: Int { 512 }
    /// The longest response that is taken now.
    var responseLimit: Int { base == 0 ? 512 : buffer.count - 512 }

    /// Has the TPM begin with a guest's command of `count` bytes, 10 to 3,584.
    ///
    /// - Precondition: no other is running.
    /// - Throws: what `start` throws; there is no guest's command then.
    mutating func beginGuest(_ count: Int) throws(TPMError) {
        guest = .free
        base = Self.guestBase
        defer { base = 0 }
        try start(count)
        guest = .running
    }

    /// Asks the TPM to end the guest's command, if it runs.
    mutating func cancelGuest() {
        guard guest == .running else { return }
        cancel()
        guest = .cancelled
    }

    /// Looks once whether the guest's command has ended, and takes its response if it has.
    @inline(never)
    mutating func settleGuest(milliseconds: UInt64 = 0) {
        guard guest == .running || guest == .cancelled else { return }
        do throws(TPMError) { try waitForEnd(milliseconds: milliseconds) } catch { return }
        endGuest(hasResponse: guest == .running || kind == .commandResponseBuffer)
    }

    /// Frees the TPM for the machine's own command: a guest's has a moment to end, then it is
    /// cancelled. One that ends in time keeps its response.
    ///
    /// - Invariant: *(never starved)* this ends, whatever a guest has asked for.
    mutating func reclaim() {
        settleGuest(milliseconds: InterfaceLimit.graceInMilliseconds)
        cancelGuest()
        settleGuest(milliseconds: InterfaceLimit.commandInMilliseconds)
        if guest == .cancelled { endGuest(hasResponse: false) }
    }

    private mutating func endGuest(hasResponse: Bool) {
        guest = .ended(0)
        guard hasResponse else { return end() }
        base = Self.guestBase
        do throws(TPMError) { guest = .ended(try finish()) } catch {}
        base = 0
    }
}
