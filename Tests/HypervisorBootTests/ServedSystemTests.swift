import Foundation
import TestSupport
import Testing

/// Two unmodified Debian guests under the real hypervisor, store and console as compartments:
/// the system `policy/systems/shared`, built by `hypervisor/run policy/systems/shared --prepare`.
@Suite(.serialized) struct ServedSystemTests {
    @Test("two Debian guests meet in the store and move 1 MiB through a shared ring, one way")
    func shared() throws {
        let path = RepositoryFiles.root.appending(path: ".build/systems/shared/boot.bundle")
        let bundle = try Data(contentsOf: path)
        let expected = [
            "(store) store: ready, serves 2 rings; 0 of its own requests refused",
            "(console) ready, serves 2 rings",
            "(sensor) casemate-guest: I am sensor, domain 3",
            "(sensor) /local/domain/3/data/secret = \"42\"",
            "(sensor) casemate-guest: collector is closed to me",
            "(collector) casemate-guest: I am collector, domain 4",
            "casemate-guest: granted 256 pages on readings",
            "casemate-guest: sent 1048576 bytes on readings",
            "casemate-guest: mapped 256 pages on readings",
            "casemate-guest: received 1048576 bytes on readings",
            "casemate-guest: map for writing refused on readings: EINVAL",
            "denied grant { map_write } from collector to sensor by GNTTABOP_map_grant_ref; "
                + "system.casemate:38: channel readings goes from sensor to collector",
            "casemate-guest: signal back refused on readings: EPERM",
            "denied event { send } from collector to sensor by EVTCHNOP_send; "
                + "system.casemate:38: channel readings goes from sensor to collector",
            "casemate-guest: write to the sender's node refused on readings: EACCES",
            "(collector) casemate-guest: may not write the sender's end",
            "(collector) casemate-guest: sensor's data is closed to me",
            "denied xenstore { read } from sensor to collector by the store; "
                + "system.casemate:38: channel readings goes from sensor to collector",
            "denied xenstore { write } from collector to sensor by the store; "
                + "system.casemate:38: channel readings goes from sensor to collector",
            "(sensor) casemate-guest: shell ready", "(collector) casemate-guest: shell ready",
        ]
        // What a role says beside a shell may stand behind the shell's prompt: it has no name here.
        let outcome = try BootOutcome.boot(Array(bundle), until: expected, seconds: 240)
        for line in expected { #expect(outcome.console.contains(line)) }
        // Nothing else was refused, and what was is what the channel's direction denies: a map, a
        // signal, two writes, and the sender's look at the receiver.
        #expect(outcome.console.split(separator: ": denied ").count == 6)
        #expect(!outcome.console.contains("crashed"))
    }
}
