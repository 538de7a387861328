import ArgumentParser
import PolicySyntax
import VirtualHardware

/// `casemate xenstore`: looks into a store that serves.
struct Xenstore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xenstore",
        abstract: "Look into a xenstore that serves: quotas, refusals, labels.",
        subcommands: [Stat.self, List.self])
}

/// How the daemon is reached.
struct StoreSocket: ParsableArguments {
    @Option(
        help: """
            The socket of a compartment that may administer the store; without one \
            XENSTORED_PATH, XENSTORED_RUNDIR/socket, or /run/xenstored/socket.
            """, completion: .file())
    var socket: String?

    /// Connects.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written, when nobody serves there.
    func connect() throws -> StoreConnection {
        let path =
            socket ?? environmentValue("XENSTORED_PATH")
            ?? environmentValue("XENSTORED_RUNDIR").map { "\($0)/socket" }
            ?? "/run/xenstored/socket"
        do {
            return StoreConnection(try connectUnix(path), path)
        } catch {
            StandardError.write("casemate: \(path): \(error)\n")
            throw ExitStatus.inputOutput
        }
    }
}

/// One connection to a store: a request, then its reply.
struct StoreConnection {
    /// A refusal: the C name of its error.
    struct Refusal: Error, Equatable {
        let name: String
    }

    private let descriptor: Descriptor
    private let path: String

    init(_ descriptor: Descriptor, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// The numbers of the messages, as in Xen's public `io/xs_wire.h`.
    enum Request: UInt32 {
        case control = 0
        case directory = 1
        case read = 2
        case permissions = 3
    }

    /// Asks, with words that each end in a NUL; returns the payload of the reply.
    ///
    /// - Throws: `Refusal`; `ExitStatus.inputOutput`, after the reason was written, when the
    ///   connection breaks.
    func ask(_ request: Request, _ words: String...) throws -> [UInt8] {
        var payload: [UInt8] = []
        for word in words { payload += Array(word.utf8) + [0] }
        let header = [request.rawValue, 0, 0, UInt32(payload.count)].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
        }
        do {
            try descriptor.writeAll(header + payload)
            while true {
                let head = try descriptor.readExactly(16)
                let count = (0..<4).reduce(0) { $0 | Int(head[12 + $1]) << (8 * $1) }
                guard count <= 4096 else { throw VirtualHardwareError.connectionClosed }
                let body = try descriptor.readExactly(count)
                // 15 is an event, of which this program has asked for none.
                if head[0] == 15 { continue }
                guard head[0] != 16 else {
                    throw Refusal(name: String(decoding: body.dropLast(), as: UTF8.self))
                }
                return body
            }
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            StandardError.write("casemate: \(path): \(error)\n")
            throw ExitStatus.inputOutput
        }
    }

    /// Asks `XS_CONTROL`; nil and a line on standard error when that is refused.
    func control(_ words: [String]) throws -> String {
        do {
            let payload = words.joined(separator: "\0")
            let text = String(decoding: try ask(.control, payload), as: UTF8.self)
            return text.hasSuffix("\0") ? String(text.dropLast()) : text
        } catch let refusal as Refusal {
            StandardError.write(
                "casemate: \(path): \(words.joined(separator: " ")) is refused: \(refusal.name)\n")
            throw ExitStatus.refused
        }
    }
}

extension Xenstore {
    /// `casemate xenstore stat`: which quota, how full, which rule.
    struct Stat: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat",
            abstract: "Show what each domain uses of its quotas, and what it was refused.",
            discussion: """
                For each domain: every quota and how full it is; how often it was refused for each \
                reason; and the last refusal by label, with the rule that is missing or the levels \
                that forbid it. For each bounded subtree: nodes, bytes and rate. It also says \
                which policy is in force, or that there is none.

                EXIT STATUS
                  0   the daemon answered
                  1   there is no such domain, or the client may not administer the store
                  64  the command line is wrong
                  74  the socket could not be used

                EXAMPLE
                  casemate xenstore stat --socket run/admin 2
                """
        )

        @OptionGroup var place: StoreSocket

        @Flag(help: "Write one JSON document to standard output.")
        var json = false

        @Argument(help: "The number of the only domain to show.")
        var domain: UInt16?

        func run() throws {
            let store = try place.connect()
            let summary = StoreSummary(try store.control(["stat"]))
            let numbers = domain.map { [$0] } ?? summary.domains
            var texts: [String] = []
            for number in numbers { texts.append(try store.control(["stat", "\(number)"])) }
            guard json else {
                let head = domain == nil ? summary.general.joined(separator: "\n") + "\n" : ""
                try StandardOutput.write(head + texts.map { $0 + "\n" }.joined())
                return
            }
            try StandardOutput.write(
                JSONValue.object([
                    ("general", .array(summary.general.map { .string($0) })),
                    ("domains", .array(texts.map { DomainStatistics($0).json })),
                ]).text)
        }
    }

    /// `casemate xenstore ls`: the tree.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List a tree of the store, with its labels.",
            discussion: """
                A line for each node that the client may know: path, value, and with --labels the \
                label by which it is protected, with --permissions Xen's permissions. What may not \
                be listed is left out, as it is for every other client.

                EXIT STATUS
                  0   the tree was listed
                  1   there is no such node, or the client may not administer the store
                  64  the command line is wrong
                  74  the socket could not be used

                EXAMPLE
                  casemate xenstore ls --labels --socket run/admin /local
                """
        )

        @OptionGroup var place: StoreSocket

        @Flag(help: "Show labels.")
        var labels = false

        @Flag(help: "Show Xen's permissions.")
        var permissions = false

        @Flag(help: "Write one JSON document to standard output.")
        var json = false

        @Argument(help: "The topmost node.")
        var path = "/"

        /// One line.
        fileprivate struct Node {
            let path: String
            let value: String
            let permissions: String?
            let label: String?

            var json: JSONValue {
                var members: [(String, JSONValue)] = [
                    ("path", .string(path)), ("value", .string(value)),
                ]
                if let permissions { members.append(("permissions", .string(permissions))) }
                if let label { members.append(("label", .string(label))) }
                return .object(members)
            }

            var line: String {
                "\(path) = \"\(value)\"" + (permissions.map { "   (\($0))" } ?? "")
                    + (label.map { "   \($0)" } ?? "")
            }
        }

        func run() throws {
            let store = try place.connect()
            var nodes: [Node] = []
            var open = [path]
            var isFirst = true
            // Each node is listed once: the store has a bounded number of them.
            while let next = open.popLast() {
                do {
                    nodes.append(try node(next, store))
                    let names = try store.ask(.directory, next).split(separator: 0)
                    let prefix = next == "/" ? "/" : next + "/"
                    open += names.reversed().map { prefix + String(decoding: $0, as: UTF8.self) }
                } catch let refusal as StoreConnection.Refusal {
                    // A node below may have gone meanwhile, or be closed.
                    guard isFirst else { continue }
                    StandardError.write("casemate: \(path): \(refusal.name)\n")
                    throw ExitStatus.refused
                }
                isFirst = false
            }
            try StandardOutput.write(
                json
                    ? JSONValue.array(nodes.map(\.json)).text
                    : nodes.map { $0.line + "\n" }.joined())
        }

        private func node(_ path: String, _ store: StoreConnection) throws -> Node {
            let value = try store.ask(.read, path)
            var list: String?
            if permissions {
                list = try store.ask(.permissions, path).split(separator: 0)
                    .map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
            }
            return Node(
                path: path, value: Node.shown(value), permissions: list,
                label: labels ? try store.control(["label", path]) : nil)
        }
    }
}

extension Xenstore.List.Node {
    /// A value as one line can show it.
    fileprivate static func shown(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            if byte >= 0x20, byte < 0x7f, byte != 0x22, byte != 0x5c {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text
    }
}

/// The daemon's answer to `stat`.
struct StoreSummary {
    /// The lines about the whole store and its subtrees.
    let general: [String]
    /// The domains that it names.
    let domains: [UInt16]

    /// Reads the answer: a line that begins with `domain N` is about one.
    init(_ text: String) {
        var general: [String] = []
        var domains: [UInt16] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == "domain", words.count > 1,
                let number = UInt16(words[1].prefix { $0.isNumber })
            {
                domains.append(number)
            } else {
                general.append(String(line))
            }
        }
        self.general = general
        self.domains = domains
    }
}

/// The daemon's answer to `stat N`.
struct DomainStatistics {
    /// The document: the domain, its quotas, and its refusals.
    let json: JSONValue

    /// Reads the answer: `domain N [NAME]`, then indented `QUOTA USED/LIMIT`, `refused REASON
    /// COUNT` and `last refusal: …`.
    init(_ text: String) {
        var members: [(String, JSONValue)] = []
        var quotas: [JSONValue] = []
        var refusals: [JSONValue] = []
        var last: String?
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.first == "domain", words.count > 1 {
                members.append(("domain", UInt64(words[1]).map { .number($0) } ?? .null))
                if words.count > 2 { members.append(("name", .string(words[2]))) }
            } else if words.first == "refused", words.count == 3 {
                refusals.append(
                    .object([
                        ("reason", .string(words[1])),
                        ("count", UInt64(words[2]).map { .number($0) } ?? .null),
                    ]))
            } else if line.contains("last refusal: ") {
                last = String(line.trimmingPrefix(while: { $0 == " " }).dropFirst(14))
            } else if words.count == 2 {
                let parts = words[1].split(separator: "/").map { UInt64($0) }
                quotas.append(
                    .object([
                        ("quota", .string(words[0])),
                        ("used", (parts.first ?? nil).map { .number($0) } ?? .null),
                        ("limit", (parts.last ?? nil).map { .number($0) } ?? .null),
                    ]))
            }
        }
        members.append(("quotas", .array(quotas)))
        members.append(("refusals", .array(refusals)))
        if let last { members.append(("lastRefusal", .string(last))) }
        json = .object(members)
    }
}
