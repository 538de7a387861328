import BootArena
import FlowCertificate
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import SecurityLattice
import SystemManifest

/// Does what the hypervisor does before it runs a compartment: reads policy and manifest, computes
/// all decisions, and checks the certificate against them.
///
/// A table of all decisions grows with the square of the labels. For a system of more than 32
/// compartments the flows are read from the policy's rules instead.
/// - Returns: nil when everything holds, else the reason, as the hypervisor would give it.
func replayFailure(policy: [UInt8], manifest: [UInt8]) -> String? {
    do throws(ReplayError) {
        try replay(policy, manifest)
        return nil
    } catch {
        return error.reason
    }
}

/// Which of the hypervisor's parts refuses, and why.
private struct ReplayError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

private func replay(_ policyBytes: [UInt8], _ manifestBytes: [UInt8]) throws(ReplayError) {
    do {
        let policy = try PolicyDatabase(validating: policyBytes.span)
        let manifest = try SystemManifest(validating: manifestBytes.span)
        let count = manifest.compartmentCount
        let observed = try observedFlows(policy, manifest)
        let labels = (0..<count).map { label(ofCompartment: $0, manifest).range }
        let certificate = try FlowCertificate(
            validating: manifest.certificate, compartmentCount: count)
        try certificate.check(labels: labels.span, observedFlows: observed.span)
    } catch let error as PolicyDatabaseError {
        throw ReplayError("\(error.reason)")
    } catch let error as SystemManifestError {
        throw ReplayError("\(error.reason)")
    } catch let error as ReferenceMonitorError {
        throw ReplayError("\(error.reason)")
    } catch let error as FlowCertificateError {
        throw ReplayError("\(error.reason)")
    } catch {
        throw ReplayError("unknown")
    }
}

/// What the hypervisor's decisions permit.
private func observedFlows(
    _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest
) throws(ReferenceMonitorError) -> [UInt32] {
    let count = manifest.compartmentCount
    var arena = BootArena(
        hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest))
    let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
    let width = FlowCertificate.rowWordCount(compartmentCount: count)
    var observed: [UInt32] = Array(repeating: 0, count: count * width)
    var rows = observed.mutableSpan
    monitor.observeFlows(into: &rows)
    return observed
}

private func label(
    ofCompartment index: Int, _ manifest: borrowing SystemManifest
) -> LabelRecord {
    manifest.label(at: manifest.compartment(at: index).label)
}
