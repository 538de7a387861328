import ArgumentParser
import PolicySyntax
import VirtualHardware

/// `casemate console`: the terminal of a running machine.
struct Console: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "Attach to the terminal of a running machine.",
        discussion: """
            Shows what the machine writes to its terminal, each line with the name of who wrote \
            it, which no guest can print, and sends what is typed to one compartment. With NAME it \
            makes that one the compartment that is typed to, and shows its lines only.

            Control and ] leaves; the machine goes on. Control and _ passes the input on to the \
            next compartment. Everything else goes to the compartment, Control and C too. Several \
            may be attached at once, and all see what any of them types.

            EXIT STATUS
              0   the user left, or the machine ended
              64  the command line is wrong
              74  no machine runs, or the compartment cannot be typed to

            EXAMPLE
              casemate console worker
            """)

    @Argument(help: "The compartment to type to.")
    var name: String?

    @OptionGroup var running: RunningOption

    /// Leaves: as the consoles of Xen and libvirt do.
    private static let leave: UInt8 = 0x1d
    /// Passes the input on, here.
    private static let next: UInt8 = 0x1f
    /// Passes the input on, in the machine.
    private static let machinesNext: UInt8 = 0x1d

    func run() throws {
        let system = try running.find()
        let compartment = try name.map { try system.compartment($0) }
        TerminationSignals.hold()
        var choice = compartment == nil ? Choice.made : .silent
        do throws(VirtualHardwareError) {
            let socket = try connectUnix(system.consoleSocket)
            if let compartment {
                choice = try choose(
                    compartment.name, socket, of: system.compartments.count)
            }
            if choice == .made {
                StandardError.write("casemate: attached; control and ] leaves\n")
                try attach(socket, ConsoleFilter(compartment?.name))
                StandardError.write("\ncasemate: left\n")
            }
        } catch {
            guard error == .connectionClosed else {
                StandardError.write("casemate: \(error.message)\n")
                throw ExitStatus.inputOutput
            }
            StandardError.write("casemate: the terminal was closed\n")
            guard choice == .made else { throw ExitStatus.inputOutput }
        }
        switch choice {
        case .made: return
        case .interrupted(let signal): throw ExitStatus.ended(by: signal)
        case .none:
            StandardError.write(
                "casemate: `\(name ?? "")` cannot be typed to: it has no console\n")
        case .silent:
            StandardError.write("casemate: the machine does not say whom its input goes to\n")
        }
        throw ExitStatus.inputOutput
    }

    /// What came of passing the input on.
    private enum Choice: Equatable {
        /// It goes to the compartment.
        case made
        /// It goes to every other one in turn, and never to this one.
        case none
        /// The machine did not answer in time.
        case silent
        /// Somebody wants an end.
        case interrupted(Int32)
    }

    /// How long a machine may take to say whom the input goes to.
    private static let patience = Duration.seconds(20)

    /// Passes the input on until it goes to a compartment.
    ///
    /// Each time the machine's answer is waited for: it may take its time, and what is typed must
    /// not go to somebody else because the input was passed on once too often.
    private func choose(
        _ name: String, _ socket: Descriptor, of count: Int
    ) throws(VirtualHardwareError) -> Choice {
        var transcript = ConsoleTranscript()
        var (seen, answered) = (0, 0)
        for asked in 1...count + 1 {
            try socket.writeAll([Console.machinesNext])
            let start = ContinuousClock.now
            var last: String?
            while answered < asked {
                if let signal = TerminationSignals.next() { return .interrupted(signal) }
                guard start.duration(to: .now) < Console.patience else { return .silent }
                guard try !readable([socket.number], timeoutInMilliseconds: 100).isEmpty else {
                    continue
                }
                let bytes = try socket.readSome()
                guard !bytes.isEmpty else { throw .connectionClosed }
                transcript.feed(bytes)
                let said = transcript.lines.dropFirst(seen).compactMap(Console.target)
                seen = transcript.lines.count
                answered += said.count
                last = said.last ?? last
            }
            if last == name { return .made }
        }
        return .none
    }

    /// Whom a line says that the input goes to: the hypervisor, or the console's own line.
    private static func target(_ line: ConsoleLine) -> String? {
        guard line.isHypervisor || line.speaker == "console",
            line.text.hasPrefix("input goes to ")
        else { return nil }
        return line.text.split(separator: " ").last.map(String.init)
    }

    private func attach(
        _ socket: Descriptor, _ filter: ConsoleFilter
    ) throws(VirtualHardwareError) {
        let input = RawInput(keepsSignals: false)
        var filter = filter
        var isInputOpen = true
        while TerminationSignals.next() == nil {
            let watched = [socket.number] + (isInputOpen ? [input.number] : [])
            let ready = try readable(watched, timeoutInMilliseconds: 200)
            if ready.contains(socket.number) {
                let bytes = try socket.readSome()
                guard !bytes.isEmpty else { throw .connectionClosed }
                writeToStandardOutput(filter.pass(bytes))
            }
            if isInputOpen, ready.contains(input.number) {
                let typed = input.read()
                isInputOpen = !typed.isEmpty
                let kept = typed.prefix { $0 != Console.leave }
                try socket.writeAll(kept.map { $0 == Console.next ? Console.machinesNext : $0 })
                if kept.count < typed.count { return }
            }
        }
    }
}
