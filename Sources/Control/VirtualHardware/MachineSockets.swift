internal import FoundationEssentials

/// What `casemate run` keeps open for other commands: the control line, for one at a time; the
/// terminal, for several; and a record of the terminal.
///
/// Bytes are passed on and not looked at. Nobody who is slow, stopped or gone holds the machine up:
/// what does not find room at once waits here, or, at a terminal, is lost with its reader.
///
/// - Invariant: *(bounded)* at most one piece of the control line waits in each direction.
public final class MachineSockets {
    private let directory: String
    private let isListed: Bool
    private let controlListener: Descriptor
    private let consoleListener: Descriptor
    private var client: Descriptor?
    /// What the client sent and the machine did not take yet.
    private var toMachine: [UInt8] = []
    /// What was typed at attached terminals and the machine did not take yet.
    private var typed: [UInt8] = []
    private var terminals: [Descriptor] = []
    private var record: RecordFile

    /// The most terminals that are attached.
    private static let terminalLimit = 8

    /// Listens in a run directory, and enters it among the running machines.
    ///
    /// - Parameter isListed: whether it is entered; else who wants the machine names its directory.
    /// - Throws: `VirtualHardwareError`.
    public init(_ directory: String, isListed: Bool = true) throws(VirtualHardwareError) {
        self.directory = directory
        self.isListed = isListed
        controlListener = try listenUnix(directory + "/" + RunningMachines.controlSocketName)
        consoleListener = try listenUnix(directory + "/" + RunningMachines.consoleSocketName)
        record = try RecordFile(directory + "/" + RunningMachines.recordName)
        if isListed { try RunningMachines.enter(directory) }
    }

    deinit {
        if isListed { RunningMachines.leave() }
        for name in [RunningMachines.controlSocketName, RunningMachines.consoleSocketName] {
            try? FileManager.default.removeItem(atPath: directory + "/" + name)
        }
    }

    /// The descriptors to wait for.
    public var descriptors: [Int32] {
        var numbers = [consoleListener.number] + terminals.map(\.number)
        if let client {
            if toMachine.isEmpty { numbers.append(client.number) }
        } else {
            numbers.append(controlListener.number)
        }
        return numbers
    }

    /// Whether the record of the terminal misses something, because the disk did not take it.
    public var hasLostRecord: Bool { record.hasLost }

    /// Whether something waits for the machine to take it; then to be called again soon.
    public var isPressing: Bool { !toMachine.isEmpty || !typed.isEmpty }

    /// Serves what can be read, and passes on what waits.
    ///
    /// - Throws: what is wrong with the machine's end; a failure of a client ends the client.
    public func serve(
        _ ready: [Int32], _ machine: VirtualMachine
    ) throws(VirtualHardwareError) {
        if ready.contains(controlListener.number), client == nil {
            client = try? acceptConnection(controlListener)
        }
        if ready.contains(consoleListener.number) {
            let terminal = try? acceptConnection(consoleListener)
            if let terminal, terminals.count < MachineSockets.terminalLimit {
                terminals.append(terminal)
            }
        }
        if let client, toMachine.isEmpty, ready.contains(client.number) {
            toMachine = (try? client.readSome(limit: 4096)) ?? []
            if toMachine.isEmpty { self.client = nil }
        }
        for terminal in terminals where ready.contains(terminal.number) {
            let bytes = (try? terminal.readSome(limit: 256)) ?? []
            if bytes.isEmpty {
                terminals.removeAll { $0 === terminal }
            } else {
                typed += bytes
            }
        }
        toMachine.removeFirst(try machine.offerToOwner(toMachine[...]))
        typed.removeFirst(try machine.offerToConsole(typed[...]))
        if typed.count > 4096 { typed = [] }
    }

    /// Gives attached terminals and the record what the machine wrote to its terminal.
    public func show(_ bytes: [UInt8]) {
        record.append(bytes)
        terminals.removeAll { terminal in
            (try? terminal.writeSome(bytes[...])) != bytes.count
        }
    }

    /// Gives the client of the control line what its owner wrote; without one it is lost.
    public func answer(_ bytes: [UInt8]) {
        guard let client else { return }
        if (try? client.writeSome(bytes[...])) != bytes.count { self.client = nil }
    }
}

/// A file that grows, at most to 16 MiB; then it begins anew, and the one before it is kept.
private struct RecordFile {
    private let path: String
    private var file: Descriptor
    private var size = 0
    private(set) var hasLost = false

    private static let limit = 16 << 20

    init(_ path: String) throws(VirtualHardwareError) {
        self.path = path
        file = try createPrivateFile(path)
    }

    mutating func append(_ bytes: [UInt8]) {
        if size > RecordFile.limit {
            let old = path + ".1"
            try? FileManager.default.removeItem(atPath: old)
            try? FileManager.default.moveItem(atPath: path, toPath: old)
            if let fresh = try? createPrivateFile(path) { file = fresh }
            size = 0
        }
        if !file.append(bytes) { hasLost = true }
        size += bytes.count
    }
}
