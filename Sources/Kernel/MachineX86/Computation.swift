#if hasFeature(Embedded)

    import CMachine

    /// A long computation of the hypervisor's own, which any interrupt pauses and any processor may
    /// go on with: it has a stack of its own, and its registers are kept beside it.
    ///
    /// It runs with interrupts on and without the kernel's lock, so it may touch only what was
    /// moved to it. There is one, and one processor at a time goes on with it.
    public struct Computation: BitwiseCopyable {
        /// One page: the registers while it is paused.
        ///
        /// - Layout: 15 words from 0: RAX RBX RCX RDX RSI RDI RBP R8 … R15; RIP at 120, RFLAGS at
        ///   128, RSP at 136.
        private let context: UInt64
        private let stackTop: UInt64

        private static var stackSize: UInt64 { 131_072 }

        /// Reserves a stack, which ends below in a page that is not mapped.
        ///
        /// - Throws: `.outOfMemory`.
        public init(_ memory: inout BootMemory) throws(BootFailure) {
            context = try memory.reserve(size: 4096)
            let start = try memory.reserve(size: Computation.stackSize + 4096)
            try HostPages.unmap(start, &memory)
            stackTop = start + 4096 + Computation.stackSize
        }

        /// Has `casemate_compute` called, at the next `goOn`.
        public func begin() {
            for word in 0..<UInt64(15) { PhysicalMemory.store64(context + word * 8, 0) }
            PhysicalMemory.store64(context + 120, machine_computation_entry())
            // Interrupts on.
            PhysicalMemory.store64(context + 128, 0x202)
            PhysicalMemory.store64(context + 136, stackTop)
        }

        /// Goes on with it until it ends or an interrupt comes.
        ///
        /// - Returns: whether it has ended.
        public func goOn() -> Bool { computation_resume(context) == 1 }
    }

#endif
