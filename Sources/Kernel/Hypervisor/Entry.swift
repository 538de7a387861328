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

    /// Where an exception of the hypervisor itself ends. Nothing is repaired: our own invariant is
    /// broken, and going on could leak.
    @c public func casemate_exception(
        _ number: UInt64, _ code: UInt64, _ instruction: UInt64, _ stack: UInt64,
        _ address: UInt64
    ) {
        Emergency.report("panic: exception ", number)
        Emergency.report("panic: error code ", code)
        Emergency.report("panic: instruction ", instruction)
        Emergency.report("panic: stack ", stack)
        Emergency.report("panic: address ", address)
        Emergency.stop()
    }

    /// The last words of a machine: to the serial port, with no state that could be broken.
    enum Emergency {
        static func report(_ what: StaticString, _ why: StaticString) {
            begin(what)
            write(why)
            write("\r\n")
        }

        static func report(_ what: StaticString, _ number: UInt64) {
            begin(what)
            write("0x")
            for position in 0..<16 {
                let digit = UInt8(number >> UInt64(60 - 4 * position) & 15)
                SerialPort.first.write(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
            write("\r\n")
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
            for index in 0..<text.byteCount { SerialPort.first.write(text.byte(at: index)) }
        }
    }

#endif
