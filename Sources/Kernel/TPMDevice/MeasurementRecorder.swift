public import BootArena
public import EventLog

/// Why an event was not measured. The machine stops.
public enum MeasurementError: Error, Equatable {
    /// The TPM failed.
    case tpm(TPMError)
    /// The log could not take the event.
    case log(EventLogError)

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .tpm(let error): error.reason
        case .log(let error): error.reason
        }
    }
}

/// Measures events: into every active bank of the TPM, and into the log.
///
/// The order is: write the event behind the end of the log, extend, make it part of the log. So
/// what can fail for lack of room fails before the TPM knows of the event, and what follows the
/// extension cannot fail: an extended event is always in the log, and a log never shows an event
/// that was not extended. Should the TPM fail halfway, the log lacks the event and no quote can
/// match it: that, too, is refused by every verifier.
///
/// - Invariant: *(replays)* unless `measure` threw `.tpm`, replaying `log` gives the values that
///   the registers that we measure into have, if they were zero at the start.
public struct MeasurementRecorder<Registers: TPMRegisters & ~Copyable>: ~Copyable {
    /// The TPM, for commands of guests. Who extends by it loses *(replays)*.
    public var device: TPMDevice<Registers>
    private var writer: EventLogWriter
    private var memory: ArenaTable<UInt8>

    /// Starts the TPM, asks for its active banks, and starts a log in `memory`. The log of a
    /// TPM 1.2 has the same form, with SHA-1 alone.
    ///
    /// - Throws: `.tpm` if there is no usable TPM; `.log` if `memory` cannot hold a header.
    public init(
        registers: consuming Registers, log memory: consuming ArenaTable<UInt8>
    ) throws(MeasurementError) {
        var device = TPMDevice(registers: registers)
        let banks = try start(&device)
        let writer: EventLogWriter
        do throws(EventLogError) {
            writer = try EventLogWriter(banks: banks, in: memory.mutableSpan)
        } catch {
            throw .log(error)
        }
        self.device = device
        self.writer = writer
        self.memory = memory
    }

    /// Measures one event: `PolicyMeasurement`, `ManifestMeasurement`, `CompartmentMeasurement`
    /// or `StopMeasurement`.
    ///
    /// - Throws: `.log(.bufferFull)`, and TPM and log are unchanged; `.tpm`, and the log is
    ///   unchanged, while the TPM may or may not have extended.
    public mutating func measure<Event: Measurement & ~Copyable & ~Escapable>(
        _ event: borrowing Event
    ) throws(MeasurementError) {
        let prepared = try prepare(event, writer, &memory)
        do throws(TPMError) {
            try device.extend(prepared.pcr, with: prepared.digests, banks: writer.banks)
        } catch {
            throw .tpm(error)
        }
        // INVARIANT (replays): the TPM has extended exactly these digests.
        writer.commit(prepared)
    }

    /// Takes a firmware's log over, before anything of ours is measured: what the TPM was extended
    /// with before we ran comes first.
    ///
    /// - Returns: how many events were taken.
    /// - Throws: what `EventLogWriter.takeOver` throws; nothing was taken then.
    public mutating func takeOver(
        _ log: consuming FirmwareEventLog
    ) throws(EventLogError) -> Int {
        try append(log, &writer, &memory)
    }

    /// Returns the log: what the control frame of kind 1 carries.
    public var log: Span<UInt8> {
        @_lifetime(borrow self) get { memory.span.extracting(first: writer.count) }
    }

    /// Returns the banks that are extended.
    public var banks: PCRBanks { writer.banks }

    /// Returns the family of the TPM.
    public var family: TPMFamily { device.family }
}

/// Writes an event behind the end of the log.
private func prepare<Event: Measurement & ~Copyable & ~Escapable>(
    _ event: borrowing Event, _ writer: borrowing EventLogWriter,
    _ memory: inout ArenaTable<UInt8>
) throws(MeasurementError) -> PreparedEvent {
    do throws(EventLogError) {
        return try writer.prepare(event, in: memory.mutableSpan)
    } catch {
        throw .log(error)
    }
}

/// Writes a firmware's events at the end of the log.
private func append(
    _ log: consuming FirmwareEventLog, _ writer: inout EventLogWriter,
    _ memory: inout ArenaTable<UInt8>
) throws(EventLogError) -> Int {
    try writer.takeOver(log, in: memory.mutableSpan)
}

/// Starts a TPM and returns its banks.
private func start<Registers: TPMRegisters & ~Copyable>(
    _ device: inout TPMDevice<Registers>
) throws(MeasurementError) -> PCRBanks {
    do throws(TPMError) {
        try device.start()
        return try device.activeBanks()
    } catch {
        throw .tpm(error)
    }
}
