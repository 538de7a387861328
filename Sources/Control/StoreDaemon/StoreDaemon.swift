import BootArena
import StoreCore
import VirtualHardware

/// `casemate-xenstored`: a store on Unix sockets, for Debian's clients, under a policy.
///
/// It starts only with a policy, or if it is told that none is to be in force.
@main struct StoreDaemon {
    /// The most connections at once, the daemon's own among them.
    static let connectionLimit = 2048
    /// Room for labels that a new policy has beyond the first one's.
    private static let spareLabels = 64

    static func main() {
        unblockSignals()
        do {
            let options = try DaemonOptions(
                Array(CommandLine.arguments.dropFirst()), environment: environmentValue)
            try serve(options)
        } catch let failure as UsageFailure {
            fail("\(failure.message)\n\(DaemonOptions.usage)")
        } catch let failure as PolicyFailure {
            fail(failure.message)
        } catch {
            fail("\(error)")
        }
    }

    private static func serve(_ options: DaemonOptions) throws {
        let policy = options.hasNoControl ? nil : try loadPolicy(options)
        try checkNames(options, policy)
        var quota = StoreQuota()
        quota.requestsPerSecond = options.rate
        var administrator = StoreQuota.administrator(
            nodes: options.nodes, blocks: 4 * options.nodes + 16384)
        administrator.watches = 32768
        let compartments = policy?.compartments ?? []
        let capacity = StoreCapacity(
            domains: compartments.count,
            sum: compartments.reduce(into: administrator) { $0.add($1.quota(quota)) },
            clients: connectionLimit,
            labels: (policy?.labelCount ?? 1) + spareLabels, labelRules: 10_000)
        guard let memory = SystemMemory(sizeInBytes: StoreCore.arenaSizeInBytes(capacity)),
            let queue = EventQueue()
        else { throw PolicyFailure(message: "the system has not enough memory") }
        if let file = options.takeOver {
            try takeOver(file, options, policy, capacity, administrator, memory, queue)
            return
        }
        var arena = memory.arena()
        var core = try StoreCore(
            capacity: capacity, administrator: administrator,
            secret: UInt64.random(in: .min ... .max), arena: &arena)
        if let policy {
            try StoreSetUp.install(policy, quota, &core)
        } else {
            try core.install(NoMandatoryControl())
        }
        try StoreSetUp.makeFirstNodes(policy, &core)
        if let policy { try StoreSetUp.limit(policy, &core) }
        var server = StoreServer(
            core, policy: policy, options: options, memory: memory, queue: queue)
        for socket in options.sockets {
            // It is the server's for as long as the process.
            let number = try listenUnix(socket.path).duplicate()
            guard server.add(Listener(descriptor: number, name: socket.name)) else {
                throw PolicyFailure(message: "\(socket.path) cannot be watched")
            }
        }
        announce(options, policy)
        server.run()
    }

    private static func takeOver(
        _ file: Int32, _ options: DaemonOptions, _ policy: StorePolicy?,
        _ capacity: StoreCapacity, _ administrator: StoreQuota, _ memory: SystemMemory,
        _ queue: EventQueue
    ) throws {
        guard let bytes = readFile(file, count: SavedDaemon.memoryOffset),
            let saved = SavedDaemon(bytes)
        else { throw PolicyFailure(message: "there is no state to take over") }
        guard saved.labels == policy?.names ?? [] else {
            throw PolicyFailure(message: "the policy on disk is not the one in force: reload first")
        }
        guard memory.load(from: file, at: SavedDaemon.memoryOffset) else {
            throw PolicyFailure(message: "the state to take over has another size")
        }
        closeDescriptor(file)
        var arena = memory.arena()
        let core = try StoreCore(
            resuming: saved.state, capacity: capacity, administrator: administrator, arena: &arena)
        var server = StoreServer(
            core, policy: policy, options: options, memory: memory, queue: queue)
        guard server.adopt(saved) else {
            throw PolicyFailure(message: "a connection cannot be taken over")
        }
        signalReady(saved.ready)
        announce(options, policy)
        server.run()
    }

    /// Reads the policy that the options name.
    static func loadPolicy(_ options: DaemonOptions) throws -> StorePolicy {
        guard let policy = options.policy, let manifest = options.manifest else {
            throw PolicyFailure(message: "there is no policy")
        }
        let contexts = try options.fileContexts.map { path in
            (path: path, text: String(decoding: try contents(of: path), as: UTF8.self))
        }
        return try StorePolicy(
            policy: try contents(of: policy), manifest: try contents(of: manifest),
            fileContexts: contexts)
    }

    private static func contents(of path: String) throws -> [UInt8] {
        guard let bytes = fileContents(path) else {
            throw PolicyFailure(message: "\(path) cannot be read")
        }
        return bytes
    }

    /// Each compartment that the command line names must be one of the policy.
    private static func checkNames(_ options: DaemonOptions, _ policy: StorePolicy?) throws {
        guard let policy else { return }
        for name in options.sockets.compactMap(\.name) + options.peers.values
        where !policy.compartments.contains(where: { $0.name == name }) {
            throw UsageFailure(message: "the manifest has no compartment `\(name)`")
        }
    }

    private static func announce(_ options: DaemonOptions, _ policy: StorePolicy?) {
        let control = policy.map { "policy \($0.digest.prefix(16))" } ?? "NO MANDATORY CONTROL"
        let sockets = options.sockets.map { socket in
            (socket.name.map { "\($0)=" } ?? "") + socket.path
        }
        print("casemate-xenstored: \(control); serving \(sockets.joined(separator: " "))")
        notifyManager()
    }

    private static func fail(_ message: String) -> Never {
        StandardError.write("casemate-xenstored: \(message)\n")
        StandardError.exit()
    }
}
