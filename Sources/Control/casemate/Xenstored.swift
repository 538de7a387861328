import ArgumentParser
import VirtualHardware

/// `casemate xenstored`: becomes the daemon, an executable of its own.
struct Xenstored: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xenstored",
        abstract: "Serve xenstore on Unix sockets, under a compiled policy.",
        discussion: """
            Becomes casemate-xenstored, which lies beside this program, or else in /usr/sbin; all \
            words go to it. It takes the place of C xenstored for Debian's xenstore-* clients and \
            libxenstore. docs/xenstored.md is its manual; --help asks the daemon itself when it \
            stands after --.

            EXIT STATUS
              2   the daemon refuses its command line, policy or files
              74  there is no casemate-xenstored

            EXAMPLE
              casemate xenstored --policy out/policy.30 --manifest out/system.manifest \\
                --socket admin=run/admin
            """
    )

    @Argument(parsing: .captureForPassthrough, help: "What the daemon is told.")
    var words: [String] = []

    func run() throws {
        let given = words.first == "--" ? Array(words.dropFirst()) : words
        let places = [directoryOfProgram(), "/usr/sbin"].compactMap { $0 }
        for place in places {
            // It returns only if there is no such program.
            replaceProcess("\(place)/casemate-xenstored", given)
        }
        StandardError.write(
            "casemate: no casemate-xenstored in \(places.joined(separator: " or "))\n")
        throw ExitStatus.inputOutput
    }
}
