import Foundation
import TestSupport
import VirtualHardware

/// Which hypervisor runs.
enum Side { case ours, stock }

/// One boot of a Linux guest.
struct GuestBoot {
    /// From power-on until the guest's first process runs, in seconds.
    var userspace = 0.0
    /// From power-on until the guest is there to run: ours said that compartments run, stock's
    /// first domain that it creates it.
    var guestStart = 0.0
    /// The guest's own clock when its first process runs, in seconds.
    var uptime = 0.0
    /// What its kernel wrote as a warning or worse.
    var warnings: [String] = []
}

/// One attested boot of a system, in seconds from power-on.
struct AttestedBoot {
    /// Until a verifier had accepted the machine's quote.
    let attested: Double
    /// Until a guest's first process spoke.
    let userspace: Double
}

/// The folders of a run, and the boots.
struct Laboratory {
    /// What `Tests/HypervisorBenchmark/run` prepared.
    let folder: String
    /// A private one of this run.
    let directory: String

    private var stock: String { folder + "/stock" }
    private var modules: String { folder + "/modules" }

    /// The kernel that guests run.
    var kernel: String { modules + "/debian.vmlinux" }

    /// The version of a package that stock Xen came from.
    func stockVersion(of package: String) -> String? {
        let versions = try? String(contentsOfFile: stock + "/versions", encoding: .utf8)
        return versions?.split(separator: "\n").first { $0.hasPrefix(package) }.map { String($0) }
    }

    /// A new private folder.
    private func fresh() throws -> String {
        let path = directory + "/\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
        return path
    }

    /// Starts a machine.
    ///
    /// - Parameter system: `boot`, `pair` or `operations`.
    private func machine(
        _ side: Side, _ system: String, _ counting: Counting
    ) throws -> any Machine {
        let place = try fresh()
        if side == .ours {
            return try OurMachine(
                bundle: "\(folder)/\(system)/boot.bundle", counting: counting, directory: place)
        }
        guard FileManager.default.fileExists(atPath: stock + "/versions") else {
            throw Unmeasured("stock Xen could not be fetched")
        }
        let disk = directory + "/\(system).cpio"
        if !FileManager.default.fileExists(atPath: disk) {
            let own = "Tests/HypervisorBenchmark/Stock/\(system)"
            let configurations = try FileManager.default.contentsOfDirectory(atPath: own)
            let images =
                system == "operations"
                ? ["lender.elf", "operations.elf"] : ["debian.vmlinux", "boot.cpio"]
            let run = try ToolRun(
                "Tests/HypervisorBenchmark/Stock/make-dom0",
                [stock, disk] + configurations.map { own + "/" + $0 }
                    + images.map { modules + "/" + $0 })
            guard run.status == 0 else { throw Unmeasured(run.errors) }
        }
        return try StockMachine(stock: stock, disk: disk, counting: counting, directory: place)
    }

    /// Does something, on stock Xen up to three times: under emulation processes of its first
    /// domain die now and then.
    private func trying<Answer>(_ side: Side, _ body: () throws -> Answer) throws -> Answer {
        for _ in 0..<(side == .stock ? 2 : 0) {
            do { return try body() } catch let error as Unmeasured {
                progress("once more: \(error)")
            }
        }
        return try body()
    }

    /// Boots a Linux guest.
    ///
    /// - Parameters:
    ///   - system: `boot`, or `pair`, with two virtual processors.
    ///   - exits: where each exit of the guest is written to.
    func boot(
        _ side: Side, system: String = "boot", exits: String? = nil
    ) throws -> GuestBoot {
        try trying(side) {
            let machine = try machine(side, system, Counting(exits: exits))
            defer { machine.end() }
            let watch = Watch(machine)
            let start = side == .ours ? "compartments: running" : "dom0: creates"
            let userspace = "boot: userspace "
            try watch.wait(
                for: [start, userspace, "boot: end"], failures: ["second try", "boot: no mark"])
            let lines = watch.said.split(whereSeparator: \.isNewline)
            func texts(_ marker: String) -> [String] {
                lines.compactMap { line in
                    line.range(of: marker).map { String(line[$0.upperBound...]) }
                }
            }
            guard let uptime = texts(userspace).first.flatMap({ Double($0) }),
                let started = watch.moments[start], let reached = watch.moments[userspace]
            else { throw Unmeasured("the guest did not tell its time") }
            return GuestBoot(
                userspace: reached, guestStart: started, uptime: uptime,
                warnings: texts("boot: warning: "))
        }
    }

    /// The ticks of each round of each operation; see `Guests/operations.S`.
    ///
    /// - Parameter exits: where each exit of the guest is written to.
    func operations(_ side: Side, exits: String) throws -> [[Int]] {
        try trying(side) {
            let machine = try machine(
                side, "operations", Counting(instructions: true, exits: exits))
            defer { machine.end() }
            let watch = Watch(machine)
            try watch.wait(
                for: ["operations: done"],
                failures: ["second try", "operations: failed", "lender: failed"])
            var rounds = [[Int]](repeating: [], count: Operation.allCases.count)
            for line in watch.said.split(whereSeparator: \.isNewline) {
                guard let range = line.range(of: "operation:  ") else { continue }
                let words = line[range.upperBound...].split(separator: " ")
                guard words.count == 2, let index = Int(words[0]), rounds.indices.contains(index),
                    let ticks = Int(words[1], radix: 16)
                else { throw Unmeasured("`\(line)` is no count") }
                rounds[index].append(ticks)
            }
            guard rounds.allSatisfy({ $0.count == Operation.rounds }) else {
                throw Unmeasured("rounds are missing")
            }
            return rounds
        }
    }

    /// Boots a system of `policy/systems` and attests it.
    func attest(_ system: String) throws -> AttestedBoot {
        let place = try fresh()
        let build = ".build/systems/\(system)"
        let machine = try OurMachine(
            bundle: build + "/boot.bundle", counting: Counting(), directory: place)
        defer { machine.end() }
        let watch = Watch(machine)
        try watch.wait(for: ["compartments: running"]) { machine.eventLog != nil }
        let log = place + "/event-log"
        try Data(machine.eventLog ?? []).write(to: URL(filePath: log))
        let nonce = (0..<20).map { _ in String(UInt8.random(in: 16...255), radix: 16) }.joined()
        let evidence = place + "/evidence"
        for arguments in [
            [
                "quote", "--tpm", machine.tpm, "--event-log", log, "--nonce", nonce, "--output",
                evidence,
            ],
            [
                "verify", "--evidence", evidence, "--nonce", nonce, "--reference-values",
                build + "/reference-values.json",
            ],
        ] {
            let run = try ToolRun(".build/release/casemate", ["attest"] + arguments)
            guard run.status == 0 else { throw Unmeasured(run.output + run.errors) }
        }
        let attested = watch.time
        try watch.wait(for: ["casemate-guest:"])
        return AttestedBoot(
            attested: attested, userspace: watch.moments["casemate-guest:"] ?? attested)
    }
}
