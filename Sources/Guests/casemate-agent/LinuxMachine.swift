// The program's only C binding.

internal import CControl
internal import ControlAgent
internal import ControlFrames

/// Linux in the control compartment, and the hypervisor behind it.
struct LinuxMachine: ControlledMachine {
    private let device: Int32

    /// Opens the line and the hypervisor.
    ///
    /// - Throws: what Linux answered: `ENODEV` when no UART is there, `ENOENT` without the driver
    ///   `xen-privcmd`.
    init() throws(MachineError) {
        device = try LinuxMachine.checked(control_hypervisor_open())
        _ = try LinuxMachine.checked(control_line_open())
    }

    /// Takes what has come by the line, without waiting.
    func receive() -> [UInt8] {
        // SAFETY: the buffer has room for as many bytes as are announced, here and below.
        unsafe LinuxMachine.bytes(4096) { unsafe control_line_receive($0, $1) } ?? []
    }

    func send(_ bytes: [UInt8]) {
        let answer = unsafe bytes.withUnsafeBufferPointer {
            // SAFETY: the buffer outlives the call and has as many bytes as are announced.
            unsafe control_line_send($0.baseAddress, $0.count)
        }
        if answer < 0 { say("the host takes nothing: errno \(-answer)") }
    }

    func challenge() -> [UInt8]? {
        unsafe LinuxMachine.bytes(ControlSession.nonceByteCount) {
            unsafe control_random($0, $1) < 0 ? -1 : Int32(ControlSession.nonceByteCount)
        }
    }

    func state(of domain: UInt16) -> ControlDomainState {
        var flags: UInt32 = 0
        var generation: UInt32 = 0
        // SAFETY: both numbers live across the call.
        let answer = unsafe control_domain_state(device, domain, &flags, &generation)
        return ControlDomainState(
            domain: domain, error: UInt16(clamping: -min(answer, 0)), flags: flags,
            generation: generation)
    }

    func order(_ order: MachineOrder, _ domain: UInt16) -> UInt32 {
        UInt32(-min(control_domain_order(device, order == .start ? 1 : 0, domain), 0))
    }

    func load(_ archive: [UInt8]) -> (error: UInt32, reason: UInt32) {
        var reason: UInt32 = 0
        let answer = unsafe archive.withUnsafeBufferPointer {
            // SAFETY: buffer and number outlive the call.
            unsafe control_load(device, $0.baseAddress, $0.count, &reason)
        }
        return (UInt32(-min(answer, 0)), reason)
    }

    func revoked() -> RevocationList? {
        var found: [ControlRevocation] = []
        var sequence: UInt32 = 0
        var total: UInt32 = 0
        while found.count < 4096 {
            var page = [UInt8](repeating: 0, count: Int(control_revoked_records) * 12)
            let count = unsafe page.withUnsafeMutableBufferPointer {
                // SAFETY: the page has room for as many records as one call returns at most.
                unsafe control_revoked(
                    device, UInt32(found.count), &sequence, &total, $0.baseAddress)
            }
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            for index in 0..<Int(count) {
                found.append(LinuxMachine.revocation(page[(12 * index)..<(12 * index + 12)]))
            }
        }
        return RevocationList(sequence: sequence, total: total, revocations: found)
    }

    private static func revocation(_ record: ArraySlice<UInt8>) -> ControlRevocation {
        func number(_ offset: Int, _ size: Int) -> UInt32 {
            let start = record.startIndex + offset
            return record[start..<start + size].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        return ControlRevocation(
            kind: UInt16(number(0, 2)), holder: UInt16(number(2, 2)),
            other: UInt16(number(4, 2)), number: number(8, 4))
    }

    func records() -> Result<[UInt8], MachineError> {
        var answer: Int32 = 0
        let bytes = unsafe LinuxMachine.bytes(16 << 10) {
            answer = unsafe control_records(device, $0, $1)
            return answer
        }
        return bytes.map { .success($0) } ?? .failure(MachineError(number: UInt32(-answer)))
    }

    func eventLog(from offset: UInt32) -> Result<EventLogPart, MachineError> {
        var found: [UInt8] = []
        var total = offset
        let size = Int(control_log_bytes)
        while found.count + size <= ControlFrameKind.maximumLogPartByteCount {
            var answer: Int32 = 0
            let part = unsafe LinuxMachine.bytes(size) { bytes, _ in
                // SAFETY: the buffer has room for as many bytes as one call returns at most.
                answer = unsafe control_log(device, offset + UInt32(found.count), &total, bytes)
                return answer
            }
            guard let part else { return .failure(MachineError(number: UInt32(-answer))) }
            guard !part.isEmpty else { break }
            found += part
        }
        return .success(EventLogPart(total: total, bytes: found))
    }

    func say(_ text: String) { LinuxMachine.report(text) }

    func pause() { LinuxMachine.sleep(milliseconds: 100) }

    func beginTPMCommand(_ command: [UInt8]) -> UInt32 {
        let answer = unsafe command.withUnsafeBufferPointer {
            // SAFETY: the buffer outlives the call, which copies it.
            unsafe control_tpm_begin($0.baseAddress, $0.count)
        }
        return UInt32(-min(answer, 0))
    }

    func takeTPMResponse() -> Result<[UInt8], MachineError>? {
        var answer: Int32 = 0
        let bytes = unsafe LinuxMachine.bytes(Int(control_tpm_bytes)) {
            answer = unsafe control_tpm_take($0, $1)
            return answer
        }
        guard answer != 0 else { return nil }
        return bytes.map { .success($0) } ?? .failure(MachineError(number: UInt32(-answer)))
    }

    var milliseconds: UInt64 { control_milliseconds() }

    // MARK: Linux

    static func sleep(milliseconds: UInt32) { control_sleep(milliseconds) }

    /// Writes a line to the compartment's console, in one call.
    static func report(_ text: String) {
        let line = Array("casemate-agent: \(text)\n".utf8)
        unsafe line.withUnsafeBufferPointer {
            // SAFETY: the buffer outlives the call. A console that refuses leaves nobody to tell.
            _ = unsafe control_write($0.baseAddress, $0.count)
        }
    }

    /// Reads a file of at most 16 KiB.
    ///
    /// - Throws: what Linux answered.
    static func contents(of path: String) throws(MachineError) -> [UInt8] {
        var answer: Int32 = 0
        let found = unsafe bytes(16 << 10) { buffer, count in
            // SAFETY: the path is a C string for the length of the call.
            answer = unsafe path.withCString { unsafe control_read_file($0, buffer, count) }
            return answer
        }
        _ = try checked(answer)
        return found ?? []
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// Lets `body` fill a buffer and return how much of it; nil when that is below zero.
    @unsafe private static func bytes(
        _ capacity: Int, _ body: (UnsafeMutablePointer<UInt8>?, Int) -> Int32
    ) -> [UInt8]? {
        var isFailed = false
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            // SAFETY: the buffer has room for `capacity` bytes, of which `count` are initialised.
            let answer = unsafe body(buffer.baseAddress, capacity)
            isFailed = answer < 0
            count = max(0, Int(answer))
        }
        return isFailed ? nil : bytes
    }

    private static func checked(_ answer: Int32) throws(MachineError) -> Int32 {
        guard answer >= 0 else { throw MachineError(number: UInt32(-answer)) }
        return answer
    }
}
