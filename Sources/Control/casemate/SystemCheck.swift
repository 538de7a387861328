import Appraisal
import ControlFrames
import Digests
import FoundationEssentials
import PolicySyntax
import VirtualHardware

/// Boots a system twice, as built and with one byte changed, and judges what it shows.
struct SystemCheck {
    let source: SystemSource
    let reference: ReferenceValues
    let bundlePath: String
    /// What the machine's disk is made of; nil: it has none.
    let image: BootImage?
    let configuration: MachineConfiguration
    /// What the system's folder says that a boot shows.
    let expectation: BootExpectation
    let timeoutInSeconds: Int

    /// What came of it.
    enum Outcome {
        /// The table is whole; whether every verdict is ok.
        case judged(isAllOK: Bool)
        /// A signal ended it.
        case interrupted(Int32)
    }

    /// Runs both boots and prints the table of verdicts.
    ///
    /// - Throws: what keeps a machine from being started at all.
    func run() throws(VirtualHardwareError) -> Outcome {
        var table = VerdictTable()
        let intact = try boot(configuration, "first", key: nil) { isComplete($0) }
        if let signal = intact.endingSignal { return .interrupted(signal) }
        judgeBoot(intact, &table)
        judgeRefusals(&table)
        judgeQuote(intact, &table)
        if let signal = try judgeTampering(&table, key: intact.attestationKeyName) {
            return .interrupted(signal)
        }
        table.finish()
        if !table.isAllOK {
            StandardError.write("last lines of the first boot's console:\n")
            for line in intact.transcript.lines.suffix(30) {
                StandardError.write("  (\(line.speaker ?? "")) \(line.text)\n")
            }
        }
        return .judged(isAllOK: table.isAllOK)
    }

    // MARK: Booting

    /// Boots a machine, waits until `isDone` or the time is over, and quotes it.
    ///
    /// - Parameters:
    ///   - number: which boot it is, for who waits at a terminal.
    ///   - key: the name of its attestation key, if it is known already.
    private func boot(
        _ configuration: MachineConfiguration, _ number: String, key: [UInt8]?,
        until isDone: (Observation) -> Bool
    ) throws(VirtualHardwareError) -> Observation {
        let machine = try VirtualMachine(configuration)
        defer { machine.end() }
        var observation = Observation()
        let start = ContinuousClock.now
        let meter = ProgressMeter("the \(number) boot")
        defer { meter.finish() }
        while start.duration(to: .now) < .seconds(timeoutInSeconds), !observation.hasEnded {
            if let signal = TerminationSignals.next() {
                observation.endingSignal = signal
                return observation
            }
            let passed = start.duration(to: .now).components
            meter.show(UInt32(clamping: passed.seconds * 1000))
            for event in try machine.wait(timeoutInMilliseconds: 200).events {
                observation.take(event)
            }
            if isDone(observation) { break }
        }
        guard let log = observation.eventLog else { return observation }
        // As many as a TPM of either family takes.
        let nonce = (0..<20).map { _ in UInt8.random(in: 0...255) }
        guard
            let evidence = try? QuoteTaker.take(
                tpm: machine.tpmSocketPath, nonce: nonce, eventLog: log)
        else { return observation }
        let policy = AppraisalPolicy(
            nonce: nonce, attestationKeyName: key,
            permitsOnePointTwo: configuration.tpm == .onePointTwo)
        observation.result = Appraiser(reference: reference, policy: policy).appraise(evidence)
        return observation
    }

    /// Whether the first boot has shown all that it must.
    private func isComplete(_ seen: Observation) -> Bool {
        seen.eventLog != nil && seen.hasStarted && expectation.isComplete(seen.transcript)
    }

    // MARK: Judging

    private func judgeBoot(_ seen: Observation, _ table: inout VerdictTable) {
        table.add(
            "the hypervisor validated policy and manifest", seen.hasStarted,
            otherwise: seen.lastWord)
        for claim in expectation.claims {
            let objection = expectation.objection(seen.transcript, to: claim)
            table.add(
                claim.text, objection == nil,
                otherwise: "\(objection ?? ""); \(seen.lastWord)")
        }
    }

    /// Judges what the compiler says to changes of the system that it must refuse.
    private func judgeRefusals(_ table: inout VerdictTable) {
        for refusal in expectation.refusals {
            let (isRefused, answer) = expectation.judge(refusal, of: source)
            table.add(
                "the compiler refuses \(refusal.text)", isRefused, otherwise: answer,
                detail: answer)
        }
    }

    private func judgeQuote(_ seen: Observation, _ table: inout VerdictTable) {
        var reason = seen.eventLog == nil ? "no event log came on COM2" : "no quote could be taken"
        var isAccepted = false
        switch seen.result {
        case .accepted: isAccepted = true
        case .refused(let refusals): reason = refusals.first?.message ?? reason
        case nil: break
        }
        table.add(
            "the quote of PCR \(image == nil ? "" : "0 to 9, ")12, 13 and 15 is fresh and matches "
                + "the reference values", isAccepted,
            otherwise: reason)
    }

    /// Boots the same machine with one byte of the last compartment's initrd changed.
    ///
    /// - Returns: the signal that ended it; nil for none.
    private func judgeTampering(
        _ table: inout VerdictTable, key: [UInt8]?
    ) throws(VirtualHardwareError) -> Int32? {
        guard let victim = reference.compartments.last(where: { $0.initrd != nil }),
            let digest = victim.initrd?.sha384
        else { return nil }
        let claim = "one byte of \(victim.name)'s initrd changed: stopped, refused, named"
        guard let bundle = FileManager.default.contents(atPath: bundlePath),
            let copy = tampered([UInt8](bundle), where: { SHA384.hash($0.span) == digest })
        else {
            table.add(claim, false, otherwise: "the bundle holds no such initrd")
            return nil
        }
        var changed = configuration
        changed.bundle = configuration.directory + "/tampered.bundle"
        guard (try? Files.replace(copy, at: changed.bundle)) != nil else {
            table.add(claim, false, otherwise: "`\(changed.bundle)` cannot be written")
            return nil
        }
        if var disk = image?.disk {
            disk.bundle = changed.bundle
            let path = configuration.directory + "/tampered.img"
            _ = try disk.write(to: path)
            changed.disk = path
        }
        let seen = try boot(changed, "second", key: key) {
            $0.stopReason != nil && $0.eventLog != nil
        }
        if let signal = seen.endingSignal { return signal }
        judgeTampering(of: victim, claim, seen, &table)
        return nil
    }

    private func judgeTampering(
        of victim: ReferenceCompartment, _ claim: String, _ seen: Observation,
        _ table: inout VerdictTable
    ) {
        let ranNothing = reference.compartments.allSatisfy { compartment in
            !seen.transcript.lines.contains { $0.speaker == compartment.name }
        }
        let hasStopped = seen.stopReason != nil && ranNothing
        var isNamed = false
        var reasons = [seen.stopReason.map { "stopped: \($0)" } ?? "the machine did not stop"]
        if case .refused(let refusals) = seen.result {
            isNamed = refusals.contains { isInitrd(of: victim.name, $0) }
            reasons = refusals.map(\.message)
        }
        if case .accepted = seen.result { reasons.append("the quote was accepted") }
        table.add(
            claim, isNamed && hasStopped, otherwise: reasons.joined(separator: "\n      "),
            detail: reasons.first)
    }

    private func isInitrd(of name: String, _ refusal: Refusal) -> Bool {
        guard case .compartmentDiffers(let difference) = refusal,
            difference.compartment == name, case .initrd = difference.part
        else { return false }
        return true
    }
}

/// What one boot has shown so far.
struct Observation {
    var transcript = ConsoleTranscript()
    var eventLog: [UInt8]?
    var stopReason: String?
    var hasEnded = false
    /// The signal that ended the wait for it; nil for none.
    var endingSignal: Int32?
    var result: AttestationResult?

    /// Whether the hypervisor took policy and manifest.
    var hasStarted: Bool {
        transcript.first("casemate", containing: "policy and manifest: valid") != nil
    }

    /// The attestation key of a machine that was accepted.
    var attestationKeyName: [UInt8]? {
        if case .accepted(let machine) = result { return machine.attestationKeyName }
        return nil
    }

    mutating func take(_ event: MachineEvent) {
        switch event {
        case .console(let bytes): transcript.feed(bytes)
        case .frame(let frame) where frame.kind == .eventLog: eventLog = frame.payload
        case .frame(let frame) where frame.kind == .laterEvent: eventLog? += frame.payload
        case .frame(let frame) where frame.kind == .stopped:
            stopReason = String(decoding: frame.payload, as: UTF8.self)
        case .frame, .owner, .brokenControlLine: break
        case .ended: hasEnded = true
        }
    }

    /// What the hypervisor said last, for a person who asks why something is missing.
    var lastWord: String {
        if let stopReason { return "stopped: \(stopReason)" }
        let line = transcript.lines.last { $0.isHypervisor }?.text
        return line.map { "the hypervisor's last line is `\($0)`" } ?? "the machine said nothing"
    }
}

/// Verdicts, printed as they come.
struct VerdictTable {
    private var okCount = 0
    private var count = 0

    /// Whether there was at least one verdict, and none was bad.
    var isAllOK: Bool { count > 0 && okCount == count }

    /// Adds a verdict, with a line below it: why it is bad, or what shows that it is ok.
    mutating func add(
        _ claim: String, _ isOK: Bool, otherwise reason: String, detail: String? = nil
    ) {
        count += 1
        if isOK { okCount += 1 }
        let isColored = StandardOutput.isColored
        var text =
            isOK
            ? TerminalColor.green.marking("ok", isColored) + "    \(claim)\n"
            : TerminalColor.red.marking("FAIL", isColored) + "  \(claim)\n"
        if let below = isOK ? detail : reason { text += "      \(below)\n" }
        say(text)
    }

    /// Prints at once: who waits sees each verdict when it is there. What a closed output does not
    /// take is lost; the exit status says the same.
    private func say(_ text: String) { try? StandardOutput.write(text) }

    func finish() {
        say("\(okCount) of \(count) ok\n")
    }
}
