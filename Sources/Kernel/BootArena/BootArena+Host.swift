#if !hasFeature(Embedded)

    extension BootArena {
        /// Makes an arena on a host, for tests and tools.
        ///
        /// - NOTE: the memory is never given back. Tables may outlive the arena, as they do in the
        ///   kernel, so freeing it could leave a table without memory.
        public init(hostSizeInBytes size: Int) {
            // SAFETY: fresh memory of the size and alignment asked for, which is never freed.
            let start = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            unsafe self.init(unsafeMemory: start, sizeInBytes: size)
        }
    }

#endif
