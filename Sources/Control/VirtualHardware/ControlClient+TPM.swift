internal import ControlFrames

/// Commands of the control compartment's TPM, by the agent.
extension ControlClient {
    /// How long the agent has for one. It gives a sign of life each second, Linux's driver gives up
    /// after two minutes, and who wants an end waits for two seconds.
    private static var command: AnswerPatience {
        AnswerPatience(
            silenceInMilliseconds: 15_000, wholeInMilliseconds: 150_000,
            farewellInMilliseconds: 2000)
    }
    /// How long somebody else's command is waited for.
    private static var others: Duration { .seconds(10) }

    /// Reads the event log by the agent, which has it from the hypervisor.
    ///
    /// - Parameter isInterrupted: whether somebody wants an end.
    /// - Throws: `ControlClientError`; `.strange` for a log that is longer than any, or shorter
    ///   than it was.
    public mutating func readEventLog(
        isInterrupted: () -> Bool = { false }
    ) throws(ControlClientError) -> [UInt8] {
        var log: [UInt8] = []
        while true {
            let (total, part) = try readEventLog(from: log.count, isInterrupted)
            log += part
            guard total <= 1 << 20, log.count <= total else { throw .strange }
            if log.count == total { return log }
            guard !part.isEmpty else { throw .strange }
        }
    }

    /// Reads how long the event log is, and nothing of it.
    ///
    /// - Throws: `ControlClientError`.
    public mutating func eventLogByteCount(
        isInterrupted: () -> Bool = { false }
    ) throws(ControlClientError) -> Int {
        try readEventLog(from: Int(UInt32.max), isInterrupted).total
    }

    private mutating func readEventLog(
        from offset: Int, _ isInterrupted: () -> Bool
    ) throws(ControlClientError) -> (total: Int, part: [UInt8]) {
        let number = try send(.readLog, ControlPayload.readLog(from: UInt32(clamping: offset)))
        let reply = try answer(to: number, Self.command, isInterrupted: isInterrupted)
        let answer: ControlAnswer
        do throws(ControlAnswerError) {
            answer = try ControlAnswer(validating: reply.payload.span, kind: reply.kind)
        } catch { throw .strange }
        guard reply.kind == .log else { throw .strange }
        let part = answer.logPart
        return (Int(answer.logByteCount), part.indices.map { part[$0] })
    }

    /// Has the TPM run one command. While the TPM has somebody else's, it is asked again.
    ///
    /// - Parameter isInterrupted: whether somebody wants an end; then the command has two seconds.
    /// - Returns: the response.
    /// - Throws: `ControlClientError`; `.unanswered(.timeout)` also when the agent falls silent, or
    ///   the interruption did not wait for the response. After `.refused` the session goes on.
    public mutating func runTPMCommand(
        _ command: [UInt8], isInterrupted: () -> Bool = { false }
    ) throws(ControlClientError) -> [UInt8] {
        let begin = ContinuousClock.now
        while true {
            do throws(ControlClientError) {
                let number = try send(.tpmCommand, command)
                let reply = try answer(to: number, Self.command, isInterrupted: isInterrupted)
                guard reply.kind == .tpmResponse else { throw .strange }
                return Array(reply.payload.dropFirst(4))
            } catch {
                guard case .refused(.busyTPM, _) = error, !isInterrupted(),
                    begin.duration(to: .now) < Self.others
                else { throw error }
                _ = try? readable([], timeoutInMilliseconds: 50)
            }
        }
    }
}
