#if hasFeature(Embedded)

    import CMachine

    /// The configuration space of PCI, by configuration mechanism 1 (PCI Local Bus Specification
    /// 3.0, 3.2.2.3.2). Only the boot code reaches it: no guest is given its ports.
    public enum PCIFunctions {
        private static func select(_ function: UInt32, _ register: UInt32) {
            machine_out32(0xcf8, 1 << 31 | function << 8 | register & 0xfc)
        }

        private static func read(_ function: UInt32, _ register: UInt32) -> UInt32 {
            select(function, register)
            return machine_in32(0xcfc)
        }

        /// Clears Bus Master Enable on every function of every bus: no device reads or writes
        /// memory until somebody lets it, and nobody does.
        ///
        /// - Returns: how many functions there are, and how many of them were bus masters and would
        ///   not stop.
        public static func stopBusMasters() -> (count: Int, unstopped: Int) {
            var count = 0
            var unstopped = 0
            for device in 0..<UInt32(8192) {
                guard read(device << 3, 0) & 0xffff != 0xffff else { continue }
                let hasMore = read(device << 3, 0x0c) >> 23 & 1 == 1
                for number in 0..<UInt32(hasMore ? 8 : 1) {
                    let function = device << 3 | number
                    guard read(function, 0) & 0xffff != 0xffff else { continue }
                    count += 1
                    let command = read(function, 4)
                    // The status half is written as zeros, which change nothing there.
                    if command & 4 != 0 { machine_out32(0xcfc, command & 0xffff & ~4) }
                    if read(function, 4) & 4 != 0 { unstopped += 1 }
                }
            }
            return (count, unstopped)
        }
    }

#endif
