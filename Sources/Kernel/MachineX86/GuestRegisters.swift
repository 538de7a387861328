#if hasFeature(Embedded)

    import CMachine

    /// Model-specific registers of a guest. It starts with its local APIC in x2APIC mode: it
    /// never touches the APIC through memory and no instruction need be decoded.
    extension Guest {
        /// Answers an intercepted RDMSR or WRMSR (two bytes); what the guest may not do faults.
        mutating func answerMSR(processor: Processor) {
            let register = UInt32(truncatingIfNeeded: self[.rcx])
            if control[.exitInfo1] & 1 == 0 {
                guard let value = read(register) else { return control.injectGeneralProtection() }
                setResult(
                    rax: UInt32(truncatingIfNeeded: value),
                    rdx: UInt32(truncatingIfNeeded: value >> 32))
            } else {
                let value = control[.rax] & 0xffff_ffff | self[.rdx] << 32
                guard write(register, value) else { return control.injectGeneralProtection() }
            }
            control.advance(2)
        }

        private func read(_ register: UInt32) -> UInt64? {
            switch register {
            case 0x1b: 0xfee0_0d00
            case 0xc000_0080: control[.efer] & ~(1 << 12)
            case 0xc000_0103: auxiliary
            case 0x8b: 0
            case 0xc001_0010, 0xc001_0015, 0xc001_001f, 0xc001_0007, 0xc001_0000...0xc001_0003: 0
            // LFENCE serialises.
            case 0xc001_1029: 2
            case 0x802: 0
            case 0x803: 0x0005_0014
            case 0x808: taskPriority
            case 0x80d: 1
            case 0x80f: 0x1ff
            case 0x810...0x827, 0x828, 0x838, 0x839: 0
            case 0x82f, 0x832...0x837: 1 << 16
            default: nil
            }
        }

        private mutating func write(_ register: UInt32, _ value: UInt64) -> Bool {
            switch register {
            case 0x1b:
                return value == 0xfee0_0d00
            case 0xc000_0080:
                // SCE, LME, NXE may change; LMA is the processor's, SVME ours.
                let allowed: UInt64 = 1 | 1 << 8 | 1 << 11
                guard value & ~(allowed | 1 << 10) == 0 else { return false }
                control[.efer] = value & allowed | control[.efer] & 1 << 10 | 1 << 12
                return true
            case 0xc000_0103:
                guard value >> 32 == 0 else { return false }
                auxiliary = value
                machine_wrmsr(0xc000_0103, value)
                return true
            case 0x8b, 0xc001_0007, 0xc001_0015, 0xc001_001f, 0xc001_1029:
                return true
            case 0x808:
                taskPriority = value & 0xff
                return true
            case 0x80b, 0x80f, 0x828, 0x82f, 0x832...0x837, 0x838:
                return true
            case 0x83f:
                raise(value & 0xff)
                return true
            case 0x830:
                sendInterprocessor(value)
                return true
            default:
                return false
            }
        }

        /// The interrupt command register: the only processor is the sender, so fixed interrupts to
        /// itself, to all, or to APIC 0 are its own, and the rest reach nobody.
        private mutating func sendInterprocessor(_ command: UInt64) {
            let shorthand = command >> 18 & 3
            let isFixed = command >> 8 & 7 == 0
            let toItself =
                shorthand == 1 || shorthand == 2 || (shorthand == 0 && command >> 32 == 0)
            if isFixed && toItself { raise(command & 0xff) }
        }

        /// Answers an intercepted XSETBV (three bytes): XCR0 within what the processor offers.
        mutating func answerXSETBV(processor: Processor) {
            let value = control[.rax] & 0xffff_ffff | self[.rdx] << 32
            let consistent = value & 1 != 0 && (value & 4 == 0 || value & 2 != 0)
            guard self[.rcx] & 0xffff_ffff == 0, value & ~processor.extendedState == 0, consistent,
                control.privilegeLevel == 0
            else { return control.injectGeneralProtection() }
            extendedControl = value
            machine_xsetbv(value)
            control.advance(3)
        }

        /// Answers an intercepted port access: there is no device. Reads give all ones, but for the
        /// timer's counter (0x42): Linux polls that for 100,000 exits while it reads 0xff, and
        /// gives up at once at 0. Writes go nowhere. String accesses fault.
        func answerPort() {
            let info = control[.exitInfo1]
            guard info & 4 == 0 else { return control.injectGeneralProtection() }
            if info & 1 != 0 {
                let width = info >> 4 & 7
                let ones: UInt64 = width == 1 ? 0xff : (width == 2 ? 0xffff : 0xffff_ffff)
                let value = info >> 16 & 0xffff == 0x42 ? 0 : ones
                let kept = width == 4 ? 0 : control[.rax] & ~ones
                control[.rax] = kept | value
            }
            control[.rip] = control[.exitInfo2]
            control[.interruptShadow] = 0
        }
    }

#endif
