import BootArena
import FlowCertificate
import PolicyDatabase
import ReferenceMonitor
import SystemManifest

/// Does what the hypervisor does before it runs a compartment: reads policy and manifest, computes
/// all decisions, and checks the certificate against them.
///
/// - Returns: nil when everything holds, else the reason, as the hypervisor would give it.
func replayFailure(policy: [UInt8], manifest: [UInt8]) -> String? {
    do throws(ReplayError) {
        try replay(policy, manifest)
        return nil
    } catch {
        return "\(error.reason)"
    }
}

/// Which of the hypervisor's parts refuses, and why.
private struct ReplayError: Error {
    let reason: StaticString
}

private func replay(_ policy: [UInt8], _ manifest: [UInt8]) throws(ReplayError) {
    let policyBytes = policy.span
    let manifestBytes = manifest.span
    do {
        let policy = try PolicyDatabase(validating: policyBytes)
        let manifest = try SystemManifest(validating: manifestBytes)
        let count = manifest.compartmentCount
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(compartmentCount: count))
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let width = FlowCertificate.rowWordCount(compartmentCount: count)
        var observed: [UInt32] = Array(repeating: 0, count: count * width)
        var rows = observed.mutableSpan
        monitor.observeFlows(into: &rows)
        let certificate = try FlowCertificate(
            validating: manifest.certificate, compartmentCount: count)
        let labels = (0..<count).map { monitor.context(of: monitor.label(ofCompartment: $0)).range }
        try certificate.check(labels: labels.span, observedFlows: observed.span)
    } catch let error as PolicyDatabaseError {
        throw ReplayError(reason: error.reason)
    } catch let error as SystemManifestError {
        throw ReplayError(reason: error.reason)
    } catch let error as ReferenceMonitorError {
        throw ReplayError(reason: error.reason)
    } catch let error as FlowCertificateError {
        throw ReplayError(reason: error.reason)
    } catch {
        throw ReplayError(reason: "unknown")
    }
}
