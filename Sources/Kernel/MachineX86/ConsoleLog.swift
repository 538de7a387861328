#if hasFeature(Embedded)

    public import BootArena
    public import HypervisorCore

    /// COM1: the hypervisor's log and the consoles of all domains, one line at a time. Each line
    /// begins with its speaker's name in parentheses, which no guest can print: a guest's line
    /// begins with its own, and control characters never pass.
    public struct ConsoleLog: ~Copyable {
        /// A domain's name and the line it is writing.
        public struct Line: BitwiseCopyable {
            var name = InlineArray<32, UInt8>(repeating: 0)
            var nameLength = 0
            var text = InlineArray<256, UInt8>(repeating: 0)
            var length = 0
            /// How much of the line has been shown already, because it did not end for a while.
            var shown = 0
            /// Whether it is the console's own compartment, which writes the names itself.
            var isTransparent = false
            /// Whether an escape sequence of the terminal has begun, and how far it is.
            var escape = Escape.none

            /// A line of a speaker without a name.
            public init() {}
        }

        /// Where in an escape sequence (ECMA-48, 5.4) a console is. Sequences are dropped whole:
        /// one could move the cursor, and write over another's line.
        enum Escape: BitwiseCopyable {
            case none, begun, parameters
        }

        /// What matters less than this is not said.
        public let level: LogLevel
        private var port: SerialPort
        private var lines: ArenaTable<Line>
        /// Whose unfinished line the terminal shows; nil: the cursor is at the start of a line.
        private var open: Int?

        /// Takes the port and one line for each domain.
        public init(port: SerialPort, lines: consuming ArenaTable<Line>, level: LogLevel) {
            self.level = level
            self.port = port
            self.lines = lines
            open = nil
        }

        /// Names a domain; more than 32 bytes are cut.
        public mutating func setName(_ name: Span<UInt8>, of domain: DomainID) {
            guard let index = index(domain) else { return }
            let length = min(name.count, 32)
            for position in 0..<length {
                lines[index].name[position] = ConsoleLog.printable(name[position])
            }
            lines[index].nameLength = length
        }

        /// Lets a domain write lines without its name before them: the one that is the console for
        /// all others, and writes their names. Control characters do not pass for it, either.
        public mutating func makeTransparent(_ domain: DomainID) {
            if let index = index(domain) { lines[index].isTransparent = true }
        }

        private func index(_ domain: DomainID) -> Int? {
            let index = Int(domain.number) - 1
            return index >= 0 && index < lines.count ? index : nil
        }

        /// What a guest's byte becomes on the terminal.
        private static func printable(_ byte: UInt8) -> UInt8 {
            byte >= 0x20 && byte < 0x7f ? byte : 0x2e
        }

        /// One byte of a domain's console.
        public mutating func write(_ byte: UInt8, of domain: DomainID) {
            guard let index = index(domain), byte != 0x0d, !isEscaped(byte, index) else { return }
            if byte == 0x0a {
                endLine(index)
                return
            }
            let isErase = byte == 0x08 || byte == 0x7f
            if isErase {
                if lines[index].length > lines[index].shown { lines[index].length -= 1 }
                return
            }
            lines[index].text[lines[index].length] =
                byte == 0x09 ? 0x20 : ConsoleLog.printable(byte)
            lines[index].length += 1
            if lines[index].length == 256 { endLine(index) }
        }

        /// Whether the byte belongs to an escape sequence.
        private mutating func isEscaped(_ byte: UInt8, _ index: Int) -> Bool {
            switch lines[index].escape {
            case .none:
                guard byte == 0x1b else { return false }
                lines[index].escape = .begun
            case .begun:
                lines[index].escape = byte == 0x5b ? .parameters : .none
            case .parameters:
                if byte >= 0x40, byte <= 0x7e { lines[index].escape = .none }
            }
            return true
        }

        /// Shows what domains have written of lines that have not ended, prompts above all.
        public mutating func showUnfinished() {
            for index in lines.indices where lines[index].length > lines[index].shown {
                show(index)
            }
        }

        @inline(never) private mutating func endLine(_ index: Int) {
            show(index)
            newLine()
            lines[index].length = 0
            lines[index].shown = 0
        }

        private mutating func show(_ index: Int) {
            if open != index {
                if open != nil { newLine() }
                if !lines[index].isTransparent { writeName(index) }
                lines[index].shown = 0
                open = index
            }
            for position in lines[index].shown..<lines[index].length {
                port.write(lines[index].text[position])
            }
            lines[index].shown = lines[index].length
        }

        private mutating func writeName(_ index: Int) {
            port.write(0x28)
            for position in 0..<lines[index].nameLength {
                port.write(lines[index].name[position])
            }
            port.write(0x29)
            port.write(0x20)
        }

        private mutating func newLine() {
            port.write(0x0d)
            port.write(0x0a)
            open = nil
        }

        // MARK: The hypervisor's own lines

        /// Starts a line of the hypervisor, and before it says what the terminal has missed.
        public mutating func begin() {
            if open != nil { newLine() }
            let lost = port.takeLostCount()
            if lost > 0 {
                text("(casemate) console: bytes lost, since nobody took them: ")
                var count = AuditLine()
                count.number(lost)
                text(count.bytes)
                newLine()
            }
            text("(casemate) ")
        }

        /// Adds text to the hypervisor's line.
        public mutating func text(_ text: StaticString) {
            for index in 0..<text.byteCount { port.write(text.byte(at: index)) }
        }

        /// Adds bytes that came from a file: printable ASCII passes.
        public mutating func text(_ bytes: Span<UInt8>) {
            for index in bytes.indices { port.write(ConsoleLog.printable(bytes[index])) }
        }

        /// Ends the hypervisor's line.
        public mutating func end() { newLine() }

        /// A whole line of the hypervisor.
        public mutating func line(_ text: StaticString, _ level: LogLevel = .info) {
            guard level.rawValue <= self.level.rawValue else { return }
            begin()
            self.text(text)
            end()
        }
    }

#endif
