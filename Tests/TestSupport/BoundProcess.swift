public import Foundation
import Synchronization

extension Process {
    /// Starts the process so that it ends with this one, however this one ends: the kernel kills it
    /// then (`PR_SET_PDEATHSIG`, through setpriv of util-linux).
    ///
    /// - Throws: what `run()` throws.
    public func runBound() throws {
        let program = executableURL?.absoluteURL.path(percentEncoded: false) ?? ""
        arguments = ["--pdeathsig", "KILL", "--", program] + (arguments ?? [])
        executableURL = URL(filePath: "/usr/bin/setpriv")
        try StartingThread.only.perform { try self.run() }
    }
}

/// The thread that starts processes. The kernel kills a process when the thread that started it
/// ends, and those of tests come and go; this one stays.
private final class StartingThread: Sendable {
    static let only = StartingThread()
    private let work = Mutex<[@Sendable () -> Void]>([])
    private let hasWork = DispatchSemaphore(value: 0)

    private init() {
        Thread.detachNewThread { [self] in
            while true {
                hasWork.wait()
                work.withLock { $0.isEmpty ? nil : $0.removeFirst() }?()
            }
        }
    }

    /// Does something there, and waits for it.
    ///
    /// - Throws: what it throws.
    func perform(_ body: @escaping @Sendable () throws -> Void) throws {
        let isDone = DispatchSemaphore(value: 0)
        let result = Mutex<Result<Void, any Error>?>(nil)
        work.withLock {
            $0.append {
                let outcome = Result { try body() }
                result.withLock { $0 = outcome }
                isDone.signal()
            }
        }
        hasWork.signal()
        isDone.wait()
        try result.withLock { $0 }?.get()
    }
}
