internal import Glibc

/// Stands between QEMU and its software TPM, so that a quote can be taken while the machine runs.
///
/// swtpm serves one data channel, and QEMU hands it one end of a pair. The interposer takes that
/// end, gives swtpm another, and relays commands one at a time; on a Unix socket it accepts
/// commands of others in between. From there only what a quote needs is let through: nobody but
/// the machine extends a register of the machine's TPM. When QEMU ends, the TPM stays, so that a
/// stopped machine can still be quoted.
///
/// - Invariant: *(serial)* at most one command is at the TPM; one thread does everything.
/// - Source: swtpm's `tpm_ioctl.h` for the control channel.
package final class TPMInterposer {
    private let worker: InterposerThread
    private let stop: Descriptor

    /// Starts to relay.
    ///
    /// - Parameters:
    ///   - control: swtpm's control channel.
    ///   - machine: the socket on which QEMU speaks its control protocol.
    ///   - path: where to listen for others, mode 0600.
    ///   - model: the TPM; its family decides what others may ask.
    /// - Throws: `.pathTooLong`; `.systemCall`.
    package init(
        control: Descriptor, machine: Descriptor, path: String, model: TPMModel = .twoPointZero
    ) throws(VirtualHardwareError) {
        let (ours, theirs) = try socketPair()
        stop = ours
        let relay = TPMRelay(
            control: control, machine: machine, listener: try listenUnix(path), stop: theirs,
            permitted: model.isOnePointTwo ? .onePointTwo : .twoPointZero)
        worker = try InterposerThread { relay.run() }
    }

    /// Stops relaying and waits until that is done.
    package func end() {
        _ = try? stop.writeAll([0])
        worker.join()
    }
}

/// `tpm_ioctl.h`: the commands of the control channel that are not passed on as they are.
private enum ControlCommand {
    /// `CMD_SHUTDOWN`.
    static var shutdown: UInt32 { 3 }
    /// `CMD_SET_LOCALITY`.
    static var setLocality: UInt32 { 5 }
    /// `CMD_SET_DATAFD`.
    static var setDataDescriptor: UInt32 { 0x10 }
}

/// The relay's state; used by its thread alone.
private final class TPMRelay {
    private let control: Descriptor
    private let listener: Descriptor
    private let stop: Descriptor
    private let permitted: PermittedCommands
    private var machine: Descriptor?
    private var machineData: Descriptor?
    private var data: Descriptor?
    private var clients: [Descriptor] = []
    private var locality: UInt8 = 0

    init(
        control: Descriptor, machine: Descriptor, listener: Descriptor, stop: Descriptor,
        permitted: PermittedCommands
    ) {
        self.permitted = permitted
        self.control = control
        self.machine = machine
        self.listener = listener
        self.stop = stop
    }

    /// Relays until told to stop. What breaks is closed, and the rest goes on.
    func run() {
        while true {
            let watched = [stop, listener, machine, machineData].compactMap(\.self) + clients
            guard let ready = try? readable(watched.map(\.number), timeoutInMilliseconds: 1000)
            else { return }
            for number in ready {
                if number == stop.number { return }
                serve(number)
            }
        }
    }

    private func serve(_ number: Int32) {
        do throws(VirtualHardwareError) {
            if number == listener.number {
                clients.append(try acceptConnection(listener))
            } else if let machine, number == machine.number {
                try serveControl(machine)
            } else if let machineData, number == machineData.number {
                let command = try readMessage(machineData)
                try machineData.writeAll(try transact(command))
            } else if let client = clients.first(where: { $0.number == number }) {
                try serveClient(client)
            }
        } catch {
            close(number)
        }
    }

    private func close(_ number: Int32) {
        clients.removeAll { $0.number == number }
        if machine?.number == number { machine = nil }
        if machineData?.number == number { machineData = nil }
    }

    /// Passes on one message of QEMU's control channel and its answer.
    private func serveControl(_ machine: Descriptor) throws(VirtualHardwareError) {
        let (message, passed) = try receive(from: machine)
        guard message.count >= 4 else { throw .connectionClosed }
        let command = message.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        if command == ControlCommand.setDataDescriptor {
            guard let passed else { throw .emulatorProtocol("CMD_SET_DATAFD without descriptor") }
            machineData = passed
            try machine.writeAll(try openData())
            return
        }
        if command == ControlCommand.shutdown {
            // The TPM outlives QEMU, so that a machine that has stopped can be quoted.
            try machine.writeAll([0, 0, 0, 0])
            return
        }
        if command == ControlCommand.setLocality, message.count >= 5 { locality = message[4] }
        try control.writeAll(message)
        try machine.writeAll(try controlAnswer())
    }

    /// Gives swtpm our data channel; returns its answer.
    private func openData() throws(VirtualHardwareError) -> [UInt8] {
        let (ours, theirs) = try socketPair()
        let command = ControlCommand.setDataDescriptor
        try send(bigEndian(command), with: theirs, over: control)
        data = ours
        return try controlAnswer()
    }

    private func controlAnswer() throws(VirtualHardwareError) -> [UInt8] {
        guard try isReadable(control.number, timeoutInMilliseconds: 10_000) else { throw .timeout }
        let answer = try control.readSome()
        guard !answer.isEmpty else { throw .connectionClosed }
        return answer
    }

    /// Serves one command of somebody else, at locality 0.
    private func serveClient(_ client: Descriptor) throws(VirtualHardwareError) {
        let command = try readMessage(client, timeoutInMilliseconds: 2000)
        let code = command[6..<10].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard permitted.codes.contains(code) else {
            try client.writeAll(permitted.refusal)
            return
        }
        let previous = locality
        if previous != 0 { try setLocality(0) }
        let response = try transact(command)
        if previous != 0 { try setLocality(previous) }
        try client.writeAll(response)
    }

    private func setLocality(_ number: UInt8) throws(VirtualHardwareError) {
        try control.writeAll(bigEndian(ControlCommand.setLocality) + [number])
        guard try controlAnswer() == [0, 0, 0, 0] else {
            throw .emulatorProtocol("CMD_SET_LOCALITY was refused")
        }
    }

    /// Sends a command to the TPM and returns its response. A failure ends the channel: a late
    /// response must not be taken for the next command's.
    private func transact(_ command: [UInt8]) throws(VirtualHardwareError) -> [UInt8] {
        guard let data else { throw .emulatorProtocol("a command before CMD_SET_DATAFD") }
        do throws(VirtualHardwareError) {
            try data.writeAll(command)
            return try readMessage(data)
        } catch {
            self.data = nil
            throw error
        }
    }
}

/// Which commands may come from outside the machine: what a quote and the enrolment of
/// its key need, and reading.
private struct PermittedCommands {
    /// Command codes, `TPM_ORD_*` or `TPM_CC_*`.
    let codes: Set<UInt32>
    /// The response to every other command.
    let refusal: [UInt8]

    /// `TPM_ORD_OIAP`, `_OSAP`, `_PcrRead`, `_Quote2`, `_LoadKey2`, `_GetCapability`,
    /// `_MakeIdentity`, `_ActivateIdentity`, `_OwnerReadInternalPub`, `_FlushSpecific`,
    /// `_NV_ReadValue` (TPM Main 1.2, Part 2, section 17); others have `TPM_BAD_ORDINAL`.
    static let onePointTwo = PermittedCommands(
        codes: [0x0A, 0x0B, 0x15, 0x3E, 0x41, 0x65, 0x79, 0x7A, 0x81, 0xBA, 0xCF],
        refusal: [0x00, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0x0A])

    /// `TPM2_CreatePrimary`, `TPM2_ActivateCredential`, `TPM2_NV_Read`, `TPM2_Quote`,
    /// `TPM2_FlushContext`, `TPM2_NV_ReadPublic`, `TPM2_ReadPublic`, `TPM2_GetCapability`,
    /// `TPM2_GetRandom`, `TPM2_PCR_Read` (TPM 2.0 Library, Part 2, 6.5.2); others have
    /// `TPM_RC_COMMAND_CODE`.
    static let twoPointZero = PermittedCommands(
        codes: [0x131, 0x147, 0x14E, 0x158, 0x165, 0x169, 0x173, 0x17A, 0x17B, 0x17E],
        refusal: [0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 0x43])
}

/// Reads one whole TPM command or response: both carry their length behind a 16-bit tag.
private func readMessage(
    _ source: Descriptor, timeoutInMilliseconds timeout: Int32 = 30_000
) throws(VirtualHardwareError) -> [UInt8] {
    let head = try source.readExactly(10, timeoutInMilliseconds: timeout)
    let count = head[2..<6].reduce(0) { $0 << 8 | Int($1) }
    guard count >= 10, count <= 65536 else {
        throw .emulatorProtocol("a TPM message of \(count) bytes")
    }
    return head + (try source.readExactly(count - 10, timeoutInMilliseconds: timeout))
}

private func bigEndian(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
}
