#if hasFeature(Embedded)

    public import BootArena
    import CMachine
    public import HypervisorCore
    import Synchronization

    /// AMD-V with nested paging, as the core's `Machine`.
    ///
    /// One processor at a time uses it: the one that holds the kernel's lock and said so by
    /// `enter`. While a guest runs, its processor does not hold the lock, and nobody touches that
    /// guest's control block and registers.
    ///
    /// - Invariant: *(state)* a processor's extended registers hold the state of guest `loaded`, if
    ///   any, which is also in its save area once the processor has left it.
    /// - Invariant: *(translations)* a guest enters with what processors remember of its tables
    ///   only if it ran last on the same processor, with the same generation of the tables.
    public struct X86Machine: ~Copyable {
        /// Keeps the machine in one place: of a value without such a member the compiler makes
        /// copies, hundreds of bytes for each call that borrows it.
        private let anchor = Atomic<UInt8>(0)
        /// What all processors share.
        public let processor: Processor
        /// The clock, as the present processor reads it.
        public private(set) var clock: Clock
        /// COM1.
        public var console: ConsoleLog
        var guests: ArenaTable<Guest>
        var spaces: ArenaTable<GuestSpace>
        var processors: ArenaTable<PhysicalProcessor>
        /// The processor that uses the machine now.
        private var present = 0
        /// The virtual processor in whose address space virtual addresses are read.
        private(set) var selected = 0
        private var denials = InlineArray<8, Denial?>(repeating: nil)
        private var denialCount = 0
        /// Denials that found no room to be kept.
        public private(set) var lostDenials: UInt64 = 0

        /// Takes the spaces in the order of their domain numbers, the virtual processors in the
        /// order that the spaces say, and the processors, which have all started.
        public init(
            processor: Processor, clock: Clock, console: consuming ConsoleLog,
            spaces: consuming ArenaTable<GuestSpace>, guests: consuming ArenaTable<Guest>,
            processors: consuming ArenaTable<PhysicalProcessor>
        ) {
            self.spaces = spaces
            self.processor = processor
            self.clock = clock
            self.console = console
            self.guests = guests
            self.processors = processors
        }

        /// Loads a domain into its memory, which was cleared, and resets its processors: nothing of
        /// its last life is in memory, tables, registers or translations.
        ///
        /// - Precondition: none of its processors is on a processor of the machine, but for the one
        ///   that does this.
        /// - Throws: `.badKernel`, `.guestTooSmall`.
        public mutating func load(
            _ plan: GuestBuilder.Plan, commandLine: Span<UInt8>
        ) throws(BootFailure) {
            let position = Int(plan.domain.number) - 1
            let entry = try GuestBuilder.load(
                plan, commandLine: commandLine, into: &spaces[position])
            let space = spaces[position]
            for index in space.firstProcessor..<space.firstProcessor + space.processorCount {
                GuestBuilder.reset(&guests[index], entry: entry, space, processor)
                for number in processors.indices where processors[number].loaded == index {
                    processors[number].loaded = nil
                }
            }
            flushTranslations(of: plan.domain)
        }

        /// Where the manifest in force is.
        public var manifest: (address: UInt64, size: UInt64) = (0, 0)
        /// Where the event log is.
        public var eventLog: (address: UInt64, size: UInt64) = (0, 0)

        /// How many processors the machine has.
        public var processorCount: Int { processors.count }

        /// Says which processor uses the machine from now on: the one that has taken the lock.
        public mutating func enter(_ number: Int) {
            present = number
            clock.skew = processors[number].skew
        }

        /// Names the virtual processor whose address space is read.
        public mutating func select(_ processor: VirtualCPUID) { selected = index(processor) }

        /// Prepares a guest's next stay on the present processor.
        ///
        /// - Returns: what to run after the lock was given up; `finish` is to follow.
        public mutating func prepare(_ processorID: VirtualCPUID, upcall: UInt8) -> GuestEntry {
            let index = self.index(processorID)
            selected = index
            load(index, of: processorID.domain.number)
            guests[index].control[.tscOffset] = 0 &- processors[present].skew
            if guests[index].lastProcessor != present { guests[index].generation = .max }
            guests[index].lastProcessor = present
            processors[present].running = index
            let generation = spaces[Int(processorID.domain.number) - 1].generation
            let state = guests[index].state
            state.setFlush(guests[index].generation == generation ? 0 : processor.flushCommand)
            guests[index].generation = generation
            prepareInterrupt(index, upcall: upcall)
            // ORDER: said before the lock is given up; whoever changes the tables afterwards waits.
            processors[present].setInGuest()
            return GuestEntry(state, on: processors[present].block)
        }

        /// Deals with why a guest left, once the lock was taken again, on the same processor.
        public mutating func finish(_ processorID: VirtualCPUID) -> GuestExit {
            let index = self.index(processorID)
            selected = index
            // QEMU 7.2 does not intercept XSETBV: what the guest wrote is in the register itself.
            guests[index].extendedControl = machine_xgetbv()
            return answer(index, processorID.domain)
        }

        /// Keeps what the present processor's registers hold of a guest, which may go on elsewhere.
        public mutating func leave(_ processorID: VirtualCPUID) {
            let index = self.index(processorID)
            guard processors[present].loaded == index else { return }
            machine_xsetbv(processor.extendedState)
            machine_xsave(guests[index].extendedArea, processor.extendedState)
            machine_xsetbv(guests[index].extendedControl)
            for number in 0..<4 { guests[index].debug[number] = machine_debug(UInt32(number)) }
        }

        /// Has a processor that runs a guest, or waits, have another look. Nothing happens to one
        /// that is in the hypervisor: it looks before it goes on.
        public func kick(_ number: Int) {
            if number != present { processors[number].kick() }
        }

        /// Whether the present processor's timer rang since this was last asked.
        public func takeTimer() -> Bool { processors[present].takeTimer() }

        /// Has every processor forget what it knew of a domain's tables, and waits until those that
        /// run it have left it: after this no processor uses what the tables said before.
        ///
        /// A processor in guest mode takes the kick at once, whatever its guest does; it then says
        /// that it has left, and waits for the lock.
        public mutating func flushTranslations(of domain: DomainID) {
            let position = Int(domain.number) - 1
            // WRAPS: 2^64 changes take longer than any machine lasts.
            spaces[position].generation &+= 1
            let space = spaces[position]
            for number in processors.indices where number != present {
                guard let running = processors[number].running,
                    running >= space.firstProcessor,
                    running < space.firstProcessor + space.processorCount,
                    processors[number].isInGuest
                else { continue }
                processors[number].kick()
                var polls = 0
                while processors[number].isInGuest {
                    polls += 1
                    precondition(polls < 1_000_000_000, "a processor does not leave its guest")
                    machine_pause()
                }
            }
        }

        /// The place of a virtual processor among the machine's.
        private func index(_ processor: VirtualCPUID) -> Int {
            let domain = Int(processor.domain.number) - 1
            precondition(
                processor.number >= 0 && processor.number < spaces[domain].processorCount,
                "no such virtual processor")
            return spaces[domain].firstProcessor + processor.number
        }

        /// Gives the extended and debug registers to a guest. Nothing of the last guest stays in
        /// them, nor, between domains and where the processor can, in its branch predictors.
        private mutating func load(_ index: Int, of domain: UInt16) {
            if processors[present].lastDomain != domain {
                if processor.hasPredictorBarrier { machine_wrmsr(0x49, 1) }
                processors[present].lastDomain = domain
            }
            let isThere =
                processors[present].loaded == index && guests[index].lastProcessor == present
            guard !isThere else { return }
            let guest = guests[index]
            machine_xsetbv(processor.extendedState)
            extended_state_load(guest.extendedArea, processor.extendedState)
            machine_xsetbv(guest.extendedControl)
            machine_wrmsr(0xc000_0103, guest.auxiliary)
            for number in 0..<4 { machine_set_debug(UInt32(number), guest.debug[number]) }
            processors[present].loaded = index
        }

        /// Injects what the guest can take now, and asks for an exit when it can take the rest.
        ///
        /// An event that was being delivered when the guest last stopped goes first: it was the
        /// guest's, and is lost otherwise.
        private mutating func prepareInterrupt(_ index: Int, upcall: UInt8) {
            let control = guests[index].state.control
            let interrupted = control[.exitInterrupt]
            control[.virtualInterrupt] = 1 << 24
            if interrupted & 1 << 31 != 0 {
                control[.exitInterrupt] = 0
                if control[.eventInjection] & 1 << 31 == 0 {
                    control[.eventInjection] = interrupted
                } else if interrupted >> 8 & 7 == 0 {
                    // An exception goes first; the interrupt waits behind it.
                    guests[index].raise(interrupted & 0xff)
                }
            }
            // Word by word: for a property all of the guest is copied.
            let isQuiet =
                guests[index].vectors[0] | guests[index].vectors[1] | guests[index].vectors[2]
                | guests[index].vectors[3] == 0
            guard upcall != 0 || !isQuiet else { return }
            let canTake =
                control[.eventInjection] & 1 << 31 == 0 && control[.rflags] & 1 << 9 != 0
                && control[.interruptShadow] & 1 == 0
            guard canTake else {
                // A virtual interrupt of priority 15 whose only purpose is the exit it causes.
                control[.virtualInterrupt] = 1 << 24 | 1 << 8 | 15 << 16 | 1 << 20
                return
            }
            let vector = upcall != 0 ? UInt64(upcall) : guests[index].highestVector ?? 0
            if upcall == 0 { guests[index].vectors[Int(vector >> 6)] &= ~(1 << (vector & 63)) }
            control[.eventInjection] = vector | 1 << 31
        }

        private mutating func answer(_ index: Int, _ domain: DomainID) -> GuestExit {
            let state = guests[index].state
            let control = state.control
            control[.eventInjection] = 0
            let code = control[.exitCode]
            spaces[Int(domain.number) - 1].exits.add(code)
            switch code {
            case 0x81: return makesHypercall(state) ? .hypercall : .resumable
            case 0x60, 0x61: return .interrupted
            case 0x64: break
            case 0x41: control.injectException(1, errorCode: nil)
            case 0x51: control.injectException(17, errorCode: 0)
            case 0x52:
                // What the processor knows is wrong with it may be wrong with everything.
                return .machineCheck
            case 0x6f, 0x76, 0x8a, 0x8b, 0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x8e:
                // RDPMC, INVD, MONITOR, MWAIT, the instructions of AMD-V, RDPRU: not for guests.
                control.injectException(6, errorCode: nil)
            case 0x72:
                state.answerCPUID(domain: domain.number, features: guests[index].extendedControl)
            case 0x78:
                control.advance(1)
                // Asleep with interrupts off, it would sleep for ever: that is how it stops.
                return control[.rflags] & 1 << 9 == 0 ? .stopped : .halted
            case 0x7b: state.answerPort()
            case 0x7c where state.writesHypercallPage:
                state.fillHypercallPage(in: spaces[Int(domain.number) - 1].addresses)
            case 0x7c:
                if let command = guests[index].answerMSR() { return deliver(command, domain) }
            case 0x7f: return .failed("triple fault", control[.rip])
            case 0x89: control.advance(2)
            case 0x8d: guests[index].answerXSETBV(processor: processor)
            case 0x400: return .failed("access outside its memory", control[.exitInfo2])
            default: return .failed("unknown exit", code)
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

        /// Whether who may make hypercalls made this one; else it was answered.
        private func makesHypercall(_ state: GuestState) -> Bool {
            state.control.advance(3)
            if state.control.privilegeLevel == 0, state.isWide || state.isProtected { return true }
            state.control[.rax] = UInt64(bitPattern: XenError.notPermitted.result)
            return false
        }

        /// The hypercall of the guest whose exit `finish` has dealt with.
        public var request: HypercallRequest { guests[selected].state.request }

        /// Gives `request` its result; or has the guest make it again, for what is left of it.
        public func completeHypercall(_ request: HypercallRequest, _ result: HypercallResult) {
            let state = guests[selected].state
            switch result {
            case .finished(let value):
                let result = UInt64(bitPattern: value)
                state.control[.rax] = request.isNarrow ? result & 0xffff_ffff : result
            case .unfinished(let second, let third):
                state[request.isNarrow ? .rcx : .rsi] = second
                state[.rdx] = third
                // WRAPS: RIP stood behind these three bytes.
                state.control[.rip] = state.control[.rip] &- 3
            }
        }

        /// Whether a vector waits, so that the processor must not sleep.
        public func hasWaitingVector(_ processor: VirtualCPUID) -> Bool {
            !guests[index(processor)].isQuiet
        }

        /// Where the guest is, for a report.
        public func instructionPointer(_ processor: VirtualCPUID) -> UInt64 {
            guests[index(processor)].control[.rip]
        }

        /// Whether there is a denial that has not been reported.
        public var hasDenial: Bool { denialCount > 0 }

        /// The oldest denial that has not been reported.
        public mutating func takeDenial() -> Denial? {
            guard hasDenial, let denial = denials[0] else { return nil }
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
