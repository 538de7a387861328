import HypervisorCore
import TestSupport
import Testing

@Suite struct BootBundleTests {
    private func accepts(_ bytes: [UInt8]) -> Bool {
        BootBundle(validating: bytes.span) != nil
    }

    private func archive(_ members: [(String, [UInt8])]) -> [UInt8] {
        NewcArchive.archive(members)
    }

    private var good: [UInt8] {
        archive([
            ("policy", [1, 2, 3]), ("manifest", [4]), ("module/0", [5, 6, 7, 8, 9]),
            ("module/1", []),
        ])
    }

    @Test("members are found where they are")
    func members() throws {
        let bytes = good
        guard let bundle = BootBundle(validating: bytes.span) else {
            Issue.record("refused")
            return
        }
        #expect(bundle.moduleCount == 2)
        let policy = bundle.policy
        #expect(Array(bytes[policy.offset..<policy.offset + policy.size]) == [1, 2, 3])
        let found = bundle.module(at: 0)
        let first = try #require(found)
        #expect(Array(bytes[first.offset..<first.offset + first.size]) == [5, 6, 7, 8, 9])
        let sizes = [1, 2, -1].map { bundle.module(at: $0)?.size }
        #expect(sizes == [0, nil, nil])
    }

    @Test("a bundle that ends early is refused, wherever it ends")
    func truncated() {
        let bytes = good
        for count in 0..<bytes.count - 2 {
            let part = Array(bytes[0..<count])
            #expect(!accepts(part), "\(count) bytes")
        }
    }

    @Test("members in another order, or with other names, are refused")
    func names() {
        let orders: [[(String, [UInt8])]] = [
            [("manifest", []), ("policy", [])],
            [("policy", [])],
            [],
            [("policy", []), ("manifest", []), ("module/1", [])],
            [("policy", []), ("manifest", []), ("module/00", [])],
            [("policy", []), ("manifest", []), ("module/x", [])],
            [("policy", []), ("manifest", []), ("module/", [])],
        ]
        for order in orders {
            let bytes = archive(order)
            #expect(!accepts(bytes))
        }
    }

    @Test("64 modules fit, 65 do not")
    func limit() {
        func bundle(_ count: Int) -> [UInt8] {
            archive(
                [("policy", []), ("manifest", [])] + (0..<count).map { ("module/\($0)", []) })
        }
        let most = bundle(64)
        let over = bundle(65)
        #expect(accepts(most))
        #expect(!accepts(over))
    }

    @Test("no single-byte change makes the reader trap or leave the bundle")
    func mutations() {
        let bytes = good
        for index in bytes.indices {
            for value in [UInt8(0), 0x30, 0x46, 0x7f, 0xff] {
                var changed = bytes
                changed[index] = value
                guard let bundle = BootBundle(validating: changed.span) else { continue }
                for number in 0..<bundle.moduleCount {
                    guard let member = bundle.module(at: number) else { continue }
                    #expect(member.offset + member.size <= changed.count)
                }
            }
        }
    }
}
