import ArgumentParser
import ControlFrames
import FoundationEssentials
import PolicyAuthority
import PolicyChecks
import PolicySyntax
import SystemImage
import VirtualHardware

/// `casemate load`: gives a running machine a newer policy.
struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Replace the policy of a running machine by a newer, signed one.",
        discussion: """
            Shows what the new build permits that the running system does not, and the other way \
            round; with --system, the new system's source, also which flows that means. After a \
            yes, or with --yes, it sends policy and manifest to the agent in the control \
            compartment, which verifies the manifest's signature and the order's; the hypervisor \
            examines the rest, measures the change into PCR 15, puts the new policy into force at \
            once, and takes away every event channel, mapping and pending event that it no longer \
            permits. What was taken away is listed as the hypervisor returned it.

            A build is refused that is not signed by the key, is not newer than what runs, or does \
            not name it as what it replaces; or that changes more than channels, powers and what \
            is shared. What is refused changes nothing.

            EXIT STATUS
              0   the new policy is in force
              1   it was refused, for the reason on standard error, or the user said no
              64  the command line is wrong
              74  no machine runs, nobody answers, or a file cannot be read
              75  it was sent, and the answer was lost: `casemate audit` says if it is in force

            EXAMPLE
              casemate load v2 --key authority.pem
            """)

    @Argument(help: "The folder that `casemate build --sign` filled.", completion: .directory)
    var build: String

    @Option(help: "The policy authority's private key.", completion: .file())
    var key: String

    @Option(help: "The source or folder of the new system.", completion: .directory)
    var system: String?

    @Flag(help: "Load without asking.")
    var yes = false

    @OptionGroup var running: RunningOption

    func run() throws {
        let key = try KeyFiles.privateKey(self.key)
        let live = try running.find()
        let policy = try Files.read("\(build)/\(BuildOutput.FileName.policy)")
        let manifest = try Files.read("\(build)/\(BuildOutput.FileName.manifest)")
        try judge(manifest, by: key.publicKey, replacing: live.manifest)
        try showDifference(live, manifest)
        if !yes, !isConfirmed() { throw ExitStatus.refused }
        var client = try live.connect(for: key)
        try live.announce(build, source: system)
        let reply: ControlReply
        do throws(ControlClientError) {
            let archive = PolicyArchive.bytes(policy: policy, manifest: manifest)
            reply = try client.ask(.load, archive, sign: { key.authorization(of: $0) })
        } catch { throw ControlFailure.say(error, order: "the new policy") }
        client.close()
        try RunningSystem.enter(build, source: system, in: live.path)
        try report(reply, names: live.compartments.map(\.name))
    }

    /// Says what the agent or the hypervisor would refuse, before anything is sent.
    private func judge(
        _ manifest: [UInt8], by key: AuthorityPublicKey, replacing old: ManifestFacts
    ) throws {
        do throws(BuildRefusal) {
            let facts = try ManifestFacts(validating: manifest)
            try facts.verifySignature(by: key)
            try facts.verifyNewer(than: old)
            try facts.verifyPredecessor(old)
        } catch {
            StandardError.write("refused[\(error.code)]: \(error.message)\n")
            throw ExitStatus.refused
        }
    }

    private func showDifference(_ live: RunningSystem, _ manifest: [UInt8]) throws {
        let difference = ManifestDifference(
            from: .init(manifest: live.manifestBytes, reference: live.reference),
            to: .init(
                manifest: manifest,
                reference: try AttestationFiles.reference(
                    "\(build)/\(BuildOutput.FileName.referenceValues)")))
        var text = "what differs from the running system:\n"
        text += difference.lines.map { "  \($0)\n" }.joined()
        if difference.lines.isEmpty { text += "  nothing that is permitted\n" }
        if let system, let source = live.source, !source.isEmpty {
            let before = try CompartmentName.policy(of: source).policy
            let after = try CompartmentName.policy(of: system).policy
            let flows = FlowDifference(from: before, to: after)
            text += "flows:\n" + flows.lines.map { "  \($0)\n" }.joined()
            if flows.lines.isEmpty { text += "  the same\n" }
        }
        try StandardOutput.write(text)
    }

    private func isConfirmed() -> Bool {
        StandardError.write("load it? [y/N] ")
        let answer = readLine(strippingNewline: true) ?? ""
        return answer == "y" || answer == "yes"
    }

    private func report(_ reply: ControlReply, names: [String]) throws {
        guard
            let answer = try? ControlAnswer(validating: reply.payload.span, kind: reply.kind),
            let load = answer.load
        else { throw ControlFailure.say(.strange, order: "the new policy") }
        func name(_ domain: UInt16) -> String {
            domain == 0
                ? "the hypervisor"
                : names.indices.contains(Int(domain) - 1)
                    ? names[Int(domain) - 1] : "domain \(domain)"
        }
        var text = "loaded: policy \(load.sequence) since the boot is in force\n"
        text += "taken away: \(load.total)\n"
        let revocations = (0..<answer.revocationCount).map { answer.revocation(at: $0) }
        for group in RevocationGroup.groups(of: revocations) {
            text += "  \(group.words) of \(name(group.holder)), with \(name(group.other))\n"
        }
        if answer.revocationCount < Int(load.total) {
            text += "  and \(Int(load.total) - answer.revocationCount) more\n"
        }
        try StandardOutput.write(text)
    }
}
