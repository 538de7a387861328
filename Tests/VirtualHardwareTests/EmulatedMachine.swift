import BootArena
import Digests
import EventLog
import TPMDevice
import VirtualHardware

/// The part of a machine that a TPM sees: it speaks QEMU's control protocol to the interposer,
/// and offers the FIFO registers behind which the hypervisor's driver expects its TPM.
final class EmulatedMachine {
    let directory: String
    let socketPath: String
    private let tpm: SoftwareTPM
    private let interposer: TPMInterposer
    private let control: Descriptor
    let data: Descriptor
    let model: TPMModel

    init(_ model: TPMModel = .twoPointZero, certifiedBy authority: String? = nil) throws {
        self.model = model
        directory = try makeTemporaryDirectory()
        socketPath = directory + "/tpm.socket"
        tpm = try SoftwareTPM(
            directory: directory, model: model, certifiedBy: authority)
        let (control, far) = try socketPair()
        self.control = control
        interposer = try TPMInterposer(
            control: tpm.control, machine: far, path: socketPath, model: model)
        let (data, farData) = try socketPair()
        self.data = data
        try send([0, 0, 0, 0x10], with: farData, over: control)
        try expectSuccess()
        try control.writeAll([0, 0, 0, 2, 0, 0, 0, 0])
        try expectSuccess()
    }

    private func expectSuccess() throws {
        guard try control.readExactly(4) == [0, 0, 0, 0] else {
            throw VirtualHardwareError.emulatorProtocol("a control command was refused")
        }
    }

    /// What QEMU sends when it ends.
    func shutDown() throws {
        try control.writeAll([0, 0, 0, 3])
        try expectSuccess()
    }

    func end() {
        interposer.end()
        tpm.end()
        removeTemporaryDirectory(directory)
    }
}

/// The FIFO registers in front of a TPM that takes whole commands.
struct ForwardingRegisters: TPMRegisters, ~Copyable {
    let data: Descriptor
    let family: UInt32
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var holdsLocality = false
    private var ticks: UInt64 = 0

    init(_ machine: EmulatedMachine) {
        data = machine.data
        family = machine.model == .onePointTwo ? 0 : 1
    }

    var ticksPerMillisecond: UInt64 { 1000 }

    mutating func tick() -> UInt64 {
        ticks += 1
        return ticks
    }

    mutating func read8(_ offset: UInt32) -> UInt8 {
        switch offset {
        case 0x00: 0x81 | (holdsLocality ? 0x20 : 0)
        case 0x24: output.isEmpty ? 0xFF : output.removeFirst()
        default: 0xFF
        }
    }

    mutating func read32(_ offset: UInt32) -> UInt32 {
        switch offset {
        case 0x18:
            let whole = input.count >= 6 && input.count == Int(input[4]) << 8 | Int(input[5])
            let expect: UInt32 = input.isEmpty || whole ? 0 : 0x08
            return family << 26 | 0xC0 | 64 << 8 | expect | (output.isEmpty ? 0 : 0x10)
        case 0xF00: return 0x0001_1014
        default: return 0
        }
    }

    mutating func write8(_ offset: UInt32, _ value: UInt8) {
        if offset == 0 { holdsLocality = value & 0x02 != 0 }
        if offset == 0x24 { input.append(value) }
    }

    mutating func write32(_ offset: UInt32, _ value: UInt32) {
        guard offset == 0x18 else { return }
        if value == 0x20 { output = (try? exchange(input)) ?? [] }
        if value == 0x40 { output = [] }
        input = []
    }

    private func exchange(_ command: [UInt8]) throws -> [UInt8] {
        try data.writeAll(command)
        let head = try data.readExactly(10)
        let count = Int(head[4]) << 8 | Int(head[5])
        return head + (try data.readExactly(count - 10))
    }
}
