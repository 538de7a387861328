#if hasFeature(Embedded)

    public import BootArena

    extension Span<UInt8> {
        /// Where the bytes are, for whoever keeps them there.
        public var place: (address: UInt64, size: UInt64) {
            // SAFETY: the address is looked at, and nothing is read by way of it here.
            unsafe withUnsafeBufferPointer {
                (UInt64(UInt(bitPattern: $0.baseAddress)), UInt64($0.count))
            }
        }
    }

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

        /// Reserves two regions of a size for a value that is replaced as a whole.
        ///
        /// - Throws: `.outOfMemory`.
        public mutating func reserveTables<Value: ~Copyable>(
            size: UInt64
        ) throws(BootFailure) -> AlternatingTables<Value> {
            let (start, next) = (try reserve(size: size), try reserve(size: size))
            guard let first = unsafe UnsafeMutableRawPointer(bitPattern: UInt(start)),
                let second = unsafe UnsafeMutableRawPointer(bitPattern: UInt(next))
            else { throw .outOfMemory }
            // SAFETY: as above, twice.
            return unsafe AlternatingTables(
                unsafeFirst: first, second: second, sizeInBytes: Int(size))
        }
    }

#endif
