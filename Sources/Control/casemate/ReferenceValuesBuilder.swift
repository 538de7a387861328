import Appraisal
import Digests
import PolicyCompiler
import PolicySemantics
import PolicySyntax

/// Derives from a compiled system what a machine measures when it runs it.
struct ReferenceValuesBuilder {
    let values: ReferenceValues

    init(_ policy: SystemPolicy, _ compiled: CompiledSystem) {
        let model = compiled.model
        let compartments = model.compartments.enumerated().map { index, compartment in
            let declared = policy.compartments[index]
            let initrd = compartment.initrd.map { ReferenceValuesBuilder.module(model.modules[$0]) }
            return ReferenceCompartment(
                name: compartment.name,
                source: Appraisal.SourceReference(
                    file: declared.source.file, line: Int(declared.source.line)),
                domainID: UInt32(index) + 1, labelText: policy.describe(declared.range),
                labelRecord: SystemManifestModel.labelRecord(model.labels[compartment.label]),
                kernel: ReferenceValuesBuilder.module(model.modules[compartment.kernel]),
                initrd: initrd, commandLine: compartment.commandLine,
                memoryInBytes: compartment.memoryInBytes, vcpuCount: compartment.vcpuCount)
        }
        values = ReferenceValues(
            system: ReferenceSystem(name: policy.name, version: policy.version),
            policy: SHA384.hash(compiled.policy.span),
            manifest: SHA384.hash(compiled.manifest.span), compartments: compartments)
    }

    private static func module(_ module: SystemManifestModel.Module) -> ReferenceModule {
        ReferenceModule(name: module.name, sha384: module.digest)
    }
}
