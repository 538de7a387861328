#if hasFeature(Embedded)

    public import HypervisorCore

    /// Builds guests: memory, image, firmware tables, control block.
    public enum GuestBuilder {
        /// What a guest is made of.
        public struct Plan {
            /// Its domain's number.
            public let domain: DomainID
            /// Its memory, a multiple of 4 KiB.
            public var memorySize: UInt64 = 0
            /// How many virtual processors it has.
            public var processorCount = 1
            /// Machine address and size of its kernel's image.
            public var kernel: (address: UInt64, size: UInt64) = (0, 0)
            /// Machine address and size of its initrd; nil: none.
            public var initrd: (address: UInt64, size: UInt64)?
            /// Whether it sees a console's ring.
            public var hasConsole = false

            /// Makes a plan of nothing, which cannot be built.
            public init(domain: DomainID) { self.domain = domain }
        }

        /// Reserves the pages that are shared with a guest.
        ///
        /// - Throws: `.outOfMemory`.
        public static func reservePages(
            _ memory: inout BootMemory
        ) throws(BootFailure) -> SharedPages {
            let first = try memory.reserve(size: UInt64(SharedPages.count) * 4096) >> 12
            return SharedPages(first: MachineFrame(number: first))
        }

        /// Reserves what a domain's processors share: memory, tables, permissions. Nothing is in
        /// them yet.
        ///
        /// - Throws: `.outOfMemory`, `.guestTooSmall`.
        public static func reserveSpace(
            _ plan: Plan, pages: SharedPages, firstProcessor: Int, _ memory: inout BootMemory
        ) throws(BootFailure) -> GuestSpace {
            guard plan.memorySize >= 1 << 24 else { throw .guestTooSmall }
            let start = try memory.reserve(size: plan.memorySize, alignment: 1 << 21)
            // The tables have room for the gap, too, if there is memory behind it.
            let last = GuestFirmware.frame(plan.memorySize >> 12 - 1)
            let tables = try NestedTables(frameCount: last.number + 1, &memory)
            let firmwarePage = try memory.reserve(size: 4096)
            let portPermissions = try allOnes(size: 12_288, &memory)
            return GuestSpace(
                addresses: GuestAddresses(tables: tables, start: start, size: plan.memorySize),
                pages: pages, firmwarePage: firmwarePage,
                onesPage: try allOnes(size: 4096, &memory),
                portPermissions: portPermissions,
                registerPermissions: try registerPermissions(&memory),
                firstProcessor: firstProcessor, processorCount: plan.processorCount)
        }

        /// Reserves what a virtual processor needs. `reset` is to follow.
        ///
        /// - Throws: `.outOfMemory`, `.tooManyProcessors`.
        public static func reserveProcessor(
            _ number: Int, in space: GuestSpace, processor: Processor,
            _ memory: inout BootMemory
        ) throws(BootFailure) -> Guest {
            // Each virtual processor has an address space identifier of its own; 0 is the host's.
            let addressSpace = UInt64(space.firstProcessor + number + 1)
            guard addressSpace < processor.addressSpaceCount else { throw .tooManyProcessors }
            let control = ControlBlock(address: try memory.reserve(size: 4096))
            return Guest(
                state: GuestState(
                    control: control, registers: try memory.reserve(size: 4096), number: number),
                extendedArea: try memory.reserve(size: max(4096, processor.extendedStateSize)),
                extendedControl: 1, auxiliary: 0, vectors: InlineArray(repeating: 0),
                taskPriority: 0)
        }

        /// Fills a domain's memory, which holds nothing: kernel, initrd and what it reads at
        /// start; and its tables.
        ///
        /// - Returns: where its first processor begins.
        /// - Throws: `.badKernel`, `.guestTooSmall`.
        public static func load(
            _ plan: Plan, commandLine: Span<UInt8>, into space: inout GuestSpace
        ) throws(BootFailure) -> UInt32 {
            let start = space.addresses.start
            let (entry, end) = try load(plan, at: start)
            let initrd = try placeInitrd(plan, at: start, after: end)
            var page = PhysicalMemory.mutableBytes(
                at: start + GuestFirmware.startInfoAddress, count: 4096)
            guard
                GuestFirmware.writeStartInfo(
                    &page, memorySize: plan.memorySize, initrd: initrd, commandLine: commandLine)
            else { throw .guestTooSmall }
            map(plan, &space)
            return entry
        }

        /// Puts a virtual processor into the state of PVH entry. All but the first of a domain wait
        /// for a startup interrupt, which sets another state.
        public static func reset(
            _ guest: inout Guest, entry: UInt32, _ space: GuestSpace, _ processor: Processor
        ) {
            PhysicalMemory.zero(guest.control.address, size: 4096)
            PhysicalMemory.zero(guest.state.registers, size: 4096)
            // As after a reset: x87 and SSE control words, and nothing else.
            PhysicalMemory.zero(guest.extendedArea, size: max(4096, processor.extendedStateSize))
            PhysicalMemory.store16(guest.extendedArea, 0x37f)
            PhysicalMemory.store32(guest.extendedArea + 24, 0x1f80)
            PhysicalMemory.store64(guest.extendedArea + 512, 3)
            guest = Guest(
                state: guest.state, extendedArea: guest.extendedArea, extendedControl: 1,
                auxiliary: 0,
                vectors: InlineArray(repeating: 0), taskPriority: 0)
            setUp(guest.control, entry: entry, space)
            guest.control[.addressSpace] = UInt64(space.firstProcessor + guest.state.number + 1)
            guest.state[.rbx] = GuestFirmware.startInfoAddress
        }

        /// Copies the kernel's segments into the guest's memory.
        ///
        /// - Returns: the entry, and the first address after the kernel.
        private static func load(
            _ plan: Plan, at start: UInt64
        ) throws(BootFailure) -> (entry: UInt32, end: UInt64) {
            let bytes = PhysicalMemory.bytes(at: plan.kernel.address, count: Int(plan.kernel.size))
            let room = min(plan.memorySize, GuestFirmware.lowMemoryLimit)
            guard let image = KernelImage(validating: bytes) else { throw .badKernel }
            var end: UInt64 = 0
            for index in 0..<image.segmentCount {
                guard let segment = image.segment(at: index) else { continue }
                // The first MiB holds the start info; segments are checked to stay above it.
                guard segment.address >= 0x10_0000,
                    segment.memorySize <= room, segment.address <= room - segment.memorySize
                else { throw .guestTooSmall }
                PhysicalMemory.copy(
                    to: start + segment.address,
                    from: plan.kernel.address + UInt64(segment.fileOffset),
                    size: UInt64(segment.fileSize))
                end = max(end, segment.address + segment.memorySize)
            }
            return (image.entry, end)
        }

        private static func placeInitrd(
            _ plan: Plan, at start: UInt64, after end: UInt64
        ) throws(BootFailure) -> (address: UInt64, size: UInt64)? {
            guard let initrd = plan.initrd else { return nil }
            // 2 MiB aligned, and room behind it for what the kernel needs to unpack it.
            let address = (end + (1 << 21) - 1) & ~((1 << 21) - 1)
            let room = min(plan.memorySize, GuestFirmware.lowMemoryLimit)
            guard address <= room, initrd.size <= room - address else {
                throw .guestTooSmall
            }
            PhysicalMemory.copy(to: start + address, from: initrd.address, size: initrd.size)
            return (address, initrd.size)
        }

        private static func map(_ plan: Plan, _ space: inout GuestSpace) {
            space.addresses.tables.clear()
            let first = space.addresses.start >> 12
            for number in 0..<plan.memorySize >> 12 {
                space.addresses.tables.map(
                    GuestFirmware.frame(number), to: MachineFrame(number: first + number),
                    executable: true)
            }
            PhysicalMemory.zero(space.firmwarePage, size: 4096)
            var page = PhysicalMemory.mutableBytes(at: space.firmwarePage, count: 4096)
            GuestFirmware.writeTables(&page, processorCount: plan.processorCount)
            space.addresses.tables.map(
                GuestFrame(number: GuestFirmware.tablesAddress >> 12),
                to: MachineFrame(number: space.firmwarePage >> 12), executable: false)
            if plan.hasConsole {
                space.addresses.tables.map(
                    GuestFrame(number: GuestFirmware.consoleAddress >> 12),
                    to: space.pages.consoleRing, executable: false)
            }
            space.addresses.tables.map(
                GuestFrame(number: GuestFirmware.storeAddress >> 12), to: space.pages.storeRing,
                executable: false)
            // Where a machine has the end of its firmware, and GRUB looks for coreboot's: nothing.
            space.addresses.tables.map(
                GuestFrame(number: 0xfffff), to: MachineFrame(number: space.onesPage >> 12),
                executable: false, writable: false)
        }

        /// The state of PVH entry: 32-bit protected mode, flat segments, paging off.
        private static func setUp(
            _ control: ControlBlock, entry: UInt32, _ space: GuestSpace
        ) {
            // #DB, #AC and #MC: a guest could make the processor deliver the first two for ever.
            control.setIntercept(.interceptExceptions, 1 << 1 | 1 << 17 | 1 << 18)
            // INTR, NMI, VINTR, RDPMC, CPUID, INVD, HLT, INVLPGA, IOIO, MSR, SHUTDOWN
            control.setIntercept(
                .interceptFirst,
                1 | 1 << 1 | 1 << 4 | 1 << 15 | 1 << 18 | 1 << 22 | 1 << 24 | 1 << 26 | 1 << 27
                    | 1 << 28 | 1 << 31)
            // VMRUN … SKINIT, WBINVD, MONITOR, MWAIT, XSETBV, RDPRU
            control.setIntercept(
                .interceptSecond, 0x7f | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14)
            control[.ioPermissions] = space.portPermissions
            control[.msrPermissions] = space.registerPermissions
            control[.virtualInterrupt] = 1 << 24
            control[.nestedControl] = 1
            control[.nestedRoot] = space.addresses.tables.root
            control.set(.cs, selector: 0x08, attributes: 0xc9b, limit: .max)
            let data: InlineArray<5, ControlBlock.Segment> = [.ds, .es, .ss, .fs, .gs]
            for index in data.indices {
                control.set(data[index], selector: 0x10, attributes: 0xc93, limit: .max)
            }
            control.set(.tr, selector: 0, attributes: 0x8b, limit: 0x67)
            control.set(.ldtr, selector: 0, attributes: 0x82, limit: 0xffff)
            control.set(.gdtr, selector: 0, attributes: 0, limit: 0xffff)
            control.set(.idtr, selector: 0, attributes: 0, limit: 0xffff)
            control[.efer] = 1 << 12
            control[.cr0] = 0x11
            control[.rflags] = 2
            control[.rip] = UInt64(entry)
            control[.dr6] = 0xffff_0ff0
            control[.dr7] = 0x400
            control[.pat] = 0x0007_0406_0007_0406
        }

        private static func allOnes(
            size: UInt64, _ memory: inout BootMemory
        ) throws(BootFailure) -> UInt64 {
            let start = try memory.reserve(size: size)
            for offset in 0..<size / 8 { PhysicalMemory.store64(start + offset * 8, .max) }
            return start
        }

        /// Every register exits but those that VMLOAD and VMSAVE switch, and PAT.
        private static func registerPermissions(
            _ memory: inout BootMemory
        ) throws(BootFailure) -> UInt64 {
            let map = try allOnes(size: 8192, &memory)
            let free: InlineArray<11, UInt32> = [
                0x174, 0x175, 0x176, 0x277, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084,
                0xc000_0100, 0xc000_0101, 0xc000_0102,
            ]
            for index in free.indices {
                let register = free[index]
                let bit = UInt64(register & 0x1fff) * 2 + (register >> 31 == 0 ? 0 : 0x4000)
                let place = map + bit >> 3
                PhysicalMemory.store8(place, PhysicalMemory.load8(place) & ~(3 << UInt8(bit & 7)))
            }
            return map
        }
    }

#endif
