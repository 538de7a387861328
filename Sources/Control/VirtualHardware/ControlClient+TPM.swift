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
