/// An answer of version 2, as the host reads it: a view of a payload that was checked.
///
/// For: what the agent says. Not for: whether it is true; an answer is not signed. Trusts nothing.
///
/// - Source: docs/abi/control-frames.md, version 2.
public struct ControlAnswer: ~Escapable {
    /// What is answered.
    public let kind: ControlFrameKind
    private let payload: Span<UInt8>

    /// Reads a payload.
    ///
    /// - Throws: `.unknownKind`; `.wrongLength`; `.unknownValue` for a number that has no meaning.
    @_lifetime(copy payload)
    public init(
        validating payload: Span<UInt8>, kind: ControlFrameKind
    ) throws(ControlAnswerError) {
        guard payload.count <= kind.maximumPayloadByteCount else { throw .wrongLength }
        switch kind {
        case .opened, .done, .refused, .working, .closed:
            guard payload.count == kind.maximumPayloadByteCount else { throw .wrongLength }
        case .domains:
            guard payload.count >= 4, (payload.count - 4) % ControlDomainState.byteCount == 0
            else { throw .wrongLength }
        case .loaded:
            guard payload.count >= 16,
                (payload.count - 16) % ControlRevocation.byteCount == 0
            else { throw .wrongLength }
        case .records: guard payload.count >= 4 else { throw .wrongLength }
        case .log: guard payload.count >= 8 else { throw .wrongLength }
        case .tpmResponse:
            guard payload.count >= 4, TPMMessage.isWhole(payload.extracting(4..<payload.count))
            else { throw .wrongLength }
        default: throw .unknownKind
        }
        if kind == .refused, ControlRefusal(rawValue: number16(payload, 4)) == nil {
            throw .unknownValue
        }
        if kind == .closed, ControlSessionEnd(rawValue: number16(payload, 0)) == nil {
            throw .unknownValue
        }
        self.kind = kind
        self.payload = payload
    }

    /// The number of the request that is answered; nil for `opened` and `closed`.
    public var request: UInt32? {
        kind == .opened || kind == .closed ? nil : number32(payload, 0)
    }

    /// The host's nonce, the agent's challenge, and the id of the key that the agent trusts: the
    /// parts 0, 1 and 2 of `opened`; empty for another kind.
    @_lifetime(copy self)
    public func openedPart(_ index: Int) -> Span<UInt8> {
        guard kind == .opened, (0..<3).contains(index) else { return payload.extracting(0..<0) }
        let start = index * ControlSession.nonceByteCount
        return payload.extracting(start..<start + ControlSession.nonceByteCount)
    }

    /// How many domains `domains` and `done` tell of.
    public var domainCount: Int {
        kind == .domains || kind == .done ? (payload.count - 4) / ControlDomainState.byteCount : 0
    }

    /// What is said of one.
    ///
    /// - Precondition: `index` is below `domainCount`.
    public func domain(at index: Int) -> ControlDomainState {
        let start = 4 + index * ControlDomainState.byteCount
        return ControlDomainState(
            domain: number16(payload, start), error: number16(payload, start + 2),
            flags: number32(payload, start + 4), generation: number32(payload, start + 8))
    }

    /// Why a request was refused, and the number that goes with it; nil for another kind.
    public var refusal: (reason: ControlRefusal, detail: UInt32)? {
        guard kind == .refused, let reason = ControlRefusal(rawValue: number16(payload, 4)) else {
            return nil
        }
        return (reason, number32(payload, 8))
    }

    /// Why the session is over; nil for another kind.
    public var end: ControlSessionEnd? {
        kind == .closed ? ControlSessionEnd(rawValue: number16(payload, 0)) : nil
    }

    /// How long a request has been worked on; 0 for another kind.
    /// - Units: milliseconds.
    public var elapsedInMilliseconds: UInt32 { kind == .working ? number32(payload, 4) : 0 }

    /// Which policy is in force, from 1, and how much was taken away; nil for another kind.
    public var load: (sequence: UInt32, total: UInt32)? {
        kind == .loaded ? (number32(payload, 4), number32(payload, 8)) : nil
    }

    /// How many things that were taken away `loaded` names.
    public var revocationCount: Int {
        kind == .loaded ? (payload.count - 16) / ControlRevocation.byteCount : 0
    }

    /// One thing that was taken away.
    ///
    /// - Precondition: `index` is below `revocationCount`.
    public func revocation(at index: Int) -> ControlRevocation {
        let start = 16 + index * ControlRevocation.byteCount
        return ControlRevocation(
            kind: number16(payload, start), holder: number16(payload, start + 2),
            other: number16(payload, start + 4), number: number32(payload, start + 8))
    }

    /// The text of `records`; empty for another kind.
    public var text: Span<UInt8> {
        @_lifetime(copy self)
        get {
            kind == .records ? payload.extracting(4..<payload.count) : payload.extracting(0..<0)
        }
    }

    /// How long the event log is; 0 for another kind.
    /// - Units: bytes.
    public var logByteCount: UInt32 { kind == .log ? number32(payload, 4) : 0 }

    /// A part of the event log; empty for another kind, and behind the log's end.
    public var logPart: Span<UInt8> {
        @_lifetime(copy self)
        get { kind == .log ? payload.extracting(8..<payload.count) : payload.extracting(0..<0) }
    }

    /// The response of the TPM, one whole message; empty for another kind.
    public var response: Span<UInt8> {
        @_lifetime(copy self)
        get {
            kind == .tpmResponse
                ? payload.extracting(4..<payload.count) : payload.extracting(0..<0)
        }
    }
}

/// Why a payload is no answer.
public enum ControlAnswerError: Error, Equatable {
    /// No answer has this kind.
    case unknownKind
    /// No answer of this kind has this length.
    case wrongLength
    /// A number stands for nothing.
    case unknownValue
}

/// What the hypervisor says of a domain's life.
///
/// - Layout: 16 bytes: `u16 domain`, `u16 error`, `u32 flags`, `u32 generation`, 4 zero bytes.
public struct ControlDomainState: Equatable, Sendable {
    /// The size of a record.
    /// - Units: bytes.
    public static var byteCount: Int { 16 }

    /// Which domain.
    public let domain: UInt16
    /// Why nothing is known: an `errno`; 0: the rest is.
    public let error: UInt16
    /// `XEN_DOMINF_…` of Xen's public `domctl.h`.
    public let flags: UInt32
    /// How many lives the domain has had, with this one.
    public let generation: UInt32

    /// Makes a record.
    public init(domain: UInt16, error: UInt16, flags: UInt32, generation: UInt32) {
        self.domain = domain
        self.error = error
        self.flags = flags
        self.generation = generation
    }

    /// What the flags say.
    public var life: Life {
        if error != 0 { return .unknown }
        if flags & 1 << 5 != 0 { return .running }
        if flags & 1 << 3 != 0 { return .absent }
        if flags & 1 << 2 != 0 { return .stopped(reason: flags >> 16 & 0xff) }
        return flags & 1 != 0 ? .ending : .unknown
    }

    /// Where a domain is in its life.
    public enum Life: Equatable, Sendable {
        /// It runs: `XEN_DOMINF_running`.
        case running
        /// It is not there, or waits to be started: `XEN_DOMINF_paused`.
        case absent
        /// It has stopped by itself, for a reason of Xen's public `sched.h`: `XEN_DOMINF_shutdown`.
        case stopped(reason: UInt32)
        /// It is being taken down: `XEN_DOMINF_dying`.
        case ending
        /// Nobody said.
        case unknown
    }
}

/// One thing that a reload took away, as the hypervisor lists it.
///
/// - Layout: 12 bytes: `u16 kind`, `u16 holder`, `u16 other`, `u16` 0, `u32 number`.
/// - Source: docs/abi/hypercalls.md, Reload.
public struct ControlRevocation: Equatable, Sendable {
    /// The size of a record.
    /// - Units: bytes.
    public static var byteCount: Int { 12 }

    /// 1 event channel, 2 waiting port, 3 mapping, 4 pending event, 5 virtual interrupt; of a
    /// device 6 I/O ports, 7 I/O memory, 8 interrupt line.
    public let kind: UInt16
    /// The domain that had it.
    public let holder: UInt16
    /// The domain at the other side; 0: the hypervisor.
    public let other: UInt16
    /// The holder's port or handle; of a device the first port, address or line.
    public let number: UInt32

    /// Makes a record.
    public init(kind: UInt16, holder: UInt16, other: UInt16, number: UInt32) {
        self.kind = kind
        self.holder = holder
        self.other = other
        self.number = number
    }
}

/// Why the agent refuses a request; the number is the one on the wire.
public enum ControlRefusal: UInt16, Sendable {
    /// It is no request; the detail is the frame's kind.
    case malformed = 1
    /// The signature is not the authority's over this request in this session.
    case notAuthorized = 2
    /// The hypervisor refused; the detail is the `errno`.
    case hypervisor = 3
    /// The order was taken down, and the domain has not come as far in the time; the detail is its
    /// flags.
    case notInTime = 4
    /// What came is no archive with a policy and a manifest.
    case malformedArchive = 5
    /// The manifest breaks a rule of its format.
    case malformedManifest = 6
    /// The manifest is not signed.
    case unsignedManifest = 7
    /// The manifest is signed by somebody else.
    case foreignManifest = 8
    /// The manifest's signature is not the authority's over these bytes.
    case badManifestSignature = 9
    /// The hypervisor refused the new policy; the detail is its reason.
    case policy = 10
    /// The agent could not do its part; the detail is the `errno`.
    case agent = 11
    /// The compartment has no TPM.
    case noTPM = 12
    /// A command of the TPM is under way, or another program of the compartment has the TPM.
    case busyTPM = 13
    /// The command is longer than any that the TPM is given; the detail is the most bytes.
    case longTPMCommand = 14
    /// The TPM gave no response; the detail is the `errno`.
    case silentTPM = 15
}
