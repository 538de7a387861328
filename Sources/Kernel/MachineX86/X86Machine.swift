#if hasFeature(Embedded)

    public import BootArena
    import CMachine
    public import HypervisorCore

    /// AMD-V with nested paging, as the core's `Machine`: runs guests one at a time on one
    /// processor.
    ///
    /// - Invariant: *(state)* the extended registers hold the state of guest `loaded`, if any.
    public struct X86Machine: ~Copyable {
        /// The processor.
        public let processor: Processor
        /// The clock.
        public let clock: Clock
        /// COM1.
        public var console: ConsoleLog
        var guests: ArenaTable<Guest>
        var spaces: ArenaTable<GuestSpace>
        /// The virtual processor in whose address space virtual addresses are read.
        private(set) var selected = 0
        private var loaded: Int?
        private var denials = InlineArray<8, Denial?>(repeating: nil)
        private var denialCount = 0
        /// Denials that found no room to be kept.
        public private(set) var lostDenials: UInt64 = 0

        /// Takes the spaces in the order of their domain numbers, and the virtual processors in the
        /// order that the spaces say.
        public init(
            processor: Processor, clock: Clock, console: consuming ConsoleLog,
            spaces: consuming ArenaTable<GuestSpace>, guests: consuming ArenaTable<Guest>
        ) {
            self.spaces = spaces
            self.processor = processor
            self.clock = clock
            self.console = console
            self.guests = guests
        }

        /// Names the virtual processor that is to run next, or whose exit is dealt with.
        public mutating func select(_ processor: VirtualCPUID) { selected = index(processor) }

        /// Runs a guest until something happens that the machine cannot deal with, or an interrupt.
        public mutating func run(_ processorID: VirtualCPUID, upcall: UInt8) -> GuestExit {
            let index = self.index(processorID)
            selected = index
            load(index)
            prepareInterrupt(index, upcall: upcall)
            let guest = guests[index]
            svm_run(guest.control.address, guest.registers, processor.hostBlock)
            // QEMU 7.2 does not intercept XSETBV: what the guest wrote is in the register itself.
            guests[index].extendedControl = machine_xgetbv()
            Processor.takeInterrupts()
            return answer(index, processorID.domain)
        }

        /// The place of a virtual processor among the machine's.
        private func index(_ processor: VirtualCPUID) -> Int {
            let domain = Int(processor.domain.number) - 1
            precondition(domain >= 0 && domain < spaces.count, "no such domain")
            let space = spaces[domain]
            precondition(
                processor.number >= 0 && processor.number < space.processorCount,
                "no such virtual processor")
            return space.firstProcessor + processor.number
        }

        /// Gives the extended registers to a guest. Nothing of the last guest stays in them.
        private mutating func load(_ index: Int) {
            guard loaded != index else { return }
            let all = processor.extendedState
            machine_xsetbv(all)
            if let loaded { machine_xsave(guests[loaded].extendedArea, all) }
            machine_xrstor(guests[index].extendedArea, all)
            machine_xsetbv(guests[index].extendedControl)
            machine_wrmsr(0xc000_0103, guests[index].auxiliary)
            loaded = index
        }

        /// Injects what the guest can take now, and asks for an exit when it can take the rest.
        ///
        /// An event that was being delivered when the guest last stopped goes first: it was the
        /// guest's, and is lost otherwise.
        private mutating func prepareInterrupt(_ index: Int, upcall: UInt8) {
            let control = guests[index].control
            let interrupted = control[.exitInterrupt]
            control[.exitInterrupt] = 0
            control[.virtualInterrupt] = 1 << 24
            if interrupted & 1 << 31 != 0 {
                if control[.eventInjection] & 1 << 31 == 0 {
                    control[.eventInjection] = interrupted
                } else if interrupted >> 8 & 7 == 0 {
                    // An exception goes first; the interrupt waits behind it.
                    guests[index].raise(interrupted & 0xff)
                }
            }
            let waiting = guests[index].highestVector
            guard upcall != 0 || waiting != nil else { return }
            let canTake =
                control[.eventInjection] & 1 << 31 == 0 && control[.rflags] & 1 << 9 != 0
                && control[.interruptShadow] & 1 == 0
            guard canTake else {
                // A virtual interrupt of priority 15 whose only purpose is the exit it causes.
                control[.virtualInterrupt] = 1 << 24 | 1 << 8 | 15 << 16 | 1 << 20
                return
            }
            let vector = upcall != 0 ? UInt64(upcall) : waiting ?? 0
            if upcall == 0 { guests[index].vectors[Int(vector >> 6)] &= ~(1 << (vector & 63)) }
            control[.eventInjection] = vector | 1 << 31
        }

        private mutating func answer(_ index: Int, _ domain: DomainID) -> GuestExit {
            let control = guests[index].control
            control[.eventInjection] = 0
            guests[index].flushIsDone()
            spaces[Int(domain.number) - 1].exits.add(control[.exitCode])
            switch control[.exitCode] {
            case 0x60, 0x61: return .interrupted
            case 0x64: break
            case 0x41: control.injectException(1, errorCode: nil)
            case 0x51: control.injectException(17, errorCode: 0)
            case 0x52: return .failed("machine check", control[.exitInfo1])
            case 0x6f, 0x76, 0x8a, 0x8b, 0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x8e:
                // RDPMC, INVD, MONITOR, MWAIT, the instructions of AMD-V, RDPRU: not for guests.
                control.injectException(6, errorCode: nil)
            case 0x72: guests[index].answerCPUID(domain: domain.number)
            case 0x78:
                control.advance(1)
                // Asleep with interrupts off, it would sleep for ever: that is how it stops.
                return control[.rflags] & 1 << 9 == 0 ? .stopped : .halted
            case 0x7b: guests[index].answerPort()
            case 0x7c:
                if let command = guests[index].answerMSR() { return deliver(command, domain) }
            case 0x7f: return .failed("triple fault", control[.rip])
            case 0x81: return hypercall(index)
            case 0x89: control.advance(2)
            case 0x8d: guests[index].answerXSETBV(processor: processor)
            case 0x400: return .failed("access outside its memory", control[.exitInfo2])
            default: return .failed("unknown exit", control[.exitCode])
            }
            return .resumable
        }

        /// Delivers an interprocessor interrupt within the domain. What is not a fixed interrupt or
        /// a startup reaches nobody: INIT needs nothing, as a processor that is down waits already.
        private mutating func deliver(_ command: InterruptCommand, _ domain: DomainID) -> GuestExit
        {
            let space = spaces[Int(domain.number) - 1]
            var targets: UInt8 = 0
            for number in 0..<space.processorCount where command.reaches(number) {
                switch command.kind {
                case .fixed(let vector):
                    guests[space.firstProcessor + number].raise(vector)
                    targets |= 1 << UInt8(number)
                case .startup(let page): return .startup(number: number, page: page)
                case .other: break
                }
            }
            return .interprocessor(targets: targets)
        }

        /// How often a domain left guest mode.
        public func exitCounts(_ domain: DomainID) -> ExitCounts {
            let index = Int(domain.number) - 1
            precondition(index >= 0 && index < spaces.count, "no such domain")
            return spaces[index].exits
        }

        /// Puts a processor into the state of a startup interrupt: real mode, at page `page`.
        public mutating func startUp(_ processorID: VirtualCPUID, page: UInt8) {
            let index = index(processorID)
            guests[index].setRealMode(page: page)
        }

        private func hypercall(_ index: Int) -> GuestExit {
            let guest = guests[index]
            guest.control.advance(3)
            guard guest.control.privilegeLevel == 0, guest.control[.efer] & 1 << 10 != 0 else {
                guest.control[.rax] = UInt64(bitPattern: XenError.notPermitted.result)
                return .resumable
            }
            return .hypercall(
                HypercallRequest(
                    call: guest.control[.rax],
                    arguments: [guest[.rdi], guest[.rsi], guest[.rdx], guest[.r10]]))
        }

        /// Gives a hypercall its result; or has the guest make it again, for what is left of it.
        public func completeHypercall(_ processor: VirtualCPUID, _ result: HypercallResult) {
            let guest = guests[index(processor)]
            switch result {
            case .finished(let value): guest.control[.rax] = UInt64(bitPattern: value)
            case .unfinished(let second, let third):
                guest[.rsi] = second
                guest[.rdx] = third
                // WRAPS: RIP stood behind these three bytes.
                guest.control[.rip] = guest.control[.rip] &- 3
            }
        }

        /// Whether a vector waits, so that the processor must not sleep.
        public func hasWaitingVector(_ processor: VirtualCPUID) -> Bool {
            guests[index(processor)].highestVector != nil
        }

        /// Where the guest is, for a report.
        public func instructionPointer(_ processor: VirtualCPUID) -> UInt64 {
            guests[index(processor)].control[.rip]
        }

        /// The oldest denial that has not been reported.
        public mutating func takeDenial() -> Denial? {
            guard denialCount > 0, let denial = denials[0] else { return nil }
            for position in 1..<8 { denials[position - 1] = denials[position] }
            denials[7] = nil
            denialCount -= 1
            return denial
        }

        mutating func keep(_ denial: Denial) {
            guard denialCount < 8 else {
                lostDenials += 1
                return
            }
            denials[denialCount] = denial
            denialCount += 1
        }
    }

#endif
