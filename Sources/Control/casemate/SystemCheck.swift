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
    let timeoutInSeconds: Int

    /// Runs both boots and prints the table of verdicts.
    ///
    /// - Returns: whether every verdict is ok.
    /// - Throws: what keeps a machine from being started at all.
    func run() throws(VirtualHardwareError) -> Bool {
        var table = VerdictTable()
        let intact = try boot(configuration, key: nil) { isComplete($0) }
        guard !intact.wasInterrupted else { return false }
        judgeBoot(intact, &table)
        judgeEvents(intact, &table)
        judgeQuote(intact, &table)
        try judgeTampering(&table, key: intact.attestationKeyName)
        table.finish()
        if !table.isAllOK {
            StandardError.write("last lines of the first boot's console:\n")
            for line in intact.transcript.lines.suffix(30) {
                StandardError.write("  (\(line.speaker ?? "")) \(line.text)\n")
            }
        }
        return table.isAllOK
    }

    // MARK: Booting

    /// Boots a machine, waits until `isDone` or the time is over, and quotes it.
    ///
    /// - Parameter key: the name of its attestation key, if it is known already.
    private func boot(
        _ configuration: MachineConfiguration, key: [UInt8]?,
        until isDone: (Observation) -> Bool
    ) throws(VirtualHardwareError) -> Observation {
        let machine = try VirtualMachine(configuration)
        defer { machine.end() }
        var observation = Observation()
        let start = ContinuousClock.now
        while start.duration(to: .now) < .seconds(timeoutInSeconds), !observation.hasEnded {
            if TerminationSignals.next() != nil {
                observation.wasInterrupted = true
                return observation
            }
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
        guard seen.eventLog != nil else { return false }
        let shells = reference.compartments.allSatisfy { shell($0.name, seen) != nil }
        guard shells else { return false }
        return !hasChannels
            || (arrival(seen) != nil && refusedSend(seen) != nil && denial(seen) != nil)
    }

    // MARK: What the system must show

    private func shell(_ name: String, _ seen: Observation) -> ConsoleLine? {
        seen.transcript.first(name, containing: "casemate-guest: shell ready")
    }

    private func arrival(_ seen: Observation) -> ConsoleLine? {
        seen.transcript.first(nil, containing: "casemate-guest: event received on ")
    }

    private func refusedSend(_ seen: Observation) -> ConsoleLine? {
        seen.transcript.first(nil, containing: "casemate-guest: send refused: EPERM")
    }

    private func denial(_ seen: Observation) -> ConsoleLine? {
        seen.transcript.first("casemate", containing: ": denied event { send } from ")
    }

    /// The lines of the system's source.
    private var sourceLines: [Substring] {
        String(decoding: source.file.bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
    }

    private var hasChannels: Bool { sourceLines.contains { $0.hasPrefix("channel ") } }

    // MARK: Judging

    private func judgeBoot(_ seen: Observation, _ table: inout VerdictTable) {
        table.add(
            "the hypervisor validated policy and manifest",
            seen.transcript.first("casemate", containing: "policy and manifest: valid") != nil,
            otherwise: seen.lastWord)
        for compartment in reference.compartments {
            table.add(
                "compartment \(compartment.name) reached its shell",
                shell(compartment.name, seen) != nil, otherwise: seen.lastWord)
        }
    }

    private func judgeEvents(_ seen: Observation, _ table: inout VerdictTable) {
        guard hasChannels else { return }
        let arrival = arrival(seen)
        let channel = arrival?.text.split(separator: " ").last.map(String.init)
        table.add(
            "the allowed event arrived" + (channel.map { ": \($0)" } ?? ""), arrival != nil,
            otherwise: seen.lastWord)
        let refused = refusedSend(seen)
        table.add(
            "the denied event was refused with EPERM"
                + (refused?.speaker.map { " in \($0)" } ?? ""),
            refused != nil, otherwise: seen.lastWord)
        let denial = denial(seen)
        let line = denial.flatMap { sourceLine(namedIn: $0.text) }
        let names =
            denial.map { denial in
                reference.compartments.filter { denial.text.contains(" \($0.name) ") }.count >= 2
            } ?? false
        let isChannel = line.map { sourceLines[$0 - 1].hasPrefix("channel ") } ?? false
        table.add(
            "the denial names compartments, class, permission and source line"
                + (line.map { " \(source.file.name):\($0)" } ?? ""),
            names && isChannel, otherwise: denial?.text ?? seen.lastWord)
    }

    /// The number behind `system.casemate:` in a denial; `nil` unless there is such a line.
    private func sourceLine(namedIn text: String) -> Int? {
        let marker = "; \(source.file.name):"
        guard let start = text.firstRange(of: marker)?.upperBound,
            let line = Int(text[start...].prefix { $0.isNumber }),
            (1...sourceLines.count).contains(line)
        else { return nil }
        return line
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
    private func judgeTampering(
        _ table: inout VerdictTable, key: [UInt8]?
    ) throws(VirtualHardwareError) {
        guard let victim = reference.compartments.last(where: { $0.initrd != nil }),
            let digest = victim.initrd?.sha384
        else { return }
        let claim = "one byte of \(victim.name)'s initrd changed: stopped, refused, named"
        guard let bundle = FileManager.default.contents(atPath: bundlePath),
            let copy = tampered([UInt8](bundle), where: { SHA384.hash($0.span) == digest })
        else {
            table.add(claim, false, otherwise: "the bundle holds no such initrd")
            return
        }
        var changed = configuration
        changed.bundle = configuration.directory + "/tampered.bundle"
        guard (try? Files.replace(copy, at: changed.bundle)) != nil else {
            table.add(claim, false, otherwise: "`\(changed.bundle)` cannot be written")
            return
        }
        if var disk = image?.disk {
            disk.bundle = changed.bundle
            let path = configuration.directory + "/tampered.img"
            _ = try disk.write(to: path)
            changed.disk = path
        }
        let seen = try boot(changed, key: key) { $0.stopReason != nil && $0.eventLog != nil }
        let ranNothing = reference.compartments.allSatisfy { shell($0.name, seen) == nil }
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
    var wasInterrupted = false
    var result: AttestationResult?

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
        print(isOK ? "ok    \(claim)" : "FAIL  \(claim)\n      \(reason)")
        if isOK, let detail { print("      \(detail)") }
    }

    func finish() {
        print("\(okCount) of \(count) ok")
    }
}
