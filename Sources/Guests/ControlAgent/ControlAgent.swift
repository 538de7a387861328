internal import ControlFrames
public import PolicyAuthority

/// One end of the line, from the first byte on.
public struct ControlAgent {
    private let authority: AuthorityPublicKey
    private var session = ControlSession(opening: .open)
    private var sender = ControlFrameSender()
    private var challenge: [UInt8] = []
    private var pending: [UInt8] = []
    /// The command that the TPM has now.
    private var errand: TPMErrand?

    /// Starts without a session.
    ///
    /// - Parameter authority: who may order.
    public init(authority: AuthorityPublicKey) {
        self.authority = authority
    }

    /// Whether a frame has begun whose rest did not come yet.
    public var isWaiting: Bool { !pending.isEmpty }

    /// Whether the TPM has a command; then `attend` is to be called often.
    public var isAttending: Bool { errand != nil }

    /// Takes bytes of the line and serves the requests that they complete.
    public mutating func take(_ bytes: [UInt8], _ machine: inout some ControlledMachine) {
        pending += bytes
        var start = 0
        var isDone = false
        while !isDone {
            switch session.step(pending.span.extracting(start..<pending.count)) {
            case .wait: isDone = true
            case .skip(let count): start += count
            case .broken(let end):
                self.end(end, &machine)
                start += 1
            case .frame(let header):
                let body = start + ControlFrameHeader.byteCount
                let payload = Array(pending[body..<body + header.payloadByteCount])
                start = body + header.payloadByteCount
                session.take(header)
                serve(payload, header, &machine)
            }
        }
        pending.removeFirst(start)
    }

    /// Says that nothing came for two seconds: what has begun is not going to end.
    public mutating func fallSilent(_ machine: inout some ControlledMachine) {
        guard isWaiting else { return }
        if session.isOpen { end(.silence, &machine) }
        pending.removeFirst()
        take([], &machine)
    }

    // MARK: Sessions

    private mutating func begin(
        nonce: [UInt8], _ machine: inout some ControlledMachine
    ) {
        sender = ControlFrameSender()
        challenge = []
        errand?.request = nil
        guard let fresh = machine.challenge(), fresh.count == ControlSession.nonceByteCount else {
            session.end()
            return machine.say("session refused: there are no random numbers")
        }
        challenge = fresh
        machine.say("session opened")
        machine.send(sender.frame(.opened, nonce + challenge + authority.id))
    }

    private mutating func end(
        _ reason: ControlSessionEnd, _ machine: inout some ControlledMachine
    ) {
        machine.send(sender.frame(.closed, ControlPayload.closed(reason)))
        machine.say("session closed: \(reason.reason)")
        session.end()
        challenge = []
        errand?.request = nil
    }

    // MARK: Requests

    /// Serves one frame: decode, authorize, reserve, commit.
    private mutating func serve(
        _ payload: [UInt8], _ header: ControlFrameHeader,
        _ machine: inout some ControlledMachine
    ) {
        let name = "request \(header.sequence)"
        let request: AgentRequest
        do throws(ControlRequestError) {
            request = try AgentRequest(payload, header)
        } catch {
            machine.say("\(name) refused: \(error.reason)")
            return refuse(
                Refusal(.malformed, UInt32(header.kind.rawValue)), header.sequence, &machine)
        }
        switch request.action {
        case .open(let nonce): return begin(nonce: nonce, &machine)
        case .close: return end(.asked, &machine)
        case .tpmCommand(let command): return begin(command, request, &machine)
        default: break
        }
        do throws(Refusal) {
            try authorize(request)
            let answer = try commit(try reserve(request, &machine), &machine)
            machine.say("\(name), \(request.title): done")
            machine.send(sender.frame(answer.kind, answer.payload))
        } catch {
            machine.say("\(name), \(request.title) refused: \(error.clause)")
            refuse(error, header.sequence, &machine)
        }
    }

    private mutating func refuse(
        _ refusal: Refusal, _ sequence: UInt32, _ machine: inout some ControlledMachine
    ) {
        machine.send(
            sender.frame(
                .refused,
                ControlPayload.refused(sequence, refusal.reason, detail: refusal.detail)))
    }

    /// Verifies what a request must have to change something.
    ///
    /// - Throws: `.notAuthorized`, or one of the reasons about a manifest; nothing has changed.
    private func authorize(_ request: AgentRequest) throws(Refusal) {
        guard request.kind.isSigned else { return }
        let message = ControlPayload.signedMessage(
            challenge: challenge, sequence: request.sequence, kind: request.kind,
            body: request.body)
        guard authority.authorizes(message, signature: request.signature) else {
            throw Refusal(.notAuthorized)
        }
        guard case .load(let archive) = request.action else { return }
        try authorizeManifest(of: archive)
    }

    private func authorizeManifest(of archive: [UInt8]) throws(Refusal) {
        guard let manifest = AgentRequest.manifest(of: archive) else {
            throw Refusal(.malformedArchive)
        }
        do throws(BuildRefusal) {
            try ManifestFacts(validating: manifest).verifySignature(by: authority)
        } catch {
            switch error {
            case .unsigned: throw Refusal(.unsignedManifest)
            case .foreignKey: throw Refusal(.foreignManifest)
            case .badSignature: throw Refusal(.badManifestSignature)
            default: throw Refusal(.malformedManifest)
            }
        }
    }

    /// Looks whether the domain of an order is there, as far as control may know of it.
    ///
    /// - Throws: `.hypervisor`, `.agent`; nothing has changed.
    private func reserve(
        _ request: AgentRequest, _ machine: inout some ControlledMachine
    ) throws(Refusal) -> AgentRequest {
        guard case .order(_, let domain) = request.action else { return request }
        let state = machine.state(of: domain)
        guard state.error == 0 else { throw Refusal(.hypervisor, UInt32(state.error)) }
        return request
    }

    /// Does what was asked.
    ///
    /// - Throws: what the hypervisor answered; `.notInTime`.
    private mutating func commit(
        _ request: AgentRequest, _ machine: inout some ControlledMachine
    ) throws(Refusal) -> (kind: ControlFrameKind, payload: [UInt8]) {
        let sequence = request.sequence
        switch request.action {
        case .list(let domains):
            let states = domains.map { machine.state(of: $0) }
            return (.domains, ControlPayload.domains(sequence, states))
        case .order(let order, let domain):
            let error = machine.order(order, domain)
            guard error == 0 else { throw Refusal(.hypervisor, error) }
            let state = try wait(for: order, domain, sequence, &machine)
            return (.done, ControlPayload.domains(sequence, [state]))
        case .load(let archive):
            return (.loaded, try load(archive, sequence, &machine))
        case .readRecords:
            switch machine.records() {
            case .success(let text):
                return (.records, ControlPayload.records(sequence, text))
            case .failure(let error): throw Refusal(.hypervisor, error.number)
            }
        case .readLog(let offset):
            switch machine.eventLog(from: offset) {
            case .success(let part):
                return (.log, ControlPayload.log(sequence, total: part.total, part.bytes))
            case .failure(let error): throw Refusal(.hypervisor, error.number)
            }
        case .open, .close, .tpmCommand:
            preconditionFailure("sessions and commands of the TPM are served before others")
        }
    }

    /// Waits until an order has come to its end: two minutes; half a second where nothing moves.
    private mutating func wait(
        for order: MachineOrder, _ domain: UInt16, _ sequence: UInt32,
        _ machine: inout some ControlledMachine
    ) throws(Refusal) -> ControlDomainState {
        var unmoved = 0
        var state = machine.state(of: domain)
        for step in 1...1200 {
            switch (order, state.life) {
            case (.start, .running), (.start, .stopped), (.end, .absent): return state
            case (.start, .absent): unmoved += 1
            default: unmoved = 0
            }
            guard unmoved < 5 else { break }
            machine.pause()
            attend(&machine)
            if step % 10 == 0 {
                let payload = ControlPayload.working(sequence, milliseconds: UInt32(step) * 100)
                machine.send(sender.frame(.working, payload))
            }
            state = machine.state(of: domain)
        }
        throw Refusal(.notInTime, state.flags)
    }

    private func load(
        _ archive: [UInt8], _ sequence: UInt32, _ machine: inout some ControlledMachine
    ) throws(Refusal) -> [UInt8] {
        let answer = machine.load(archive)
        guard answer.error == 0 else {
            throw Refusal(.policy, answer.reason == 0 ? 256 + answer.error : answer.reason)
        }
        let list = machine.revoked() ?? RevocationList(sequence: 0, total: 0, revocations: [])
        machine.say("policy \(list.sequence) is in force; \(list.total) things were taken away")
        return ControlPayload.loaded(
            sequence, sequence: list.sequence, total: list.total, list.revocations)
    }
}

// MARK: The TPM

extension ControlAgent {
    /// Gives the TPM a command. Its response comes by `attend`; other requests are served before.
    private mutating func begin(
        _ command: [UInt8], _ request: AgentRequest, _ machine: inout some ControlledMachine
    ) {
        do throws(Refusal) {
            let limit = TPMMessage.maximumCommandByteCount
            guard command.count <= limit else { throw Refusal(.longTPMCommand, UInt32(limit)) }
            guard errand == nil else { throw Refusal(.busyTPM) }
            try TPMErrand.check(machine.beginTPMCommand(command))
            errand = TPMErrand(
                title: request.title, request: request.sequence, start: machine.milliseconds)
        } catch {
            machine.say("request \(request.sequence), \(request.title) refused: \(error.clause)")
            refuse(error, request.sequence, &machine)
        }
    }

    /// Looks whether the TPM has answered, and passes the response on; says each second that it
    /// has not.
    public mutating func attend(_ machine: inout some ControlledMachine) {
        guard var present = errand else { return }
        guard let result = machine.takeTPMResponse() else {
            guard let request = present.request, present.isSilent(at: machine.milliseconds) else {
                return
            }
            errand = present
            let payload = ControlPayload.working(request, milliseconds: present.elapsed)
            return machine.send(sender.frame(.working, payload))
        }
        errand = nil
        guard let request = present.request else {
            return machine.say("\(present.title): done, for a session that is over")
        }
        let name = "request \(request), \(present.title)"
        do throws(Refusal) {
            let response = try TPMErrand.whole(result)
            let code = String(TPMMessage.code(of: response.span), radix: 16)
            machine.say("\(name): done, the TPM answered 0x\(code)")
            machine.send(
                sender.frame(.tpmResponse, ControlPayload.tpmResponse(request, response)))
        } catch {
            machine.say("\(name) refused: \(error.clause)")
            refuse(error, request, &machine)
        }
    }
}

/// Why a request is refused.
struct Refusal: Error {
    let reason: ControlRefusal
    let detail: UInt32

    init(_ reason: ControlRefusal, _ detail: UInt32 = 0) {
        self.reason = reason
        self.detail = detail
    }

    /// A clause for the compartment's console.
    var clause: String {
        switch reason {
        case .malformed: "it is malformed"
        case .notAuthorized: "the signature is not the authority's over it, here and now"
        case .hypervisor: "the hypervisor answered errno \(detail)"
        case .notInTime: "the domain has not come as far in time"
        case .malformedArchive: "the archive has not policy and manifest"
        case .malformedManifest: "the manifest is malformed"
        case .unsignedManifest: "the manifest is not signed"
        case .foreignManifest: "the manifest is signed by another key"
        case .badManifestSignature: "the manifest's signature is wrong"
        case .policy: "the hypervisor refused the policy, reason \(detail)"
        case .agent: "the hypervisor could not be asked: errno \(detail)"
        case .noTPM: "this compartment has no TPM"
        case .busyTPM: "the TPM is busy with another command"
        case .longTPMCommand: "it is longer than \(detail) bytes"
        case .silentTPM: "the TPM gave no response: errno \(detail)"
        }
    }
}
