import Appraisal
import AttestationTestSupport
import Digests
import Foundation

/// The vector in `attestation/vectors`: a quote that a software TPM really made, of a system of two
/// compartments; `VirtualHardwareTests` records it.
enum Vector {
    static let nonce = (0..<32).map { UInt8($0) }

    static func file(_ name: String) throws -> [UInt8] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return [UInt8](
            try Data(contentsOf: root.appendingPathComponent("attestation/vectors/\(name)")))
    }

    static func evidence() throws -> Evidence {
        try Evidence(json: file("sample.evidence.json"))
    }

    static func reference() throws -> ReferenceValues {
        try ReferenceValues(json: file("sample.reference-values.json"))
    }

    /// The same system, in which `sensor` may start again twice, and `collector` starts by order.
    static func permissiveReference(version: UInt64? = nil, policy: [UInt8]? = nil) throws
        -> ReferenceValues
    {
        let declared = try reference()
        return ReferenceValues(
            system: ReferenceSystem(
                name: declared.system.name, version: version ?? declared.system.version),
            policy: policy.map { SHA384.hash($0.span) } ?? declared.policy,
            manifest: policy.map { SHA384.hash(($0 + [1]).span) } ?? declared.manifest,
            compartments: declared.compartments.map { compartment in
                ReferenceCompartment(
                    name: compartment.name, source: compartment.source,
                    domainID: compartment.domainID, labelText: compartment.labelText,
                    labelRecord: compartment.labelRecord, kernel: compartment.kernel,
                    initrd: compartment.initrd, commandLine: compartment.commandLine,
                    memoryInBytes: compartment.memoryInBytes, vcpuCount: compartment.vcpuCount,
                    restartLimit: compartment.name == "sensor" ? 2 : 0,
                    startsByItself: compartment.name == "sensor")
            })
    }

    static func appraise(
        _ evidence: Evidence, nonce: [UInt8]? = Vector.nonce, key: [UInt8]? = nil,
        reference: ReferenceValues? = nil, successors: [ReferenceValues] = []
    ) throws -> AttestationResult {
        Appraiser(
            reference: try reference ?? Vector.reference(), successors: successors,
            policy: AppraisalPolicy(nonce: nonce, attestationKeyName: key)
        ).appraise(evidence)
    }
}

/// The codes with which evidence is refused; none if it is accepted.
func codes(_ result: AttestationResult) -> [String] {
    guard case .refused(let refusals) = result else { return [] }
    return refusals.map(\.code)
}

/// The events of the vector's log.
func events(_ log: [UInt8]) throws -> [(pcr: Int, data: [UInt8])] {
    try EventLog<Unverified>(validating: log).entries.map { (Int($0.pcr), $0.data) }
}
