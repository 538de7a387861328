#if hasFeature(Embedded)

    import HypervisorCore

    /// The register by which a guest asks for a page of hypercalls.
    extension GuestState {
        /// Whether an intercepted access to a register is the write that asks for the page.
        var writesHypercallPage: Bool {
            control[.exitInfo1] & 1 != 0
                && UInt32(truncatingIfNeeded: self[.rcx]) == HypercallPage.register
        }

        /// Fills the page that the guest names, if it is one of its memory; else it faults.
        func fillHypercallPage(in space: GuestAddresses) {
            let address = control[.rax] & 0xffff_ffff | self[.rdx] << 32
            guard address & 0xfff == 0,
                let place = space.translate(GuestPhysicalAddress(address))
            else { return control.injectGeneralProtection() }
            var page = PhysicalMemory.mutableBytes(at: place, count: 4096)
            HypercallPage.write(&page)
            control.advance(2)
        }
    }

#endif
