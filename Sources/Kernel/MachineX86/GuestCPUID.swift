#if hasFeature(Embedded)

    import CMachine
    import HypervisorCore

    /// What a guest sees of the processor: the machine's own leaves less what it must not use, and
    /// the hypervisor's leaves of Xen (public `arch-x86/cpuid.h`).
    extension GuestState {
        /// Answers an intercepted CPUID (two bytes).
        ///
        /// - Parameter features: the guest's XCR0.
        func answerCPUID(domain: UInt16, features: UInt64) {
            let leaf = UInt32(truncatingIfNeeded: control[.rax])
            let subleaf = UInt32(truncatingIfNeeded: self[.rcx])
            let answer =
                leaf >> 16 == 0x4000
                ? hypervisorLeaf(leaf, domain: domain) : processorLeaf(leaf, subleaf, features)
            control[.rax] = UInt64(answer.eax)
            self[.rbx] = UInt64(answer.ebx)
            self[.rcx] = UInt64(answer.ecx)
            self[.rdx] = UInt64(answer.edx)
            control.advance(2)
        }

        private func hypervisorLeaf(_ leaf: UInt32, domain: UInt16) -> machine_cpuid {
            switch leaf {
            case 0x4000_0000:
                // "XenVMMXenVMM"
                machine_cpuid(
                    eax: 0x4000_0004, ebx: 0x566e_6558, ecx: 0x6558_4d4d, edx: 0x4d4d_566e)
            case 0x4000_0001:
                machine_cpuid(eax: 0x40011, ebx: 0, ecx: 0, edx: 0)
            case 0x4000_0002:
                // One page of hypercalls, and the register that takes its address.
                machine_cpuid(eax: 1, ebx: HypercallPage.register, ecx: 0, edx: 0)
            case 0x4000_0004:
                // XEN_HVM_CPUID_X2APIC_VIRT, _VCPU_ID_PRESENT, _DOMID_PRESENT
                machine_cpuid(eax: 0x1a, ebx: UInt32(number), ecx: UInt32(domain), edx: 0)
            default:
                machine_cpuid(eax: 0, ebx: 0, ecx: 0, edx: 0)
            }
        }

        private func processorLeaf(
            _ leaf: UInt32, _ subleaf: UInt32, _ features: UInt64
        ) -> machine_cpuid {
            var answer = machine_cpuid(leaf, subleaf)
            let nothing = machine_cpuid(eax: 0, ebx: 0, ecx: 0, edx: 0)
            switch leaf {
            case 0:
                answer.eax = min(answer.eax, 0xd)
            case 1:
                answer.ebx = answer.ebx & 0xff00 | 1 << 16 | UInt32(number) << 24
                // Off: MONITOR, VMX, SMX, EST, TM2, PCID, DCA, TSC-deadline, OSXSAVE.
                answer.ecx &= ~(1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 17)
                answer.ecx &= ~(1 << 18 | 1 << 24 | 1 << 27)
                answer.ecx |= 1 << 21 | 1 << 31
                if control[.cr4] & 1 << 18 != 0 { answer.ecx |= 1 << 27 }
                // Off: MCE, MTRR, MCA, PSN, DS, ACPI, HTT, TM, PBE.
                answer.edx &= ~(1 << 7 | 1 << 12 | 1 << 14 | 1 << 18 | 1 << 21)
                answer.edx &= ~(1 << 22 | 1 << 28 | 1 << 29 | 1 << 31)
            case 7:
                guard subleaf == 0 else { return nothing }
                answer.eax = 0
                // On: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, RDSEED, ADX, SMAP, CLFLUSHOPT, SHA.
                answer.ebx &= 0x209c_03a9 & ~(1 << 10 | 1 << 11)
                answer.ecx = 0
                answer.edx = 0
            case 0xd:
                answer = extendedStateLeaf(answer, subleaf, features)
            case 2, 4, 0x8000_0000, 0x8000_0002...0x8000_0006:
                if leaf == 0x8000_0000 { answer.eax = min(answer.eax, 0x8000_0008) }
                if leaf == 4 { answer.eax &= 0x3fff }
            case 0x8000_0001:
                // Off: SVM, OSVW, IBS, SKINIT, WDT, LWP, TCE, topology and counter extensions.
                answer.ecx &= 0x0000_0173
                answer.edx &= ~(1 << 7 | 1 << 12 | 1 << 14)
            case 0x8000_0008:
                answer = machine_cpuid(eax: answer.eax & 0xffff, ebx: 0, ecx: 0, edx: 0)
            default:
                return nothing
            }
            return answer
        }

        private func extendedStateLeaf(
            _ leaf: machine_cpuid, _ subleaf: UInt32, _ features: UInt64
        ) -> machine_cpuid {
            switch subleaf {
            case 0:
                let size: UInt32 = features & 4 != 0 ? 832 : 576
                return machine_cpuid(eax: leaf.eax & 7, ebx: size, ecx: 832, edx: 0)
            case 1:
                // XSAVEOPT and XGETBV with ECX = 1; no compaction, no supervisor state.
                return machine_cpuid(eax: leaf.eax & 5, ebx: 0, ecx: 0, edx: 0)
            case 2:
                return leaf
            default:
                return machine_cpuid(eax: 0, ebx: 0, ecx: 0, edx: 0)
            }
        }
    }

#endif
