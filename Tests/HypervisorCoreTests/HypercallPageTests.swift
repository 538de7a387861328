import HypervisorCore
import Testing

@Suite struct HypercallPageTests {
    @Test("each stub moves its number to EAX, makes the call, and returns")
    func stubs() {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var span = bytes.mutableSpan
        HypercallPage.write(&span)
        for number in 0..<64 where number != 23 {
            let stub = Array(bytes[number * 32..<number * 32 + 9])
            #expect(stub == [0xb8, UInt8(number), 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3])
        }
        #expect(Array(bytes[23 * 32..<23 * 32 + 2]) == [0x0f, 0x0b])
        #expect(bytes[9..<32].allSatisfy { $0 == 0xcc })
        #expect(bytes[2048...].allSatisfy { $0 == 0xcc })
    }
}
