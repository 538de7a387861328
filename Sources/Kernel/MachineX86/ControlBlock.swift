#if hasFeature(Embedded)

    /// A guest's virtual machine control block (AMD64 APM volume 2, appendix B), by field. Only the
    /// hypervisor writes it while the guest does not run.
    struct ControlBlock: BitwiseCopyable {
        /// Its machine address.
        let address: UInt64

        enum Field: UInt64 {
            case interceptExceptions = 0x008
            case interceptFirst = 0x00c
            case interceptSecond = 0x010
            case ioPermissions = 0x040
            case msrPermissions = 0x048
            case tscOffset = 0x050
            case addressSpace = 0x058
            case virtualInterrupt = 0x060
            case interruptShadow = 0x068
            case exitCode = 0x070
            case exitInfo1 = 0x078
            case exitInfo2 = 0x080
            case exitInterrupt = 0x088
            case nestedControl = 0x090
            case eventInjection = 0x0a8
            case nestedRoot = 0x0b0
            case efer = 0x4d0
            case cr4 = 0x548
            case cr3 = 0x550
            case cr0 = 0x558
            case dr7 = 0x560
            case dr6 = 0x568
            case rflags = 0x570
            case rip = 0x578
            case rsp = 0x5d8
            case rax = 0x5f8
            case pat = 0x668
        }

        enum Segment: UInt64 {
            case es = 0x400
            case cs = 0x410
            case ss = 0x420
            case ds = 0x430
            case fs = 0x440
            case gs = 0x450
            case gdtr = 0x460
            case ldtr = 0x470
            case idtr = 0x480
            case tr = 0x490
        }

        subscript(field: Field) -> UInt64 {
            get { PhysicalMemory.load64(address + field.rawValue) }
            nonmutating set { PhysicalMemory.store64(address + field.rawValue, newValue) }
        }

        /// The intercept words, which are 32 bits wide and adjacent.
        func setIntercept(_ field: Field, _ value: UInt32) {
            PhysicalMemory.store32(address + field.rawValue, value)
        }

        /// Writes a segment register: attributes as the control block packs them.
        func set(
            _ segment: Segment, selector: UInt16, attributes: UInt16, limit: UInt32,
            base: UInt64 = 0
        ) {
            let place = address + segment.rawValue
            PhysicalMemory.store16(place, selector)
            PhysicalMemory.store16(place + 2, attributes)
            PhysicalMemory.store32(place + 4, limit)
            PhysicalMemory.store64(place + 8, base)
        }

        /// The current privilege level, 0 to 3.
        var privilegeLevel: UInt8 { PhysicalMemory.load8(address + 0x4cb) }

        /// Moves on past an instruction of `length` bytes, ending the shadow of STI and MOV SS.
        func advance(_ length: UInt64) {
            // WRAPS: RIP is the guest's; a wrapped one faults in the guest.
            self[.rip] = self[.rip] &+ length
            self[.interruptShadow] = 0
        }

        /// Injects a general-protection fault with error code 0 at the present instruction.
        func injectGeneralProtection() {
            self[.eventInjection] = 13 | 3 << 8 | 1 << 11 | 1 << 31
        }

        /// Injects an exception again that was intercepted.
        func injectException(_ vector: UInt64, errorCode: UInt64?) {
            let code = errorCode.map { $0 << 32 | 1 << 11 } ?? 0
            self[.eventInjection] = vector | 3 << 8 | 1 << 31 | code
        }
    }

#endif
