import Appraisal
import ArgumentParser
import FoundationEssentials
import VirtualHardware

/// `casemate run`: boots a built system on emulated hardware.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Boot a built system on emulated hardware with an emulated TPM.",
        discussion: """
            Starts QEMU and swtpm in a private directory, shows the machine's first serial line, \
            and sends what is typed to it; Ctrl-C ends everything. While the machine runs, \
            `casemate attest quote` can take quotes through the socket in the run directory, and \
            `casemate list`, `console`, `audit`, `deploy`, `destroy` and `load` find the machine.

            With --check nobody needs to sit there: the command waits for what the system must \
            show, has the compiler refuse what it must, both as the file boot.expected of the \
            system's folder says, takes and verifies a quote, through the agent if the control \
            compartment uses the TPM, boots a second time with one byte of one initial RAM disk \
            changed, which must be refused, and prints a table of verdicts.

            With --firmware uefi the machine starts as a PC does: firmware (OVMF), GRUB and the \
            hypervisor, from a disk as `casemate image` makes it, each measured by the one before. \
            The quote is then over PCR 0 to 9, too, and what GRUB measured must be what the \
            image's reference values say.

            An emulated machine proves the chain of measurements, and nothing about hardware: its \
            TPM's keys are as good as this computer.

            EXIT STATUS
              0   the machine ended, or every verdict is ok
              1   the machine stopped for a reason, or a verdict is not ok
              64  the command line is wrong
              74  a file could not be read, the run directory not be used, or a program not be \
            started, or did not stay
              130, 143, 129  Ctrl-C, SIGTERM or SIGHUP came during --check

            EXAMPLE
              casemate run policy/systems/minimal --build out --check
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Option(help: "The folder that `casemate build` filled.", completion: .directory)
    var build: String

    @Option(help: "The hypervisor's image.", completion: .file())
    var hypervisor = ".build-bare/x86_64-unknown-none-elf/release/Hypervisor"

    @Option(
        help: "A private folder for state and logs, kept; else a temporary one, removed.",
        completion: .directory)
    var runDirectory: String?

    @Flag(help: "Run unattended and print a table of verdicts.")
    var check = false

    @Option(
        help: "The machine's TPM: 1.2, 2.0, or 2.0-crb, behind a command response buffer.",
        transform: tpmModel)
    var tpm = TPMModel.twoPointZero

    @Option(
        help: "What starts the hypervisor: none, QEMU itself; uefi, firmware and GRUB, measured.")
    var firmware = RunFirmware.none

    @Option(help: "The folder of GRUB's modules, for --firmware uefi.", completion: .directory)
    var grub = BootDisk.grubFolder

    @Option(
        help: """
            How much the hypervisor says on the first serial line, by a word of its command line; \
            info unless said. A disk has no such word: not with --firmware uefi.
            """)
    var log: RunLogLevel?

    @Option(
        help: """
            The machine's memory in MiB; what the compartments need and 512 unless said, by UEFI \
            1024.
            """)
    var memory: Int?

    @Option(help: "How many processors the machine has.")
    var processors = 1

    @Option(help: "How long --check waits for each boot, in seconds.")
    var timeout = 300

    func validate() throws {
        guard log == nil || firmware == .none else {
            throw ValidationError(
                "--log is a word of the command line, and that of a disk is measured by GRUB: "
                    + "leave out --firmware uefi")
        }
        if let memory, !(64...65536).contains(memory) {
            throw ValidationError("the memory is from 64 to 65536 MiB")
        }
        guard (1...32).contains(processors) else {
            throw ValidationError("a machine has from 1 to 32 processors")
        }
        guard (1...86400).contains(timeout) else {
            throw ValidationError("the timeout is from 1 to 86400 seconds")
        }
    }

    func run() throws {
        let source = try SystemSource.read(system)
        let reference = try AttestationFiles.reference(build + "/reference-values.json")
        for path in [hypervisor, bundlePath] where !FileManager.default.fileExists(atPath: path) {
            StandardError.write("casemate: `\(path)`: there is no such file\n")
            throw ExitStatus.inputOutput
        }
        TerminationSignals.hold()
        do {
            let directory = try RunDirectory(runDirectory, needs: room)
            defer { withExtendedLifetime(directory) {} }
            let isSuccess = try run(source, reference, in: directory.path)
            guard isSuccess else { throw ExitStatus.refused }
        } catch let error as VirtualHardwareError {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
    }

    /// The bytes that a run may write: logs and the TPM's state, a bundle with one byte changed,
    /// and the disks that hold the bundles.
    private var room: UInt64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: bundlePath)
        let bundle = attributes?[.size] as? UInt64 ?? 0
        let boots: UInt64 = check ? 2 : 1
        return 48 << 20 + (check ? bundle : 0)
            + (firmware == .uefi ? boots * (bundle + 8 << 20) : 0)
    }

    /// Starts the machine; by UEFI from a disk that is made first.
    ///
    /// - Returns: whether it did what it should.
    private func run(
        _ source: SystemSource, _ reference: ReferenceValues, in directory: String
    ) throws -> Bool {
        var reference = reference
        var configuration = configuration(reference, in: directory)
        var image: BootImage?
        if firmware == .uefi {
            let made = BootImage(
                disk: BootDisk(hypervisor: hypervisor, bundle: bundlePath, grub: grub))
            let disk = directory + "/boot.img"
            reference = try made.write(to: disk, reference: reference).referenceValues
            try Files.replace(reference.encoded(), at: directory + "/reference-values.json")
            configuration.disk = disk
            image = made
        }
        try RunningSystem.enter(build, source: source.path, in: directory)
        guard check else {
            return try TerminalSession(configuration, reference: reference).run()
        }
        let check = SystemCheck(
            source: source, reference: reference, bundlePath: bundlePath, image: image,
            configuration: configuration, expectation: try expectation(of: source),
            asksAgent: try RunningSystem(directory).controlUsesTPM, timeoutInSeconds: timeout)
        switch try check.run() {
        case .judged(let isAllOK): return isAllOK
        case .interrupted(let signal):
            StandardError.write("casemate: interrupted; the machine was ended\n")
            throw ExitStatus.ended(by: signal)
        }
    }

    private func expectation(of source: SystemSource) throws -> BootExpectation {
        do throws(BootExpectation.Malformed) {
            return try BootExpectation(of: source)
        } catch {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
    }

    private var bundlePath: String { build + "/boot.bundle" }

    private func configuration(
        _ reference: ReferenceValues, in directory: String
    ) -> MachineConfiguration {
        let guests = reference.compartments.reduce(0) { $0 + $1.memoryInBytes >> 20 }
        // Firmware and boot loader keep pieces of memory, and a compartment's is in one piece.
        let wanted = guests + (firmware == .uefi ? 1024 : 512)
        // From 2,816 MiB on this machine has only 2 GiB of it below 4 GiB; all fit above, then.
        let whole = wanted < 2816 ? wanted : max(2815, guests + 256 < 2816 ? 0 : wanted + 2048)
        var configuration = MachineConfiguration(
            hypervisor: hypervisor, bundle: bundlePath,
            memoryInMebibytes: memory ?? Int(clamping: whole),
            processorCount: processors, tpm: tpm,
            directory: directory)
        if let log { configuration.commandLine = "log=\(log.rawValue)" }
        return configuration
    }
}

/// How much the hypervisor says: the levels' names on its command line (`LogLevel` of
/// `HypervisorCore`).
enum RunLogLevel: String, ExpressibleByArgument, CaseIterable {
    /// What cannot go on as it should.
    case error
    /// What somebody should look at.
    case warning
    /// What the machine does.
    case info
    /// How it does that.
    case debug
}

/// What starts the hypervisor.
enum RunFirmware: String, ExpressibleByArgument, CaseIterable {
    /// QEMU's own loader, by the PVH protocol: nothing before the hypervisor is measured.
    case none
    /// UEFI firmware and GRUB, from a disk.
    case uefi
}

/// Reads the value of `--tpm`.
private func tpmModel(_ text: String) throws -> TPMModel {
    guard let model = TPMModel(rawValue: text) else {
        let names = TPMModel.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("there is no TPM `\(text)`; there are \(names)")
    }
    return model
}
