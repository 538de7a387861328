#if hasFeature(Embedded)

    import MachineX86

    /// Where the boot code hands over: long mode, identity map, one stack, interrupts off.
    ///
    /// - Parameter startInfo: machine address of the PVH start info.
    @c public func casemate_start(_ startInfo: UInt64) {
        SerialPort.first.start()
        do throws(StopReason) {
            try boot(startInfo)
        } catch {
            // Stops that could be measured were, by `boot`; here only the console is left.
            Emergency.report("stopped: ", error.text)
        }
        Emergency.stop()
    }

    /// Where a Multiboot2 loader hands over that kept the firmware's boot services: long mode, the
    /// firmware's map of memory, which is memory at its own addresses, and our stack.
    ///
    /// - Returns: the machine address of a PVH start info, for `casemate_start`.
    @c public func casemate_start_efi(_ magic: UInt64, _ information: UInt64) -> UInt64 {
        do throws(BootFailure) {
            var services = try BootServices(magic: magic, information: information)
            services.takeLog()
            return try services.end()
        } catch {
            SerialPort.first.start()
            Emergency.report("stopped: ", error.reason)
        }
        Emergency.stop()
    }

    /// Where an exception of the hypervisor itself ends. Nothing is repaired: our own invariant is
    /// broken, and going on could leak.
    @c public func casemate_exception(
        _ number: UInt64, _ code: UInt64, _ instruction: UInt64, _ stack: UInt64,
        _ address: UInt64
    ) {
        // Another processor's panic stops this one by the same interrupt.
        if number == 2, Panic.hasBegun { Processor.halt() }
        var record = CrashRecord()
        record.numbers = [
            Panic.processor, number, code, instruction, stack, address, Panic.ticks,
        ]
        Emergency.panic(exceptionName(number), record)
    }

    /// The exceptions' names (AMD64 APM volume 2, table 8-1).
    private func exceptionName(_ number: UInt64) -> StaticString {
        switch number {
        case 0: "division by zero"
        case 1, 3: "debug exception"
        case 2: "non-maskable interrupt"
        case 6: "a check of its own failed, or an invalid instruction"
        case 8: "double fault"
        case 10, 11, 12: "segment fault"
        case 13: "general protection fault"
        case 14: "page fault"
        case 16, 19: "floating point exception"
        case 18: "machine check"
        default: "unexpected exception"
        }
    }

    /// The last words of a machine: to the serial port, with no state that could be broken.
    enum Emergency {
        static func report(_ what: StaticString, _ why: StaticString) {
            begin(what)
            write(why)
            write("\r\n")
        }

        static func report(_ what: StaticString, _ number: UInt64) {
            begin("panic: ")
            write(what)
            write(" 0x")
            var port = SerialPort.first
            for position in 0..<16 {
                let digit = UInt8(number >> UInt64(60 - 4 * position) & 15)
                port.write(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
            write("\r\n")
        }

        /// Stops all processors for a reason, which the next boot prints, too.
        static func panic(
            _ reason: StaticString, _ record: CrashRecord = CrashRecord()
        ) -> Never {
            guard Panic.begin() else { Processor.halt() }
            record.leave(reason)
            report("panic: ", reason)
            for index in record.numbers.indices {
                report(CrashRecord.names[index], record.numbers[index])
            }
            stop()
        }

        /// Ends the emulator, or stops for ever.
        static func stop() -> Never {
            Processor.leaveEmulator(code: 1)
            Processor.halt()
        }

        private static func begin(_ what: StaticString) {
            write("\r\n(casemate) ")
            write(what)
        }

        private static func write(_ text: StaticString) {
            var port = SerialPort.first
            for index in 0..<text.byteCount { port.write(text.byte(at: index)) }
        }
    }

#endif
