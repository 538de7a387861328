import ControlFrames
import Foundation
import PolicyAuthority
import TestSupport
import VirtualHardware

/// A system of `policy/systems`, run by `casemate run`, and other commands beside it.
/// `hypervisor/run policy/systems/NAME --prepare` has built it.
final class RunningMachine {
    /// Why it could not be tried.
    struct Failure: Error {
        let message: String
    }

    /// The run directory.
    let directory: String
    /// The policy authority's private key, as the tool takes it, and to sign with.
    let keyPath: String
    let key: AuthorityPrivateKey
    private let folder: TemporaryFolder
    private let process: ChildProcess
    private let system: String
    private let tpm: String
    /// What the tool said of the last quote.
    private(set) var quoted = ""

    /// Starts the machine and waits until the agent is ready.
    ///
    /// - Parameters:
    ///   - system: the name of its folder.
    ///   - tpm: the TPM's family.
    init(_ system: String = "managed", tpm: String = "2.0") throws {
        self.system = system
        self.tpm = tpm
        let environment = ProcessInfo.processInfo.environment
        guard let image = environment["CASEMATE_HYPERVISOR"],
            let publicKey = environment["CASEMATE_AUTHORITY"]
        else {
            throw Failure(message: "CASEMATE_HYPERVISOR or _AUTHORITY is not set: run Tests/run")
        }
        keyPath = String(publicKey.dropLast(".pub".count))
        key = try AuthorityPrivateKey(
            pem: String(contentsOf: URL(filePath: keyPath), encoding: .utf8))
        folder = try TemporaryFolder()
        directory = folder.path("run")
        let root = RepositoryFiles.root.path(percentEncoded: false)
        process = try ChildProcess(
            root + "/.build/release/casemate",
            [
                "run", root + "/policy/systems/\(system)", "--build",
                root + "/.build/systems/\(system)", "--hypervisor", image, "--run-directory",
                directory, "--tpm", tpm,
            ], outputPath: folder.path("output"))
        try wait(for: "(control) ", "casemate-agent: ready", seconds: 240)
    }

    /// Ends the machine as a person does, and everything that it started.
    func end() {
        process.end()
        folder.remove()
    }

    /// What the machine wrote to its terminal.
    var record: String {
        let data = FileManager.default.contents(atPath: directory + "/console.log") ?? Data()
        return String(decoding: data, as: UTF8.self)
    }

    /// Waits until a line has both texts.
    func wait(for speaker: String, _ text: String, seconds: Double = 60) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            let lines = record.split(whereSeparator: \.isNewline)
            if lines.contains(where: { $0.hasPrefix(speaker) && $0.contains(text) }) { return }
            if process.exitStatus() != nil { break }
            Thread.sleep(forTimeInterval: 0.2)
        }
        throw Failure(message: "`\(speaker)…\(text)` did not come:\n\(record.suffix(8000))")
    }

    /// Waits until so many lines have both texts; those that have another are not counted.
    func wait(
        for speaker: String, _ text: String, count wanted: Int, besides other: String? = nil
    ) throws {
        let deadline = Date(timeIntervalSinceNow: 120)
        while Date() < deadline, process.exitStatus() == nil {
            let others = other.map { count(speaker, $0) } ?? 0
            if count(speaker, text) - others >= wanted { return }
            Thread.sleep(forTimeInterval: 0.2)
        }
        throw Failure(message: "`\(speaker)…\(text)` is missing:\n\(record.suffix(8000))")
    }

    /// How many lines of a speaker have a text.
    func count(_ speaker: String, _ text: String) -> Int {
        record.split(whereSeparator: \.isNewline)
            .filter { $0.hasPrefix(speaker) && $0.contains(text) }.count
    }

    /// Runs the tool beside the machine.
    func tool(_ arguments: String...) throws -> ToolRun {
        try ToolRun(".build/release/casemate", arguments + ["--run", directory])
    }

    /// Quotes the machine and has the quote judged.
    ///
    /// - Parameters:
    ///   - successors: reference values of policies that were loaded.
    ///   - way: how to reach the TPM; nil: the tool chooses.
    ///   - key: the file of the enrolled key.
    func attest(
        successors: [String] = [], through way: String? = nil, key: String? = nil
    ) throws -> ToolRun {
        let evidence = folder.path("evidence.json")
        let nonce = String(repeating: "5e", count: 20)
        let quote = try ToolRun(
            ".build/release/casemate",
            ["attest", "quote", "--run", directory, "--nonce", nonce, "--output", evidence]
                + (way.map { ["--through", $0] } ?? []))
        quoted = quote.output
        guard quote.status == 0 else { return quote }
        return try ToolRun(
            ".build/release/casemate",
            [
                "attest", "verify", "--evidence", evidence, "--nonce", nonce,
                "--reference-values", ".build/systems/\(system)/reference-values.json",
            ] + successors.flatMap { ["--successor", $0] } + (key.map { ["--key", $0] } ?? [])
                + (tpm == "1.2" ? ["--allow-tpm-1.2"] : []))
    }

    /// The event log of the last quote, and that which `casemate run` has noted.
    func eventLogs() throws -> (quoted: Data, noted: Data) {
        let evidence = try Data(contentsOf: folder.url("evidence.json"))
        let document = try JSONSerialization.jsonObject(with: evidence) as? [String: Any]
        guard let log = (document?["eventLog"] as? String).flatMap({ Data(base64Encoded: $0) })
        else { throw Failure(message: "the evidence has no event log") }
        return (log, try Data(contentsOf: URL(filePath: directory + "/event-log")))
    }

    /// Enrols the machine's key by the agent, at a verifier that knows its endorsement key.
    ///
    /// - Returns: the path of the key's file.
    func enrol() throws -> String {
        func step(_ name: String, _ more: [String]) throws -> String {
            let run = try ToolRun(".build/release/casemate", ["attest", "enrol", name] + more)
            guard run.status == 0 else { throw Failure(message: "\(name): \(run.errors)") }
            return run.output
        }
        func file(_ name: String) -> String { folder.path("\(name).json") }
        // The name comes from another source than the request.
        let known = try step(
            "request",
            ["--run", directory, "--through", "interposer", "--output", file("known")])
        let name = known.split(separator: "\n")[0].dropFirst("endorsement key: ".count)
        let asked = try step(
            "request", ["--run", directory, "--output", file("request"), "--json"])
        guard asked.contains("\"through\": \"agent\""), asked.contains("\"\(name)\"") else {
            throw Failure(message: "\(known)\n\(asked)")
        }
        _ = try step(
            "challenge",
            [
                "--request", file("request"), "--endorsement-key", String(name), "--pending",
                file("pending"), "--output", file("challenge"),
            ])
        let read = try step(
            "respond",
            ["--run", directory, "--challenge", file("challenge"), "--output", file("response")])
        guard read == "through: the agent in the control compartment\n" else {
            throw Failure(message: read)
        }
        _ = try step(
            "accept",
            ["--pending", file("pending"), "--response", file("response"), "--output", file("key")])
        return file("key")
    }

    /// The state of a compartment, as `casemate list` says it; nil when it does not.
    func state(of name: String) throws -> String? {
        let run = try tool("list")
        let line = run.output.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        let words = line?.split(separator: " ") ?? []
        return words.count > 2 ? String(words[2]) : nil
    }
}

/// The control line in the hands of somebody who can send any bytes.
struct RawLine {
    private let socket: Descriptor
    private var session = ControlSession(opening: .opened)
    private var pending: [UInt8] = []
    var sender = ControlFrameSender()
    /// The agent's challenge of the last session.
    private(set) var challenge: [UInt8] = []

    init(_ machine: RunningMachine) throws {
        socket = try connectUnix(machine.directory + "/control.socket")
    }

    /// Sends bytes.
    func send(_ bytes: [UInt8]) throws { try socket.writeAll(bytes) }

    /// Begins a session; returns the bytes that did it.
    mutating func open() throws -> [UInt8] {
        sender = ControlFrameSender()
        let bytes = sender.frame(.open, (0..<32).map { _ in UInt8.random(in: 0...255) })
        try send(bytes)
        while try next() != .opened {}
        return bytes
    }

    /// The frame of a signed order about `worker`.
    mutating func order(
        _ kind: ControlFrameKind, domain: UInt16, by key: AuthorityPrivateKey
    ) throws -> [UInt8] {
        let body = ControlPayload.order(domain: domain, name: "worker")
        let message = ControlPayload.signedMessage(
            challenge: challenge, sequence: sender.next, kind: kind, body: body)
        guard let signature = key.authorization(of: message) else {
            throw RunningMachine.Failure(message: "no signature")
        }
        return sender.frame(kind, body + signature)
    }

    /// The frame of a signed load.
    mutating func load(_ archive: [UInt8], by key: AuthorityPrivateKey) throws -> [UInt8] {
        let message = ControlPayload.signedMessage(
            challenge: challenge, sequence: sender.next, kind: .load, body: archive)
        guard let signature = key.authorization(of: message) else {
            throw RunningMachine.Failure(message: "no signature")
        }
        return sender.frame(.load, archive + signature)
    }

    /// Why the next answer that is not `working` refuses; nil when it does not.
    mutating func refusal() throws -> ControlRefusal? {
        while true {
            let kind = try next()
            if kind == .refused {
                return try ControlAnswer(validating: last.span, kind: .refused).refusal?.reason
            }
            if kind != .working { return nil }
        }
    }

    /// The payload of the last frame.
    private(set) var last: [UInt8] = []

    /// The response's code to a command of the TPM; nil when another answer comes than a response.
    mutating func runTPMCommand(_ command: [UInt8]) throws -> UInt32? {
        try send(sender.frame(.tpmCommand, command))
        var kind = try next()
        while kind == .working { kind = try next() }
        guard kind == .tpmResponse else { return nil }
        return TPMMessage.code(
            of: try ControlAnswer(validating: last.span, kind: kind).response)
    }

    /// Returns the kind of the next frame of the agent.
    mutating func next(seconds: Int32 = 120) throws -> ControlFrameKind {
        while true {
            switch session.step(pending.span) {
            case .skip(let count): pending.removeFirst(count)
            case .broken:
                session.end()
                pending.removeFirst()
            case .frame(let header):
                session.take(header)
                let end = ControlFrameHeader.byteCount + header.payloadByteCount
                last = Array(pending[ControlFrameHeader.byteCount..<end])
                pending.removeFirst(end)
                if header.kind == .opened { challenge = Array(last[32..<64]) }
                if header.kind == .closed { session.end() }
                return header.kind
            case .wait:
                let ready = try readable(
                    [socket.number], timeoutInMilliseconds: seconds * 1000)
                guard !ready.isEmpty else {
                    throw RunningMachine.Failure(message: "the agent does not answer")
                }
                let bytes = try socket.readSome()
                guard !bytes.isEmpty else { throw VirtualHardwareError.connectionClosed }
                pending += bytes
            }
        }
    }
}
