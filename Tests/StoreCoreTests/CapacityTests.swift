import BootArena
import Foundation
import StoreCore
import Testing

/// What a node costs, and that the cost of a request does not grow with the number of nodes.
@Suite struct CapacityTests {
    private static let isLong =
        ProcessInfo.processInfo.environment["CASEMATE_TEST_LEVEL"] == "long"

    private func capacity(_ nodes: Int) -> (StoreCapacity, StoreQuota) {
        let quota = StoreQuota.administrator(nodes: nodes, blocks: nodes)
        let capacity = StoreCapacity(
            domains: 0, quota: StoreQuota(), administrator: quota, clients: 4)
        return (capacity, quota)
    }

    @Test("a node takes at most 105 bytes beside a name of 7 and a value of 16 bytes")
    func bytes() {
        for nodes in [1 << 20, 1_000_000, 700_000] {
            let empty = StoreCore.arenaSizeInBytes(capacity(0).0)
            let full = StoreCore.arenaSizeInBytes(capacity(nodes).0)
            #expect(Double(full - empty) / Double(nodes) - 23 <= 105)
        }
    }

    @Test("a store is filled to its last node, and answers there") func fill() throws {
        let count = CapacityTests.isLong ? 1_000_000 : 100_000
        let (capacity, quota) = capacity(count + count / 100 + 2)
        var arena = BootArena(hostSizeInBytes: StoreCore.arenaSizeInBytes(capacity))
        var core = try StoreCore(
            capacity: capacity, administrator: quota, secret: 3, arena: &arena)
        try core.install(NoMandatoryControl())
        let client = try core.connect(
            domain: 0, label: StoreLabel(index: 0), isPrivileged: true)
        let clock = ContinuousClock()
        func path(_ number: Int) -> String { "/t/\(number / 100)/k\(number % 100)" }
        func send(_ type: UInt32, _ payload: String) -> Int {
            let message = TestStore.message(type, 0, Array(payload.utf8))
            _ = core.handle(message.span, from: client)
            return core.replyMessage.count
        }
        let filling = clock.measure {
            for number in 0..<count { _ = send(11, "\(path(number))\0value of 16 byte") }
        }
        let nodes = core.nodeCount
        #expect(nodes == count + count / 100 + 2)
        let reading = clock.measure {
            for number in 0..<20_000 {
                let size = send(2, "\(path(number * 7919 % count))\0")
                if size != 32 { Issue.record("a value was lost") }
            }
        }
        let perFill = filling / count
        let perRead = reading / 20_000
        print("\(count) nodes: \(perFill) a node filled, \(perRead) a node read, at random")
        let last = send(11, "/one-more\0x")
        #expect(last == 16 + 7)
    }
}
