import Foundation
import TestSupport
import Testing

/// Two unmodified Debian guests under the real hypervisor, store and console as compartments:
/// the system `policy/systems/shared`, built by `hypervisor/run policy/systems/shared --prepare`.
@Suite(.serialized) struct ServedSystemTests {
    @Test("Debian's xenstore tools are served by the store, and shown by the console")
    func shared() throws {
        let path = RepositoryFiles.root.appending(path: ".build/systems/shared/boot.bundle")
        let bundle = try Data(contentsOf: path)
        let expected = [
            "(store) store: ready, serves 2 rings; 0 of its own requests refused",
            "(console) ready, serves 2 rings",
            "(sensor) casemate-guest: I am sensor, domain 3",
            "(sensor) /local/domain/3/data/secret = \"42\"",
            "(sensor) casemate-guest: collector is closed to me",
            "(sensor) casemate-guest: left port 7 on readings",
            "(collector) casemate-guest: I am collector, domain 4",
            "(collector) casemate-guest: found port 7 of domain 3",
            "(collector) casemate-guest: may not write the sender's end",
            "(collector) casemate-guest: sensor's data is closed to me",
            "(sensor) casemate-guest: shell ready", "(collector) casemate-guest: shell ready",
        ]
        let outcome = try BootOutcome.boot(Array(bundle), until: expected, seconds: 240)
        for line in expected { #expect(outcome.console.contains(line)) }
        #expect(!outcome.console.contains("denied"))
        #expect(!outcome.console.contains("crashed"))
    }
}
