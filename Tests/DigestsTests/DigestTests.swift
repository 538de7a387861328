import Crypto
import Digests
import TestSupport
import Testing

/// The examples of FIPS 180-4 as NIST publishes them ("Examples with intermediate values").
private struct Example: Sendable, CustomTestStringConvertible {
    let message: String
    let repetitions: Int
    let sha1: String
    let sha256: String
    let sha384: String
    var testDescription: String { "\(message.prefix(8)) × \(repetitions)" }
}

private let examples = [
    Example(
        message: "abc", repetitions: 1,
        sha1: "a9993e364706816aba3e25717850c26c9cd0d89d",
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        sha384: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
            + "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
    Example(
        message: "", repetitions: 1,
        sha1: "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        sha384: "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
            + "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"),
    Example(
        message: "a", repetitions: 1_000_000,
        sha1: "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
        sha256: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        sha384: "9d0e1809716474cb086e834e310a4a1ced149e9c00f24852"
            + "7972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985"),
]

@Test("the examples of FIPS 180-4 give their published digests", arguments: examples)
private func publishedExamples(example: Example) {
    let message = Array(String(repeating: example.message, count: example.repetitions).utf8)
    #expect(SHA1.hash(message.span).hexadecimal == example.sha1)
    #expect(Digests.SHA256.hash(message.span).hexadecimal == example.sha256)
    #expect(Digests.SHA384.hash(message.span).hexadecimal == example.sha384)
}

@Test("messages of every length from 0 to 300 agree with swift-crypto, whole and in pieces")
func everyLengthAgrees() {
    var generator = SeededGenerator.announced(0x1d1)
    for length in 0...300 {
        let message = generator.bytes(length)
        compare(message, splitAt: length == 0 ? 0 : Int(generator.next() % UInt64(length + 1)))
    }
}

@Test("long random messages in random pieces agree with swift-crypto")
func longMessagesAgree() {
    var generator = SeededGenerator.announced(0x1d2)
    for _ in 0..<50 {
        let message = generator.bytes(Int(generator.next() % 20_000))
        var state = Digests.SHA384()
        var position = 0
        while position < message.count {
            let count = min(message.count - position, Int(generator.next() % 400))
            state.update(message.span.extracting(position..<position + count))
            position += count
        }
        #expect(state.finalize().array == Array(Crypto.SHA384.hash(data: message)))
        compare(message, splitAt: message.count / 3)
    }
}

/// Checks the three functions over `message`, given whole and as two pieces.
private func compare(_ message: [UInt8], splitAt split: Int) {
    let head = message.span.extracting(0..<split)
    let tail = message.span.extracting(split..<message.count)
    var first = SHA1()
    first.update(head)
    first.update(tail)
    #expect(first.finalize().array == Array(Insecure.SHA1.hash(data: message)))
    #expect(SHA1.hash(message.span).array == Array(Insecure.SHA1.hash(data: message)))
    var second = Digests.SHA256()
    second.update(head)
    second.update(tail)
    #expect(second.finalize().array == Array(Crypto.SHA256.hash(data: message)))
    #expect(
        Digests.SHA256.hash(message.span).array == Array(Crypto.SHA256.hash(data: message)))
    var third = Digests.SHA384()
    third.update(head)
    third.update(tail)
    #expect(third.finalize().array == Array(Crypto.SHA384.hash(data: message)))
    #expect(
        Digests.SHA384.hash(message.span).array == Array(Crypto.SHA384.hash(data: message)))
}

@Test("digests that differ in any one bit are unequal")
func everyBitCounts() {
    let message: [UInt8] = [1, 2, 3]
    let digest = Digests.SHA384.hash(message.span)
    #expect(digest == Digests.SHA384.hash(message.span))
    for bit in 0..<384 {
        var bytes = digest.array
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(Digest384(bytes.span) != digest)
    }
}

@Test("a digest is read from exactly its number of bytes")
func exactLength() {
    let bytes = [UInt8](repeating: 7, count: 49)
    #expect(Digest384(bytes.span.extracting(0..<47)) == nil)
    #expect(Digest384(bytes.span.extracting(0..<48)) != nil)
    #expect(Digest384(bytes.span) == nil)
    #expect(Digest256(bytes.span.extracting(0..<31)) == nil)
    #expect(Digest256(bytes.span.extracting(0..<32)) != nil)
    #expect(Digest160(bytes.span.extracting(0..<21)) == nil)
    #expect(Digest160(bytes.span.extracting(0..<20)) != nil)
}

@Test("hexadecimal text is read in either case and refused when it is anything else")
func hexadecimalText() {
    let empty: [UInt8] = []
    let digest = Digests.SHA256.hash(empty.span)
    #expect(Digest256(hexadecimal: digest.hexadecimal) == digest)
    #expect(Digest256(hexadecimal: digest.hexadecimal.uppercased()) == digest)
    #expect(Digest256(hexadecimal: String(digest.hexadecimal.dropLast())) == nil)
    #expect(Digest256(hexadecimal: digest.hexadecimal + "00") == nil)
    #expect(Digest256(hexadecimal: "g" + digest.hexadecimal.dropFirst()) == nil)
    for byte in UInt8.min...UInt8.max {
        let text = Digests.hexadecimalText([byte])
        #expect(bytesOfHexadecimal(text) == [byte])
    }
}
