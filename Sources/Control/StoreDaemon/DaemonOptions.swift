/// Why the command line is wrong.
struct UsageFailure: Error {
    /// What is wrong.
    let message: String
}

/// What the command line asks for.
struct DaemonOptions {
    /// One socket: for the clients of one compartment, or for whoever is known by the user id.
    struct Socket {
        /// The compartment's name; nil on the socket for all.
        var name: String?
        /// Where the socket lies.
        var path: String
    }

    static let usage = """
        usage: casemate-xenstored --policy FILE --manifest FILE [--file-contexts FILE]
                   [--socket [NAME=]PATH]... [--peer UID=NAME]... [--nodes COUNT]
                   [--rate COUNT]
               casemate-xenstored --no-mac [--socket PATH]... [--nodes COUNT]
        """

    var policy: String?
    var manifest: String?
    var fileContexts: String?
    var hasNoControl = false
    var sockets: [Socket] = []
    var peers: [UInt32: String] = [:]
    var nodes = 100_000
    /// The requests that each compartment may make in a second; 0: as many as there is time for.
    var rate = 20_000
    /// The descriptor of the state that a predecessor hands over.
    var takeOver: Int32?
    /// The whole command line, for a successor.
    let arguments: [String]

    /// Reads a command line without the program's name.
    ///
    /// - Throws: `UsageFailure`.
    init(_ arguments: [String], environment: (String) -> String?) throws {
        self.arguments = arguments
        var rest = arguments[...]
        while let name = rest.popFirst() {
            switch name {
            case "--no-mac": hasNoControl = true
            case "--policy": policy = try DaemonOptions.value(&rest, name)
            case "--manifest": manifest = try DaemonOptions.value(&rest, name)
            case "--file-contexts": fileContexts = try DaemonOptions.value(&rest, name)
            case "--socket": try addSocket(try DaemonOptions.value(&rest, name))
            case "--peer": try addPeer(try DaemonOptions.value(&rest, name))
            case "--nodes":
                nodes = try DaemonOptions.number(&rest, name, 1...10_000_000)
            case "--rate": rate = try DaemonOptions.number(&rest, name, 0...1_000_000_000)
            case "--take-over":
                takeOver = Int32(try DaemonOptions.number(&rest, name, 3...65_535))
            case "-N", "--no-fork": break  // It never forks; C xenstored's word for it.
            default: throw UsageFailure(message: "`\(name)` is no option")
            }
        }
        if sockets.isEmpty { sockets = [Socket(path: DaemonOptions.socketPath(environment))] }
        try checkTogether()
    }

    /// Where C xenstored and its clients expect the socket.
    private static func socketPath(_ environment: (String) -> String?) -> String {
        if let path = environment("XENSTORED_PATH") { return path }
        return (environment("XENSTORED_RUNDIR") ?? "/run/xenstored") + "/socket"
    }

    private func checkTogether() throws {
        if hasNoControl {
            guard policy == nil, manifest == nil, fileContexts == nil, peers.isEmpty,
                sockets.allSatisfy({ $0.name == nil })
            else {
                throw UsageFailure(message: "--no-mac goes with none of the options of a policy")
            }
            return
        }
        guard policy != nil, manifest != nil else {
            throw UsageFailure(
                message: "a policy is required: --policy and --manifest, or say --no-mac")
        }
        guard sockets.allSatisfy({ $0.name != nil }) || !peers.isEmpty else {
            throw UsageFailure(
                message: "a socket without a compartment's name serves those that --peer names")
        }
    }

    private static func value(_ rest: inout ArraySlice<String>, _ name: String) throws -> String {
        guard let value = rest.popFirst(), !value.isEmpty else {
            throw UsageFailure(message: "`\(name)` needs a value")
        }
        return value
    }

    private static func number(
        _ rest: inout ArraySlice<String>, _ name: String, _ range: ClosedRange<Int>
    ) throws -> Int {
        guard let number = Int(try value(&rest, name)), range.contains(number) else {
            throw UsageFailure(
                message: "`\(name)` is not \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private mutating func addSocket(_ text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let hasName = parts.count == 2 && !parts[0].contains("/")
        let path = hasName ? String(parts[1]) : text
        guard !path.isEmpty, !sockets.contains(where: { $0.path == path }) else {
            throw UsageFailure(message: "`--socket \(text)` names no socket of its own")
        }
        sockets.append(Socket(name: hasName ? String(parts[0]) : nil, path: path))
    }

    private mutating func addPeer(_ text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let user = UInt32(parts[0]), peers[user] == nil else {
            throw UsageFailure(message: "`--peer \(text)` is not a new UID=NAME")
        }
        peers[user] = String(parts[1])
    }
}
