/// The kinds of version 2: what is said on COM2 when it is the control compartment's.
///
/// - Source: docs/abi/control-frames.md, version 2.
extension ControlFrameKind {
    /// Begins a session. Host to agent.
    public static var open: ControlFrameKind { ControlFrameKind(rawValue: 16) }
    /// Asks about some domains. Host to agent.
    public static var list: ControlFrameKind { ControlFrameKind(rawValue: 17) }
    /// Orders a domain to start; signed. Host to agent.
    public static var deploy: ControlFrameKind { ControlFrameKind(rawValue: 18) }
    /// Orders a domain to end; signed. Host to agent.
    public static var destroy: ControlFrameKind { ControlFrameKind(rawValue: 19) }
    /// Brings a new policy; signed. Host to agent.
    public static var load: ControlFrameKind { ControlFrameKind(rawValue: 20) }
    /// Asks for audit records. Host to agent.
    public static var readRecords: ControlFrameKind { ControlFrameKind(rawValue: 21) }
    /// Ends a session. Host to agent.
    public static var close: ControlFrameKind { ControlFrameKind(rawValue: 22) }
    /// Has the compartment's TPM run one command. Host to agent.
    public static var tpmCommand: ControlFrameKind { ControlFrameKind(rawValue: 23) }
    /// Asks for a part of the event log. Host to agent.
    public static var readLog: ControlFrameKind { ControlFrameKind(rawValue: 24) }

    /// The session has begun. Agent to host.
    public static var opened: ControlFrameKind { ControlFrameKind(rawValue: 32) }
    /// What is known of some domains. Agent to host.
    public static var domains: ControlFrameKind { ControlFrameKind(rawValue: 33) }
    /// An order was carried out. Agent to host.
    public static var done: ControlFrameKind { ControlFrameKind(rawValue: 34) }
    /// The new policy is in force; what was taken away. Agent to host.
    public static var loaded: ControlFrameKind { ControlFrameKind(rawValue: 35) }
    /// Audit records. Agent to host.
    public static var records: ControlFrameKind { ControlFrameKind(rawValue: 36) }
    /// A request was refused, and nothing changed. Agent to host.
    public static var refused: ControlFrameKind { ControlFrameKind(rawValue: 37) }
    /// A request is being carried out. Agent to host.
    public static var working: ControlFrameKind { ControlFrameKind(rawValue: 38) }
    /// The session is over. Agent to host.
    public static var closed: ControlFrameKind { ControlFrameKind(rawValue: 39) }
    /// What the TPM answered. Agent to host.
    public static var tpmResponse: ControlFrameKind { ControlFrameKind(rawValue: 40) }
    /// A part of the event log. Agent to host.
    public static var log: ControlFrameKind { ControlFrameKind(rawValue: 41) }

    /// The most bytes of the event log that one answer has.
    public static var maximumLogPartByteCount: Int { 16 << 10 }

    /// Whether requests of this kind change something and therefore carry a signature.
    public var isSigned: Bool { self == .deploy || self == .destroy || self == .load }

    /// The longest payload of this kind, in version 2.
    /// - Units: bytes.
    public var maximumPayloadByteCount: Int {
        switch self {
        case .open: ControlSession.nonceByteCount
        case .opened: 3 * ControlSession.nonceByteCount
        case .list: 2 * ControlRequest.maximumDomainCount
        case .deploy, .destroy:
            2 + ControlRequest.maximumNameByteCount + ControlRequest.signatureByteCount
        case .load: ControlFrameHeader.maximumPayloadByteCount
        case .readRecords, .close: 0
        case .domains:
            4 + ControlRequest.maximumDomainCount * ControlDomainState.byteCount
        case .done: 4 + ControlDomainState.byteCount
        case .loaded: 16 + 4096 * ControlRevocation.byteCount
        case .records: 4 + 16 << 10
        case .refused: 12
        case .working: 8
        case .closed: 2
        case .tpmCommand: TPMMessage.maximumByteCount
        case .tpmResponse: 4 + TPMMessage.maximumByteCount
        case .readLog: 4
        case .log: 8 + ControlFrameKind.maximumLogPartByteCount
        default: 4096
        }
    }
}
