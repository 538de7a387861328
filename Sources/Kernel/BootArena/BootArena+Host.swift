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

    extension AlternatingTables where Value: ~Copyable {
        /// Makes two regions on a host, for tests and tools; their memory is never given back.
        public init(hostSizeInBytes size: Int) {
            // SAFETY: fresh memory, twice, of the size and alignment asked for, never freed.
            let first = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            let second = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            unsafe self.init(unsafeFirst: first, second: second, sizeInBytes: size)
        }
    }

#endif
