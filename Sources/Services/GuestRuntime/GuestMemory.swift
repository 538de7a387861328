#if hasFeature(Embedded)

    public import BootArena
    import CService

    /// A service's own memory, as its start info describes it (Xen public
    /// `arch-x86/hvm/start_info.h`).
    ///
    /// This file is one of the named memory files: nothing else of a service turns an address into
    /// memory that Swift owns.
    public struct GuestMemory {
        /// The first byte of the module that came with the service, and its size; the size is 0
        /// when there is none.
        public let module: (address: UInt64, size: UInt64)
        private let freeStart: UInt64
        private let freeEnd: UInt64

        /// Reads the start info.
        ///
        /// - Returns: nil when it is none, or it lists no memory for the service.
        public init?(startInfo address: UInt64) {
            guard service_load32(address) == 0x336e_c578, service_load32(address + 4) >= 1 else {
                return nil
            }
            if service_load32(address + 12) >= 1 {
                let list = service_load64(address + 16)
                module = (service_load64(list), service_load64(list + 8))
            } else {
                module = (0, 0)
            }
            let map = service_load64(address + 40)
            var end: UInt64 = 0
            for index in 0..<UInt64(min(service_load32(address + 48), 32)) {
                let entry = map + index * 24
                guard service_load32(entry + 16) == 1 else { continue }
                end = max(end, service_load64(entry) &+ service_load64(entry + 8))
            }
            // What is mapped: 4 GiB, of which the last sixteenth holds pages of the hypervisor.
            end = min(end, 0xf000_0000)
            let used = max(service_image_end_address(), module.address &+ module.size)
            freeStart = (used + 4095) & ~4095
            freeEnd = end
            guard freeEnd > freeStart, module.address &+ module.size <= end else { return nil }
        }

        /// The module's bytes.
        public var moduleBytes: Span<UInt8> {
            @_lifetime(immortal) get {
                // SAFETY: the domain builder put the module into the service's memory, nothing
                // writes there, and the arena starts behind it.
                let start = unsafe UnsafePointer<UInt8>(bitPattern: UInt(module.address))
                guard module.size > 0, let start = unsafe start else { return Span() }
                let span = unsafe Span(_unsafeStart: start, count: Int(module.size))
                return unsafe _overrideLifetime(span, copying: ())
            }
        }

        /// The size of what is left for the service, in bytes.
        public var freeSizeInBytes: Int { Int(freeEnd - freeStart) }

        /// Makes what is left an arena. To be called once.
        public func takeArena() -> BootArena? {
            // SAFETY: the start info lists it as the service's RAM, image and module end before it,
            // a page boundary is one of 64 bytes, and the hypervisor hands out zeros.
            let start = unsafe UnsafeMutableRawPointer(bitPattern: UInt(freeStart))
            guard let start = unsafe start else { return nil }
            return unsafe BootArena(
                unsafeMemory: start, sizeInBytes: freeSizeInBytes, isZero: true)
        }
    }

#endif
