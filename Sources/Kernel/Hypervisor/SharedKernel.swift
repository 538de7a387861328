#if hasFeature(Embedded)

    import HypervisorCore
    import MachineX86

    /// The way to what all processors share. One of the named machine files: it turns an address
    /// into the kernel, for whoever holds its lock.
    ///
    /// - Invariant: *(one)* whoever reads or writes the kernel holds the lock, and nothing of the
    ///   kernel is reached after the lock was given up. A guest runs between two calls of `with`.
    @safe enum SharedKernel {
        /// Makes the kernel known to all processors, for ever.
        static func publish(_ kernel: consuming Kernel, _ body: () -> Never) -> Never {
            var kernel = kernel
            var work: ReloadWork?
            unsafe withUnsafeMutablePointer(to: &kernel) { place in
                unsafe withUnsafeMutablePointer(to: &work) { workPlace in
                    // SAFETY: (one) both stay where they are: `body` does not return.
                    KernelLock.lent = UInt64(UInt(bitPattern: workPlace))
                    KernelLock.shared = UInt64(UInt(bitPattern: place))
                    body()
                }
            }
            preconditionFailure("the first processor has no more to do")
        }

        /// Whether there is a kernel yet.
        static var isPublished: Bool { KernelLock.shared != 0 }

        /// Passes on what a processor needs to come up. It stays where it is until the processor
        /// has answered, which it does after it has taken its copy.
        static func start(
            _ processor: inout StartingProcessor, _ clock: Clock
        ) throws(BootFailure) {
            let address = unsafe withUnsafeMutablePointer(to: &processor) { place in
                UInt64(UInt(bitPattern: place))
            }
            // SAFETY: `processor` is the caller's, and outlives this call, which does not return
            // before the other side has answered or is given up for good.
            try processor.record.startFromOther(clock, argument: address)
        }

        /// Takes what was passed on by `start`.
        static func startingProcessor(at address: UInt64) -> StartingProcessor {
            let place = unsafe UnsafePointer<StartingProcessor>(bitPattern: UInt(address))
            guard let place = unsafe place else { preconditionFailure("nobody is to start") }
            // SAFETY: the address is the one that `start` passed, which waits meanwhile.
            return unsafe place.pointee
        }

        /// Where a policy is while it is examined without the lock.
        ///
        /// - Invariant: *(lent)* between `lend` and `takeBack` only the examination reaches it, of
        ///   which there is one, on one processor at a time; before and after, whoever holds the
        ///   lock.
        private static var lent: UnsafeMutablePointer<ReloadWork?> {
            guard
                let place = unsafe UnsafeMutablePointer<ReloadWork?>(
                    bitPattern: UInt(KernelLock.lent))
            else { preconditionFailure("there is no kernel yet") }
            return unsafe place
        }

        /// Gives a policy to the examination. Under the lock.
        static func lend(_ work: consuming ReloadWork) {
            // SAFETY: (lent) the examination has not begun.
            unsafe lent.pointee = consume work
        }

        /// Examines what was lent. Without the lock.
        static func examine() {
            // SAFETY: (lent) nobody else reaches it until this has returned.
            unsafe lent.pointee?.examine()
        }

        /// Takes a policy back. Under the lock, after the examination has ended.
        static func takeBack() -> ReloadWork? {
            // SAFETY: (lent) the examination has ended.
            unsafe lent.pointee.take()
        }

        /// Does something with the kernel that no other processor disturbs.
        static func with<Result>(_ body: (inout Kernel) -> Result) -> Result {
            KernelLock.take()
            let address = UInt(KernelLock.shared)
            guard let kernel = unsafe UnsafeMutablePointer<Kernel>(bitPattern: address) else {
                preconditionFailure("there is no kernel yet")
            }
            // SAFETY: (one) `publish` was given the one kernel, which lives for ever; the lock is
            // held, so that no other reference to it is in use.
            let result = unsafe body(&kernel.pointee)
            KernelLock.leave()
            return result
        }
    }

#endif
