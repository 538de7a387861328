import BootArena
import FlowCertificate
import PolicyDatabase
import ReferenceMonitor
import SecurityLattice
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
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(
                policy: policy, manifest: manifest))
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let certificate = try FlowCertificate(
            validating: manifest.certificate, compartmentCount: count)
        let width = FlowCertificate.rowWordCount(compartmentCount: count)
        let bottom = SecurityRange(SecurityLevel(Sensitivity(rank: 0)))
        var ranges = Array(repeating: bottom, count: count)
        var flows: [UInt32] = Array(repeating: 0, count: count * width)
        var rangeSpan = ranges.mutableSpan
        var flowSpan = flows.mutableSpan
        try monitor.check(certificate, of: manifest, ranges: &rangeSpan, flows: &flowSpan)
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
