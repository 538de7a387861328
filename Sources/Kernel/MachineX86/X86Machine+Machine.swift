#if hasFeature(Embedded)

    import BootArena
    import CMachine
    public import HypervisorCore

    extension X86Machine: Machine {
        private func space(_ domain: DomainID) -> Int? {
            let index = Int(domain.number) - 1
            return index >= 0 && index < spaces.count ? index : nil
        }

        /// Where the part of a guest's buffer from `index` on is, and how much of `count` bytes is
        /// in the same page.
        ///
        /// - Throws: `.badAddress`; also when the selected virtual processor is not the domain's.
        private func part(
            at address: GuestVirtualAddress, from index: Int, of count: Int, writing: Bool,
            _ domain: DomainID
        ) throws(XenError) -> (place: UInt64, count: Int) {
            let (start, overflow) = address.value.addingReportingOverflow(UInt64(index))
            guard !overflow, let space = space(domain),
                selected >= spaces[space].firstProcessor,
                selected < spaces[space].firstProcessor + spaces[space].processorCount,
                let place = translate(start, writing: writing, in: space)
            else { throw .badAddress }
            return (place, min(count - index, 4096 - Int(place & 0xfff)))
        }

        /// The machine address behind a virtual address, by the selected guest's own tables: of 4
        /// levels in long mode.
        ///
        /// - Trust: the tables are the guest's; every step is checked to stay in its memory.
        /// - Returns: nil when the address is not canonical or not mapped, or (for `writing`) not
        ///   writable.
        private func translate(_ address: UInt64, writing: Bool, in space: Int) -> UInt64? {
            let state = guests[selected].state
            guard state.control[.efer] & 1 << 10 != 0 else {
                return state.translateNarrow(
                    GuestVirtualAddress(address), writing: writing, in: spaces[space].addresses)
            }
            let upper = address >> 47
            guard state.control[.cr4] & 1 << 12 == 0, upper == 0 || upper == 0x1ffff else {
                return nil
            }
            let (frameMask, needed): (UInt64, UInt64) = (0x000f_ffff_ffff_f000, writing ? 3 : 1)
            var shift: UInt64 = 39
            var next = (state.control[.cr3] & frameMask) + (address >> shift & 511) * 8
            var isLast = false
            while true {
                guard let place = spaces[space].addresses.look(GuestPhysicalAddress(next)) else {
                    return nil
                }
                if isLast { return place }
                let entry = PhysicalMemory.load64(place)
                guard entry & needed == needed else { return nil }
                isLast = shift == 12 || (shift < 39 && entry & 1 << 7 != 0)
                let inside = (UInt64(1) << shift) - 1
                shift -= 9
                next =
                    isLast
                    ? entry & frameMask & ~inside | address & inside
                    : (entry & frameMask) + (address >> shift & 511) * 8
            }
        }

        /// Copies from memory that the caller has mapped and owns, page by page.
        public func copyFromGuest(
            _ domain: DomainID, at address: GuestVirtualAddress, count: Int
        ) throws(XenError) -> GuestBytes {
            guard count <= GuestBytes.capacity else { throw .badAddress }
            var bytes = GuestBytes(count: count)
            var index = 0
            while index < bytes.count {
                let (place, length) = try part(
                    at: address, from: index, of: bytes.count, writing: false, domain)
                PhysicalMemory.copy(from: place, to: &bytes, at: index, count: length)
                index += length
            }
            return bytes
        }

        /// Copies to memory that the caller has mapped for writing and owns, page by page.
        public func copyToGuest(
            _ domain: DomainID, at address: GuestVirtualAddress, _ bytes: borrowing GuestBytes
        ) throws(XenError) {
            var index = 0
            while index < bytes.count {
                let (place, length) = try part(
                    at: address, from: index, of: bytes.count, writing: true, domain)
                PhysicalMemory.copy(to: place, from: bytes, at: index, count: length)
                index += length
            }
        }

        /// What the domain was built with; 0 for none.
        public func memorySize(of domain: DomainID) -> UInt64 {
            space(domain).map { spaces[$0].addresses.size } ?? 0
        }

        /// Looks the frame up in the guest's nested tables.
        public func ownedFrame(of domain: DomainID, at frame: GuestFrame) -> MachineFrame? {
            guard let space = space(domain),
                let found = spaces[space].addresses.tables.machineFrame(frame),
                spaces[space].addresses.owns(found)
            else { return nil }
            return found
        }

        /// Whether the reserve of page tables suffices, and no foreign frame is in the way.
        public func canMap(_ domain: DomainID, at frame: GuestFrame) -> Bool {
            guard let space = space(domain) else { return false }
            let tables = spaces[space].addresses.tables
            return tables.canMapLate(frame) && !tables.isForeign(frame)
        }

        /// Whether nothing is there, and the reserve of page tables suffices.
        public func canMapForeign(_ domain: DomainID, at frame: GuestFrame) -> Bool {
            guard let space = space(domain) else { return false }
            let tables = spaces[space].addresses.tables
            return tables.canMapLate(frame) && tables.entry(frame) == 0
        }

        /// Enters a foreign frame. No processor can know a translation for it: there was none.
        public mutating func mapForeign(
            _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame, writable: Bool
        ) {
            let index = Int(domain.number) - 1
            spaces[index].addresses.tables.mapForeign(frame, to: machineFrame, writable: writable)
        }

        /// Replaces a foreign frame by one store.
        public mutating func remapForeign(
            _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame
        ) {
            mapForeign(domain, machineFrame, at: frame, writable: true)
        }

        /// Takes a foreign frame out of the guest's nested tables.
        public mutating func unmapForeign(_ domain: DomainID, at frame: GuestFrame) {
            spaces[Int(domain.number) - 1].addresses.tables.unmapForeign(frame)
        }

        /// Copies within the machine's memory.
        public mutating func copy(
            from source: MachineFrame, offset: Int, to target: MachineFrame,
            offset targetOffset: Int, count: Int
        ) {
            guard count > 0 else { return }
            precondition(
                offset + count <= 4096 && targetOffset + count <= 4096, "a copy leaves its frame")
            PhysicalMemory.copy(
                to: place(target, targetOffset), from: place(source, offset), size: UInt64(count))
        }

        /// Fills a frame with zeros.
        public mutating func scrub(_ frame: MachineFrame) {
            PhysicalMemory.zero(frame.number << 12, size: 4096)
        }

        /// Compares and exchanges with one locked instruction.
        public func compareExchange32(
            _ frame: MachineFrame, offset: Int, expected: UInt32, _ value: UInt32
        ) -> UInt32 {
            PhysicalMemory.compareExchange32(place(frame, offset), expected: expected, value)
        }

        /// Maps a shared page, and has all processors forget what they knew.
        public mutating func map(
            _ domain: DomainID, _ machineFrame: MachineFrame, at frame: GuestFrame
        ) {
            let index = Int(domain.number) - 1
            spaces[index].addresses.tables.mapLate(frame, to: machineFrame)
            flushTranslations(of: domain)
        }

        /// Changes the owner's map of I/O ports, or its nested tables.
        public mutating func setDevice(_ device: DeviceRange, isPermitted: Bool) {
            spaces[device.owner].set(device, isPermitted: isPermitted)
        }

        /// Opens a line to the first processor.
        public mutating func openLine(_ line: Int) {
            InterruptController.set(line, isOpen: true, for: processors[0].identifier)
        }

        /// The interrupt lines that have rung since this was last asked: one bit for each. They are
        /// shut now. For the first processor, at which they ring.
        public func takeLines() -> UInt32 {
            guard machine_acquire(machine_word(5)) != 0 else { return 0 }
            let bits = UInt32(truncatingIfNeeded: machine_exchange(machine_word(5), 0))
            for line in 0..<InterruptController.lineCount where bits >> UInt32(line) & 1 == 1 {
                // ORDER: shut before it is acknowledged, or it rings again at once.
                InterruptController.set(line, isOpen: false, for: processors[0].identifier)
                LocalAPIC.acknowledge()
            }
            return bits
        }

        /// Reads a word of a shared page.
        public func load64(_ frame: MachineFrame, offset: Int) -> UInt64 {
            PhysicalMemory.load64(place(frame, offset))
        }

        /// Reads a 32-bit word of a shared page.
        public func load32(_ frame: MachineFrame, offset: Int) -> UInt32 {
            PhysicalMemory.load32(place(frame, offset))
        }

        /// Reads a byte of a shared page.
        public func load8(_ frame: MachineFrame, offset: Int) -> UInt8 {
            PhysicalMemory.load8(place(frame, offset))
        }

        /// Writes a word of a shared page.
        public func store64(_ frame: MachineFrame, offset: Int, _ value: UInt64) {
            PhysicalMemory.store64(place(frame, offset), value)
        }

        /// Writes a 32-bit word of a shared page.
        public func store32(_ frame: MachineFrame, offset: Int, _ value: UInt32) {
            PhysicalMemory.store32(place(frame, offset), value)
        }

        /// Writes a byte of a shared page.
        public func store8(_ frame: MachineFrame, offset: Int, _ value: UInt8) {
            PhysicalMemory.store8(place(frame, offset), value)
        }

        /// Sets a bit with one locked instruction.
        public func testAndSetBit(_ frame: MachineFrame, offset: Int, bit: Int) -> Bool {
            PhysicalMemory.testAndSetBit(place(frame, offset), bit)
        }

        /// Clears a bit with one locked instruction.
        public func testAndClearBit(_ frame: MachineFrame, offset: Int, bit: Int) -> Bool {
            PhysicalMemory.testAndClearBit(place(frame, offset), bit)
        }

        private func place(_ frame: MachineFrame, _ offset: Int) -> UInt64 {
            precondition(offset >= 0 && offset < 4096, "an offset leaves its frame")
            return frame.number << 12 + UInt64(offset)
        }

        private func place(of file: KeptFile) -> (address: UInt64, size: UInt64) {
            file == .eventLog ? eventLog : manifest
        }

        /// Reads where it is.
        public func size(of file: KeptFile) -> Int { Int(place(of: file).size) }

        /// Reads it.
        public func byte(of file: KeptFile, at offset: Int) -> UInt8 {
            precondition(offset >= 0 && offset < size(of: file), "what is kept ends earlier")
            return PhysicalMemory.load8(place(of: file).address + UInt64(offset))
        }

        /// Reads the clock.
        public func systemTimeInNanoseconds() -> UInt64 { clock.now() }

        /// Takes a record of the clock.
        public func timeRecord() -> TimeRecord { clock.record() }

        /// Adds to the domain's line on COM1.
        @inline(never) public mutating func consoleOutput(_ domain: DomainID, _ byte: UInt8) {
            console.write(byte, of: domain)
        }

        /// Keeps the denial until the run loop reports it.
        public mutating func audit(_ denial: Denial) { keep(denial) }
    }

#endif
