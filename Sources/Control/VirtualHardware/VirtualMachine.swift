internal import ControlFrames
internal import FoundationEssentials

/// What an emulated machine consists of.
public struct MachineConfiguration: Sendable {
    /// The hypervisor's ELF image.
    public var hypervisor: String
    /// The boot bundle.
    public var bundle: String
    /// The hypervisor's command line, if QEMU itself starts it.
    public var commandLine = ""
    /// A disk that UEFI firmware boots, with the hypervisor and a bundle on it; nil: QEMU itself
    /// starts the hypervisor, as `-kernel`.
    public var disk: String?
    /// The machine's memory.
    public var memoryInMebibytes: Int
    /// How many processors the machine has.
    public var processorCount: Int
    /// What its processors are, as QEMU names it.
    public var processorModel = "EPYC,+svm,+npt"
    /// The machine's TPM.
    public var tpm: TPMModel
    /// Whether time is counted in instructions, one for each nanosecond, on one thread: what the
    /// machine does then depends on nothing but itself.
    public var countsInstructions = false
    /// Where the emulator writes down each entry into a guest and each exit; nil: nowhere.
    public var exitRecordPath: String?
    /// Whether the machine starts again after a reset, and is stopped, not ended, by its own end.
    public var survivesReset = false
    /// A private directory for the TPM's state, logs and the quote socket.
    public var directory: String

    /// Describes a machine.
    public init(
        hypervisor: String, bundle: String, memoryInMebibytes: Int, processorCount: Int = 1,
        tpm: TPMModel = .twoPointZero, directory: String
    ) {
        self.tpm = tpm
        self.hypervisor = hypervisor
        self.bundle = bundle
        self.memoryInMebibytes = memoryInMebibytes
        self.processorCount = processorCount
        self.directory = directory
    }

    /// QEMU's arguments. Inherited sockets: 3 is COM1, 4 is COM2, 5 is the TPM's control channel.
    ///
    /// `EPYC` is a processor with AMD-V and nested paging that the emulator (TCG) implements;
    /// `isa-debug-exit` lets the hypervisor end the emulator when it has stopped. A processor in
    /// each socket has SeaBIOS name all of them in the table of the MultiProcessor Specification,
    /// which the hypervisor reads: QEMU's loader puts the bundle where ACPI's tables were.
    var arguments: [String] {
        let counting = countsInstructions ? ["-icount", "shift=0,sleep=off"] : []
        let ending =
            survivesReset
            ? ["-monitor", "unix:\(directory)/monitor.socket,server=on,wait=off"]
            : ["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        // Of the translated code itself, which this asks for too, nothing lies in that range.
        let recording = exitRecordPath.map { path in
            ["-d", "in_asm", "-dfilter", "0x1+0x1", "-D", path]
        }
        return counting + (recording ?? []) + ending + [
            "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel",
            "tcg", "-cpu", processorModel,
            "-smp", "\(processorCount),sockets=\(processorCount),cores=1,threads=1",
            "-m", "\(memoryInMebibytes)",
        ] + start + [
            "-chardev", "socket,id=com1,fd=3", "-serial", "chardev:com1",
            "-chardev", "socket,id=com2,fd=4", "-serial", "chardev:com2",
            "-chardev", "socket,id=tpm,fd=5", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
            "-device", "\(tpm.device),tpmdev=tpm0",
        ]
    }
}

extension MachineConfiguration {
    /// Where Debian's `ovmf` puts UEFI firmware with support for both families of TPM.
    static let firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd"
    /// The firmware's variables as they are delivered.
    static let firmwareVariables = "/usr/share/OVMF/OVMF_VARS_4M.fd"

    /// This machine's copy of the firmware's variables.
    var variables: String { directory + "/firmware.vars" }

    /// What QEMU is to start. What a machine writes to its disk is forgotten.
    fileprivate var start: [String] {
        guard let disk else {
            let words = commandLine.isEmpty ? [] : ["-append", commandLine]
            return ["-kernel", hypervisor, "-initrd", bundle] + words
        }
        func file(_ path: String) -> String {
            "format=raw,file=" + path.replacing(",", with: ",,")
        }
        return [
            "-drive", "if=pflash,unit=0,readonly=on,\(file(MachineConfiguration.firmware))",
            "-drive", "if=pflash,unit=1,\(file(variables))",
            "-drive", "if=none,id=disk,snapshot=on,\(file(disk))",
            "-device", "ide-hd,drive=disk,bus=ide.0",
        ]
    }
}

/// What a machine did.
public enum MachineEvent: Equatable, Sendable {
    /// It wrote to COM1.
    case console([UInt8])
    /// It sent a frame on COM2.
    case frame(ControlFrame)
    /// The compartment that owns COM2 wrote to it.
    case owner([UInt8])
    /// COM2 carried something that is no frame; nothing more will come from it.
    case brokenControlLine(VirtualHardwareError)
    /// It has ended; QEMU's exit status, if it is known.
    case ended(Int32?)
}

/// An emulated machine with its TPM, from power-on to the end of its owner.
public final class VirtualMachine {
    /// Where commands for the machine's TPM are taken, also after the machine has stopped.
    public let tpmSocketPath: String
    /// Where QEMU writes its own complaints.
    public let logPath: String
    private let tpm: SoftwareTPM
    private let interposer: TPMInterposer
    private let emulator: ChildProcess
    private let console: Descriptor
    private let controlLine: Descriptor
    private var decoder: FrameDecoder
    private var isConsoleOpen = true
    private var isControlLineOpen = true
    private var hasEnded = false
    /// Whether it has shown that it runs.
    private var hasBegun = false

    /// Manufactures the TPM and starts the machine.
    ///
    /// - Throws: `VirtualHardwareError`; what was started until then has been ended.
    public init(_ configuration: MachineConfiguration) throws(VirtualHardwareError) {
        let directory = configuration.directory
        decoder = FrameDecoder()
        if configuration.disk != nil {
            // Firmware writes its console to COM2, too, until it is left.
            decoder = FrameDecoder(skipsToFirstFrame: true)
            try copyFirmwareVariables(configuration)
        }
        tpmSocketPath = directory + "/tpm.socket"
        logPath = directory + "/qemu.log"
        let (console, consoleEnd) = try socketPair()
        let (controlLine, controlLineEnd) = try socketPair()
        let (tpmControl, tpmControlEnd) = try socketPair()
        self.console = console
        self.controlLine = controlLine
        tpm = try SoftwareTPM(
            directory: directory, model: configuration.tpm)
        interposer = try TPMInterposer(
            control: tpm.control, machine: tpmControl, path: tpmSocketPath,
            model: configuration.tpm)
        do throws(VirtualHardwareError) {
            emulator = try ChildProcess(
                "qemu-system-x86_64", configuration.arguments,
                passing: [consoleEnd, controlLineEnd, tpmControlEnd], outputPath: logPath)
        } catch {
            interposer.end()
            tpm.end()
            throw error
        }
    }

    deinit {
        end()
    }

    /// Waits for something to happen, in the machine or at `others`, and returns what did.
    ///
    /// - Returns: the events, and those of `others` that can be read.
    /// - Throws: `.programEnded` when the TPM has ended; what failed, as `failure(_:_:)` says, when
    ///   the emulator has; `.systemCall`.
    public func wait(
        timeoutInMilliseconds: Int32, others: [Int32] = []
    ) throws(VirtualHardwareError) -> (events: [MachineEvent], others: [Int32]) {
        var watched = others
        if isConsoleOpen { watched.append(console.number) }
        if isControlLineOpen { watched.append(controlLine.number) }
        let ready = try readable(watched, timeoutInMilliseconds: timeoutInMilliseconds)
        var events: [MachineEvent] = []
        if ready.contains(console.number) {
            let bytes = try console.readSome()
            hasBegun = hasBegun || !bytes.isEmpty
            if bytes.isEmpty { isConsoleOpen = false } else { events.append(.console(bytes)) }
        }
        if ready.contains(controlLine.number) { events += try readControlLine() }
        if !isConsoleOpen, !isControlLineOpen, !hasEnded {
            hasEnded = true
            let status = emulator.wait(timeoutInMilliseconds: 2000)
            if let failure = failure(status) { throw failure }
            events.append(.ended(status))
        }
        if !hasEnded, let status = tpm.exitStatus {
            throw .programEnded("swtpm", status: status)
        }
        return (events, ready.filter { others.contains($0) })
    }

    /// Why the emulator has ended, if the machine did not end it.
    ///
    /// A machine ends the emulator with 1, all its guests being gone, or 3, having stopped; the
    /// emulator's own failure is 1, too, before it has run anything.
    private func failure(_ status: Int32?) -> VirtualHardwareError? {
        guard let status, status != 0 else { return nil }
        let name = "qemu-system-x86_64"
        if status > 128 { return .programEnded(name, status: status) }
        return hasBegun ? nil : .programFailed(name, output: lastLines(of: logPath))
    }

    private func readControlLine() throws(VirtualHardwareError) -> [MachineEvent] {
        let bytes = try controlLine.readSome()
        guard !bytes.isEmpty else {
            isControlLineOpen = false
            return []
        }
        do throws(VirtualHardwareError) {
            let frames = try decoder.feed(bytes).map { MachineEvent.frame($0) }
            let rest = decoder.takeOwnersBytes()
            return rest.isEmpty ? frames : frames + [.owner(rest)]
        } catch {
            isControlLineOpen = false
            return [.brokenControlLine(error)]
        }
    }

    /// Sends bytes to COM1.
    ///
    /// - Throws: `.connectionClosed` if the machine has ended; `.systemCall`.
    public func sendToConsole(_ bytes: [UInt8]) throws(VirtualHardwareError) {
        try console.writeAll(bytes)
    }

    /// Sends bytes to COM2, for the compartment that owns it.
    ///
    /// - Throws: `.connectionClosed` if the machine has ended; `.systemCall`.
    public func sendToOwner(_ bytes: [UInt8]) throws(VirtualHardwareError) {
        try controlLine.writeAll(bytes)
    }

    /// Sends as many bytes to COM2 as it takes at once.
    ///
    /// - Returns: how many it took.
    /// - Throws: `.connectionClosed` if the machine has ended; `.systemCall`.
    public func offerToOwner(_ bytes: ArraySlice<UInt8>) throws(VirtualHardwareError) -> Int {
        try controlLine.writeSome(bytes)
    }

    /// Sends as many bytes to COM1 as it takes at once; as `offerToOwner`.
    public func offerToConsole(_ bytes: ArraySlice<UInt8>) throws(VirtualHardwareError) -> Int {
        try console.writeSome(bytes)
    }

    /// Ends the machine and its TPM.
    public func end() {
        emulator.end()
        interposer.end()
        tpm.end()
    }
}

/// Gives a machine variables of its own, which a machine of the same directory finds again.
private func copyFirmwareVariables(
    _ configuration: MachineConfiguration
) throws(VirtualHardwareError) {
    for path in [MachineConfiguration.firmware, MachineConfiguration.firmwareVariables]
    where !FileManager.default.fileExists(atPath: path) { throw .firmwareMissing(path) }
    guard !FileManager.default.fileExists(atPath: configuration.variables) else { return }
    do {
        try FileManager.default.copyItem(
            atPath: MachineConfiguration.firmwareVariables, toPath: configuration.variables)
    } catch { throw .firmwareMissing(configuration.variables) }
}
