#if hasFeature(Embedded)

    import HypervisorCore

    /// A guest that is not in long mode: 32-bit code, with its own paging or none.
    extension GuestState {
        /// Whether the processor is in long mode and executes 64-bit code.
        var isWide: Bool {
            let attributes = PhysicalMemory.load16(
                control.address + ControlBlock.Segment.cs.rawValue + 2)
            return control[.efer] & 1 << 10 != 0 && attributes & 1 << 9 != 0
        }

        /// Whether it is in protected mode, in which alone hypercalls are made.
        var isProtected: Bool { control[.cr0] & 1 != 0 && control[.rflags] & 1 << 17 == 0 }

        /// The hypercall that it makes: RAX, RDI, RSI, RDX, R10; of 32-bit code EAX, EBX, ECX, EDX,
        /// ESI.
        var request: HypercallRequest {
            if isWide {
                return HypercallRequest(
                    call: control[.rax],
                    arguments: [self[.rdi], self[.rsi], self[.rdx], self[.r10]])
            }
            let low: UInt64 = 0xffff_ffff
            return HypercallRequest(
                call: control[.rax] & low,
                arguments: [
                    self[.rbx] & low, self[.rcx] & low, self[.rdx] & low, self[.rsi] & low,
                ],
                isNarrow: true)
        }

        /// The machine address behind a linear address outside long mode: the same guest-physical
        /// address without paging, else by tables of two levels, or three with PAE.
        ///
        /// - Trust: the tables are the guest's; every step is checked to stay in its memory.
        /// - Returns: nil when the address is beyond 4 GiB, not mapped, or (for `writing`) not
        ///   writable.
        func translateNarrow(
            _ address: GuestVirtualAddress, writing: Bool, in space: GuestAddresses
        ) -> UInt64? {
            guard address.value < 1 << 32 else { return nil }
            guard control[.cr0] & 1 << 31 != 0 else {
                return space.translate(GuestPhysicalAddress(address.value))
            }
            return control[.cr4] & 1 << 5 != 0
                ? translateExtended(address.value, writing, space)
                : translateLegacy(address.value, writing, space)
        }

        /// PAE: four pointers, then two levels of 512 entries of 8 bytes.
        private func translateExtended(
            _ address: UInt64, _ writing: Bool, _ space: GuestAddresses
        ) -> UInt64? {
            let pointer = (control[.cr3] & 0xffff_ffe0) + (address >> 30) * 8
            guard let top = entry(pointer, wide: true, writing: false, space) else { return nil }
            let directory = (top & 0x000f_ffff_ffff_f000) + (address >> 21 & 511) * 8
            guard let middle = entry(directory, wide: true, writing: writing, space) else {
                return nil
            }
            if middle & 1 << 7 != 0 {
                return space.translate(
                    GuestPhysicalAddress(middle & 0x000f_ffff_ffe0_0000 | address & 0x1f_ffff))
            }
            let table = (middle & 0x000f_ffff_ffff_f000) + (address >> 12 & 511) * 8
            guard let last = entry(table, wide: true, writing: writing, space) else { return nil }
            return space.translate(
                GuestPhysicalAddress(last & 0x000f_ffff_ffff_f000 | address & 0xfff))
        }

        /// Two levels of 1,024 entries of 4 bytes, with pages of 4 MiB.
        private func translateLegacy(
            _ address: UInt64, _ writing: Bool, _ space: GuestAddresses
        ) -> UInt64? {
            let directory = (control[.cr3] & 0xffff_f000) + (address >> 22) * 4
            guard let top = entry(directory, wide: false, writing: writing, space) else {
                return nil
            }
            if top & 1 << 7 != 0, control[.cr4] & 1 << 4 != 0 {
                return space.translate(
                    GuestPhysicalAddress(top & 0xffc0_0000 | address & 0x3f_ffff))
            }
            let table = (top & 0xffff_f000) + (address >> 12 & 1023) * 4
            guard let last = entry(table, wide: false, writing: writing, space) else { return nil }
            return space.translate(
                GuestPhysicalAddress(last & 0xffff_f000 | address & 0xfff))
        }

        /// An entry of a table that is present and, for `writing`, writable.
        private func entry(
            _ address: UInt64, wide: Bool, writing: Bool, _ space: GuestAddresses
        ) -> UInt64? {
            guard let place = space.translate(GuestPhysicalAddress(address)) else { return nil }
            let entry = wide ? PhysicalMemory.load64(place) : UInt64(PhysicalMemory.load32(place))
            return entry & 1 != 0 && (!writing || entry & 2 != 0) ? entry : nil
        }
    }

#endif
