import Foundation
import TestSupport
import VirtualHardware

/// A daemon in a folder of its own, ended with its owner.
final class Daemon {
    let folder: URL
    private var processes: [Process] = []
    /// The process that was started last.
    var process: Process { processes[processes.count - 1] }
    /// Whether it runs.
    var isRunning: Bool { process.isRunning }

    /// The socket of a daemon without a policy.
    var socket: String { path("socket") }

    func path(_ name: String) -> String {
        folder.appending(path: name).path(percentEncoded: false)
    }

    /// Makes the folder and, unless `arguments` is nil, starts a daemon.
    init(_ arguments: [String]? = ["--no-mac"], at sockets: [String] = ["socket"]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        if let arguments { try start(arguments, at: sockets) }
    }

    /// Starts the daemon; its messages go to the file `errors`.
    func start(_ arguments: [String], at sockets: [String]) throws {
        let started = Process()
        started.executableURL = Daemon.program
        started.arguments =
            arguments
            + sockets.flatMap { name in
                let parts = name.split(separator: "=").map(String.init)
                return [
                    "--socket",
                    parts.count == 2 ? "\(parts[0])=\(path(parts[1]))" : path(parts[0]),
                ]
            }
        started.standardOutput = FileHandle.nullDevice
        _ = FileManager.default.createFile(atPath: path("errors"), contents: nil)
        started.standardError = FileHandle(forWritingAtPath: path("errors"))
        try started.runBound()
        processes.append(started)
    }

    static var program: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appending(path: "casemate-xenstored")
    }

    /// What it has written to standard error.
    var errors: String { (try? String(contentsOfFile: path("errors"), encoding: .utf8)) ?? "" }

    /// Connects, as soon as the daemon listens.
    func connect(_ name: String = "socket") throws -> Descriptor {
        for _ in 0..<500 {
            if let found = try? connectUnix(path(name)) { return found }
            usleep(10_000)
        }
        return try connectUnix(path(name))
    }

    /// Runs one of Debian's clients; returns its status and what it printed.
    func run(
        _ program: String, _ arguments: String..., socket name: String = "socket"
    ) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/\(program)")
        process.arguments = arguments
        process.environment = ["XENSTORED_PATH": path(name)]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.runBound()
        process.waitUntilExit()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        return "\(process.terminationStatus) \(text)"
    }

    /// Whether a process is there and has not ended; Foundation would wait for all who inherited
    /// from it.
    static func serves(_ number: Int32) -> Bool {
        let text = (try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)) ?? ""
        return !text.isEmpty && !text.contains(") Z ")
    }

    /// Ends the process that has taken over: the one with the folder in its command line.
    func endSuccessor() {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for number in all.compactMap({ Int32($0) }) where number > 1 {
            let line = try? String(contentsOfFile: "/proc/\(number)/cmdline", encoding: .utf8)
            if line?.contains(folder.lastPathComponent) == true { kill(number, SIGTERM) }
        }
    }

    /// The resident memory of a process, in bytes.
    func residentBytes() -> Int {
        let text =
            (try? String(
                contentsOfFile: "/proc/\(process.processIdentifier)/statm",
                encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
    }

    deinit {
        for process in processes where process.isRunning {
            process.terminate()
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(at: folder)
    }
}

func message(_ type: UInt32, _ payload: String, tx: UInt32 = 0) -> [UInt8] {
    [type, 9, tx, UInt32(payload.utf8.count)].flatMap { number in
        (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
    } + Array(payload.utf8)
}

func reply(_ client: Descriptor) throws -> String {
    let header = try client.readExactly(16)
    let body = try client.readExactly(Int(header[12]) | Int(header[13]) << 8)
    return String(decoding: body, as: UTF8.self)
}

/// Sends a request and returns the payload of the reply.
func ask(_ client: Descriptor, _ type: UInt32, _ payload: String, tx: UInt32 = 0) throws -> String {
    try client.writeAll(message(type, payload, tx: tx))
    return try reply(client)
}
