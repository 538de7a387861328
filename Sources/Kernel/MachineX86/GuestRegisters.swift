#if hasFeature(Embedded)

    import CMachine
    import HypervisorCore

    /// Model-specific registers of a guest. It starts with its local APIC in x2APIC mode: it
    /// never touches the APIC through memory and no instruction need be decoded.
    extension Guest {
        /// Answers an intercepted RDMSR or WRMSR (two bytes); what the guest may not do faults.
        ///
        /// - Returns: the interrupt command that it wrote, if it did.
        mutating func answerMSR() -> InterruptCommand? {
            var command: InterruptCommand?
            let register = UInt32(truncatingIfNeeded: state[.rcx])
            if control[.exitInfo1] & 1 == 0 {
                guard let value = read(register) else {
                    control.injectGeneralProtection()
                    return nil
                }
                state.setResult(
                    rax: UInt32(truncatingIfNeeded: value),
                    rdx: UInt32(truncatingIfNeeded: value >> 32))
            } else {
                let value = control[.rax] & 0xffff_ffff | state[.rdx] << 32
                guard write(register, value) else {
                    control.injectGeneralProtection()
                    return nil
                }
                if register == 0x830 { command = InterruptCommand(value, sender: state.number) }
            }
            control.advance(2)
            return command
        }

        private func read(_ register: UInt32) -> UInt64? {
            switch register {
            case 0x1b: 0xfee0_0c00 | (state.number == 0 ? 0x100 : 0)
            case 0xc000_0080: control[.efer] & ~(1 << 12)
            case 0xc000_0103: auxiliary
            case 0x8b: 0
            case 0xc001_0010, 0xc001_0015, 0xc001_001f, 0xc001_0007, 0xc001_0000...0xc001_0003: 0
            // LFENCE serialises.
            case 0xc001_1029: 2
            case 0x802: UInt64(state.number)
            case 0x803: 0x0005_0014
            case 0x808: taskPriority
            case 0x80d: 1 << UInt64(state.number)
            case 0x80f: 0x1ff
            case 0x810...0x827, 0x828, 0x838, 0x839: 0
            case 0x82f, 0x832...0x837: 1 << 16
            default: nil
            }
        }

        private mutating func write(_ register: UInt32, _ value: UInt64) -> Bool {
            switch register {
            case 0x1b:
                return value == read(0x1b)
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
                return true
            default:
                return false
            }
        }

        /// Answers an intercepted XSETBV (three bytes): XCR0 within what the processor offers.
        mutating func answerXSETBV(processor: Processor) {
            let value = control[.rax] & 0xffff_ffff | state[.rdx] << 32
            let consistent = value & 1 != 0 && (value & 4 == 0 || value & 2 != 0)
            guard state[.rcx] & 0xffff_ffff == 0, value & ~processor.extendedState == 0, consistent,
                control.privilegeLevel == 0
            else { return control.injectGeneralProtection() }
            extendedControl = value
            machine_xsetbv(value)
            control.advance(3)
        }
    }

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

    /// A write to the interrupt command register of the x2APIC (Intel SDM volume 3, 11.12.9).
    struct InterruptCommand {
        /// What is sent.
        enum Kind {
            case fixed(vector: UInt64)
            case startup(page: UInt8)
            case other
        }

        /// What is sent.
        let kind: Kind
        private let destination: UInt64
        private let shorthand: UInt64
        private let isLogical: Bool
        private let sender: Int

        init(_ value: UInt64, sender: Int) {
            switch value >> 8 & 7 {
            case 0: kind = .fixed(vector: value & 0xff)
            case 6: kind = .startup(page: UInt8(truncatingIfNeeded: value))
            default: kind = .other
            }
            destination = value >> 32
            shorthand = value >> 18 & 3
            isLogical = value >> 11 & 1 == 1
            self.sender = sender
        }

        /// Whether it reaches processor `number`. In logical mode all processors are of cluster 0.
        func reaches(_ number: Int) -> Bool {
            switch shorthand {
            case 1: return number == sender
            case 2: return true
            case 3: return number != sender
            default: break
            }
            if destination == 0xffff_ffff { return true }
            return isLogical
                ? destination >> 16 == 0 && destination >> UInt64(number) & 1 == 1
                : destination == UInt64(number)
        }
    }

#endif
