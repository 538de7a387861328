/// A request of version 2, as the agent reads it: a view of a payload that was checked.
///
/// For: everything about a request that can be said without a key and without a machine. Not for:
/// whether it is permitted. Invariant: a name is one that the policy language could have given,
/// so it can be shown.
///
/// - Source: docs/abi/control-frames.md, version 2.
public struct ControlRequest: ~Escapable {
    /// The length of a signature: r and s of P-384, 48 bytes each.
    /// - Units: bytes.
    public static var signatureByteCount: Int { 96 }
    /// The longest name of a compartment.
    /// - Units: bytes.
    public static var maximumNameByteCount: Int { 63 }
    /// The most domains that one request asks about.
    public static var maximumDomainCount: Int { 32 }

    /// What is asked.
    public let kind: ControlFrameKind
    /// The payload without the signature: what is signed.
    public let body: Span<UInt8>
    /// The signature; empty for a kind that has none.
    public let signature: Span<UInt8>

    /// Reads a payload.
    ///
    /// - Trust: any bytes. What is returned is well formed; a signature is still to be verified.
    /// - Throws: `.unknownKind`; `.wrongLength` when the payload cannot have that length;
    ///   `.domainsNotRising` for a list that is not in strictly rising order; `.malformedName`;
    ///   `.malformedCommand` when it is not exactly one command of a TPM.
    @_lifetime(copy payload)
    public init(
        validating payload: Span<UInt8>, kind: ControlFrameKind
    ) throws(ControlRequestError) {
        let signatureCount = kind.isSigned ? Self.signatureByteCount : 0
        guard payload.count >= signatureCount, payload.count <= kind.maximumPayloadByteCount
        else { throw .wrongLength }
        let body = payload.extracting(0..<payload.count - signatureCount)
        switch kind {
        case .open:
            guard body.count == ControlSession.nonceByteCount else { throw .wrongLength }
        case .list: try checkList(body)
        case .deploy, .destroy: try checkOrder(body)
        case .load: guard body.count > 0 else { throw .wrongLength }
        case .tpmCommand: guard TPMMessage.isWhole(body) else { throw .malformedCommand }
        case .readLog: guard body.count == 4 else { throw .wrongLength }
        case .readRecords, .close: break
        default: throw .unknownKind
        }
        self.kind = kind
        self.body = body
        signature = payload.extracting(payload.count - signatureCount..<payload.count)
    }

    /// How many domains `list` asks about; 0 for another kind.
    public var domainCount: Int { kind == .list ? body.count / 2 : 0 }

    /// The domain at a place of `list`.
    ///
    /// - Precondition: `index` is below `domainCount`.
    public func domain(at index: Int) -> UInt16 { number16(body, 2 * index) }

    /// The domain that is to start or to end; nil for another kind.
    public var orderedDomain: UInt16? {
        kind == .deploy || kind == .destroy ? number16(body, 0) : nil
    }

    /// Where the wanted part of the log begins; 0 for another kind.
    /// - Units: bytes.
    public var logOffset: UInt32 { kind == .readLog ? number32(body, 0) : 0 }

    /// The name that goes with `orderedDomain`; empty for another kind.
    public var name: Span<UInt8> {
        @_lifetime(copy self)
        get {
            orderedDomain == nil ? body.extracting(0..<0) : body.extracting(2..<body.count)
        }
    }
}

/// Why a payload is no request.
public enum ControlRequestError: Error, Equatable {
    /// No request has this kind.
    case unknownKind
    /// No request of this kind has this length.
    case wrongLength
    /// The domains of a list are not in strictly rising order.
    case domainsNotRising
    /// The name is none that a compartment can have.
    case malformedName
    /// The bytes are not one command of a TPM.
    case malformedCommand

    /// A clause for people, ASCII.
    public var reason: StaticString {
        switch self {
        case .unknownKind: "there is no such request"
        case .wrongLength: "the request has a wrong length"
        case .domainsNotRising: "the domains are not in rising order"
        case .malformedName: "the name is none"
        case .malformedCommand: "it is not one command of a TPM"
        }
    }
}

private func checkList(_ body: Span<UInt8>) throws(ControlRequestError) {
    guard body.count > 0, body.count % 2 == 0 else { throw .wrongLength }
    for index in 1..<body.count / 2 + 1 where index < body.count / 2 {
        guard number16(body, 2 * index) > number16(body, 2 * index - 2) else {
            throw .domainsNotRising
        }
    }
}

/// A name is a letter, then letters, digits and `_`.
private func checkOrder(_ body: Span<UInt8>) throws(ControlRequestError) {
    guard body.count > 2 else { throw .wrongLength }
    for index in 2..<body.count {
        let byte = body[index]
        let isLetter = (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        let isOther = index > 2 && ((0x30...0x39).contains(byte) || byte == 0x5f)
        guard isLetter || isOther else { throw .malformedName }
    }
}
