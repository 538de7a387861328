#if hasFeature(Embedded)

    import CMachine
    import HypervisorCore

    /// The machine's memory, which the hypervisor maps at its own addresses: all below 4 GiB, and
    /// above what the loader says is free.
    ///
    /// This file is one of the named machine files: the functions of `CMachine` that it calls read
    /// and write any address. Nothing outside this file calls them. Each function below trusts its
    /// caller for one thing only: that the address belongs to what it means to touch.
    enum PhysicalMemory {
        /// Below it everything is mapped; nothing that others point at is looked for above it.
        static var limit: UInt64 { 1 << 32 }
        /// The end of what can be mapped: the first entry of the root table.
        static var end: UInt64 { 1 << 39 }

        /// The address; stops the machine when nothing is ever mapped there. In what lies above
        /// `limit` and is not memory, the access faults, which stops it, too.
        @inline(__always) @discardableResult
        private static func check(_ address: UInt64, _ size: UInt64) -> UInt64 {
            precondition(size <= end && address <= end - size, "address not mapped")
            return address
        }

        static func load8(_ address: UInt64) -> UInt8 { machine_load8(check(address, 1)) }
        static func load16(_ address: UInt64) -> UInt16 { machine_load16(check(address, 2)) }
        static func load32(_ address: UInt64) -> UInt32 { machine_load32(check(address, 4)) }
        static func load64(_ address: UInt64) -> UInt64 { machine_load64(check(address, 8)) }

        static func store8(_ at: UInt64, _ value: UInt8) { machine_store8(check(at, 1), value) }
        static func store16(_ at: UInt64, _ value: UInt16) { machine_store16(check(at, 2), value) }
        static func store32(_ at: UInt64, _ value: UInt32) { machine_store32(check(at, 4), value) }
        static func store64(_ at: UInt64, _ value: UInt64) { machine_store64(check(at, 8), value) }

        static func testAndSetBit(_ address: UInt64, _ bit: Int) -> Bool {
            machine_test_and_set_bit(check(address, 8), UInt8(truncatingIfNeeded: bit)) != 0
        }

        static func testAndClearBit(_ address: UInt64, _ bit: Int) -> Bool {
            machine_test_and_clear_bit(check(address, 8), UInt8(truncatingIfNeeded: bit)) != 0
        }

        static func compareExchange32(
            _ address: UInt64, expected: UInt32, _ value: UInt32
        ) -> UInt32 {
            machine_compare_exchange32(check(address, 4), expected, value)
        }

        static func zero(_ address: UInt64, size: UInt64) {
            machine_zero(check(address, size), size)
        }

        static func copy(to: UInt64, from: UInt64, size: UInt64) {
            machine_copy(check(to, size), check(from, size), size)
        }

        /// Copies to a place among a guest's bytes.
        static func copy(from: UInt64, to bytes: inout GuestBytes, at index: Int, count: Int) {
            check(from, UInt64(count))
            precondition(index >= 0 && count <= GuestBytes.capacity - index, "bytes end earlier")
            // SAFETY: mapped, and the words are at least that many bytes (checked).
            unsafe withUnsafeMutableBytes(of: &bytes.words) { words in
                let to = UInt64(UInt(bitPattern: words.baseAddress)) + UInt64(index)
                machine_copy(to, from, UInt64(count))
            }
        }

        /// Copies from a place among a guest's bytes.
        static func copy(
            to: UInt64, from bytes: borrowing GuestBytes, at index: Int, count: Int
        ) {
            check(to, UInt64(count))
            precondition(index >= 0 && count <= GuestBytes.capacity - index, "bytes end earlier")
            // SAFETY: as above.
            unsafe withUnsafeBytes(of: bytes.words) { words in
                let from = UInt64(UInt(bitPattern: words.baseAddress)) + UInt64(index)
                machine_copy(to, from, UInt64(count))
            }
        }

        /// The bytes of a boot module: read-only for the rest of the machine's life.
        @_lifetime(immortal)
        static func bytes(at address: UInt64, count: Int) -> Span<UInt8> {
            check(address, UInt64(count))
            // SAFETY: mapped (checked), and boot modules are never written nor given away.
            let start = unsafe UnsafePointer<UInt8>(bitPattern: UInt(address))
            guard let start = unsafe start else { return Span() }
            let span = unsafe Span(_unsafeStart: start, count: count)
            return unsafe _overrideLifetime(span, copying: ())
        }

        /// Bytes that the caller owns, writable.
        @_lifetime(immortal)
        static func mutableBytes(at address: UInt64, count: Int) -> MutableSpan<UInt8> {
            check(address, UInt64(count))
            // SAFETY: mapped (checked); the boot code reserved the range for one owner.
            let start = unsafe UnsafeMutablePointer<UInt8>(bitPattern: UInt(address))
            guard let start = unsafe start else { return MutableSpan() }
            let span = unsafe MutableSpan(_unsafeStart: start, count: count)
            return unsafe _overrideLifetime(span, copying: ())
        }
    }

#endif
