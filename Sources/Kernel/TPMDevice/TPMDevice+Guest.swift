/// What there is to judge about a guest's command: all of it was copied once and is what runs.
public struct GuestCommand: BitwiseCopyable {
    /// The command's code (TPM 2.0) or ordinal (1.2).
    public let code: UInt32
    /// Whether it extends or resets a register that tells what runs on this machine.
    public let reachesReservedRegister: Bool
}

/// A command of a compartment that the policy lets reach the TPM. The bytes are passed on as they
/// are; what they may be is decided by who calls this.
///
/// - Source: TPM 2.0 Library, Part 2, 6.5.2 (`TPM_CC_…`) and Part 3; TPM Main Specification 1.2,
///   Part 2, 17 (`TPM_ORD_…`).
extension TPMDevice where Registers: ~Copyable {
    /// The longest command, and response, of a guest, in bytes.
    public static var guestCapacity: Int { 3584 }

    /// A byte of the guest's command, and later of its response, from 0.
    ///
    /// - Precondition: `index` is below `guestCapacity`.
    public subscript(guest index: Int) -> UInt8 {
        get { interface.buffer[TPMInterface<Registers>.guestBase + index] }
        set { interface.buffer[TPMInterface<Registers>.guestBase + index] = newValue }
    }

    /// Reads what the first `count` bytes ask for.
    ///
    /// - Returns: nil when they are no whole command. Whether it is one of this TPM's family, the
    ///   TPM says.
    public func guestCommand(_ count: Int) -> GuestCommand? {
        let base = TPMInterface<Registers>.guestBase
        guard count >= 10, count <= Self.guestCapacity,
            interface.number(at: base + 2) == UInt32(truncatingIfNeeded: count)
        else { return nil }
        let code = interface.number(at: base + 6)
        var isReserved = false
        switch code {
        // PCR_Event, PCR_Reset, PCR_Extend, EventSequenceComplete; Extend, SHA1CompleteExtend: the
        // register is what follows the header.
        case 0x13C, 0x13D, 0x182, 0x185, 0x14, 0xA3:
            // 0 to 9: firmware and boot loader; 12, 13, 15: ours (`attestation/pcr-plan.md`).
            let register = interface.number(at: base + 10)
            isReserved = register < 16 && 0xB3FF >> register & 1 == 1
        default: break
        }
        return GuestCommand(code: code, reachesReservedRegister: isReserved)
    }

    /// Whether a guest's command runs. Looks at the TPM once.
    public mutating func isGuestRunning() -> Bool {
        interface.settleGuest()
        return interface.guest == .running || interface.guest == .cancelled
    }

    /// Has the TPM begin with the guest's command.
    ///
    /// - Precondition: `guestCommand` has judged `count` bytes, and none is running.
    /// - Throws: what an exchange throws before the TPM has begun.
    public mutating func beginGuestCommand(_ count: Int) throws(TPMError) {
        try interface.beginGuest(count)
    }

    /// Asks the TPM to end the guest's command, if one runs. The response may come all the same.
    public mutating func cancelGuestCommand() { interface.cancelGuest() }

    /// How long the response is that stands in the guest's bytes: 0 when the command was cancelled
    /// or the TPM has failed; nil when there is none. It is there until the next command.
    public var guestResponse: Int? {
        guard case .ended(let count) = interface.guest else { return nil }
        return count
    }
}
