import Dispatch
import Synchronization

/// Does asynchronous work and waits for it on this thread, for a command that has nothing else to
/// do meanwhile.
func waiting<Value: Sendable>(for work: @Sendable @escaping () async -> Value) -> Value {
    let outcome = Outcome<Value>()
    let done = DispatchSemaphore(value: 0)
    Task.detached {
        let value = await work()
        outcome.value.withLock { $0 = value }
        done.signal()
    }
    done.wait()
    guard let value = outcome.value.withLock({ $0 }) else {
        preconditionFailure("the value is set before the semaphore is signalled")
    }
    return value
}

private final class Outcome<Value: Sendable>: Sendable {
    let value = Mutex<Value?>(nil)
}
