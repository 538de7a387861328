import Appraisal
import Digests
import EventLog
import VirtualHardware

/// Goes on with a machine's event log when the control line is a compartment's.
///
/// The hypervisor's events of PCR 15 then are in its own log only. What it says on the terminal
/// about lives and policies, which nobody else can say there, and what the system declares, give
/// the same records again. A record that is wrong, or missing, makes a log that no verifier
/// accepts, because it does not replay to the quoted register: this is a convenience, no witness.
struct ChangeRecorder {
    private let directory: String
    private var log: [UInt8]
    private var reference: ReferenceValues
    private var lives: [String: UInt32] = [:]
    private var ordered: Set<String> = []
    private var transcript = ConsoleTranscript()

    /// Begins when the machine has given the line away.
    ///
    /// - Parameters:
    ///   - directory: the run directory.
    ///   - log: the log until now.
    init?(_ directory: String, log: [UInt8]) {
        guard let reference = RunningSystem.liveReference(in: directory) else { return nil }
        self.directory = directory
        self.log = log
        self.reference = reference
    }

    /// Takes what the machine wrote to the terminal.
    ///
    /// - Returns: the log, if it has grown.
    mutating func take(_ bytes: [UInt8]) -> [UInt8]? {
        transcript.feed(bytes)
        var hasGrown = false
        for line in transcript.takeLines() where line.isHypervisor {
            guard let event = event(line.text) else { continue }
            log += record(event)
            hasGrown = true
        }
        return hasGrown ? log : nil
    }

    /// The event that the hypervisor has measured when it says this; nil: none.
    private mutating func event(_ text: String) -> [UInt8]? {
        let words = text.split(separator: " ").map(String.init)
        // `audit N: NAME …`
        guard words.count > 4, words[0] == "audit", words[1].hasSuffix(":") else { return nil }
        let name = words[2]
        switch (words[3], words[4]) {
        case ("is", "deployed"):
            ordered.insert(name)
            return nil
        case ("is", "ended"):
            return life(name, .destroy, lives[name] ?? 1)
        case ("was", "loaded,"):
            guard let number = words.last.flatMap({ UInt32($0) }) else { return nil }
            lives[name] = number
            return life(name, ordered.remove(name) == nil ? .restart : .deploy, number)
        case (_, "in") where name == "policy" && words.contains("force,"):
            return replacement(words)
        default: return nil
        }
    }

    private func life(_ name: String, _ change: LifeChange, _ generation: UInt32) -> [UInt8]? {
        guard let compartment = reference.compartments.first(where: { $0.name == name }) else {
            return nil
        }
        let isEnd = change == .destroy
        let bytes = Array(name.utf8)
        return LifeMeasurement(
            change: change, name: bytes.span, domainID: compartment.domainID,
            generation: generation, kernel: isEnd ? nil : compartment.kernel.sha384,
            initrd: isEnd ? nil : compartment.initrd?.sha384
        ).eventData
    }

    /// `audit N: policy M in force, system version V, …`: what was announced is what runs.
    private mutating func replacement(_ words: [String]) -> [UInt8]? {
        guard let place = words.firstIndex(of: "version"), place + 1 < words.count,
            let version = UInt64(words[place + 1].filter { $0 != "," }),
            let next = RunningSystem.takeAnnounced(version: version, in: directory)
        else { return nil }
        reference = next
        return ReloadMeasurement(
            policy: next.policy, manifest: next.manifest, systemVersion: next.system.version
        ).eventData
    }

    /// A record of PCR 15 with the digests that the log's header names.
    ///
    /// - Source: docs/abi/evidence.md, "The log".
    private func record(_ data: [UInt8]) -> [UInt8] {
        let banks = self.banks
        var bytes: [UInt8] = []
        for word in [PCRIndex.changes.rawValue, 6, UInt32(banks.count)] {
            append(word, 4, to: &bytes)
        }
        for bank in banks {
            append(bank, 2, to: &bytes)
            switch bank {
            case 0x04: bytes += SHA1.hash(data.span).array
            case 0x0B: bytes += SHA256.hash(data.span).array
            default: bytes += SHA384.hash(data.span).array
            }
        }
        append(UInt32(data.count), 4, to: &bytes)
        return bytes + data
    }

    /// The algorithms of the header, which the log begins with: their number at 56, then 4 bytes
    /// for each.
    private var banks: [UInt32] {
        guard log.count > 60 else { return [] }
        return (0..<min(3, Int(log[56]))).compactMap { index in
            let place = 60 + 4 * index
            guard place + 2 <= log.count else { return nil }
            return UInt32(log[place]) | UInt32(log[place + 1]) << 8
        }
    }

    private func append(_ number: UInt32, _ count: Int, to bytes: inout [UInt8]) {
        for position in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(8 * position)))
        }
    }
}
