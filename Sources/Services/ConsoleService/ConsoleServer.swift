package import BootArena
package import GuestRuntime
package import SystemManifest

/// The console as a compartment: what all users print comes to one terminal, and what is typed goes
/// to exactly one of them.
///
/// For: telling users apart for the person at the terminal. Not for: keeping them apart; whoever
/// reads the terminal sees all. It trusts nothing that stands in a ring.
///
/// - Layout: Xen public `io/console.h`, `struct xencons_interface`: `char in[1024]`,
///   `char out[2048]`, `u32 in_cons` [guest], `u32 in_prod` [console], `u32 out_cons` [console],
///   `u32 out_prod` [guest].
/// - Invariant (bounded): one turn of one user moves at most what its rings hold.
package struct ConsoleServer: ~Copyable {
    /// One user and its ring.
    struct User: BitwiseCopyable {
        var domain: UInt16 = 0
        var state = State.absent
        var generation: UInt32 = 0
        var page = SharedPage(number: 0)
        var port: UInt32 = 0
        /// The console's own indices; the ring's copies are not read back.
        var inputProducer: UInt32 = 0
        var outputConsumer: UInt32 = 0
    }

    /// How far the console is with a user.
    enum State: BitwiseCopyable, Equatable {
        case absent, refused, serving
    }

    private enum Word {
        static var inputConsumer: Int { 3072 }
        static var inputProducer: Int { 3076 }
        static var outputConsumer: Int { 3080 }
        static var outputProducer: Int { 3084 }
    }

    private var users: ArenaTable<User>
    private var screen: ConsoleScreen
    /// Who is typed to.
    private var focus = 0
    /// How many typed bytes found no room in the ring that they were for.
    package private(set) var lostInput: UInt64 = 0

    /// The port of each user that waits for the console.
    package static var userPort: UInt32 { 1 }
    /// `GNTTAB_RESERVED_CONSOLE`: the reference by which each user's ring is granted.
    package static var ringReference: UInt32 { 0 }
    /// Control and `]`: passes the keyboard on.
    package static var focusKey: UInt8 { 0x1d }

    /// Makes the console of a system.
    ///
    /// - Throws: as the arena, of which `arenaSizeInBytes(_:)` suffices.
    package init(
        _ manifest: borrowing SystemManifest, arena: inout BootArena
    ) throws(BootArenaError) {
        let count = manifest.userCount(of: .console)
        var users = try arena.reserve(count: count, repeating: User())
        var screen = try ConsoleScreen(count: count, arena: &arena)
        var next = 0
        for index in 0..<manifest.compartmentCount {
            let record = manifest.compartment(at: index)
            guard record.uses(.console) else { continue }
            users[next].domain = record.domainID
            screen.setName(record.name, of: next)
            next += 1
        }
        self.users = users
        self.screen = screen
    }

    /// The arena that suffices for a system's console, in bytes.
    package static func arenaSizeInBytes(_ manifest: borrowing SystemManifest) -> Int {
        manifest.compartmentCount
            * (MemoryLayout<User>.stride + MemoryLayout<ConsoleScreen.Line>.stride) + 1024
    }

    /// How many users are served now.
    package var servedCount: Int {
        var count = 0
        for index in users.indices where users[index].state == .serving { count += 1 }
        return count
    }

    /// Serves every user once, and takes what was typed.
    ///
    /// - Returns: whether anything was moved.
    package mutating func serveRound<M: ConsoleMachine & ~Copyable>(_ machine: inout M) -> Bool {
        var hasMoved = false
        for index in users.indices where serve(index, &machine) { hasMoved = true }
        // As much as the hypervisor keeps of it; what comes meanwhile is for the next round.
        for _ in 0..<256 {
            guard let byte = machine.readConsole() else { break }
            type(byte, &machine)
            hasMoved = true
        }
        if !hasMoved { screen.continueLine(&machine) }
        screen.showUnfinished(&machine)
        machine.flushConsole()
        return hasMoved
    }

    /// When to serve again even if nothing is signalled, in microseconds of the machine's clock;
    /// nil: never.
    package var wakeTime: UInt64? { screen.nextTime }

    // MARK: Users

    private mutating func serve<M: ConsoleMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        let life = machine.life(of: users[index].domain)
        let isOther = life.generation != users[index].generation || !life.isRunning
        if isOther, users[index].state != .absent {
            // The last words of one that has ended are still in its ring.
            if users[index].state == .serving {
                _ = drain(index, &machine)
                screen.finish(index, &machine)
                machine.close(users[index].port)
                machine.unmap(users[index].page)
            }
            users[index].state = .absent
        }
        switch users[index].state {
        case .absent: return life.isRunning && join(index, life.generation, &machine)
        case .refused: return false
        case .serving:
            _ = machine.takeSignal(of: users[index].port)
            return drain(index, &machine)
        }
    }

    private mutating func join<M: ConsoleMachine & ~Copyable>(
        _ index: Int, _ generation: UInt32, _ machine: inout M
    ) -> Bool {
        let domain = users[index].domain
        users[index].generation = generation
        users[index].state = .refused
        guard let page = machine.map(ConsoleServer.ringReference, of: domain) else { return false }
        guard let port = machine.bind(ConsoleServer.userPort, of: domain) else {
            machine.unmap(page)
            return false
        }
        users[index].page = page
        users[index].port = port
        users[index].inputProducer = 0
        users[index].outputConsumer = 0
        users[index].state = .serving
        return true
    }

    /// Passes on what the user has written, at most one ring full.
    private mutating func drain<M: ConsoleMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        let page = users[index].page
        let producer = machine.load32(page, offset: Word.outputProducer)
        var consumer = users[index].outputConsumer
        // WRAPS: the indices run freely modulo 2^32.
        let waiting = producer &- consumer
        guard waiting > 0 else { return false }
        if waiting <= 2048 {
            let time = machine.now()
            for _ in 0..<waiting {
                let byte = machine.load8(page, offset: 1024 + Int(consumer & 2047))
                screen.write(byte, of: index, at: time, &machine)
                consumer &+= 1
            }
        }
        // An index out of reach is taken over: what it stood for is lost, and was the guest's.
        users[index].outputConsumer = producer
        // ORDER: the bytes were read before the guest may overwrite them.
        machine.store32(page, offset: Word.outputConsumer, producer)
        machine.signal(users[index].port)
        return true
    }

    // MARK: The keyboard

    private mutating func type<M: ConsoleMachine & ~Copyable>(
        _ byte: UInt8, _ machine: inout M
    ) {
        guard users.count > 0 else { return }
        if byte == ConsoleServer.focusKey {
            focus = (focus + 1) % users.count
            screen.announce("(console) input goes to ", focus, &machine)
            return
        }
        let user = users[focus]
        guard user.state == .serving else { return }
        let consumer = machine.load32(user.page, offset: Word.inputConsumer)
        // WRAPS: the indices run freely modulo 2^32. A guest that does not read must not keep the
        // keyboard from being passed on, so what finds no room is lost.
        guard user.inputProducer &- consumer < 1024 else {
            lostInput &+= 1
            return
        }
        machine.store8(user.page, offset: Int(user.inputProducer & 1023), byte)
        users[focus].inputProducer = user.inputProducer &+ 1
        // ORDER: the byte is in place before the guest sees the index.
        machine.store32(user.page, offset: Word.inputProducer, users[focus].inputProducer)
        machine.signal(user.port)
    }
}
