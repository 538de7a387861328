internal import ControlFrames

/// A command that the TPM has, and for whom.
struct TPMErrand {
    /// The command in words.
    let title: String
    /// The number of the request; nil: its session is over, and the response goes to nobody.
    var request: UInt32?
    private let start: UInt64
    /// How long it has taken, as the host was told last.
    /// - Units: milliseconds.
    private(set) var elapsed: UInt32 = 0

    init(title: String, request: UInt32, start: UInt64) {
        self.title = title
        self.request = request
        self.start = start
    }

    /// Whether the host has to be told that the command goes on: once a second.
    mutating func isSilent(at time: UInt64) -> Bool {
        let passed = UInt32(clamping: Int64(clamping: time) - Int64(clamping: start))
        guard passed >= elapsed, passed - elapsed >= 1000 else { return false }
        elapsed = passed
        return true
    }

    /// - Throws: what an `errno` of a beginning means.
    static func check(_ error: UInt32) throws(Refusal) {
        switch error {
        case 0: return
        case 2, 6, 19: throw Refusal(.noTPM)  // ENOENT, ENXIO, ENODEV
        case 16: throw Refusal(.busyTPM)  // EBUSY
        default: throw Refusal(.silentTPM, error)
        }
    }

    /// - Throws: `.silentTPM` when there is no response, or it is not one; `EBADMSG` then.
    static func whole(_ result: Result<[UInt8], MachineError>) throws(Refusal) -> [UInt8] {
        switch result {
        case .success(let response):
            guard TPMMessage.isWhole(response.span) else { throw Refusal(.silentTPM, 74) }
            return response
        case .failure(let error): throw Refusal(.silentTPM, error.number)
        }
    }
}
