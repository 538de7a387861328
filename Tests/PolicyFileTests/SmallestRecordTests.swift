import PolicyDatabaseModel
import TestSupport
import Testing

@Test("a long table of the smallest records is read, in every version", arguments: PolicyFormat.all)
func smallestRecords(format: PolicyFormat) throws {
    // Method: a count is refused when the rest of the file cannot hold it, so a least size that is
    // too high refuses a table that makes up nearly all of a file.
    for fill in fills(for: format) {
        var file = PolicyFile(format: format)
        fill(&file)
        #expect(try PolicyFile(validating: try file.encoded()) == file)
    }
}

private let count = 500

/// Fills one table.
private typealias Fill = @Sendable (inout PolicyFile) -> Void

/// Returns functions that each fill one table.
private func fills(for format: PolicyFormat) -> [Fill] {
    let isXen = format.target == .xen
    let version = format.version
    let newer: [(since: UInt32, fills: [Fill])] = [
        (16, booleanFills), (19, levelFills), (20, [typeAttributes]), (25, [filenameTransitions]),
    ]
    let newerLinux: [(since: UInt32, fills: [Fill])] = [(17, [wideNodes]), (31, infinibandFills)]
    return symbolFills + ruleFills + (isXen ? xenFills : linuxFills)
        + newer.filter { version >= $0.since }.flatMap(\.fills)
        + newerLinux.filter { !isXen && version >= $0.since }.flatMap(\.fills)
}

private func repeated<Record>(_ record: Record, _ change: (inout Record) -> Void = { _ in })
    -> [Record]
{
    var changed = record
    change(&changed)
    return Array(repeating: changed, count: count)
}

private let symbolFills: [Fill] = [
    { $0.commons.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.classes.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.roles.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.types.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.users.symbols = repeated(.init()) { $0.name = "a" } },
]

private let booleanFills: [Fill] = [
    { $0.booleans.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.conditionals = repeated(.init()) },
]

private let levelFills: [Fill] = [
    { $0.sensitivities.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.categories.symbols = repeated(.init()) { $0.name = "a" } },
    { $0.rangeTransitions = repeated(.init()) },
]

private let ruleFills: [Fill] = [
    { $0.accessRules.rules = repeated(.init()) },
    { $0.roleTransitions = repeated(.init()) },
    { $0.roleAllows = repeated(.init()) },
    { $0.objectContexts.initialIdentifiers = repeated(.init()) },
    {
        $0.genericFileSystems = repeated(.init()) {
            $0.name = "a"
            $0.paths = []
        }
    },
]

@Sendable private func typeAttributes(_ file: inout PolicyFile) {
    file.types.primaryCount = UInt32(count)
    file.typeAttributes = repeated(.init())
}

@Sendable private func wideNodes(_ file: inout PolicyFile) {
    file.objectContexts.wideNodes = repeated(.init())
}

@Sendable private func filenameTransitions(_ file: inout PolicyFile) {
    var result = PolicyFile.FilenameTransitionResult()
    result.sources = PolicyBitmap([0])
    file.filenameTransitions = repeated(.init()) {
        $0.name = "a"
        $0.results = [result]
    }
}

private let xenFills: [Fill] = [
    { $0.objectContexts.interrupts = repeated(.init()) },
    { $0.objectContexts.ports = repeated(.init()) },
    { $0.objectContexts.frames = repeated(.init()) },
    { $0.objectContexts.pciDevices = repeated(.init()) },
]

private let linuxFills: [Fill] = [
    { $0.objectContexts.fileSystems = repeated(.init()) { $0.name = "a" } },
    { $0.objectContexts.networkPorts = repeated(.init()) },
    { $0.objectContexts.networkInterfaces = repeated(.init()) { $0.name = "a" } },
    { $0.objectContexts.nodes = repeated(.init()) },
    { $0.objectContexts.fileSystemUses = repeated(.init()) { $0.name = "a" } },
]

private let infinibandFills: [Fill] = [
    { $0.objectContexts.infinibandKeys = repeated(.init()) },
    { $0.objectContexts.infinibandPorts = repeated(.init()) { $0.device = "a" } },
]
