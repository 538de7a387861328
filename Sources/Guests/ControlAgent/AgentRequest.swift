internal import ControlFrames

/// A request that was decoded, with its number.
struct AgentRequest {
    /// What is asked.
    enum Action {
        case open(nonce: [UInt8])
        case list([UInt16])
        case order(MachineOrder, UInt16)
        case load([UInt8])
        case readRecords
        case readLog(UInt32)
        case tpmCommand([UInt8])
        case close
    }

    let action: Action
    let kind: ControlFrameKind
    let sequence: UInt32
    /// What is signed.
    let body: [UInt8]
    let signature: [UInt8]
    /// The request in words, for the audit line.
    let title: String

    /// Decodes the payload of a frame.
    ///
    /// - Throws: what `ControlRequest` says.
    init(_ payload: [UInt8], _ header: ControlFrameHeader) throws(ControlRequestError) {
        let request = try ControlRequest(validating: payload.span, kind: header.kind)
        let body = array(request.body)
        let name = String(decoding: array(request.name), as: UTF8.self)
        let domain = request.orderedDomain ?? 0
        switch header.kind {
        case .open: (action, title) = (.open(nonce: body), "open")
        case .list:
            let domains = (0..<request.domainCount).map { request.domain(at: $0) }
            (action, title) = (.list(domains), "list \(domains.count) domains")
        case .deploy:
            (action, title) = (.order(.start, domain), "deploy \(name), domain \(domain)")
        case .destroy:
            (action, title) = (.order(.end, domain), "destroy \(name), domain \(domain)")
        case .load: (action, title) = (.load(body), "load a policy, \(body.count) bytes")
        case .readRecords: (action, title) = (.readRecords, "read records")
        case .readLog:
            let offset = request.logOffset
            (action, title) = (.readLog(offset), "read the event log from byte \(offset)")
        case .tpmCommand:
            let code = String(TPMMessage.code(of: request.body), radix: 16)
            (action, title) = (.tpmCommand(body), "TPM command 0x\(code)")
        case .close: (action, title) = (.close, "close")
        default: throw .unknownKind
        }
        kind = header.kind
        sequence = header.sequence
        self.body = body
        signature = array(request.signature)
    }

    /// Takes the manifest out of an archive; nil when it is none.
    static func manifest(of archive: [UInt8]) -> [UInt8]? {
        do throws(ControlArchiveError) {
            return array(try ControlArchive(validating: archive.span).manifest)
        } catch { return nil }
    }
}

private func array(_ bytes: borrowing Span<UInt8>) -> [UInt8] { bytes.indices.map { bytes[$0] } }
