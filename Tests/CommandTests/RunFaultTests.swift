import Foundation
import TestSupport
import Testing

/// What can go wrong with an emulated machine: each has a sentence and a status of its own, and
/// leaves no process and no file behind.
@Suite("faults of casemate run", .serialized) struct RunFaultTests {
    /// A machine that says something and goes on.
    private static let living =
        "printf '(casemate) policy and manifest: valid\\r\\n' >&3\nexec sleep 600"

    /// Waits until nothing that belongs to a machine runs.
    private func expectNothingLeft(_ machine: StandInMachine) throws {
        try machine.wait { machine.processes().isEmpty }
        for name in ["console.socket", "control.socket"] {
            #expect(!FileManager.default.fileExists(atPath: "\(machine.directory)/\(name)"))
        }
    }

    @Test("programs that are missing are named, status 74") func missingPrograms() throws {
        let machine = try StandInMachine(Self.living)
        let noTPM = try machine.run(path: "/nowhere")
        #expect(noTPM.status == 74 && noTPM.output.isEmpty)
        #expect(
            noTPM.errors
                == "casemate: the program `swtpm_setup` cannot be started; is it installed?\n")
        let folder = machine.system.folder
        try FileManager.default.createDirectory(
            at: folder.url("some"), withIntermediateDirectories: true)
        for name in ["swtpm", "swtpm_setup"] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path("some/\(name)"), withDestinationPath: "/usr/bin/\(name)")
        }
        let noEmulator = try machine.run(path: folder.path("some"))
        #expect(noEmulator.status == 74 && noEmulator.output.isEmpty)
        #expect(
            noEmulator.errors
                == "casemate: the program `qemu-system-x86_64` cannot be started; "
                + "is it installed?\n")
        try expectNothingLeft(machine)
    }

    @Test("an emulator that fails before the machine runs is quoted, status 74", arguments: [0, 1])
    func failingEmulator(check: Int) throws {
        let reason = "qemu-system-x86_64: cannot set up guest memory 'ram': Cannot allocate memory"
        let machine = try StandInMachine("echo \"\(reason)\" >&2\nexit 1")
        let run = check == 1 ? try machine.run("--check") : try machine.run()
        #expect(run.status == 74 && run.output.isEmpty)
        #expect(
            run.errors == "casemate: the program `qemu-system-x86_64` failed: \(reason)\n")
        try expectNothingLeft(machine)
    }

    @Test("an emulator or a TPM that is killed ends the machine, status 74", arguments: [0, 1])
    func killed(check: Int) throws {
        for (script, sentence) in [
            (
                "printf 'x' >&3\nsleep 0.5\nkill -KILL $$",
                "casemate: the program `qemu-system-x86_64` was ended by signal 9; "
                    + "the machine was ended with it\n"
            ),
            (
                """
                printf '(casemate) policy and manifest: valid\\r\\n' >&3
                sleep 0.5
                for place in /proc/[0-9]*; do
                    words=$(tr '\\0' ' ' <"$place/cmdline" 2>/dev/null) || continue
                    case $words in
                        swtpm*"dir=$run/tpm"*) kill -KILL "${place#/proc/}" ;;
                    esac
                done
                exec sleep 600
                """,
                "casemate: the program `swtpm` was ended by signal 9; "
                    + "the machine was ended with it\n"
            ),
        ] {
            let machine = try StandInMachine(script)
            let run = check == 1 ? try machine.run("--check") : try machine.run()
            #expect(run.status == 74)
            #expect(run.errors == sentence)
            try expectNothingLeft(machine)
        }
    }

    @Test("a full disk is said before the machine starts, or once while it runs")
    func fullDisk() throws {
        func run(_ machine: StandInMachine, _ size: String) throws -> ToolRun {
            let words = machine.words().map { "'\($0)'" }.joined(separator: " ")
            let line = """
                mkdir -m 700 '\(machine.directory)' &&
                mount -t tmpfs -o size=\(size),mode=700 tmpfs '\(machine.directory)' &&
                PATH='\(machine.system.folder.path("programs"))':$PATH exec \(words)
                """
            return try ToolRun(
                "/usr/bin/unshare", ["--mount", "--map-root-user", "/bin/sh", "-c", line])
        }
        let small = try StandInMachine(Self.living)
        let refused = try run(small, "1m")
        #expect(refused.status == 74 && refused.output.isEmpty)
        #expect(
            refused.errors
                == "casemate: `\(small.directory)`: the disk has 1 MiB left, and the machine needs "
                + "48 MiB; name a folder elsewhere with --run-directory\n")
        let filling = try StandInMachine(
            """
            dd if=/dev/zero of="$run/rest" bs=64K status=none 2>/dev/null
            printf '(casemate) one\\r\\n' >&3
            sleep 0.5
            printf '(casemate) two\\r\\n' >&3
            """)
        let filled = try run(filling, "50m")
        #expect(filled.status == 0)
        #expect(filled.output.contains("(casemate) one") && filled.output.contains("two"))
        #expect(
            filled.errors == "casemate: the disk is full: `list` and `audit` miss what is said\n")
    }

    @Test("a run directory is ours alone, or is refused and left as it is")
    func runDirectory() throws {
        let machine = try StandInMachine(Self.living)
        let manager = FileManager.default
        try manager.createDirectory(
            atPath: machine.directory, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o755])
        let open = try machine.run()
        #expect(open.status == 74)
        #expect(open.errors.contains("others may enter it; close it with chmod 700"))
        let mode = try manager.attributesOfItem(atPath: machine.directory)[.posixPermissions]
        #expect(mode as? Int == 0o755)
        try manager.removeItem(atPath: machine.directory)
        _ = try machine.system.folder.write("", to: "run")
        #expect(try machine.run().errors.contains("it is there, and no folder of yours"))
        try manager.removeItem(atPath: machine.directory)
        try manager.createSymbolicLink(
            atPath: machine.directory, withDestinationPath: machine.system.folder.path("out"))
        #expect(try machine.run().errors.contains("it is there, and no folder of yours"))
        try manager.removeItem(atPath: machine.directory)
        let nowhere = try machine.run("--run-directory", "/nowhere/run")
        #expect(nowhere.status == 74)
        #expect(nowhere.errors == "casemate: `/nowhere/run`: No such file or directory\n")
    }

    @Test("two machines never share a run directory, and the first does not notice")
    func twoAtOnce() throws {
        let machine = try StandInMachine(Self.living)
        let first = try machine.start()
        let second = try machine.run()
        #expect(second.status == 74)
        #expect(second.errors.contains("another machine runs in it; name another"))
        #expect(first.isRunning)
        #expect(try machine.tool("list").output.contains("one"))
        first.terminate()
        first.waitUntilExit()
        #expect(first.terminationStatus == 0)
        try expectNothingLeft(machine)
        let again = try machine.start()
        again.interrupt()
        again.waitUntilExit()
        try expectNothingLeft(machine)
    }

    @Test("Ctrl-C ends a machine and everything it started; of a check it is no verdict")
    func interrupted() throws {
        let machine = try StandInMachine(Self.living)
        let run = try machine.start()
        run.interrupt()
        run.waitUntilExit()
        #expect(run.terminationReason == .exit && run.terminationStatus == 0)
        try expectNothingLeft(machine)
        let checked = try StandInMachine(
            Self.living.replacing("exec sleep", with: ": >\"$run/begun\"\nexec sleep"))
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = [
            "-c",
            "PATH='\(checked.system.folder.path("programs"))':$PATH exec env --default-signal "
                + checked.words(["--check"]).joined(separator: " "),
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try checked.system.folder.handle("output")
        process.standardError = try checked.system.folder.handle("errors")
        try process.runBound()
        try checked.wait {
            FileManager.default.fileExists(atPath: checked.directory + "/begun")
        }
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(checked.errors == "casemate: interrupted; the machine was ended\n")
        #expect(checked.output.isEmpty)
        try expectNothingLeft(checked)
    }

    /// A machine that neither ends with its sockets nor becomes another program.
    private static let lasting = """
        printf '(casemate) policy and manifest: valid\\r\\n' >&3
        trap '' HUP INT TERM
        exec {silence}<> <(:)
        while :; do read -rt 1 -u "$silence" || :; done
        """

    /// Waits until a machine, its TPM and who runs them are there; returns their processes.
    private func wholeMachine(_ machine: StandInMachine) throws -> [Int32] {
        var found: [Int32] = []
        try machine.wait {
            found = machine.processes(of: machine.system.folder.path())
            let words = found.map { number in
                let place = "/proc/\(number)/cmdline"
                let bytes = FileManager.default.contents(atPath: place) ?? Data()
                return String(decoding: bytes, as: UTF8.self)
            }
            return ["swtpm\0socket", "qemu-system-x86_64", "casemate\0run"].allSatisfy { name in
                words.contains { $0.contains(name) }
            }
        }
        return found
    }

    /// Waits until none of some processes runs, for at most five seconds.
    private func expectGone(_ processes: [Int32]) {
        let deadline = Date(timeIntervalSinceNow: 5)
        while Date() < deadline, processes.contains(where: { isRunning(Int($0)) }) {
            Thread.sleep(forTimeInterval: 0.02)
        }
        #expect(processes.filter { isRunning(Int($0)) }.isEmpty)
    }

    @Test("a machine and its TPM end with who runs them, whatever ends that")
    func killedOwner() throws {
        for signal in [SIGKILL, SIGTERM, SIGHUP] {
            let machine = try StandInMachine(Self.lasting)
            let run = try machine.start()
            let processes = try wholeMachine(machine)
            kill(run.processIdentifier, signal)
            expectGone(processes)
            run.waitUntilExit()
        }
    }

    @Test("a TPM that is being made, which another program starts, ends with who makes it")
    func killedMaker() throws {
        let machine = try StandInMachine(Self.lasting)
        let lasting = Self.lasting.split(separator: "\n").dropFirst().joined(separator: "\n")
        try machine.program(
            "swtpm", "#!/bin/bash\n: >'\(machine.directory)/begun'\n\(lasting)\n")
        let run = try machine.start(until: "begun")
        let processes = machine.processes(of: machine.system.folder.path())
        #expect(processes.count >= 3)
        kill(run.processIdentifier, SIGKILL)
        expectGone(processes)
        run.waitUntilExit()
    }

    /// The variable that names the file by which a test runner of our own tells its run directory.
    private static let heldVariable = "CASEMATE_HELD_MACHINE"

    /// What that runner does: it waits to be killed.
    @Test(
        "a machine is held for another test",
        .enabled(if: ProcessInfo.processInfo.environment[heldVariable] != nil))
    func held() throws {
        let path = try #require(ProcessInfo.processInfo.environment[Self.heldVariable])
        let machine = try StandInMachine(Self.lasting)
        let run = try machine.start()
        _ = try wholeMachine(machine)
        try Data(machine.system.folder.path().utf8).write(to: URL(filePath: path), options: .atomic)
        run.waitUntilExit()
    }

    @Test("a test runner that is killed takes along the machines that its tests have started")
    func killedRunner() throws {
        let machine = try StandInMachine(Self.living)
        let folder = machine.system.folder
        let runner = Process()
        runner.executableURL = URL(filePath: CommandLine.arguments[0])
        runner.arguments = [
            "--testing-library", "swift-testing", "--filter", "RunFaultTests.*held",
        ]
        var environment = ProcessInfo.processInfo.environment
        environment[Self.heldVariable] = folder.path("held")
        runner.environment = environment
        runner.currentDirectoryURL = RepositoryFiles.root
        runner.standardOutput = try folder.handle("output")
        runner.standardError = try folder.handle("errors")
        try runner.runBound()
        try machine.wait { FileManager.default.fileExists(atPath: folder.path("held")) }
        let held = try String(contentsOf: folder.url("held"), encoding: .utf8)
        let processes = machine.processes(of: held)
        #expect(processes.count >= 3)
        kill(runner.processIdentifier, SIGKILL)
        expectGone(processes)
        runner.waitUntilExit()
        // What the runner could not remove itself.
        try FileManager.default.removeItem(atPath: held)
    }

    @Test("what a machine is made of and is not there is named") func missingParts() throws {
        let machine = try StandInMachine(Self.living)
        for name in ["hypervisor", "out/boot.bundle"] {
            let path = machine.system.folder.path(name)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
            let run = try machine.run()
            #expect(run.status == 74 && run.output.isEmpty)
            #expect(run.errors == "casemate: `\(path)`: there is no such file\n")
            try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
        }
    }
}
