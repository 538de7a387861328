internal import GuestSystem

/// What a compartment tells the compartment `audit`, line by line, by its ring `log`.
struct Journal {
    private var writer: LogWriter

    /// Opens the log.
    ///
    /// - Throws: what a driver answered. Who cannot be audited does not begin.
    init(to reader: UInt32, on channels: EventChannels) throws(SystemError) {
        writer = try LogWriter(to: reader, pages: 4, on: channels)
    }

    /// Writes a line.
    ///
    /// - Throws: what a driver answered.
    mutating func note(_ text: String) throws(SystemError) {
        try writer.write(text)
    }
}

/// Prints the records of the audit, and the logs of the compartments, as they come.
struct AuditReader {
    /// One compartment's log.
    private struct Source {
        let name: String
        var log: LogReader
    }

    private let channels: EventChannels
    private let device: GrantDevice
    private var sources: [Source] = []

    /// `VIRQ_CON_RING` of Xen public `xen.h`: rings for every record.
    private static var consoleRing: UInt32 { 8 }
    /// How long to sleep when there is nothing, in milliseconds.
    private static var pause: UInt32 { 1000 }
    /// The most lines of one log in one turn.
    private static var share: Int { 64 }

    /// Prepares to read.
    ///
    /// - Parameter names: the compartments by their domains, from 1; `-` for one without a log.
    /// - Throws: what a driver or the hypervisor answered.
    init(_ names: [[UInt8]], on channels: EventChannels) throws(SystemError) {
        self.channels = channels
        _ = try channels.bind(virtualInterrupt: AuditReader.consoleRing)
        device = try GrantDevice()
        for (index, name) in names.enumerated() where !Text.matches(name, "-") {
            sources.append(
                Source(name: Text.printable(name), log: LogReader(of: UInt32(index) + 1)))
        }
    }

    /// - Throws: what the driver or the hypervisor answered.
    mutating func run() throws(SystemError) -> Never {
        let privcmd = try SystemCalls.open("/dev/xen/privcmd")
        var index: UInt32 = 0
        var pending: [UInt8] = []
        var turn = 0
        while true {
            let bytes = try SystemCalls.readRecords(privcmd, from: &index)
            pending += bytes
            while let end = pending.firstIndex(of: 0x0a) {
                SystemCalls.report("read \(Text.printable(pending[..<end]))")
                pending = Array(pending[(end + 1)...])
            }
            var isIdle = bytes.isEmpty
            for place in sources.indices where read(place, looks: turn % 8 == 0) { isIdle = false }
            if isIdle { _ = try? channels.wait(milliseconds: AuditReader.pause) }
            turn += 1
        }
    }

    /// Prints what has come by one log.
    ///
    /// - Parameter looks: whether to look for one that has not begun.
    /// - Returns: whether there was anything.
    private mutating func read(_ place: Int, looks: Bool) -> Bool {
        let name = sources[place].name
        if sources[place].log.isWaiting {
            guard looks, sources[place].log.join(device, channels) else { return false }
            SystemCalls.report("the log of \(name) begins")
        }
        var count = 0
        while count < AuditReader.share, let entry = sources[place].log.next() {
            count += 1
            switch entry {
            case .line(let line):
                SystemCalls.report("log of \(name): \(Text.printable(line))")
            case .lost: SystemCalls.report("log of \(name): lines are lost")
            case .ends: SystemCalls.report("the log of \(name) ends")
            }
        }
        return count > 0
    }
}
