package import BootArena
package import GuestRuntime

/// One terminal for all users: each line begins with its user's name in parentheses. No user can
/// print that beginning of a line, because a line of its own begins with its own name, and control
/// characters and escape sequences never pass.
///
/// - Invariant (whole): a line with its prefix has at most 255 bytes, so that the hypervisor's
///   terminal never breaks one.
package struct ConsoleScreen: ~Copyable {
    /// What a user is called, and the line that it is writing.
    struct Line: BitwiseCopyable {
        var name = InlineArray<32, UInt8>(repeating: 0)
        var nameLength = 0
        var text = InlineArray<220, UInt8>(repeating: 0)
        var length = 0
        /// How much of the line has been shown already, because it did not end for a while.
        var shown = 0
        /// When it was written to last, in microseconds of the machine's clock.
        var time: UInt64 = 0
        /// Whether an escape sequence of the terminal has begun, and how far it is.
        var escape = Escape.none
    }

    /// Where in an escape sequence (ECMA-48, 5.4) a console is. Sequences are dropped whole: one
    /// could move the cursor, and write over another's line.
    enum Escape: BitwiseCopyable {
        case none, begun, parameters
    }

    /// The longest text of one line, in bytes; with the name, its parentheses and a blank 255.
    private static var textLimit: Int { 220 }

    /// How long the beginning of a line waits for its end before it is shown, in microseconds: a
    /// driver hands over a line in several parts.
    package static var patience: UInt64 { 50_000 }

    private var lines: ArenaTable<Line>
    /// Whose unfinished line the terminal shows; nil: the cursor is at the start of a line.
    private var open: Int?

    /// Makes a terminal for `count` users without names.
    ///
    /// - Throws: as the arena.
    package init(count: Int, arena: inout BootArena) throws(BootArenaError) {
        lines = try arena.reserve(count: count, repeating: Line())
        open = nil
    }

    /// Names a user; more than 32 bytes are cut.
    package mutating func setName(_ name: Span<UInt8>, of user: Int) {
        let length = min(name.count, 32)
        for position in 0..<length {
            lines[user].name[position] = ConsoleScreen.printable(name[position])
        }
        lines[user].nameLength = length
    }

    /// What a user's byte becomes on the terminal.
    private static func printable(_ byte: UInt8) -> UInt8 {
        byte >= 0x20 && byte < 0x7f ? byte : 0x2e
    }

    /// One byte of a user.
    ///
    /// - Parameter time: what the machine's clock said when the user's turn began, in microseconds.
    package mutating func write<M: ConsoleMachine & ~Copyable>(
        _ byte: UInt8, of user: Int, at time: UInt64, _ machine: inout M
    ) {
        guard byte != 0x0d, !isEscaped(byte, user) else { return }
        switch byte {
        case 0x0a: endLine(user, &machine)
        case 0x08, 0x7f:
            if lines[user].length > lines[user].shown { lines[user].length -= 1 }
        default:
            lines[user].text[lines[user].length] =
                byte == 0x09 ? 0x20 : ConsoleScreen.printable(byte)
            lines[user].length += 1
            lines[user].time = time
            if lines[user].length == ConsoleScreen.textLimit { endLine(user, &machine) }
        }
    }

    /// Whether the byte belongs to an escape sequence.
    private mutating func isEscaped(_ byte: UInt8, _ user: Int) -> Bool {
        switch lines[user].escape {
        case .none:
            guard byte == 0x1b else { return false }
            lines[user].escape = .begun
        case .begun:
            lines[user].escape = byte == 0x5b ? .parameters : .none
        case .parameters:
            if byte >= 0x40, byte <= 0x7e { lines[user].escape = .none }
        }
        return true
    }

    /// Shows what was written to the line that the cursor stands in: what is typed comes back.
    package mutating func continueLine<M: ConsoleMachine & ~Copyable>(_ machine: inout M) {
        if let open, lines[open].length > lines[open].shown { show(open, &machine) }
    }

    /// When the next beginning of a line is to be shown, in microseconds of the machine's clock;
    /// nil: there is none.
    package var nextTime: UInt64? {
        var next: UInt64?
        for user in lines.indices where lines[user].length > lines[user].shown {
            next = min(next ?? .max, lines[user].time &+ ConsoleScreen.patience)
        }
        return next
    }

    /// Shows what users have written of lines that have not ended for a while, prompts above all,
    /// whatever others write meanwhile.
    package mutating func showUnfinished<M: ConsoleMachine & ~Copyable>(_ machine: inout M) {
        guard let next = nextTime else { return }
        let now = machine.now()
        guard now >= next else { return }
        for user in lines.indices
        where lines[user].length > lines[user].shown
            && now >= lines[user].time &+ ConsoleScreen.patience
        {
            show(user, &machine)
        }
    }

    /// Ends the line of a user that has ended: its successor begins one of its own.
    package mutating func finish<M: ConsoleMachine & ~Copyable>(
        _ user: Int, _ machine: inout M
    ) {
        if lines[user].length > 0 { endLine(user, &machine) }
        lines[user].escape = .none
    }

    /// A line of the console itself, about one user.
    package mutating func announce<M: ConsoleMachine & ~Copyable>(
        _ text: StaticString, _ user: Int, _ machine: inout M
    ) {
        if open != nil { newLine(&machine) }
        for index in 0..<text.byteCount { machine.writeConsole(text.byte(at: index)) }
        for position in 0..<lines[user].nameLength {
            machine.writeConsole(lines[user].name[position])
        }
        newLine(&machine)
    }

    private mutating func endLine<M: ConsoleMachine & ~Copyable>(
        _ user: Int, _ machine: inout M
    ) {
        // A line that was shown whole, before another's, is not shown again for its end.
        let isShown =
            open != user && lines[user].shown > 0
            && lines[user].shown == lines[user].length
        if !isShown {
            show(user, &machine)
            newLine(&machine)
        }
        lines[user].length = 0
        lines[user].shown = 0
    }

    private mutating func show<M: ConsoleMachine & ~Copyable>(
        _ user: Int, _ machine: inout M
    ) {
        if open != user {
            if open != nil { newLine(&machine) }
            machine.writeConsole(0x28)
            for position in 0..<lines[user].nameLength {
                machine.writeConsole(lines[user].name[position])
            }
            machine.writeConsole(0x29)
            machine.writeConsole(0x20)
            lines[user].shown = 0
            open = user
        }
        for position in lines[user].shown..<lines[user].length {
            machine.writeConsole(lines[user].text[position])
        }
        lines[user].shown = lines[user].length
    }

    private mutating func newLine<M: ConsoleMachine & ~Copyable>(_ machine: inout M) {
        machine.writeConsole(0x0a)
        open = nil
    }
}
