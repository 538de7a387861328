import Foundation
import TestSupport
import Testing

@Suite("steps and packages") struct StepTests {
    /// Runs a script that sources the steps, with a log folder of its own.
    private func script(_ text: String) throws -> ToolRun {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let head = "set -euo pipefail\nlog_directory='\(folder.path())'\n"
        // A program that a test starts inherits blocked signals from the test's thread.
        return try ToolRun(
            "/usr/bin/env",
            [
                "--default-signal=TERM", "bash", "-c",
                head + ". hypervisor/image/steps.bash\n" + text,
            ])
    }

    @Test("a step that is a function stops at its first failure, though it is tested") func stops()
        throws
    {
        let run = try script("f() { false; echo went on; }\nstep one f || echo \"status $?\"\n")
        #expect(run.status == 0)
        #expect(run.output.contains("FAILED") && run.output.contains("status 1"))
        #expect(!run.output.contains("went on"))
    }

    @Test("a step shows its output only when it fails") func output() throws {
        let run = try script(
            "step one echo quiet\nstep two bash -c 'echo loud; exit 3' || exit $?\n")
        #expect(run.status == 3)
        #expect(!run.output.contains("quiet"))
        #expect(run.output.contains("    | loud"))
    }

    @Test("what a step leaves behind ends with it") func leftBehind() throws {
        let run = try script(
            """
            f() { sleep 60 & echo $! >"$log_directory/pid"; }
            export log_directory
            step one f
            case $(ps -o state= -p "$(cat "$log_directory/pid")") in '' | Z*) ;; *) exit 9 ;; esac
            """)
        #expect(run.status == 0, "\(run.errors)")
    }

    @Test("an interrupted script says so and ends the step") func interrupted() throws {
        let run = try script("(sleep 0.5; kill -TERM $$) &\nstep one sleep 60\necho went on\n")
        #expect(run.status == 130)
        #expect(run.output.contains("interrupted") && !run.output.contains("went on"))
    }

    @Test("without root the missing packages are named with their reasons, and the status is 2")
    func missingPackages() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        for (name, body) in [
            ("dpkg-query", "[ \"$3\" != lz4 ] || exit 1; echo installed"),
            ("id", "echo 1000"), ("sudo", "exit 1"), ("apt-get", "echo called >&2"),
        ] {
            _ = try folder.writeProgram("#!/bin/sh\n\(body)\n", to: name)
        }
        func install(_ groups: String...) throws -> ToolRun {
            try ToolRun("hypervisor/image/install-packages", groups, programsIn: folder.path())
        }
        let run = try install("build", "run")
        #expect(run.status == 2)
        #expect(run.errors.contains("  lz4                unpacking Debian's kernel\n"))
        #expect(run.errors.contains("install --no-install-recommends lz4\n"))
        #expect(!run.errors.contains("called"))
        #expect(try install("build").status == 0)
        #expect(try install("unknown").status == 2)
    }
}
