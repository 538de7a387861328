import Appraisal
import Digests
import PolicyAuthority
import PolicyCompiler

/// What `casemate build` writes: the compiler's result, with predecessor and signature.
struct SignedBuild {
    /// The content of `policy.30`.
    let policy: [UInt8]
    /// The content of `system.manifest`.
    let manifest: [UInt8]
    /// The content of `reference-values.json`.
    let referenceValues: ReferenceValues
    /// The modules, in the manifest's order.
    let modules: [SystemManifestModel.Module]

    /// Finishes a build.
    ///
    /// - Parameters:
    ///   - old: the manifest that this one replaces; nil for none.
    ///   - key: who signs; nil for nobody.
    /// - Throws: `BuildRefusal` when the build may not follow `old`, or the hypervisor's readers
    ///   refuse the result.
    init(
        _ compiled: CompiledSystem, systemName: String, replacing old: ManifestFacts?,
        signedBy key: AuthorityPrivateKey?
    ) throws(BuildRefusal) {
        var manifest = compiled.manifest
        if let old {
            try ManifestFacts(validating: manifest).verifyNewer(than: old)
            manifest = SignedManifest.replacing(old.digest, manifest)
        }
        if let key {
            guard let signed = SignedManifest.signed(manifest, by: key) else {
                throw .proofRefused("the key made no signature")
            }
            manifest = signed
        }
        if let reason = replayFailure(policy: compiled.policy, manifest: manifest) {
            throw .proofRefused(reason)
        }
        guard
            let values = ReferenceValuesBuilder.values(
                systemName: systemName, policy: compiled.policy, manifest: manifest)
        else { throw .proofRefused("the policy cannot be read back") }
        policy = compiled.policy
        self.manifest = manifest
        referenceValues = values
        modules = compiled.model.modules
    }
}
