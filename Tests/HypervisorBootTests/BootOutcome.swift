import ControlFrames
import Foundation
import VirtualHardware

/// How a boot of the real hypervisor ended.
struct BootOutcome {
    /// Why it could not be tried.
    struct Failure: Error {
        let message: String
    }

    /// Everything that it wrote to COM1.
    var console = ""
    /// The event log of the last frame that carried one, its bytes as Latin-1 text.
    var eventLog: String?
    /// The records of the log that came after it, likewise.
    var laterEvents: [String] = []
    /// What the compartment that owns COM2 wrote to it.
    var ownersBytes: [UInt8] = []
    /// PCR 15, of the bank of SHA-256, as it was when each of some texts had been shown.
    var changes: [String: [UInt8]] = [:]
    /// The reason of the frame that says that it stopped.
    var reasonOnControlLine: String?

    /// The reason that it gave on the console.
    var reasonOnConsole: String? {
        console.split(whereSeparator: \.isNewline).compactMap { line in
            line.range(of: "(casemate) stopped: ").map { String(line[$0.upperBound...]) }
        }.last
    }

    /// Boots a bundle until the machine ends, or has shown all of some texts, for at most two
    /// minutes, or as long as said.
    ///
    /// - Parameters:
    ///   - byFirmware: whether UEFI firmware and GRUB start it, from a disk.
    ///   - diskBytes: how much of that disk there is; nil: all of it.
    ///   - configure: changes what machine it is.
    ///   - command: what to tell the emulator's monitor after the console has shown so much, and
    ///     where its socket is.
    ///   - answer: what to send to the compartment that owns COM2 when it has written.
    ///   - orders: what to send to it, once each, after the console has shown so much.
    ///   - moments: texts after which PCR 15 is read.
    static func boot(
        _ bundle: [UInt8], until texts: [String] = [], seconds: Double = 120,
        byFirmware: Bool = false, diskBytes: Int? = nil,
        answer: [UInt8]? = nil, readingChangesAfter moments: [String] = [],
        _ configure: (inout MachineConfiguration) -> Void = { _ in },
        command: (String) -> (socket: String, text: String)? = { _ in nil },
        orders: (String) -> [UInt8]? = { _ in nil }
    ) throws -> BootOutcome {
        guard let image = ProcessInfo.processInfo.environment["CASEMATE_HYPERVISOR"] else {
            throw Failure(message: "CASEMATE_HYPERVISOR names no image: run Tests/run")
        }
        let directory = try makeTemporaryDirectory()
        defer { removeTemporaryDirectory(directory) }
        let path = directory + "/boot.bundle"
        try Data(bundle).write(to: URL(fileURLWithPath: path))
        var configuration = MachineConfiguration(
            hypervisor: image, bundle: path, memoryInMebibytes: 1024, directory: directory)
        configure(&configuration)
        if byFirmware {
            configuration.disk = try writeDisk(image, path, bytes: diskBytes)
        }
        let machine = try VirtualMachine(configuration)
        defer { machine.end() }
        var outcome = BootOutcome()
        var said = ""
        var monitor: Descriptor?
        var ordered: [UInt8] = []
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            for event in try machine.wait(timeoutInMilliseconds: 500).events {
                switch event {
                case .console(let bytes): outcome.console += String(decoding: bytes, as: UTF8.self)
                case .frame(let frame): outcome.take(frame)
                case .owner(let bytes):
                    outcome.ownersBytes += bytes
                    if let answer { try machine.sendToOwner(answer) }
                case .brokenControlLine(let error):
                    // After a reset the firmware writes there again, between frames.
                    guard configuration.survivesReset else { throw error }
                case .ended: return outcome
                }
            }
            for text in moments where outcome.changes[text] == nil {
                guard outcome.console.contains(text) else { continue }
                outcome.changes[text] = try readChanges(machine.tpmSocketPath)
            }
            if let order = orders(outcome.console), order != ordered {
                ordered = order
                try machine.sendToOwner(order)
            }
            if !texts.isEmpty, texts.allSatisfy({ outcome.console.contains($0) }) {
                return outcome
            }
            if let (socket, text) = command(outcome.console), text != said {
                said = text
                // One connection for all: the monitor forgets what it has not read when its
                // client is gone.
                let connection = try monitor ?? connectUnix(socket)
                monitor = connection
                try connection.writeAll([UInt8](text.utf8))
            }
        }
        throw Failure(message: "the machine did not stop:\n" + outcome.console)
    }

    /// Writes a disk beside the bundle, or so much of it; returns its path.
    private static func writeDisk(
        _ image: String, _ bundle: String, bytes: Int?
    ) throws -> String {
        let disk = bundle + ".disk"
        _ = try BootDisk(hypervisor: image, bundle: bundle).write(to: disk)
        if let bytes {
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: disk))
            try file.truncate(atOffset: UInt64(bytes))
            try file.close()
        }
        return disk
    }

    private mutating func take(_ frame: ControlFrame) {
        let text = String(frame.payload.map { Character(Unicode.Scalar($0)) })
        if frame.kind == .eventLog { eventLog = text }
        if frame.kind == .laterEvent { laterEvents.append(text) }
        if frame.kind == .stopped { reasonOnControlLine = text }
    }

    /// Reads PCR 15 of the machine's TPM (`TPM2_PCR_Read`, TPM 2.0 Library, Part 3, 22.4).
    private static func readChanges(_ socket: String) throws -> [UInt8] {
        let tpm = try connectUnix(socket)
        try tpm.writeAll(
            [0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7e] + [0, 0, 0, 1, 0, 0x0b, 3, 0, 0x80, 0])
        var answer: [UInt8] = []
        // Header, counter, selection and one digest of 32 bytes, all with their sizes.
        while answer.count < 62 {
            let more = try tpm.readSome()
            guard !more.isEmpty else { throw Failure(message: "the TPM did not answer") }
            answer += more
        }
        return Array(answer.suffix(32))
    }
}
