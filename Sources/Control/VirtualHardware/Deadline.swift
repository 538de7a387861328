/// Does something when a time is over, unless it is told before that there is no need to.
///
/// For: ending a program whose library waits without an end. Not for: stopping what runs; whatever
/// is done is done beside it.
public final class Deadline {
    private let stop: Descriptor
    private let worker: InterposerThread

    /// Starts the time.
    ///
    /// - Parameters:
    ///   - seconds: how long, at most a day.
    ///   - whenOver: is called once, on another thread.
    /// - Throws: `.systemCall`.
    public init(
        seconds: Int, whenOver: @escaping @Sendable () -> Void
    ) throws(VirtualHardwareError) {
        let (ours, theirs) = try socketPair()
        stop = ours
        let limit = min(max(seconds, 0), 86_400)
        worker = try InterposerThread {
            // A signal shortens one second, and not the whole time.
            for _ in 0..<limit {
                let ready = try? readable([theirs.number], timeoutInMilliseconds: 1000)
                guard ready?.isEmpty == true else { return }
            }
            whenOver()
        }
    }

    /// Ends the time, if it is not over; waits for `whenOver` if it is.
    public func end() {
        _ = try? stop.writeAll([0])
        worker.join()
    }
}
