#if hasFeature(Embedded)

    import CService
    public import PolicyDatabase
    public import SystemManifest

    /// A compartment's view of Casemate: hypercalls by VMMCALL, events by polling their pending
    /// bits after `SCHEDOP_block`.
    ///
    /// The addresses that it passes to `CService` are those of `docs/abi/services.md`, all of them
    /// mapped by the service's entry.
    public struct GuestMachine: ~Copyable {
        /// What is mapped where: for each place the grant's handle.
        private var handles = InlineArray<64, UInt32>(repeating: 0)
        private var isMapped = InlineArray<64, Bool>(repeating: false)
        /// What the hypervisor last said about the domains from 1 on.
        private var lives = InlineArray<64, DomainLife>(
            repeating: DomainLife(generation: 0, isRunning: false))
        private var isFollowed = InlineArray<64, Bool>(repeating: false)
        /// How much of the console's text is not passed on yet.
        private var textCount: UInt64 = 0
        /// What was typed and is not taken yet: how much of it, and how much there was.
        private var typed = InlineArray<64, UInt8>(repeating: 0)
        private var typedStart = 0
        private var typedCount = 0
        /// The port of `VIRQ_DOM_EXC`; 0 when it is not bound.
        private var lifePort: UInt32 = 0
        /// Which policy is in force, as the hypervisor last said; 0: it was not asked.
        private var sequence: UInt32 = 0
        /// Whether the service asks for decisions: the store does, and may.
        private var asksForDecisions = false
        /// Where the service's own store ring is; 0 when it was not opened.
        private var storeAddress: UInt64 = 0
        /// The port of `VIRQ_CONSOLE`, likewise.
        private var typePort: UInt32 = 0

        /// Where granted pages are mapped: guest-physical addresses that are no memory.
        private static var windowAddress: UInt64 { 0xf100_0000 }
        /// Where the service sees `struct shared_info`.
        private static var sharedInfoAddress: UInt64 { 0xf0ff_f000 }
        /// `DOMID_SELF`.
        private static var ownDomain: UInt16 { 0x7ff0 }

        private enum Call {
            static var memory: UInt64 { 12 }
            static var console: UInt64 { 18 }
            static var grant: UInt64 { 20 }
            static var schedule: UInt64 { 29 }
            static var event: UInt64 { 32 }
            static var hvm: UInt64 { 34 }
            static var domainControl: UInt64 { 36 }
            static var security: UInt64 { 27 }
        }

        /// Takes the machine over: maps the page of `struct shared_info`.
        ///
        /// - Returns: nil when the hypervisor refuses.
        public init?() {
            // `XENMEM_add_to_physmap`: domid, size, space (0 shared info), index, frame.
            service_store16(service_argument_address(), GuestMachine.ownDomain)
            service_store16(service_argument_address() + 2, 0)
            service_store32(service_argument_address() + 4, 0)
            service_store64(service_argument_address() + 8, 0)
            service_store64(
                service_argument_address() + 16, GuestMachine.sharedInfoAddress >> 12)
            guard service_call(Call.memory, 7, 0) == 0 else { return nil }
        }

        // MARK: The service itself

        /// Writes a line of the service's own to the hypervisor's console.
        public static func say(_ text: ServiceText) {
            for index in 0..<text.count {
                service_store8(service_text_address() + UInt64(index), text[index])
            }
            service_store8(service_text_address() + UInt64(text.count), 0x0a)
            _ = service_hypercall(
                Call.console, 0, UInt64(text.count + 1), service_text_address())
        }

        /// Says why the service cannot go on, and crashes its compartment.
        public static func stop(_ reason: ServiceText) -> Never {
            say(reason)
            // `SCHEDOP_shutdown` with `SHUTDOWN_crash`.
            service_store32(service_argument_address(), 3)
            _ = service_call(Call.schedule, 2, 0)
            service_halt()
        }

        /// Random bits that no other domain knows.
        ///
        /// - NOTE: without RDRAND they are the time-stamp counter's, which others can guess.
        public static func randomBits() -> UInt64 {
            let random = service_rdrand()
            // WRAPS: a mix of bits, not a number.
            return random != 0 ? random : service_rdtsc() &* 0x9e37_79b9_7f4a_7c15
        }

        /// Follows the lives of the domains that use a service; of those beyond 64 none.
        ///
        /// - Returns: false when the hypervisor does not let the service.
        public mutating func followUsers(
            of service: ServiceKind, _ manifest: borrowing SystemManifest
        ) -> Bool {
            guard let port = bindVirtualInterrupt(3) else { return false }
            lifePort = port
            for index in 0..<min(manifest.compartmentCount, 64) {
                isFollowed[index] = manifest.compartment(at: index).uses(service)
            }
            asksForDecisions = service == .store
            refreshLives()
            refreshSequence()
            return true
        }

        /// `seqno` of `FLASK_ACCESS`, whatever else it answers.
        private mutating func refreshSequence() {
            guard asksForDecisions else { return }
            _ = accessVector(subject: 0, object: 0, class: .security)
            sequence = service_load32(service_argument_address() + 36)
        }

        private mutating func refreshLives() {
            for index in 0..<64 where isFollowed[index] {
                lives[index] = askLife(of: UInt16(truncatingIfNeeded: index + 1))
            }
        }

        /// `XEN_DOMCTL_getdomaininfo`: flags at 20, the generation in the handle at 92.
        private func askLife(of domain: UInt16) -> DomainLife {
            let arguments = service_argument_address()
            service_store32(arguments, 5)
            service_store32(arguments + 4, 0x15)
            service_store32(arguments + 8, UInt32(domain))
            guard service_hypercall(Call.domainControl, arguments, 0, 0) == 0 else {
                return DomainLife(generation: 0, isRunning: false)
            }
            return DomainLife(
                generation: service_load32(arguments + 92),
                isRunning: service_load32(arguments + 20) & 1 << 5 != 0)
        }

        /// Waits until some port has been signalled; returns at once if one was since the last
        /// call.
        ///
        /// - Parameter time: microseconds of `now()` at which it returns at the latest.
        public mutating func waitForSignals(until time: UInt64? = nil) {
            // `struct vcpu_info`: upcall pending at 0, selector at 8; it is polled, so both are
            // cleared before the ports are looked at.
            if let time {
                // `SCHEDOP_poll` of no port: a signal that comes before it has begun to wait is
                // seen at that time.
                let arguments = service_argument_address()
                service_store64(arguments, arguments)
                service_store64(arguments + 8, 0)
                service_store64(arguments + 16, time * 1000)
                if service_load8(GuestMachine.sharedInfoAddress) == 0 {
                    _ = service_call(Call.schedule, 3, 0)
                }
            } else {
                _ = service_hypercall(Call.schedule, 1, 0, 0)
            }
            service_store8(GuestMachine.sharedInfoAddress, 0)
            _ = service_exchange64(GuestMachine.sharedInfoAddress + 8, 0)
            guard lifePort != 0, takeSignal(of: lifePort) else { return }
            refreshLives()
            refreshSequence()
        }

        /// Takes the signal of a port; false when there is none.
        public mutating func takeSignal(of port: UInt32) -> Bool {
            guard port < 4096 else { return false }
            let word = GuestMachine.sharedInfoAddress + 2048 + UInt64(port / 64 * 8)
            return service_take_bit(word, UInt8(truncatingIfNeeded: port % 64)) != 0
        }

        /// Binds a virtual interrupt (`VIRQ_…`) to a new port.
        public mutating func bindVirtualInterrupt(_ number: UInt32) -> UInt32? {
            service_store32(service_argument_address(), number)
            service_store32(service_argument_address() + 4, 0)
            guard service_call(Call.event, 1, 0) == 0 else { return nil }
            return service_load32(service_argument_address() + 8)
        }

        private func address(_ page: SharedPage, _ offset: Int) -> UInt64 {
            if page == GuestMachine.storePage, offset >= 0, offset < 4096, storeAddress != 0 {
                return storeAddress + UInt64(offset)
            }
            precondition(
                page.number >= 0 && page.number < 64 && offset >= 0 && offset < 4096,
                "an offset leaves its page")
            return GuestMachine.windowAddress + UInt64(page.number) << 12 + UInt64(offset)
        }
    }

    extension GuestMachine: ServiceMachine {
        /// `GNTTABOP_map_grant_ref` at the next free place.
        public mutating func map(_ reference: UInt32, of domain: UInt16) -> SharedPage? {
            var place = 0
            while place < 64, isMapped[place] { place += 1 }
            guard place < 64 else { return nil }
            let page = SharedPage(number: place)
            let arguments = service_argument_address()
            service_store64(arguments, address(page, 0))
            // `GNTMAP_host_map`.
            service_store32(arguments + 8, 2)
            service_store32(arguments + 12, reference)
            service_store16(arguments + 16, domain)
            service_store16(arguments + 18, 0xffff)
            service_store32(arguments + 20, 0)
            guard service_call(Call.grant, 0, 1) == 0, service_load32(arguments + 16) >> 16 == 0
            else { return nil }
            handles[place] = service_load32(arguments + 20)
            isMapped[place] = true
            return page
        }

        /// `GNTTABOP_unmap_grant_ref`.
        public mutating func unmap(_ page: SharedPage) {
            guard page.number >= 0, page.number < 64, isMapped[page.number] else { return }
            let arguments = service_argument_address()
            service_store64(arguments, address(page, 0))
            service_store64(arguments + 8, 0)
            service_store32(arguments + 16, handles[page.number])
            service_store32(arguments + 20, 0)
            _ = service_call(Call.grant, 1, 1)
            isMapped[page.number] = false
        }

        /// `EVTCHNOP_bind_interdomain`.
        public mutating func bind(_ remotePort: UInt32, of domain: UInt16) -> UInt32? {
            let arguments = service_argument_address()
            service_store32(arguments, UInt32(domain))
            service_store32(arguments + 4, remotePort)
            service_store32(arguments + 8, 0)
            guard service_call(Call.event, 0, 0) == 0 else { return nil }
            return service_load32(arguments + 8)
        }

        /// `EVTCHNOP_close`.
        public mutating func close(_ port: UInt32) {
            service_store32(service_argument_address(), port)
            _ = service_call(Call.event, 3, 0)
        }

        /// `EVTCHNOP_send`.
        public mutating func signal(_ port: UInt32) {
            service_store32(service_argument_address(), port)
            _ = service_call(Call.event, 4, 0)
        }

        /// `FLASK_ACCESS` of `xsm_op`: a label's number, and 1 more, is its SID.
        public mutating func accessVector(
            subject: Int, object: Int, class objectClass: ObjectClass
        ) -> AccessVector {
            ask(subject, object, objectClass, requested: 0)
        }

        /// `FLASK_ACCESS` with the permission as what was requested: the hypervisor records it.
        public mutating func reportDenial(
            subject: Int, object: Int, _ permission: Permission
        ) {
            _ = ask(subject, object, permission.objectClass, requested: permission.mask)
        }

        private mutating func ask(
            _ subject: Int, _ object: Int, _ objectClass: ObjectClass, requested: UInt32
        ) -> AccessVector {
            let arguments = service_argument_address()
            service_store32(arguments, 6)
            service_store32(arguments + 4, 1)
            service_store32(arguments + 8, UInt32(truncatingIfNeeded: subject + 1))
            service_store32(arguments + 12, UInt32(truncatingIfNeeded: object + 1))
            service_store32(arguments + 16, UInt32(objectClass.number))
            service_store32(arguments + 20, requested)
            service_store32(arguments + 24, 0)
            guard service_hypercall(Call.security, arguments, 0, 0) == 0 else {
                return AccessVector(bits: 0)
            }
            return AccessVector(bits: service_load32(arguments + 24))
        }

        /// What `FLASK_ACCESS` last said.
        public func policySequence() -> UInt32 { sequence }

        /// `CASEMATE_MANIFEST` of `xsm_op`.
        public mutating func manifestPart(at offset: Int) -> ManifestPart? {
            let arguments = service_argument_address()
            service_store32(arguments, 0x4353_4d02)
            service_store32(arguments + 4, 1)
            service_store32(arguments + 8, UInt32(truncatingIfNeeded: offset))
            guard service_hypercall(Call.security, arguments, 0, 0) == 0 else { return nil }
            var part = ManifestPart(
                count: Int(service_load32(arguments + 20)),
                total: Int(service_load32(arguments + 16)),
                sequence: service_load32(arguments + 12))
            for index in 0..<part.count {
                part.bytes[index] = service_load8(arguments + 24 + UInt64(index))
            }
            return part
        }

        /// The clock of `struct vcpu_info`: system time at a stamp, and how ticks since then become
        /// nanoseconds.
        public func now() -> UInt64 {
            let base = GuestMachine.sharedInfoAddress + 32
            var nanoseconds: UInt64 = 0
            // The record is written when the service is entered: it is whole at the second look.
            for _ in 0..<4 {
                let version = service_load32(base)
                let stamp = service_load64(base + 8)
                let time = service_load64(base + 16)
                let multiplier = UInt64(service_load32(base + 24))
                let shift = Int(Int8(bitPattern: service_load8(base + 28)))
                // WRAPS: as `xen/arch-x86` defines it, modulo 2^64.
                var ticks = service_rdtsc() &- stamp
                ticks = shift < 0 ? ticks &>> UInt64(-shift) : ticks &<< UInt64(shift)
                nanoseconds =
                    time &+ ticks.multipliedFullWidth(by: multiplier).high &<< 32
                    &+ ticks.multipliedFullWidth(by: multiplier).low &>> 32
                if version & 1 == 0, version == service_load32(base) { break }
            }
            return nanoseconds / 1000
        }

        /// What the hypervisor said when the life of some domain last changed.
        public func life(of domain: UInt16) -> DomainLife {
            guard domain >= 1, domain <= 64 else {
                return DomainLife(generation: 0, isRunning: false)
            }
            return lives[Int(domain) - 1]
        }

        /// Reads a byte.
        public func load8(_ page: SharedPage, offset: Int) -> UInt8 {
            service_load8(address(page, offset))
        }

        /// Reads a word.
        public func load32(_ page: SharedPage, offset: Int) -> UInt32 {
            service_load32(address(page, offset))
        }

        /// Writes a byte.
        public mutating func store8(_ page: SharedPage, offset: Int, _ value: UInt8) {
            service_store8(address(page, offset), value)
        }

        /// Writes a word.
        public mutating func store32(_ page: SharedPage, offset: Int, _ value: UInt32) {
            service_store32(address(page, offset), value)
        }
    }

    extension GuestMachine: ConsoleMachine {
        /// Follows what is typed at the terminal; false when the hypervisor does not let the
        /// service. The port needs no look: the console asks in every round.
        public mutating func followConsole() -> Bool {
            guard let port = bindVirtualInterrupt(2) else { return false }
            typePort = port
            return true
        }

        /// Adds to the text that waits.
        public mutating func writeConsole(_ byte: UInt8) {
            service_store8(service_text_address() + textCount, byte)
            textCount += 1
            if textCount == 4096 { flushConsole() }
        }

        /// `CONSOLEIO_write`.
        public mutating func flushConsole() {
            guard textCount > 0 else { return }
            _ = service_hypercall(Call.console, 0, textCount, service_text_address())
            textCount = 0
        }

        /// `CONSOLEIO_read`, as many bytes at once as there is room for.
        public mutating func readConsole() -> UInt8? {
            if typedStart == typedCount {
                _ = takeSignal(of: typePort)
                let count = service_hypercall(
                    Call.console, 1, 64, service_argument_address())
                guard count > 0, count <= 64 else { return nil }
                for index in 0..<Int(count) {
                    typed[index] = service_load8(service_argument_address() + UInt64(index))
                }
                typedStart = 0
                typedCount = Int(count)
            }
            typedStart += 1
            return typed[typedStart - 1]
        }
    }

    extension GuestMachine: TPMMachine {
        /// The number of the service's own store ring among pages, behind those of others.
        private static var storePage: SharedPage { SharedPage(number: 64) }

        /// `HVMOP_get_param` of `HVM_PARAM_STORE_PFN` and `HVM_PARAM_STORE_EVTCHN`.
        public mutating func openStore() -> StoreEnd? {
            let frame = parameter(1)
            let port = parameter(2)
            // Within what is mapped; the hypervisor's own pages are its last sixteenth.
            guard frame >= 0xf_0000, frame < 0x10_0000, port > 0, port < 4096 else { return nil }
            storeAddress = frame << 12
            return StoreEnd(
                page: GuestMachine.storePage, port: UInt32(truncatingIfNeeded: port))
        }

        private func parameter(_ index: UInt32) -> UInt64 {
            let arguments = service_argument_address()
            service_store32(arguments, UInt32(GuestMachine.ownDomain))
            service_store32(arguments + 4, index)
            service_store64(arguments + 8, 0)
            guard service_call(Call.hvm, 1, 0) == 0 else { return 0 }
            return service_load64(arguments + 8)
        }

        /// `CASEMATE_TPM` of `xsm_op` with `action` 1.
        public mutating func submit(
            _ command: Span<UInt8>, of domain: UInt16
        ) -> CommandOutcome {
            guard command.count <= 4096 else { return .malformed }
            for index in command.indices {
                service_store8(service_text_address() + UInt64(index), command[index])
            }
            // Xen's error numbers, negated.
            return switch order(1, domain, UInt32(command.count)) {
            case 0: .begun
            case -1: .refused
            case -16: .busy
            case -22: .malformed
            default: .failed
            }
        }

        /// The same with `action` 2.
        public mutating func collectResponse(of domain: UInt16) -> Int? {
            let result = order(2, domain, 4096)
            guard result != -16 else { return nil }
            return result > 0 && result <= 4096 ? Int(result) : 0
        }

        /// The response stands where text for the console does, which is written later.
        public func responseByte(at index: Int) -> UInt8 {
            precondition(index >= 0 && index < 4096, "a response is not that long")
            return service_load8(service_text_address() + UInt64(index))
        }

        /// The same with `action` 3.
        public mutating func cancelCommand(of domain: UInt16) { _ = order(3, domain, 0) }

        private func order(_ action: UInt32, _ domain: UInt16, _ size: UInt32) -> Int64 {
            let arguments = service_argument_address()
            service_store32(arguments, 0x4353_4d03)
            service_store32(arguments + 4, 1)
            service_store32(arguments + 8, action)
            service_store32(arguments + 12, UInt32(domain))
            service_store64(arguments + 16, service_text_address())
            service_store32(arguments + 24, size)
            service_store32(arguments + 28, 0)
            return service_hypercall(Call.security, arguments, 0, 0)
        }
    }

    /// Where an exception of the service itself ends: its own invariant is broken.
    @c public func service_exception(_ number: UInt64, _ instruction: UInt64, _ address: UInt64) {
        var text = ServiceText("panic: exception ")
        text.append(number)
        text.append(" at ")
        text.append(hexadecimal: instruction)
        text.append(", address ")
        text.append(hexadecimal: address)
        GuestMachine.stop(text)
    }

#endif
