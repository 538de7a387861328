import Appraisal
import Digests
import PolicyAuthority

/// A folder that `casemate build` filled, as far as a verifier needs it.
struct KnownBuild {
    /// The folder.
    let folder: String
    /// The file `policy.30`.
    let policy: [UInt8]
    /// The file `system.manifest`.
    let manifest: [UInt8]
    /// What the manifest says of itself.
    let facts: ManifestFacts

    /// Reads policy and manifest.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error, when one
    ///   cannot be read, the manifest is none, or is that of another policy.
    init(reading folder: String) throws {
        self.folder = folder
        policy = try Files.read("\(folder)/\(BuildOutput.FileName.policy)")
        let path = "\(folder)/\(BuildOutput.FileName.manifest)"
        manifest = try Files.read(path)
        do throws(BuildRefusal) {
            facts = try ManifestFacts(validating: manifest)
        } catch {
            throw Files.fail(path, error.message)
        }
        guard SHA384.hash(policy.span) == facts.policyDigest else {
            throw Files.fail(path, "it is the manifest of another policy than the one beside it")
        }
    }

    /// Whether reference values are this build's.
    func isBuild(of reference: ReferenceValues) -> Bool {
        facts.digest == reference.manifest && facts.policyDigest == reference.policy
    }

    /// Replays the proof that the manifest carries, as the hypervisor does.
    ///
    /// - Returns: nil when it holds for the policy, else why not.
    var proofFailure: String? { replayFailure(policy: policy, manifest: manifest) }
}

/// The builds whose proofs a relying party wants replayed.
struct ProofCheck {
    let builds: [KnownBuild]

    /// Checks that each system that may run has a build, and that its proof holds.
    ///
    /// - Returns: nil when all hold, or no build was given; else the first reason.
    func refusal(_ systems: [ReferenceValues]) -> Verdict.Reason? {
        guard !builds.isEmpty else { return nil }
        for reference in systems {
            let system = "`\(reference.system.name)` version \(reference.system.version)"
            guard let build = builds.first(where: { $0.isBuild(of: reference) }) else {
                return .init(
                    code: "ATT-PRF-001",
                    message: "no build that was given is the one of the reference values of "
                        + system)
            }
            if let reason = build.proofFailure {
                return .init(
                    code: "ATT-PRF-002",
                    message: "the proof in `\(build.folder)` does not hold for its policy: "
                        + reason)
            }
        }
        return nil
    }
}
