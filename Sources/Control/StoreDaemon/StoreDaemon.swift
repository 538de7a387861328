import BootArena
import StoreCore
import VirtualHardware

/// `casemate-xenstored`: a store on a Unix socket, for Debian's `xenstore-*` clients.
///
/// It starts only if it is told that no policy is in force, because in this version it can be given
/// none.
@main struct StoreDaemon {
    private static let usage =
        "usage: casemate-xenstored --no-mac --socket PATH [--nodes COUNT]"

    static func main() {
        unblockSignals()
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.contains("--no-mac") else {
            fail("a policy is required, and this version reads none: say --no-mac. \(usage)")
        }
        guard let path = value(of: "--socket", arguments) else { fail(usage) }
        let nodes = value(of: "--nodes", arguments).flatMap { Int($0) } ?? 100_000
        guard nodes > 0, nodes <= 10_000_000 else { fail("--nodes is not 1 to 10000000") }
        do {
            try serve(path, nodes)
        } catch {
            fail("\(error)")
        }
    }

    private static func serve(_ path: String, _ nodes: Int) throws {
        var administrator = StoreQuota.administrator(nodes: nodes, blocks: 4 * nodes + 16384)
        administrator.watches = 32768
        let capacity = StoreCapacity(
            domains: 0, quota: StoreQuota(), administrator: administrator, clients: 1024)
        guard
            var arena = systemArena(sizeInBytes: StoreCore.arenaSizeInBytes(capacity)),
            let queue = EventQueue()
        else { fail("the system has not enough memory") }
        var core = try StoreCore(
            capacity: capacity, administrator: administrator,
            secret: UInt64.random(in: .min ... .max), arena: &arena)
        try core.install(NoMandatoryControl())
        let listener = try listenUnix(path)
        print("casemate-xenstored: NO MANDATORY CONTROL; serving \(path)")
        var server = StoreServer(core, queue: queue, listener: listener.number)
        server.run()
    }

    private static func value(of name: String, _ arguments: [String]) -> String? {
        guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else {
            return nil
        }
        return arguments[index + 1]
    }

    private static func fail(_ message: String) -> Never {
        StandardError.write("casemate-xenstored: \(message)\n")
        StandardError.exit()
    }
}
