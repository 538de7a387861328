import Appraisal
import Digests
import FoundationEssentials
import PolicyAuthority
import SystemImage
import SystemManifest

/// The files of a build, as `casemate verify-build` finds them.
struct BuildFiles {
    private let policy: [UInt8]
    private let manifest: [UInt8]
    private let bundle: [UInt8]
    private let referenceValues: [UInt8]
    /// The system's name, as the reference values have it; empty when they are malformed.
    let systemName: String

    /// Reads all files of a folder.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error.
    init(reading folder: String) throws {
        policy = try Files.read("\(folder)/\(BuildOutput.FileName.policy)")
        manifest = try Files.read("\(folder)/\(BuildOutput.FileName.manifest)")
        referenceValues = try Files.read("\(folder)/\(BuildOutput.FileName.referenceValues)")
        bundle = try Files.read("\(folder)/\(BuildOutput.FileName.bundle)", limit: Int.max)
        systemName = (try? ReferenceValues(json: referenceValues))?.system.name ?? ""
    }

    /// Returns what the manifest says, or the first reason to refuse the build.
    func verdict(
        by key: AuthorityPublicKey, replacing old: ManifestFacts?
    ) -> Result<ManifestFacts, BuildRefusal> {
        do throws(BuildRefusal) {
            let facts = try ManifestFacts(validating: manifest)
            try facts.verifySignature(by: key)
            if let old {
                try facts.verifyNewer(than: old)
                try facts.verifyPredecessor(old)
            }
            try verifyPolicy(facts)
            try verifyBundle()
            try verifyReferenceValues(facts)
            return .success(facts)
        } catch {
            return .failure(error)
        }
    }

    /// Returns why the files do not belong together, whoever signed them; nil when they do.
    func inconsistency() -> BuildRefusal? {
        do throws(BuildRefusal) {
            let facts = try ManifestFacts(validating: manifest)
            try verifyPolicy(facts)
            try verifyBundle()
            try verifyReferenceValues(facts)
            return nil
        } catch {
            return error
        }
    }

    private func verifyPolicy(_ facts: ManifestFacts) throws(BuildRefusal) {
        let found = SHA384.hash(policy.span)
        guard found == facts.policyDigest else {
            throw .policyDiffers(
                expected: facts.policyDigest.hexadecimal, found: found.hexadecimal)
        }
        if let reason = replayFailure(policy: policy, manifest: manifest) {
            throw .proofRefused(reason)
        }
    }

    private func verifyBundle() throws(BuildRefusal) {
        do throws(BootBundleComparison.Difference) {
            try BootBundleComparison.check(
                bundle, policy: policy, manifest: manifest, modules: modules)
        } catch {
            throw .bundleDiffers(error.what)
        }
    }

    private var modules: [BootBundleComparison.Module] {
        guard let manifest = try? SystemManifest(validating: manifest.span) else { return [] }
        var modules: [BootBundleComparison.Module] = []
        for index in 0..<manifest.moduleCount {
            let module = manifest.module(at: index)
            modules.append(
                BootBundleComparison.Module(
                    sizeInBytes: module.sizeInBytes, digest: module.digest))
        }
        return modules
    }

    private func verifyReferenceValues(_ facts: ManifestFacts) throws(BuildRefusal) {
        let found: ReferenceValues
        do throws(ReferenceValuesError) {
            found = try ReferenceValues(json: referenceValues)
        } catch {
            throw .referenceValuesDiffer(error.message)
        }
        guard found.system.id == facts.systemID else {
            throw .referenceValuesDiffer("they are of the system `\(found.system.name)`")
        }
        let wanted = ReferenceValuesBuilder.values(
            systemName: found.system.name, policy: policy, manifest: manifest)
        guard let wanted, wanted == found else {
            throw .referenceValuesDiffer("they expect other measurements")
        }
        guard wanted.encoded() == referenceValues else {
            throw .referenceValuesDiffer("they are written in another way")
        }
    }
}
