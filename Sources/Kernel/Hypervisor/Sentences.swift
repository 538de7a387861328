#if hasFeature(Embedded)

    public import HypervisorCore
    import MachineX86
    public import PolicyDatabase

    /// Sentences with numbers and names in them, written as such: a line is its own interpolation,
    /// and needs no heap.
    extension AuditLine: ExpressibleByStringInterpolation, StringInterpolationProtocol {
        /// A line of nothing but text.
        public init(stringLiteral text: StaticString) {
            self.init()
            appendLiteral(text)
        }

        /// The line that an interpolation has made.
        public init(stringInterpolation line: consuming AuditLine) { self = line }

        /// Nothing yet.
        public init(literalCapacity: Int, interpolationCount: Int) { self.init() }

        /// Adds text that is part of the image.
        @inline(never)
        public mutating func appendLiteral(_ text: StaticString) {
            for index in 0..<text.byteCount { add(text.byte(at: index)) }
        }

        /// Adds text that is part of the image.
        public mutating func appendInterpolation(_ text: StaticString) { appendLiteral(text) }

        /// Adds bytes.
        public mutating func appendInterpolation(_ bytes: Span<UInt8>) { text(bytes) }

        /// Adds the name of a class or of a permission.
        public mutating func appendInterpolation(_ name: ClassMapName) {
            for index in 0..<name.count { add(name[index]) }
        }

        /// Adds a number in decimal.
        public mutating func appendInterpolation(_ value: some BinaryInteger) {
            number(UInt64(truncatingIfNeeded: value))
        }

        /// Adds a number in hexadecimal, with its prefix.
        @inline(never)
        public mutating func appendInterpolation(hexadecimal value: UInt64) {
            appendLiteral("0x")
            let digits = max(1, (67 - value.leadingZeroBitCount) / 4)
            for position in 1...digits {
                let digit = UInt8(value >> UInt64(4 * (digits - position)) & 15)
                add(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
        }

        /// Adds what another line says.
        mutating func add(_ line: AuditLine) { text(line.bytes) }
    }

    extension ConsoleLog {
        /// Says a whole line of the hypervisor.
        mutating func say(_ line: AuditLine, _ level: LogLevel = .info) {
            guard level.rawValue <= self.level.rawValue else { return }
            begin()
            text(line.bytes)
            end()
        }
    }

#endif
