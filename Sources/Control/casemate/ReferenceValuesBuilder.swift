import Appraisal
import Digests
import PolicyDatabaseModel
import SystemManifest

/// Derives from policy and manifest, as written, what a machine measures when it runs them.
enum ReferenceValuesBuilder {
    /// Returns the reference values.
    ///
    /// - Parameter systemName: the name from which the manifest's system id is made.
    /// - Returns: nil when policy or manifest cannot be read.
    static func values(
        systemName: String, policy: [UInt8], manifest bytes: [UInt8]
    ) -> ReferenceValues? {
        guard let file = try? PolicyFile(validating: policy),
            let manifest = try? SystemManifest(validating: bytes.span)
        else { return nil }
        let names = LevelNames(file)
        var compartments: [ReferenceCompartment] = []
        for index in 0..<manifest.compartmentCount {
            compartments.append(compartment(at: index, of: manifest, names))
        }
        return ReferenceValues(
            system: ReferenceSystem(name: systemName, version: manifest.systemVersion),
            policy: SHA384.hash(policy.span), manifest: SHA384.hash(bytes.span),
            compartments: compartments)
    }

    private static func compartment(
        at index: Int, of manifest: borrowing SystemManifest, _ names: LevelNames
    ) -> ReferenceCompartment {
        let record = manifest.compartment(at: index)
        var initrd: ReferenceModule?
        if let number = record.initrd { initrd = module(at: number, of: manifest) }
        let file = text(manifest.source(at: record.source.source).name)
        return ReferenceCompartment(
            name: text(record.name),
            source: Appraisal.SourceReference(file: file, line: Int(record.source.line)),
            domainID: UInt32(record.domainID),
            labelText: names.text(manifest.label(at: record.label).range),
            labelRecord: array(manifest.labelBytes(at: record.label)),
            kernel: module(at: record.kernel, of: manifest), initrd: initrd,
            commandLine: text(record.commandLine), memoryInBytes: record.memorySizeInBytes,
            vcpuCount: UInt32(record.virtualCPUCount),
            restartLimit: UInt32(record.restartLimit),
            startsByItself: record.startsAutomatically)
    }

    private static func module(
        at index: Int, of manifest: borrowing SystemManifest
    ) -> ReferenceModule {
        let record = manifest.module(at: index)
        return ReferenceModule(name: text(record.name), sha384: record.digest)
    }

    private static func text(_ bytes: borrowing Span<UInt8>) -> String {
        String(decoding: array(bytes), as: UTF8.self)
    }

    private static func array(_ bytes: borrowing Span<UInt8>) -> [UInt8] {
        bytes.indices.map { bytes[$0] }
    }
}
