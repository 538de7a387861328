import PolicyDatabase

/// What the service `tpm` asks for a user that the policy lets reach the TPM. Whoever runs the core
/// carries it out.
public struct TPMOrder: BitwiseCopyable {
    /// What is to be done: 1 begin with a command, 2 take the response, 3 end the command.
    public let action: UInt32
    /// Whose command it is.
    public let user: DomainID
    /// Where the command is, or the response goes, in the service's memory.
    public let buffer: GuestVirtualAddress
    /// How long the command is, or the most that the response may be, in bytes.
    public let size: UInt32
}

extension HypervisorCore {
    /// `CASEMATE_TPM` of `xsm_op`: a command of a user of the service `tpm`.
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (1), `u32 action`, `u16 user`, 2 bytes,
    ///   `u64 buffer`,
    ///   `u32 size`, 4 bytes.
    /// - Throws: `.badAddress`; `.invalidArgument` for another version or size;
    ///   `.notPermitted` when the policy does not let the domain use the TPM, or there is none.
    mutating func orderTPM(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let request = try call.arguments(32, machine)
        guard request.u32(at: 4) == 1, request.u32(at: 24) <= 4096 else { throw .invalidArgument }
        let subject = DomainID(number: request.u16(at: 12))
        _ = try authorizeControl(
            of: subject, DomainPermission.getdomaininfo, HypercallOperation.orderTPM.name, call,
            &machine)
        tpmOrder = TPMOrder(
            action: request.u32(at: 8), user: subject,
            buffer: GuestVirtualAddress(request.u64(at: 16)),
            size: request.u32(at: 24))
    }

    /// Takes the order that the last call gave.
    public mutating func takeTPMOrder() -> TPMOrder? {
        defer { tpmOrder = nil }
        return tpmOrder
    }
}
