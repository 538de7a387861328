#if hasFeature(Embedded)

    import EventLog
    import HypervisorCore
    import MachineX86
    import TPMDevice

    /// Puts what firmware and boot loader have measured before our own measurements in the log, and
    /// says how much it is. A log that cannot be taken is no reason to stop: the registers are what
    /// they are, and a verifier that wants them explained refuses the machine.
    func takeFirmwareLog(
        _ startInfo: UInt64, _ console: inout ConsoleLog, _ recorder: inout Recorder
    ) {
        guard FirmwareLog.isExpected else { return }
        let bytes = FirmwareLog.bytes(StartInfo.firmwareTables(startInfo))
        do throws(EventLogError) {
            guard bytes.count > 0 else { throw .truncated }
            let count = try recorder.takeOver(try FirmwareEventLog(bytes))
            console.say("firmware: \(count) events of its log taken")
        } catch {
            console.say("firmware: \(bytes.count > 0 ? error.reason : "it has no event log")")
        }
    }

#endif
