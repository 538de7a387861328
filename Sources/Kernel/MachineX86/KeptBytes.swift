#if hasFeature(Embedded)

    /// A region for bytes that are written whole and then read for a long time.
    public struct KeptBytes: BitwiseCopyable {
        private let address: UInt64
        private let capacity: Int

        /// Reserves a region.
        ///
        /// - Throws: `.outOfMemory`.
        public init(capacity: Int, _ memory: inout BootMemory) throws(BootFailure) {
            address = try memory.reserve(size: UInt64(capacity))
            self.capacity = capacity
        }

        /// Writes bytes from the region's start, over those that were there.
        ///
        /// - Precondition: nobody reads what was there, and the bytes are at most `capacity`.
        public func store(_ bytes: Span<UInt8>) {
            precondition(bytes.count <= capacity, "bytes do not fit where they are to be kept")
            var target = PhysicalMemory.mutableBytes(at: address, count: bytes.count)
            for index in bytes.indices { target[index] = bytes[index] }
        }

        /// Where they are, with a size.
        public func place(size: Int) -> (address: UInt64, size: UInt64) { (address, UInt64(size)) }
    }

#endif
