import BootArena
import CompilerTestSupport
import ConsoleService
import GuestRuntime
import PolicyCompiler
import PolicyDatabase
import SystemManifest
import TestSupport
import Testing

/// The terminal and the users of a console, as a few arrays.
final class FakeTerminal: ConsoleMachine {
    var pages: [UInt16: [UInt8]] = [:]
    var lives: [UInt16: DomainLife] = [:]
    var shown: [UInt8] = []
    var typed: [UInt8] = []
    private var mapped: [Int: UInt16] = [:]

    func map(_ reference: UInt32, of domain: UInt16) -> SharedPage? {
        guard reference == 0, pages[domain] != nil else { return nil }
        mapped[Int(domain)] = domain
        return SharedPage(number: Int(domain))
    }

    func unmap(_ page: SharedPage) { mapped[page.number] = nil }
    func bind(_ remotePort: UInt32, of domain: UInt16) -> UInt32? {
        remotePort == 1 ? UInt32(domain) : nil
    }
    func close(_ port: UInt32) {}
    func signal(_ port: UInt32) {}
    func takeSignal(of port: UInt32) -> Bool { true }
    func accessVector(subject: Int, object: Int, class: ObjectClass) -> AccessVector {
        AccessVector(bits: 0)
    }
    func reportDenial(subject: Int, object: Int, _ permission: Permission) {}

    func policySequence() -> UInt32 { 1 }

    func manifestPart(at offset: Int) -> ManifestPart? { nil }

    var time: UInt64 = 0
    /// How often the clock was read.
    var clockReadings = 0
    func now() -> UInt64 {
        clockReadings += 1
        return time
    }

    func life(of domain: UInt16) -> DomainLife {
        lives[domain] ?? DomainLife(generation: 0, isRunning: false)
    }
    func load8(_ page: SharedPage, offset: Int) -> UInt8 {
        mapped[page.number].flatMap { pages[$0]?[offset] } ?? 0
    }
    func load32(_ page: SharedPage, offset: Int) -> UInt32 {
        mapped[page.number].map { word($0, offset) } ?? 0
    }
    func store8(_ page: SharedPage, offset: Int, _ value: UInt8) {
        if let domain = mapped[page.number] { pages[domain]?[offset] = value }
    }
    func store32(_ page: SharedPage, offset: Int, _ value: UInt32) {
        if let domain = mapped[page.number] { setWord(domain, offset, value) }
    }
    func writeConsole(_ byte: UInt8) { shown.append(byte) }
    func flushConsole() {}
    func readConsole() -> UInt8? { typed.isEmpty ? nil : typed.removeFirst() }

    func word(_ domain: UInt16, _ offset: Int) -> UInt32 {
        guard let bytes = pages[domain] else { return 0 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    func setWord(_ domain: UInt16, _ offset: Int, _ value: UInt32) {
        for index in 0..<4 {
            pages[domain]?[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
        }
    }

    func addDomain(_ domain: UInt16) {
        pages[domain] = [UInt8](repeating: 0, count: 4096)
        lives[domain] = DomainLife(generation: 1, isRunning: true)
    }

    /// The guest prints; what does not fit its ring is lost.
    func print(_ bytes: some Sequence<UInt8>, by domain: UInt16) {
        var producer = word(domain, 3084)
        for byte in bytes where producer &- word(domain, 3080) < 2048 {
            pages[domain]?[1024 + Int(producer & 2047)] = byte
            producer &+= 1
        }
        setWord(domain, 3084, producer)
    }

    /// What the guest finds typed.
    func received(by domain: UInt16) -> String {
        let count = word(domain, 3076) &- word(domain, 3072)
        let bytes = (0..<count).map { pages[domain]?[Int($0 & 1023)] ?? 0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    var text: String { String(decoding: shown, as: UTF8.self) }
}

/// A console with the users `red`, domain 2, and `blue`, domain 3.
final class TestConsole {
    let terminal = FakeTerminal()
    private var slot: FakeTerminal
    var server: ConsoleServer

    init() throws {
        let parts = ["service console", "compartment red", "compartment blue"].map {
            "\($0) at low {\n    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
                + ($0 == "service console" ? "" : "    uses console\n") + "}\n"
        }
        let system = try TestSystem(
            "system desk version 1\ntarget casemate\n\nlevels low\n\n"
                + parts.joined(separator: "\n"))
        let bytes = system.compiled.manifest
        let manifest = try SystemManifest(validating: bytes.span)
        var arena = BootArena(hostSizeInBytes: ConsoleServer.arenaSizeInBytes(manifest))
        server = try ConsoleServer(manifest, arena: &arena)
        slot = terminal
        terminal.addDomain(2)
        terminal.addDomain(3)
        for _ in 0..<2 { _ = server.serveRound(&slot) }
    }

    /// Serves once; returns whether anything was moved.
    func round() -> Bool { server.serveRound(&slot) }

    func settle() {
        for _ in 0..<20 where server.serveRound(&slot) {}
    }

    /// Lets so much time pass that beginnings of lines are shown.
    func pause() {
        settle()
        if let time = server.wakeTime { terminal.time = time }
        settle()
    }
}

/// What a person at the terminal sees, and who is typed to.
@Suite struct ConsoleTests {
    @Test("each line begins with the name of who printed it")
    func names() throws {
        let console = try TestConsole()
        console.terminal.print("hello\r\n".utf8, by: 2)
        console.terminal.print("one\ntwo\n".utf8, by: 3)
        console.settle()
        #expect(console.terminal.text == "(red) hello\n(blue) one\n(blue) two\n")
    }

    @Test("an unfinished line is shown, and shown again after another's")
    func unfinished() throws {
        let console = try TestConsole()
        console.terminal.print("# ".utf8, by: 2)
        console.pause()
        console.terminal.print("news\n".utf8, by: 3)
        console.settle()
        console.terminal.print("ls\n".utf8, by: 2)
        console.settle()
        #expect(console.terminal.text == "(red) # \n(blue) news\n(red) # ls\n")
    }

    @Test("the beginning of a line waits for its end, but what is typed to it comes back at once")
    func beginning() throws {
        let console = try TestConsole()
        console.terminal.print("a driver ha".utf8, by: 2)
        console.settle()
        #expect(console.terminal.text.isEmpty)
        #expect(console.server.wakeTime == ConsoleScreen.patience)
        console.terminal.print("nds over\n# ".utf8, by: 2)
        console.pause()
        #expect(console.terminal.text == "(red) a driver hands over\n(red) # ")
        #expect(console.server.wakeTime == nil)
        console.terminal.print("l".utf8, by: 2)
        console.settle()
        #expect(console.terminal.text.hasSuffix("\n(red) # l"))
    }

    @Test("the clock is read once in a user's turn, and once in a round for what waits")
    func clock() throws {
        let console = try TestConsole()
        console.settle()
        console.terminal.clockReadings = 0
        for domain in UInt16(2)...3 {
            console.terminal.print([UInt8](repeating: 0x61, count: 100), by: domain)
        }
        #expect(console.round())
        #expect(console.terminal.clockReadings == 3)
        #expect(!console.round())
        #expect(console.terminal.clockReadings == 4)
    }

    @Test("who prints without an end keeps nobody's prompt from the terminal")
    func chatter() throws {
        let console = try TestConsole()
        console.terminal.print("# ".utf8, by: 2)
        for step in 0..<10 {
            console.terminal.time = UInt64(step) * 10_000
            console.terminal.print("still here\n".utf8, by: 3)
            console.settle()
        }
        #expect(console.terminal.text.contains("still here\n(red) # \n(blue) still here\n"))
    }

    @Test("a line that was shown whole before another's is not shown again when it ends")
    func end() throws {
        let console = try TestConsole()
        console.terminal.print("all of it".utf8, by: 2)
        console.pause()
        console.terminal.print("news\n".utf8, by: 3)
        console.settle()
        console.terminal.print("\r\nmore\n".utf8, by: 2)
        console.settle()
        #expect(console.terminal.text == "(red) all of it\n(blue) news\n(red) more\n")
    }

    @Test("whatever a guest prints, every line of the terminal begins with its true name")
    func forging() throws {
        var generator = SeededGenerator.announced(51)
        for _ in 0..<TestLevel.repetitions(200) {
            let console = try TestConsole()
            for _ in 0..<20 {
                let tricks: [[UInt8]] = [
                    Array("\n(blue) forged\n".utf8), Array("\r(casemate) forged".utf8),
                    Array("\u{1b}[1;1H(blue) x".utf8), Array("\u{8}\u{8}\u{8}(blue)".utf8),
                    [UInt8](repeating: 0x28, count: Int.random(in: 200...300, using: &generator)),
                    generator.bytes(300),
                ]
                console.terminal.print(
                    tricks.randomElement(using: &generator) ?? [], by: 2)
                if Bool.random(using: &generator) { console.settle() }
                console.terminal.print("true\n".utf8, by: 3)
                console.settle()
            }
            for line in console.terminal.text.split(separator: "\n") {
                #expect(line.hasPrefix("(red) ") || line == "(blue) true")
                #expect(line.utf8.count <= 255)
                #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
            }
        }
    }

    @Test("an index out of reach loses what it stands for, and nothing else")
    func indices() throws {
        let console = try TestConsole()
        console.terminal.setWord(2, 3084, 5000)
        console.settle()
        console.terminal.print("after\n".utf8, by: 2)
        console.terminal.print("other\n".utf8, by: 3)
        console.settle()
        #expect(console.terminal.text == "(red) after\n(blue) other\n")
    }

    @Test("what is typed goes to one user, and the key passes it on")
    func focus() throws {
        let console = try TestConsole()
        console.terminal.typed = Array("ab".utf8) + [0x1d] + Array("cd".utf8)
        console.settle()
        #expect(console.terminal.received(by: 2) == "ab")
        #expect(console.terminal.received(by: 3) == "cd")
        #expect(console.terminal.text == "(console) input goes to blue\n")
    }

    @Test("a guest that does not read cannot hold the keyboard")
    func fullInput() throws {
        let console = try TestConsole()
        console.terminal.typed = [UInt8](repeating: 0x78, count: 1030) + [0x1d, 0x79]
        for _ in 0..<20 { console.settle() }
        #expect(console.server.lostInput == 6)
        #expect(console.terminal.received(by: 3) == "y")
        // Nor one whose index lies.
        console.terminal.setWord(3, 3072, 77)
        console.terminal.typed = [0x7a, 0x1d, 0x1d, 0x1d]
        console.settle()
        #expect(console.terminal.typed.isEmpty)
    }

    @Test("the last words of a domain that ends are shown")
    func lastWords() throws {
        let console = try TestConsole()
        console.terminal.print("panic\n".utf8, by: 2)
        console.terminal.lives[2] = DomainLife(generation: 1, isRunning: false)
        console.settle()
        #expect(console.terminal.text == "(red) panic\n")
        #expect(console.server.servedCount == 1)
        console.terminal.print("no end".utf8, by: 3)
        console.terminal.lives[3] = DomainLife(generation: 1, isRunning: false)
        console.settle()
        #expect(console.terminal.text == "(red) panic\n(blue) no end\n")
    }
}
