import ArgumentParser
import ControlFrames
import Glibc
import PolicyAuthority
import VirtualHardware

/// `casemate deploy`: starts a compartment by order.
struct Deploy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Start a compartment of a running machine that starts by order.",
        discussion: """
            Starts a compartment that says `start manual` and `uses control`, from the boot image: \
            its memory is cleared, kernel and initial RAM disk are hashed and compared with the \
            manifest, and the start is measured into PCR 15 before it happens.

            The order is signed by the policy authority's key, for this session with the agent in \
            the control compartment and for one place in it: who has the line cannot order, and \
            a recorded order is worth nothing.

            EXIT STATUS
              0   the compartment runs
              1   the order was refused, for the reason on standard error; nothing changed
              64  the command line is wrong
              74  no machine runs, nobody answers, or the key cannot be read; nothing changed
              75  the order was given, and is not done in two minutes, or its answer was lost; \
            `casemate list` shows what became of it

            EXAMPLE
              casemate deploy worker --key authority.pem
            """)

    @Argument(help: "The compartment.")
    var name: String

    @Option(help: "The policy authority's private key.", completion: .file())
    var key: String

    @OptionGroup var running: RunningOption

    func run() throws {
        try SignedOrder(kind: .deploy, name: name, key: key, done: "deployed").give(running)
    }
}

/// `casemate destroy`: ends a compartment by order.
struct Destroy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "End a compartment of a running machine that starts by order.",
        discussion: """
            Ends a compartment that says `start manual` and `uses control`: it stops at once, what \
            it shared is taken back, its memory is cleared, and the end is measured into PCR 15. \
            The order is signed, as that of `casemate deploy`.

            EXIT STATUS
              0   the compartment is gone
              1   the order was refused, for the reason on standard error; nothing changed
              64  the command line is wrong
              74  no machine runs, nobody answers, or the key cannot be read; nothing changed
              75  the order was given, and is not done in two minutes, or its answer was lost; \
            `casemate list` shows what became of it

            EXAMPLE
              casemate destroy worker --key authority.pem
            """)

    @Argument(help: "The compartment.")
    var name: String

    @Option(help: "The policy authority's private key.", completion: .file())
    var key: String

    @OptionGroup var running: RunningOption

    func run() throws {
        try SignedOrder(kind: .destroy, name: name, key: key, done: "destroyed").give(running)
    }
}

/// An order about one compartment's life.
private struct SignedOrder {
    let kind: ControlFrameKind
    let name: String
    let key: String
    let done: String

    /// Gives the order and waits until it is carried out.
    ///
    /// - Throws: `ExitStatus`, after the reason was written to standard error.
    func give(_ running: RunningOption) throws {
        let key = try KeyFiles.privateKey(self.key)
        let system = try running.find()
        let compartment = try system.compartment(name)
        guard !compartment.startsAutomatically, compartment.usesControl else {
            StandardError.write(
                "refused: `\(name)` does not say `start manual` and `uses control`\n")
            throw ExitStatus.refused
        }
        var client = try system.connect(for: key)
        let meter = ProgressMeter("`\(name)`")
        let reply: ControlReply
        do throws(ControlClientError) {
            reply = try client.ask(
                kind, ControlPayload.order(domain: compartment.domain, name: name),
                sign: { key.authorization(of: $0) }, progress: { meter.show($0) })
        } catch {
            meter.finish()
            let order = kind == .deploy ? "the start of" : "the end of"
            throw ControlFailure.say(error, order: "\(order) `\(name)`")
        }
        meter.finish()
        client.close()
        let state = List.states(reply).first
        let word = state.map { List.word($0.life) } ?? "unknown"
        try StandardOutput.write(
            "\(done): `\(name)`, domain \(compartment.domain), life \(state?.generation ?? 0), "
                + "\(word)\n")
    }
}

/// Shows on a terminal how long something takes; elsewhere nothing.
struct ProgressMeter {
    private let title: String
    private let isShown = isatty(STDERR_FILENO) == 1

    init(_ title: String) { self.title = title }

    func show(_ milliseconds: UInt32) {
        if isShown { StandardError.write("\r\(title): \(milliseconds / 1000) s ") }
    }

    func finish() {
        if isShown { StandardError.write("\r" + String(repeating: " ", count: 40) + "\r") }
    }
}
