/// The registers of a TPM's interface, and a clock to bound waits with.
///
/// The machine implements it over memory-mapped registers; tests implement it over a simulated
/// interface. An access that the hardware does not answer reads as all ones.
public protocol TPMRegisters: ~Copyable {
    /// Reads one byte.
    /// - Units: `offset` in bytes from `0xFED4_0000`, locality 0.
    mutating func read8(_ offset: UInt32) -> UInt8

    /// Reads four bytes, little-endian; `offset` is a multiple of 4.
    mutating func read32(_ offset: UInt32) -> UInt32

    /// Writes one byte.
    mutating func write8(_ offset: UInt32, _ value: UInt8)

    /// Writes four bytes, little-endian; `offset` is a multiple of 4.
    mutating func write32(_ offset: UInt32, _ value: UInt32)

    /// Returns the present tick of a clock that does not go backwards.
    mutating func tick() -> UInt64

    /// How many ticks pass in a millisecond; an estimate that is too high lengthens waits, one
    /// that is too low shortens them. Polls are bounded by number too, so a clock that stands
    /// still hangs nothing.
    var ticksPerMillisecond: UInt64 { get }
}

/// Offsets of the FIFO interface in locality 0 (TCG PC Client Platform TPM Profile for TPM 2.0,
/// section 6.5.2, table 19).
enum FIFORegister {
    /// `TPM_ACCESS_0`.
    static var access: UInt32 { 0x00 }
    /// `TPM_STS_0`.
    static var status: UInt32 { 0x18 }
    /// `TPM_DATA_FIFO_0`.
    static var dataFIFO: UInt32 { 0x24 }
    /// `TPM_INTERFACE_ID_0`.
    static var interfaceID: UInt32 { 0x30 }
    /// `TPM_DID_VID_0`.
    static var deviceVendorID: UInt32 { 0xF00 }
}

/// Bits of `TPM_ACCESS_x` (as above, table 22).
enum FIFOAccess {
    /// `tpmRegValidSts`: the other bits are valid.
    static var valid: UInt8 { 0x80 }
    /// `activeLocality`; written: relinquish.
    static var activeLocality: UInt8 { 0x20 }
    /// `requestUse`.
    static var requestUse: UInt8 { 0x02 }
}

/// Bits of `TPM_STS_x` (as above, table 24).
enum FIFOStatus {
    /// `stsValid`: `dataAvail` and `Expect` are valid.
    static var valid: UInt32 { 0x80 }
    /// `commandReady`.
    static var commandReady: UInt32 { 0x40 }
    /// `tpmGo`.
    static var go: UInt32 { 0x20 }
    /// `dataAvail`.
    static var dataAvailable: UInt32 { 0x10 }
    /// `Expect`.
    static var expect: UInt32 { 0x08 }

    /// Returns `burstCount`: how many bytes the FIFO takes or gives without a wait.
    static func burstCount(_ status: UInt32) -> UInt32 { (status >> 8) & 0xFFFF }

    /// Returns `tpmFamily`: 1 for TPM 2.0; reserved and zero in TPM 1.2.
    static func family(_ status: UInt32) -> UInt32 { (status >> 26) & 3 }
}

/// Offsets of the command response buffer in locality 0 (as above, section 6.5.3, table 25).
enum CRBRegister {
    /// `TPM_LOC_STATE_0`.
    static var localityState: UInt32 { 0x00 }
    /// `TPM_LOC_CTRL_0`.
    static var localityControl: UInt32 { 0x08 }
    /// `TPM_CRB_CTRL_REQ_0`.
    static var request: UInt32 { 0x40 }
    /// `TPM_CRB_CTRL_STS_0`.
    static var status: UInt32 { 0x44 }
    /// `TPM_CRB_CTRL_CANCEL_0`.
    static var cancel: UInt32 { 0x48 }
    /// `TPM_CRB_CTRL_START_0`.
    static var start: UInt32 { 0x4C }
    /// `TPM_CRB_CTRL_CMD_SIZE_0`.
    static var commandSize: UInt32 { 0x58 }
    /// `TPM_CRB_CTRL_CMD_LADDR_0`.
    static var commandAddressLow: UInt32 { 0x5C }
    /// `TPM_CRB_CTRL_CMD_HADDR_0`.
    static var commandAddressHigh: UInt32 { 0x60 }
    /// `TPM_CRB_CTRL_RSP_SIZE_0`.
    static var responseSize: UInt32 { 0x64 }
    /// `TPM_CRB_CTRL_RSP_ADDR_0`, low half.
    static var responseAddressLow: UInt32 { 0x68 }
    /// `TPM_CRB_CTRL_RSP_ADDR_0`, high half.
    static var responseAddressHigh: UInt32 { 0x6C }
    /// `TPM_CRB_DATA_BUFFER_0`: no buffer begins before it.
    static var dataBuffer: UInt32 { 0x80 }
    /// The end of locality 0: no buffer goes past it.
    static var end: UInt32 { 0x1000 }
    /// Where locality 0 lies in memory; the buffers' addresses are of memory.
    static var base: UInt32 { 0xFED4_0000 }
}

/// Bits of the command response buffer's registers (as above, tables 26 to 34).
enum CRBBits {
    /// `TPM_LOC_STATE`: `tpmRegValidSts`, `locAssigned`.
    static var localityGranted: UInt32 { 0x82 }
    /// `TPM_LOC_STATE`: those and `activeLocality`, which is then to be 0.
    static var localityMask: UInt32 { 0x9E }
    /// `TPM_LOC_CTRL`: `requestAccess`.
    static var requestAccess: UInt32 { 1 }
    /// `TPM_LOC_CTRL`: `relinquish`.
    static var relinquish: UInt32 { 2 }
    /// `TPM_CRB_CTRL_REQ`: `cmdReady`.
    static var commandReady: UInt32 { 1 }
    /// `TPM_CRB_CTRL_REQ`: `goIdle`.
    static var goIdle: UInt32 { 2 }
    /// `TPM_CRB_CTRL_STS`: `tpmSts`, a fatal error.
    static var fatalError: UInt32 { 1 }
    /// `TPM_CRB_CTRL_STS`: `tpmIdle`.
    static var idle: UInt32 { 2 }
    /// `TPM_CRB_CTRL_START`: written to start; 0 when the response is there.
    static var start: UInt32 { 1 }
    /// `TPM_CRB_CTRL_CANCEL`: written to cancel.
    static var cancel: UInt32 { 1 }
}

/// How long the interface may take (as above, section 6.5.1.4), and how often it is asked at most.
enum InterfaceLimit {
    /// `TIMEOUT_A`, for a locality.
    static var localityInMilliseconds: UInt64 { 750 }
    /// `TIMEOUT_B`, to become ready for a command.
    static var readyInMilliseconds: UInt64 { 2_000 }
    /// `TIMEOUT_C` and `TIMEOUT_D`, for status and burst count, taken generously.
    static var statusInMilliseconds: UInt64 { 750 }
    /// The longest that one of our commands may run.
    static var commandInMilliseconds: UInt64 { 20_000 }
    /// How long a guest's command may go on when the machine itself needs the TPM.
    static var graceInMilliseconds: UInt64 { 200 }
    /// Polls of one wait, whatever the clock says.
    static var polls: Int { 20_000_000 }
}
