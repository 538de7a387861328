#if hasFeature(Embedded)

    public import BootArena

    /// One of the named machine files: it turns reserved memory into an arena.
    extension BootMemory {
        /// Reserves an arena for the tables of the system.
        ///
        /// - Throws: `.outOfMemory`.
        public mutating func reserveArena(size: UInt64) throws(BootFailure) -> BootArena {
            let start = try reserve(size: size)
            let pointer = unsafe UnsafeMutableRawPointer(bitPattern: UInt(start))
            guard let pointer = unsafe pointer else { throw .outOfMemory }
            // SAFETY: fresh memory of `size` bytes, frame-aligned, mapped, given to nobody else.
            return unsafe BootArena(unsafeMemory: pointer, sizeInBytes: Int(size))
        }
    }

#endif
