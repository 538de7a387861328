import Appraisal
import ControlFrames
import Foundation
import TestSupport
import Testing

/// `casemate run --check` with a real software TPM and a machine of our own: a script in place of
/// QEMU, which says on the console what a test wants.
@Suite("casemate run", .serialized) struct RunCommandTests {
    private static let lines = [
        "SeaBIOS",
        "(casemate) policy and manifest: valid, and bound to one another",
        "(sensor) casemate-guest: shell ready",
        "(collector) casemate-guest: shell ready",
        "(collector) / # casemate-guest: event received on readings",
        "(casemate) audit 1: denied event { send } from collector to sensor by EVTCHNOP_send; "
            + "system.casemate:24: channel readings goes from sensor to collector",
        "(collector) casemate-guest: send refused: EPERM",
    ]

    /// The verdicts of one check: whether each is ok, in their order.
    private struct Verdicts {
        let run: Command
        var marks: [Bool] {
            run.output.split(separator: "\n").compactMap {
                if $0.hasPrefix("ok    ") { return true }
                return $0.hasPrefix("FAIL  ") ? false : nil
            }
        }
    }

    /// Runs the check of the system `minimal`, or of a copy that expects something else.
    private func check(
        _ lines: [String], script: String = "", options: [String] = [], expecting: String? = nil,
        hasAgent: Bool = false
    ) throws -> Verdicts {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try FileManager.default.copyItem(
            at: RepositoryFiles.root.appending(
                path: "attestation/vectors/sample.reference-values.json"),
            to: folder.url("reference-values.json"))
        try writeManifest(to: folder.url("system.manifest"), hasAgent: hasAgent)
        let console = lines.map { $0 + "\r\n" }.joined()
        let consolePath = try folder.write(console, to: "console")
        try Data(try frames()).write(to: folder.url("frames"))
        let bundle = newc([("module/1", "sensor.cpio"), ("module/2", "collector.cpio")])
        _ = try folder.write(bundle, to: "boot.bundle")
        let hypervisor = try folder.write("", to: "Hypervisor")
        _ = try folder.writeProgram(
            "#!/bin/sh\ncat '\(consolePath)' >&3\ncat '\(folder.path("frames"))' >&4\n\(script)\n",
            to: "qemu-system-x86_64")
        var system = "policy/systems/minimal"
        if let expecting {
            try FileManager.default.copyItem(
                at: RepositoryFiles.root.appending(path: "\(system)/system.casemate"),
                to: folder.url("system.casemate"))
            _ = try folder.write(expecting, to: "boot.expected")
            system = folder.path()
        }
        return Verdicts(
            run: try Command(
                arguments: ["run", system, "--build", folder.path(), "--hypervisor"]
                    + [hypervisor, "--check", "--timeout", "20"] + options,
                programsIn: folder.path()))
    }

    /// Writes the manifest of a small system, in whose control compartment an agent may have a TPM.
    private func writeManifest(to place: URL, hasAgent: Bool) throws {
        let small = try SmallSystem()
        defer { small.folder.remove() }
        for name in ["store.elf", "tpm.elf"] {
            _ = try small.folder.write("a service", to: "modules/\(name)")
        }
        if hasAgent {
            _ = try small.folder.write(Self.agentSource, to: "system.casemate")
        }
        let built = try small.build("out")
        try #require(built.status == 0, "\(built.errors)")
        try FileManager.default.copyItem(
            at: small.folder.url("out/system.manifest"), to: place)
    }

    private static let agentSource = """
        system small version 1
        target casemate

        levels low

        service store at low {
            kernel "store.elf"
            memory 64 MiB
            vcpus 1
        }

        service tpm at low {
            kernel "tpm.elf"
            memory 32 MiB
            vcpus 1
            uses store
            commands quote
        }

        service control at low {
            kernel debian
            initrd "one.cpio"
            memory 64 MiB
            vcpus 1
            uses store, tpm
        }

        """

    private func frames() throws -> [UInt8] {
        let evidence = try Evidence(
            json: [UInt8](
                try Data(
                    contentsOf: RepositoryFiles.root.appending(
                        path: "attestation/vectors/sample.evidence.json"))))
        let header = try ControlFrameHeader(
            kind: .eventLog, sequence: 1, payload: evidence.eventLog.span
        ).encoded
        return header.indices.map { header[$0] } + evidence.eventLog
    }

    private func newc(_ members: [(String, String)]) -> String {
        func padded(_ text: String) -> String {
            text + String(repeating: "\0", count: (4 - text.utf8.count % 4) % 4)
        }
        return (members + [("TRAILER!!!", "")]).map { name, content in
            let fields = [0, 0o100644, 0, 0, 1, 0, content.utf8.count, 0, 0, 0, 0]
            let numbers = (fields + [name.utf8.count + 1, 0]).map { String(format: "%08x", $0) }
            return padded("070701" + numbers.joined() + name + "\0") + padded(content)
        }.joined()
    }

    @Test("a machine without a working TPM has no quote, whatever it prints") func noQuote() throws
    {
        let verdicts = try check(Self.lines)
        #expect(verdicts.run.status == 1)
        #expect(verdicts.marks == [true, true, true, true, true, true, true, false, false])
        #expect(verdicts.run.output.contains("system.casemate:24"))
        #expect(verdicts.run.output.hasSuffix("7 of 9 ok\n"))
    }

    @Test("a machine that says much but has no working TPM 1.2 has no quote either")
    func noQuoteOfOnePointTwo() throws {
        let verdicts = try check(Self.lines, options: ["--tpm", "1.2"])
        #expect(verdicts.run.status == 1)
        #expect(verdicts.marks == [true, true, true, true, true, true, true, false, false])
        #expect(verdicts.run.output.contains("FAIL  the quote of PCR 12, 13 and 15 is fresh"))
    }

    @Test("a system whose control uses the TPM is quoted by its agent, and by nobody in its place")
    func noAgent() throws {
        let verdicts = try check(
            Self.lines, script: "exec sleep 60", options: ["--timeout", "2"], hasAgent: true)
        #expect(verdicts.marks == [true, true, true, true, true, true, true, false, false])
        let claim = "FAIL  the quote of PCR 12, 13 and 15, through the agent, is fresh"
        #expect(verdicts.run.output.contains(claim))
        #expect(verdicts.run.output.contains("      casemate: nobody answers on the control line"))
    }

    @Test("--log is a word of the hypervisor's command line, and a level that there is")
    func logLevel() throws {
        let script = """
            printf '%s\\n' "$@" >"$run/words"
            printf '(casemate) policy and manifest: valid\\r\\n' >&3
            """
        for level in ["error", "warning", "info", "debug"] {
            let machine = try StandInMachine(script)
            let run = try machine.run("--log", level)
            #expect(run.status == 0, "\(run.errors)")
            let words = try String(
                contentsOf: URL(filePath: machine.directory + "/words"), encoding: .utf8)
            #expect(words.contains("-append\nlog=\(level)\n"))
        }
        let silent = try StandInMachine(script)
        #expect(try silent.run().status == 0)
        let words = try String(
            contentsOf: URL(filePath: silent.directory + "/words"), encoding: .utf8)
        #expect(!words.contains("-append"))
        for (options, sentence) in [
            (["--log", "loud"], "The value 'loud' is invalid for '--log <log>'"),
            (["--log", "debug", "--firmware", "uefi"], "leave out --firmware uefi"),
        ] {
            let refused = try Command(
                arguments: ["run", "policy/systems/minimal", "--build", "x"] + options,
                programsIn: nil)
            #expect(refused.status == 64)
            #expect(refused.errors.contains(sentence), "\(refused.errors)")
        }
    }

    @Test("a TPM that does not exist is refused as a usage error, naming those that do")
    func unknownTPM() throws {
        let run = try Command("run", "policy/systems/minimal", "--build", "x", "--tpm", "1.2-crb")
        #expect(run.status == 64)
        #expect(run.errors.contains("there is no TPM `1.2-crb`; there are 1.2, 2.0, 2.0-crb"))
    }

    @Test("each line that a system must show is missed by its own verdict", arguments: 1...6)
    func missingLine(number: Int) throws {
        var lines = Self.lines
        lines.remove(at: number)
        let verdict = [1: 0, 2: 1, 3: 2, 4: 3, 5: 5, 6: 4][number]
        let marks = try check(lines).marks
        #expect(marks.count == 9)
        #expect(marks.indices.filter { $0 < 6 && !marks[$0] } == [verdict])
    }

    @Test(
        "lines of the wrong speaker, class or source line do not count",
        arguments: [
            (2, "(collector) casemate-guest: shell ready", 1),
            (2, "casemate-guest: shell ready", 1),
            (1, "(sensor) policy and manifest: valid, and bound to one another", 0),
            (
                5,
                "(sensor) audit 1: denied event { send } from collector to sensor by "
                    + "EVTCHNOP_send; system.casemate:24: channel readings", 5
            ),
            (
                5,
                "(casemate) audit 1: denied event { send } from collector to sensor by "
                    + "EVTCHNOP_send; system.casemate:23: channel readings", 5
            ),
            (
                5,
                "(casemate) audit 1: denied event { send } from collector to sensor by "
                    + "EVTCHNOP_send; system.casemate:999: channel readings", 5
            ),
            (
                5,
                "(casemate) audit 1: denied event { create } from collector to sensor by "
                    + "EVTCHNOP_send; system.casemate:24: channel readings", 5
            ),
            (6, "(collector) casemate-guest: send refused: EINVAL", 4),
        ])
    func wrongLine(number: Int, line: String, verdict: Int) throws {
        var lines = Self.lines
        lines[number] = line
        let marks = try check(lines).marks
        #expect(marks.count == 9)
        #expect(marks.indices.filter { $0 < 6 && !marks[$0] } == [verdict])
    }

    @Test("what must not be said, how many denials there are, and a refusal are judged")
    func words()
        throws
    {
        let verdicts = try check(
            Self.lines,
            expecting: """
                # A comment.
                claim the sensor is silent about it
                  never sensor: event received
                claim the collector is silent about it
                  never collector: event received
                claim one denial
                  denials 1
                claim two denials
                  denials 2
                claim a place
                  casemate: @(channel readings): channel
                refuse a way back
                  add channel back_way: collector -> sensor signal
                  says error[POL-FLW-001]
                refuse a second way there
                  add channel more: sensor -> collector signal
                refuse a way back by another name
                  add channel back_way: collector -> sensor signal
                  says error[POL-FLW-999]

                """)
        let last = [false, false]
        #expect(
            verdicts.marks
                == [true, true, false, true, false, true, true, false, false] + last)
        let output = verdicts.run.output
        #expect(
            output.contains("`collector` said `/ # casemate-guest: event received on readings`"))
        #expect(output.contains("there are 1 denials instead of 2"))
        #expect(output.contains("the compiler took it"))
        #expect(output.contains("the compiler did not say `error[POL-FLW-999]`"))
    }

    @Test(
        "an expectation that says nothing is refused with its line, before a machine starts",
        arguments: [
            ("sensor: hello\n", "boot.expected:1: a line begins with"),
            ("\n  sensor: hello\n", "boot.expected:2: nothing is claimed yet"),
            ("claim x\n  sensor hello\n", "boot.expected:2: a condition is"),
            ("claim x\n  denials many\n", "boot.expected:2: no number of denials"),
            ("claim x\n  a: @(channel none)\n", "boot.expected:2: 0 lines of system.casemate"),
            ("refuse x\n  sensor: hello\n", "boot.expected:2: below `refuse` stand"),
        ])
    func malformed(text: String, message: String) throws {
        let run = try check(Self.lines, expecting: text).run
        #expect(run.status == 74 && run.output.isEmpty)
        #expect(run.errors.contains(message), "\(run.errors)")
    }

    @Test("files that are not there are named, status 74") func missingFiles() throws {
        let run = try Command("run", "policy/systems/minimal", "--build", "/nothing")
        #expect(run.status == 74 && run.output.isEmpty)
        let name = "/nothing/reference-values.json"
        #expect(run.errors == "casemate: `\(name)`: No such file or directory\n")
        #expect(
            try Command("run", "policy/systems/minimal", "--build", "x", "--memory", "1").status
                == 64)
    }
}
