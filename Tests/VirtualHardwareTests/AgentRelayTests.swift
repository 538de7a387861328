import Appraisal
import ControlFrames
import Foundation
import Synchronization
import TPMDevice
import TPMSoftwareStack
import TPMStructures
import TestSupport
import Testing
import VirtualHardware

private let nonce = (0..<20).map { UInt8($0) }
private let secret = (0..<32).map { UInt8(200 - $0) }
private let command: [UInt8] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 8]
private let response: [UInt8] = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 7]

/// A TPM of either family behind a transport.
private func tpm(_ model: TPMModel, _ transport: any TPMTransport) throws -> any AttestingTPM {
    guard model == .onePointTwo else { return try TPMConnection(over: transport) }
    let secrets = OnePointTwoSecrets(
        owner: SoftwareTPM.ownerSecret, storageRoot: SoftwareTPM.ownerSecret)
    return OnePointTwoConnection(over: transport, secrets: try #require(secrets))
}

/// What a client says of an agent that answers the first command in some way.
private func failure(
    isInterrupted: @escaping @Sendable () -> Bool = { false },
    _ answer: @escaping @Sendable (inout HostileAgent) throws -> Void
) throws -> ControlClientError? {
    let line = try AgentLine { line, _ in
        var agent = HostileAgent(line)
        try agent.open()
        _ = try agent.take()
        try answer(&agent)
    }
    defer { line.end() }
    var client = try ControlClient(line.path)
    do throws(ControlClientError) {
        let answered = try client.runTPMCommand(command, isInterrupted: isInterrupted)
        #expect(answered == response)
        return nil
    } catch { return error }
}

@Suite(.serialized) struct AgentRelayTests {
    @Test(
        "TPMs of both families are enrolled and quoted through an agent",
        arguments: [TPMModel.twoPointZero, .onePointTwo])
    func wholeFlow(_ model: TPMModel) throws {
        let machine = try EmulatedMachine(model)
        defer { machine.end() }
        let log = try measure(sampleReference(), machine)
        let line = try AgentLine(tpm: machine.socketPath)
        defer { line.end() }
        let transport = try line.transport()
        #expect(
            try family(ofTPMBehind: transport)
                == (model == .onePointTwo ? .onePointTwo : .twoPointZero))
        let tpm = PatientTPM(try tpm(model, transport))
        let identity = try tpm.identity()
        #expect(try tpm.endorsementCertificate() == nil)
        let request = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey)
        let (challenge, pending) = try request.challenge(
            endorsementKeyName: try request.endorsementKeyName(), secret: secret)
        let parts = try challenge.parts()
        let read = try tpm.activate(credential: parts.credential, secret: parts.secret)
        let key = try pending.accept(EnrolmentResponse(secret: read))
        #expect(try !key.name().isEmpty)
        let quote = try tpm.quote(qualifyingData: nonce, registers: [12, 13, 15])
        #expect(quote.attestationKey == identity.attestationKey)
        let policy = AppraisalPolicy(
            nonce: nonce, attestationKeyName: nil, permitsOnePointTwo: true)
        let answer = Appraiser(reference: sampleReference(), policy: policy).appraise(
            Evidence(
                quote: quote.statement, signature: quote.signature,
                attestationKey: quote.attestationKey, eventLog: log, family: quote.family))
        guard case .accepted = answer else {
            Issue.record("refused: \(answer)")
            return
        }
    }

    @Test(
        "what was cancelled is asked again, for a while, and then told",
        arguments: [TPMModel.twoPointZero, .onePointTwo])
    func cancelled(_ model: TPMModel) throws {
        let machine = try EmulatedMachine(model)
        defer { machine.end() }
        _ = try measure(sampleReference(), machine)
        let code: UInt32 = model == .onePointTwo ? 0x3E : 0x158
        for (count, isAnswered) in [(2, true), (PatientTPM.attemptCount, false)] {
            let line = try AgentLine(tpm: machine.socketPath, cancelling: (code, count))
            defer { line.end() }
            let tpm = PatientTPM(try tpm(model, try line.transport()), pauseInMilliseconds: 1)
            let quote = Result { try tpm.quote(qualifyingData: nonce, registers: [12]) }
            switch quote {
            case .success: #expect(isAnswered)
            case .failure(let error):
                #expect(!isAnswered && error as? TPMConnectionError == .cancelled, "\(error)")
            }
            // The attempts left nothing in the TPM, which has room for three keys.
            #expect(throws: Never.self) {
                _ = try tpm.quote(qualifyingData: nonce, registers: [12])
            }
        }
    }

    @Test("a compartment without a TPM is a reason, and so is every other refusal")
    func refused() throws {
        let line = try AgentLine(tpm: nil)
        defer { line.end() }
        var client = try ControlClient(line.path)
        #expect(throws: ControlClientError.refused(.noTPM, detail: 0)) {
            _ = try client.runTPMCommand(command)
        }
        // The session goes on.
        #expect(throws: ControlClientError.refused(.malformed, detail: 23)) {
            _ = try client.runTPMCommand([1, 2, 3])
        }
        for reason in [ControlRefusal.silentTPM, .longTPMCommand, .malformed] {
            let error = try failure { agent in
                try agent.answer(
                    .refused, ControlPayload.refused(agent.request, reason, detail: 62))
            }
            #expect(error == .refused(reason, detail: 62))
        }
    }

    @Test("an agent that is slow, or busy with another's command, is waited for")
    func slow() throws {
        let error = try failure { agent in
            for _ in 0..<3 {
                try agent.answer(
                    .refused, ControlPayload.refused(agent.request, .busyTPM, detail: 0))
                _ = try agent.take()
            }
            for second in 1...2 {
                try agent.answer(
                    .working,
                    ControlPayload.working(agent.request, milliseconds: UInt32(second) * 1000))
            }
            // The response comes byte by byte.
            let frame = agent.sender.frame(
                .tpmResponse, ControlPayload.tpmResponse(agent.request, response))
            for byte in frame { try agent.line.writeAll([byte]) }
            try agent.waitForEnd()
        }
        #expect(error == nil)
    }

    @Test("the event log comes by the agent, whole, and how long it is")
    func eventLog() throws {
        let line = try AgentLine(tpm: nil)
        defer { line.end() }
        var client = try ControlClient(line.path)
        #expect(try client.readEventLog() == AgentLine.eventLog)
        #expect(try client.eventLogByteCount() == AgentLine.eventLog.count)
        client.close()
    }

    @Test("half an answer, another's answer, a false one and a dead agent are each told")
    func hostile() throws {
        let frame = ControlPayload.tpmResponse
        let answers: [(ControlClientError, @Sendable (inout HostileAgent) throws -> Void)] = [
            (.unanswered(.connectionClosed), { _ in }),
            (
                .unanswered(.connectionClosed),
                { agent in
                    let whole = agent.sender.frame(.tpmResponse, frame(agent.request, response))
                    try agent.line.writeAll(Array(whole.dropLast()))
                }
            ),
            (
                .unanswered(.connectionClosed),
                { agent in
                    var whole = agent.sender.frame(.tpmResponse, frame(agent.request, response))
                    whole[whole.count - 1] ^= 1
                    try agent.line.writeAll(whole)
                }
            ),
            (.strange, { try $0.answer(.tpmResponse, frame($0.request - 1, response)) }),
            (.strange, { try $0.answer(.tpmResponse, frame($0.request, response + [0])) }),
            (.strange, { try $0.answer(.tpmResponse, frame($0.request, [])) }),
            (.strange, { try $0.answer(.records, frame($0.request, [65])) }),
            (
                .strange,
                { try $0.answer(.working, ControlPayload.working(9, milliseconds: 1)) }
            ),
            (.closed(.silence), { try $0.answer(.closed, ControlPayload.closed(.silence)) }),
        ]
        for (index, (expected, answer)) in answers.enumerated() {
            #expect(try failure(answer) == expected, "answer \(index)")
        }
    }

    @Test("who wants an end waits for two seconds, whatever the agent does not say")
    func interrupted() throws {
        let start = ContinuousClock.now
        let error = try failure(isInterrupted: { true }) { agent in try agent.waitForEnd() }
        let passed = start.duration(to: .now)
        #expect(error == .unanswered(.timeout))
        #expect(passed > .milliseconds(1900) && passed < .seconds(8), "\(passed)")
    }

    @Test("an end in the middle takes what was made out of the TPM, and asks for nothing more")
    func takesOut() throws {
        let machine = try EmulatedMachine()
        defer { machine.end() }
        _ = try measure(sampleReference(), machine)
        let line = try AgentLine(tpm: machine.socketPath)
        defer { line.end() }
        // Four times: there is room for three keys.
        for _ in 0..<4 {
            var asked: [UInt8] = []
            let behind = try line.transport()
            let relay = RelayTransport(isInterrupted: { asked.contains(0x31) }) {
                command throws(TPMConnectionError) in
                asked.append(command[9])
                return try behind.exchange(command)
            }
            let tpm = PatientTPM(try TPMConnection(over: relay))
            #expect(throws: TPMConnectionError.callFailed("Esys_Quote", code: 0x120)) {
                _ = try tpm.quote(qualifyingData: nonce, registers: [12])
            }
            // `TPM2_CreatePrimary`, then `TPM2_FlushContext` alone.
            #expect(asked == [0x31, 0x65])
        }
        let tpm = try TPMConnection(over: try line.transport())
        _ = try tpm.quote(qualifyingData: nonce, registers: [12])
    }

    @Test("behind a failure nothing is sent any more, and a false length is one")
    func broken() throws {
        var sent = 0
        let transport = RelayTransport { command throws(TPMConnectionError) in
            sent += 1
            return response + [0]
        }
        for _ in 0..<3 {
            #expect(throws: TPMConnectionError.responseMalformed("a command")) {
                _ = try transport.exchange(command)
            }
        }
        #expect(sent == 1)
        // The stack's own code does not hide what it was.
        #expect(throws: TPMConnectionError.responseMalformed("a command")) {
            _ = try TPMConnection(over: transport).identity()
        }
        // Who refuses in a TPM's name, before its family is known, is understood.
        let refusing = RelayTransport { _ throws(TPMConnectionError) in
            [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x20]
        }
        #expect(throws: TPMConnectionError.callFailed("TPM2_GetCapability", code: 0x120)) {
            _ = try family(ofTPMBehind: refusing)
        }
    }
}
