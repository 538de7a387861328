import Appraisal
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
    /// Whether a machine that runs is quoted through the agent in its control compartment.
    let asksAgent: Bool
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
        let intact = try boot(configuration, "first", key: nil, asksAgent: asksAgent) {
            isComplete($0)
        }
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
    ///   - asksAgent: whether its agent is to take the quote; a machine that stops has none.
    private func boot(
        _ configuration: MachineConfiguration, _ number: String, key: [UInt8]?,
        asksAgent: Bool = false, until isDone: (Observation) -> Bool
    ) throws(VirtualHardwareError) -> Observation {
        let machine = try WatchedMachine(configuration, isServed: asksAgent)
        defer { machine.end() }
        let start = ContinuousClock.now
        let meter = ProgressMeter("the \(number) boot")
        defer { meter.finish() }
        while start.duration(to: .now) < .seconds(timeoutInSeconds), try machine.goOn() {
            let passed = start.duration(to: .now).components
            meter.show(UInt32(clamping: passed.seconds * 1000))
            if isDone(machine.seen) { break }
        }
        guard machine.seen.endingSignal == nil, machine.seen.eventLog != nil else {
            return machine.seen
        }
        // As many as a TPM of either family takes.
        let nonce = (0..<20).map { _ in UInt8.random(in: 0...255) }
        let evidence = try machine.quote(nonce, timeoutInSeconds: timeoutInSeconds)
        var observation = machine.seen
        guard let evidence else { return observation }
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
        var reason =
            seen.eventLog == nil
            ? "no event log came on COM2" : seen.quoteFailure ?? "no quote could be taken"
        var isAccepted = false
        switch seen.result {
        case .accepted: isAccepted = true
        case .refused(let refusals): reason = refusals.first?.message ?? reason
        case nil: break
        }
        table.add(
            "the quote of PCR \(image == nil ? "" : "0 to 9, ")12, 13 and 15"
                + (asksAgent ? ", through the agent," : "")
                + " is fresh and matches the reference values", isAccepted,
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
