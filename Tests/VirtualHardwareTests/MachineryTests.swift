import ControlFrames
import Foundation
import Testing
import VirtualHardware

private func frame(_ sequence: UInt32, _ payload: [UInt8]) throws -> [UInt8] {
    let header = try ControlFrameHeader(
        kind: .eventLog, sequence: sequence, payload: payload.span
    ).encoded
    return header.indices.map { header[$0] } + payload
}

@Test("frames are cut out of bytes that come in any pieces")
func framesInPieces() throws {
    let bytes = try frame(1, [1, 2, 3]) + frame(2, []) + frame(3, [9])
    for size in 1...bytes.count {
        var decoder = FrameDecoder()
        var frames: [ControlFrame] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            frames += try decoder.feed(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        #expect(frames.map(\.payload) == [[1, 2, 3], [], [9]])
    }
}

@Test("a line with another sequence, a wrong checksum or a bad header is broken")
func brokenFrames() throws {
    func breaks(_ bytes: [UInt8]) -> Bool {
        var decoder = FrameDecoder()
        return (try? decoder.feed(bytes)) == nil
    }
    #expect(!breaks(try frame(1, [5])))
    #expect(breaks(try frame(2, [5])))
    #expect(breaks(try frame(1, [5]) + frame(1, [5])))
    var damaged = try frame(1, [5])
    damaged[24] = 6
    #expect(breaks(damaged))
    #expect(breaks([UInt8](repeating: 0, count: 24)))
    #expect(!breaks([UInt8](repeating: 0, count: 23)))
}

@Test("what firmware writes before the first frame is skipped, in pieces of any size")
func firmwareBeforeFrames() throws {
    let noise = Array("\u{1b}[2J BdsDxe: loading CMCF CMCF\0\u{1}".utf8)
    let bytes = noise + (try frame(1, [1, 2, 3]) + frame(2, [9]))
    for size in 1...bytes.count {
        var decoder = FrameDecoder(skipsToFirstFrame: true)
        var frames: [ControlFrame] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            frames += try decoder.feed(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        #expect(frames.map(\.payload) == [[1, 2, 3], [9]])
    }
    // Behind the first frame nothing is skipped any more.
    var decoder = FrameDecoder(skipsToFirstFrame: true)
    let broken = try frame(1, []) + noise
    #expect(throws: VirtualHardwareError.self) { try decoder.feed(broken) }
}

@Test("console lines are given to whom their prefix names")
func transcript() {
    var transcript = ConsoleTranscript()
    transcript.feed(Array("SeaBIOS\r\n(casemate) hello\r\n(one) a (two) b\r".utf8))
    #expect(transcript.lines.map(\.speaker) == [nil, "casemate"])
    transcript.feed(Array("\n(two) casemate-guest: shell ready\r\n".utf8))
    #expect(transcript.lines.map(\.speaker) == [nil, "casemate", "one", "two"])
    #expect(transcript.lines[2].text == "a (two) b")
    #expect(transcript.first("two", containing: "shell ready") != nil)
    #expect(transcript.first("one", containing: "shell ready") == nil)
    #expect(transcript.first(nil, containing: "shell ready")?.speaker == "two")
    #expect(transcript.first(nil, containing: "hello") == nil)
    #expect(transcript.first(nil, containing: "SeaBIOS") == nil)
}

/// A `newc` archive.
private func archive(_ members: [(String, [UInt8])]) -> [UInt8] {
    func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }
    func hexadecimal(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
    return (members + [("TRAILER!!!", [])]).flatMap { name, content in
        let fields = [0, 0o100644, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
        let header = "070701" + fields.map(hexadecimal).joined()
        return padded(Array(header.utf8) + Array(name.utf8) + [0]) + padded(content)
    }
}

@Test("tampering changes one byte of the member that is wanted, and of no other")
func tampering() throws {
    let contents: [[UInt8]] = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10]]
    let bundle = archive([("policy", contents[0]), ("manifest", contents[1]), ("m", contents[2])])
    for wanted in contents {
        let copy = try #require(tampered(bundle) { Array($0) == wanted })
        #expect(copy.count == bundle.count)
        let changed = bundle.indices.filter { bundle[$0] != copy[$0] }
        #expect(changed.count == 1)
        let place = try #require(changed.first)
        #expect(wanted.contains(bundle[place]))
    }
    #expect(tampered(bundle) { _ in false } == nil)
    #expect(tampered([0, 1, 2]) { _ in true } == nil)
    #expect(tampered(Array(bundle.prefix(115))) { _ in true } == nil)
    #expect(tampered([UInt8](repeating: 0x37, count: 200)) { _ in true } == nil)
}

@Suite(.serialized) struct ProcessTests {
    @Test("a program's exit status and output are seen")
    func statusAndOutput() throws {
        let directory = try makeTemporaryDirectory()
        defer { removeTemporaryDirectory(directory) }
        let child = try ChildProcess(
            "sh", ["-c", "echo out; echo err >&2; exit 7"], outputPath: directory + "/log")
        #expect(child.wait(timeoutInMilliseconds: 5000) == 7)
        #expect(lastLines(of: directory + "/log") == "out\nerr")
    }

    @Test("a program that does not exist is named")
    func missingProgram() {
        #expect(throws: VirtualHardwareError.programMissing("casemate-no-such-program")) {
            _ = try ChildProcess(
                "casemate-no-such-program", [], outputPath: "/dev/null")
        }
    }

    @Test("a program, and what it started, ends with its owner, even if it will not")
    func endsWithOwner() throws {
        let directory = try makeTemporaryDirectory()
        defer { removeTemporaryDirectory(directory) }
        let script = "trap '' TERM; sleep 1000 & echo $! > \(directory)/inner; wait; sleep 1000"
        let child = try ChildProcess(
            "sh", ["-c", script], outputPath: directory + "/log")
        var inner = ""
        for _ in 0..<500 where inner.isEmpty {
            usleep(10_000)
            inner = lastLines(of: directory + "/inner").trimmingCharacters(
                in: .whitespacesAndNewlines)
        }
        let identifier = try #require(Int32(inner))
        #expect(kill(identifier, 0) == 0)
        child.end()
        #expect(child.exitStatus() == 128 + SIGKILL)
        for _ in 0..<500 where isAlive(identifier) { usleep(10_000) }
        #expect(!isAlive(identifier))
    }

    /// Whether a process exists and is no zombie that its new parent has not collected yet.
    private func isAlive(_ identifier: Int32) -> Bool {
        let status = lastLines(of: "/proc/\(identifier)/stat")
        return !status.isEmpty && !status.contains(") Z ")
    }

    @Test("inherited descriptors come in their order, whatever their numbers here")
    func inheritance() throws {
        let directory = try makeTemporaryDirectory()
        defer { removeTemporaryDirectory(directory) }
        let (first, firstEnd) = try socketPair()
        let (second, secondEnd) = try socketPair()
        let child = try ChildProcess(
            "sh", ["-c", "echo three >&3; echo four >&4"], passing: [secondEnd, firstEnd],
            outputPath: directory + "/log")
        #expect(child.wait(timeoutInMilliseconds: 5000) == 0)
        #expect(try second.readExactly(6) == Array("three\n".utf8))
        #expect(try first.readExactly(5) == Array("four\n".utf8))
    }
}
