#if hasFeature(Embedded)

    import CMachine
    import EventLog
    public import HypervisorCore

    /// The firmware's boot services, while they run: what a Multiboot2 loader left us on.
    ///
    /// One of the named machine files: it calls the firmware. Everything happens on the firmware's
    /// own page tables, which map memory at its own addresses, and on our boot stack.
    ///
    /// - Trust: the firmware and the loader are measured, and what they say is read within bounds:
    ///   tables that lie above 4 GiB, where we read nothing, are refused.
    /// - Source: UEFI 2.10, 4.3, 4.4, 7.2, 7.4; TCG EFI Protocol Specification 2.0, 6.5 and 7.
    public struct BootServices: ~Copyable {
        private let information: MultibootInformation
        private let informationAddress: UInt64
        private let systemTable: UInt64
        private let functions: UInt64
        /// Our block of loader memory: start info, its tables, the firmware's map, its log.
        private let block: UInt64
        private var logSize: UInt64 = 0
        /// Where the firmware logs what it measures after its log was taken; 0: nowhere.
        private var finalEvents: UInt64 = 0
        private var finalEventsSeen: UInt64 = 0

        private static var entries: UInt64 { 128 }
        private static var mapOffset: UInt64 { 4096 }
        private static var mapCapacity: UInt64 { 65_536 }
        private static var logOffset: UInt64 { mapOffset + mapCapacity }
        private static var logCapacity: UInt64 { 262_144 }

        /// Takes what the loader passed.
        ///
        /// - Throws: `.badMultiboot`, `.noBootServices`, `.badFirmware`, `.outOfMemory`.
        public init(magic: UInt64, information address: UInt64) throws(BootFailure) {
            guard magic & 0xffff_ffff == MultibootInformation.magic, address & 7 == 0 else {
                throw .badMultiboot
            }
            let size = UInt64(PhysicalMemory.load32(try BootServices.reach(address, 8)))
            guard size <= UInt64(MultibootInformation.sizeLimit) else { throw .badMultiboot }
            let bytes = PhysicalMemory.bytes(
                at: try BootServices.reach(address, size), count: Int(size))
            guard let information = MultibootInformation(validating: bytes),
                information.moduleCount == 1
            else { throw .badMultiboot }
            guard information.keepsBootServices, information.imageHandle != 0 else {
                throw .noBootServices
            }
            let table = try BootServices.reach(information.systemTable, 120)
            guard PhysicalMemory.load64(table) == 0x5453_5953_2049_4249 else {
                throw .badFirmware
            }
            let functions = try BootServices.reach(PhysicalMemory.load64(table + 96), 328)
            guard PhysicalMemory.load64(functions) == 0x5652_4553_544f_4f42,
                PhysicalMemory.load32(functions + 12) >= 328
            else { throw .badFirmware }
            block = try BootServices.reserve(functions)
            self.information = information
            informationAddress = address
            systemTable = table
            self.functions = functions
        }

        /// An address that `size` bytes can be read from.
        ///
        /// - Throws: `.badFirmware` for null, and when not all of it is below 4 GiB.
        @inline(never) private static func reach(
            _ address: UInt64, _ size: UInt64
        ) throws(BootFailure) -> UInt64 {
            guard address >= 16, address < PhysicalMemory.limit,
                size <= PhysicalMemory.limit - address
            else { throw .badFirmware }
            return address
        }

        private static func call(
            _ table: UInt64, _ offset: UInt64, _ a: UInt64, _ b: UInt64 = 0, _ c: UInt64 = 0,
            _ d: UInt64 = 0, _ e: UInt64 = 0
        ) -> UInt64 {
            let function = PhysicalMemory.load64(table + offset)
            return function == 0 ? .max : machine_call_firmware(function, a, b, c, d, e)
        }

        private static func word(_ number: UInt32) -> UInt64 { machine_firmware_word(number) }

        /// `AllocatePages`: loader memory below 4 GiB.
        private static func reserve(_ functions: UInt64) throws(BootFailure) -> UInt64 {
            let size = logOffset + logCapacity
            PhysicalMemory.store64(word(0), PhysicalMemory.limit - 1)
            guard call(functions, 40, 1, 2, size >> 12, word(0)) == 0 else { throw .outOfMemory }
            let block = try reach(PhysicalMemory.load64(word(0)), size)
            PhysicalMemory.zero(block, size: size)
            return block
        }

        // MARK: The log

        /// Copies the log that the TCG2 protocol gives, if there is one; it is gone once the boot
        /// services are. What the firmware measures from here on it keeps in a table of its own.
        public mutating func takeLog() {
            PhysicalMemory.store64(BootServices.word(4), 0x42be_7455_607f_766c)
            PhysicalMemory.store64(BootServices.word(5), 0x0f72_b26d_d7e4_0b93)
            let (location, last) = (BootServices.word(0), BootServices.word(1))
            guard BootServices.call(functions, 320, BootServices.word(4), 0, location) == 0 else {
                return
            }
            let protocolTable = PhysicalMemory.load64(location)
            guard let table = try? BootServices.reach(protocolTable, 16) else { return }
            // `GetEventLog`, `EFI_TCG2_EVENT_LOG_FORMAT_TCG_2`.
            guard
                BootServices.call(
                    table, 8, table, 2, location, last, BootServices.word(2)) == 0
            else { return }
            finalEvents = configuration(0x4254_30e2_1e2e_d096, 0x2523_f8be_3b86_89bd)
            if (try? BootServices.reach(finalEvents, 16)) == nil { finalEvents = 0 }
            if finalEvents != 0 { finalEventsSeen = PhysicalMemory.load64(finalEvents + 8) }
            copyLog(PhysicalMemory.load64(location), last: PhysicalMemory.load64(last))
        }

        /// Copies the log from its first record to the one that begins at `last`.
        private mutating func copyLog(_ start: UInt64, last: UInt64) {
            let capacity = BootServices.logCapacity
            guard (try? BootServices.reach(start, 16)) != nil, last >= start,
                last - start < capacity
            else { return }
            let count = min(capacity, PhysicalMemory.limit - start)
            let bytes = PhysicalMemory.bytes(at: start, count: Int(count))
            do throws(EventLogError) {
                var log = try FirmwareEventLog(bytes)
                while log.offset <= Int(last - start) {
                    guard try log.next() != nil else { break }
                }
                logSize = UInt64(log.offset)
            } catch { return }
            PhysicalMemory.copy(
                to: block + BootServices.logOffset, from: start, size: logSize)
        }

        /// Adds what the firmware measured after `takeLog`, by ending its services above all.
        private mutating func appendFinalEvents() {
            guard finalEvents != 0, logSize != 0 else { return }
            let count = min(PhysicalMemory.load64(finalEvents + 8), 256)
            let place = finalEvents + 16
            let room = min(BootServices.logCapacity - logSize, PhysicalMemory.limit - place)
            let bytes = PhysicalMemory.bytes(at: place, count: Int(room))
            let copied = PhysicalMemory.bytes(
                at: block + BootServices.logOffset, count: Int(logSize))
            do throws(EventLogError) {
                let form = try FirmwareEventLog(copied).form
                guard form.isAgile else { return }
                var log = FirmwareEventLog(records: bytes, form: form)
                var start = 0
                for index in 0..<count {
                    if index == finalEventsSeen { start = log.offset }
                    guard try log.next() != nil else { return }
                }
                guard count > finalEventsSeen else { return }
                let size = UInt64(log.offset - start)
                PhysicalMemory.copy(
                    to: block + BootServices.logOffset + logSize, from: place + UInt64(start),
                    size: size)
                logSize += size
            } catch { return }
        }

        /// A table of the firmware's configuration, by the halves of its GUID; 0: there is none.
        private func configuration(_ low: UInt64, _ high: UInt64) -> UInt64 {
            let count = min(PhysicalMemory.load64(systemTable + 104), 1024)
            let tables = PhysicalMemory.load64(systemTable + 112)
            guard (try? BootServices.reach(tables, count * 24)) != nil else { return 0 }
            for index in 0..<count {
                let entry = tables + index * 24
                if PhysicalMemory.load64(entry) == low, PhysicalMemory.load64(entry + 8) == high {
                    return PhysicalMemory.load64(entry + 16)
                }
            }
            return 0
        }

        // MARK: The end

        /// Ends the boot services.
        ///
        /// - Returns: the machine address of a PVH start info that says what a PVH loader would
        ///   have said.
        /// - Throws: `.firmwareStays`; `.badFirmware` for a map that makes no sense;
        ///   `.lowMemoryInUse`.
        public consuming func end() throws(BootFailure) -> UInt64 {
            // ACPI 2.0's table, else that of ACPI 1.0.
            let acpi = configuration(0x11d3_e4f1_8868_e871, 0x8188_3cc7_8000_22bc)
            let old = configuration(0x11d3_2d88_eb9d_2d30, 0x4dc1_3f27_9000_169a)
            guard leave() else { throw .firmwareStays }
            appendFinalEvents()
            let count = try writeMap()
            PhysicalMemory.store64(BootServices.word(8), block + BootServices.logOffset)
            PhysicalMemory.store64(BootServices.word(9), logSize)
            PhysicalMemory.store64(BootServices.word(10), 1)
            writeStartInfo(count, tables: acpi == 0 ? old : acpi)
            return block
        }

        /// Writes the memory that the firmware leaves us from 2 MiB on, the lowest 128 ranges of
        /// it, as `hvm_memmap_table_entry`.
        ///
        /// - Returns: how many they are.
        private func writeMap() throws(BootFailure) -> UInt32 {
            let size = PhysicalMemory.load64(BootServices.word(0))
            let descriptorSize = PhysicalMemory.load64(BootServices.word(2))
            guard size <= BootServices.mapCapacity, descriptorSize <= 4096 else {
                throw .badFirmware
            }
            let bytes = PhysicalMemory.bytes(at: block + BootServices.mapOffset, count: Int(size))
            guard
                let map = FirmwareMemoryMap(
                    validating: bytes, descriptorSize: Int(descriptorSize))
            else { throw .badFirmware }
            // The crash record and the page that processors start on are at fixed places.
            let start = UInt64(Trampoline.page) << 12
            guard map.end(from: start, withLoader: true) >= start + 4096,
                map.end(from: CrashRecord.address, withLoader: true) >= CrashRecord.address + 4096
            else { throw .lowMemoryInUse }
            var range = map.range(from: 1 << 21)
            var count: UInt32 = 0
            while range.end > range.start, count < 128 {
                let entry = block + BootServices.entries + UInt64(count) * 24
                PhysicalMemory.store64(entry, range.start)
                PhysicalMemory.store64(entry + 8, range.end - range.start)
                PhysicalMemory.store32(entry + 16, 1)
                count += 1
                range = map.range(from: range.end)
            }
            return count
        }

        /// `hvm_start_info` and `hvm_modlist_entry`.
        private func writeStartInfo(_ count: UInt32, tables: UInt64) {
            let list = block + 64
            PhysicalMemory.store64(block, 0x336e_c578 | 1 << 32)
            PhysicalMemory.store32(block + 12, 1)
            PhysicalMemory.store64(block + 16, list)
            if information.commandLineOffset != 0 {
                let offset = UInt64(information.commandLineOffset)
                PhysicalMemory.store64(block + 24, informationAddress + offset)
            }
            PhysicalMemory.store64(block + 32, tables)
            PhysicalMemory.store64(block + 40, block + BootServices.entries)
            PhysicalMemory.store32(block + 48, count)
            PhysicalMemory.store64(list, information.moduleStart)
            PhysicalMemory.store64(list + 8, information.moduleEnd - information.moduleStart)
        }
    }

    extension BootServices: FirmwareEnding {
        /// `GetMemoryMap`: size, key, descriptor size and descriptor version go to words 0 to 3.
        public mutating func readMemoryMap() -> UInt64? {
            PhysicalMemory.store64(BootServices.word(0), BootServices.mapCapacity)
            let status = BootServices.call(
                functions, 56, BootServices.word(0), block + BootServices.mapOffset,
                BootServices.word(1), BootServices.word(2), BootServices.word(3))
            return status == 0 ? PhysicalMemory.load64(BootServices.word(1)) : nil
        }

        /// `ExitBootServices`; `EFI_INVALID_PARAMETER` says that the key is stale.
        public mutating func end(key: UInt64) -> Bool? {
            let status = BootServices.call(functions, 232, information.imageHandle, key)
            return status == 0 ? true : (status == 1 << 63 | 2 ? false : nil)
        }
    }

    /// What the firmware has measured, as far as it let us have it.
    public enum FirmwareLog {
        /// Whether the machine was started by the firmware's boot services.
        public static var isExpected: Bool {
            PhysicalMemory.load64(machine_firmware_word(10)) == 1
        }

        /// The log that was taken from the boot services, else the one that ACPI's tables name;
        /// empty when there is neither.
        ///
        /// - Parameter tables: the machine address of ACPI's RSDP.
        @_lifetime(immortal)
        public static func bytes(_ tables: UInt64) -> Span<UInt8> {
            let size = PhysicalMemory.load64(machine_firmware_word(9))
            let area =
                size > 0
                ? (address: PhysicalMemory.load64(machine_firmware_word(8)), size: size)
                : FirmwareTables(tables).log
            return PhysicalMemory.bytes(at: area.address, count: Int(area.size))
        }
    }

#endif
