import ControlFrames
import Foundation
import VirtualHardware

/// Why something could not be measured.
struct Unmeasured: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// An emulated machine that says something.
protocol Machine {
    /// Waits a short while; returns what the machine said since, or nil when it has ended.
    func read() throws -> String?

    /// Ends it.
    func end()
}

/// A machine from its power-on, what it said, and when.
final class Watch {
    private let machine: any Machine
    private let powerOn = ContinuousClock.now
    /// Everything that it said.
    private(set) var said = ""
    /// After how many seconds from power-on the texts that were waited for came.
    private(set) var moments: [String: Double] = [:]

    /// Watches a machine that was started right now.
    init(_ machine: any Machine) { self.machine = machine }

    /// The seconds since power-on.
    var time: Double { powerOn.duration(to: .now) / .seconds(1) }

    /// Waits until the machine has said all of some texts and a condition holds.
    ///
    /// - Throws: `Unmeasured` when so many seconds have gone since power-on, when the machine ends,
    ///   or says one of `failures`.
    func wait(
        for texts: [String], failures: [String] = [], seconds: Double = 300,
        condition: () -> Bool = { true }
    ) throws {
        while true {
            for text in texts where moments[text] == nil && said.contains(text) {
                moments[text] = time
            }
            for failure in failures where said.contains(failure) {
                throw Unmeasured("the machine said `\(failure)`: \(lastLines)")
            }
            if texts.allSatisfy({ moments[$0] != nil }), condition() { return }
            guard time < seconds else {
                throw Unmeasured("nothing after \(Int(time)) s: \(lastLines)")
            }
            guard let more = try machine.read() else {
                throw Unmeasured("the machine ended: \(lastLines)")
            }
            said += more
        }
    }

    private var lastLines: String {
        said.split(whereSeparator: \.isNewline).suffix(6).joined(separator: " | ")
    }
}

/// What QEMU is told besides what machine it is.
struct Counting {
    /// Whether time is counted in instructions.
    var instructions = false
    /// Where each exit of a guest is written to; nil: nowhere.
    var exits: String?
}

/// Stock Xen with a first domain that `Stock/make-dom0` made.
final class StockMachine: Machine {
    private let process: ChildProcess
    private let output: FileHandle
    private var pending = Data()

    /// - Parameters:
    ///   - stock: what `Stock/fetch` made.
    ///   - disk: the first domain's initial RAM disk.
    ///   - directory: a folder of its own.
    init(stock: String, disk: String, counting: Counting, directory: String) throws {
        var arguments = counting.instructions ? ["-icount", "shift=0,sleep=off"] : []
        if let exits = counting.exits {
            arguments += ["-d", "in_asm", "-dfilter", "0x1+0x1", "-D", exits]
        }
        // `smap=hvm`, `cpuidle=0`: QEMU's IRETQ at privilege 3 and MWAIT, which Xen trips over.
        let words =
            "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all "
            + "dom0_mem=768M,max:768M smap=hvm cpuidle=0"
        let path = directory + "/console"
        guard FileManager.default.createFile(atPath: path, contents: nil) else {
            throw Unmeasured("`\(path)` cannot be made")
        }
        output = try FileHandle(forReadingFrom: URL(filePath: path))
        process = try ChildProcess(
            "qemu-system-x86_64",
            arguments + [
                "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35",
                "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-smp", "1", "-m",
                "\(machineMemoryInMebibytes)", "-no-reboot", "-serial", "stdio",
                "-kernel", stock + "/xen", "-append", words,
                "-initrd", "\(stock)/dom0.vmlinux console=hvc0,\(disk)",
            ], outputPath: path)
    }

    func read() throws -> String? {
        let more = try output.readToEnd() ?? Data()
        if more.isEmpty {
            guard process.exitStatus() == nil else { return nil }
            usleep(10_000)
        }
        return String(decoding: more, as: UTF8.self)
    }

    func end() { process.end() }
}

/// The memory of every machine that is measured.
let machineMemoryInMebibytes = 3072

/// A machine of ours.
final class OurMachine: Machine {
    private let machine: VirtualMachine
    /// The event log that it sent.
    private(set) var eventLog: [UInt8]?

    /// Where its TPM takes commands.
    var tpm: String { machine.tpmSocketPath }

    /// - Parameters:
    ///   - bundle: the boot bundle.
    ///   - directory: a private folder of its own.
    init(bundle: String, counting: Counting, directory: String) throws {
        var configuration = MachineConfiguration(
            hypervisor: ".build-bare/x86_64-unknown-none-elf/release/Hypervisor",
            bundle: bundle, memoryInMebibytes: machineMemoryInMebibytes, directory: directory)
        configuration.countsInstructions = counting.instructions
        configuration.exitRecordPath = counting.exits
        machine = try VirtualMachine(configuration)
    }

    func read() throws -> String? {
        var said: [UInt8] = []
        for event in try machine.wait(timeoutInMilliseconds: 10).events {
            switch event {
            case .console(let bytes): said += bytes
            case .frame(let frame) where frame.kind == .eventLog: eventLog = frame.payload
            case .frame(let frame) where frame.kind == .laterEvent: eventLog? += frame.payload
            case .frame, .owner: break
            case .brokenControlLine(let error): throw error
            case .ended: return said.isEmpty ? nil : String(decoding: said, as: UTF8.self)
            }
        }
        return String(decoding: said, as: UTF8.self)
    }

    func end() { machine.end() }
}
