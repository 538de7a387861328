import Foundation
import TestSupport
import Testing

/// What goes wrong with a real machine, by `casemate run`, and what that leaves behind.
@Suite(.serialized) struct ManagedFaultTests {
    private let folder: TemporaryFolder
    private let image: String

    init() throws {
        guard let image = ProcessInfo.processInfo.environment["CASEMATE_HYPERVISOR"] else {
            throw RunningMachine.Failure(message: "CASEMATE_HYPERVISOR is not set: run Tests/run")
        }
        self.image = image
        folder = try TemporaryFolder()
    }

    /// The line that runs the system `minimal`.
    private func line(build: String = ".build/systems/minimal", _ more: String = "") -> String {
        "timeout 120 .build/release/casemate run policy/systems/minimal --build '\(build)' "
            + "--hypervisor '\(image)' --run-directory '\(folder.path("run"))' \(more)"
    }

    private func run(_ line: String) throws -> ToolRun {
        try ToolRun("/usr/bin/env", ["--default-signal", "/bin/bash", "-c", line])
    }

    /// That no process names the folder, and no socket is left.
    private func expectNothingLeft() throws {
        for number in try FileManager.default.contentsOfDirectory(atPath: "/proc")
        where Int(number) != nil {
            let words = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") ?? Data()
            let text = String(decoding: words, as: UTF8.self)
            #expect(!text.contains(folder.path("run")), "\(text)")
        }
        for name in ["console.socket", "control.socket"] {
            #expect(!FileManager.default.fileExists(atPath: folder.path("run/\(name)")))
        }
    }

    @Test("a bundle that ends early stops the machine, which says so; the status is 1")
    func truncated() throws {
        defer { folder.remove() }
        try FileManager.default.copyItem(
            at: RepositoryFiles.root.appending(path: ".build/systems/minimal"),
            to: folder.url("build"))
        let bundle = try FileHandle(forUpdating: folder.url("build/boot.bundle"))
        try bundle.truncate(atOffset: bundle.seekToEnd() / 2)
        try bundle.close()
        let run = try run(line(build: folder.path("build")))
        #expect(run.status == 1, "\(run.errors)")
        #expect(run.output.contains("(casemate) stopped: boot: the boot bundle is malformed"))
        #expect(run.errors.contains("refused, the machine refused to go on: boot: "))
        let verified = try ToolRun(
            ".build/release/casemate", ["image", folder.path("build"), "--output", "/nowhere/x"])
        #expect(verified.status == 1 && verified.errors.hasPrefix("refused["))
        try expectNothingLeft()
    }

    @Test("memory that the host has not is the emulator's own word, status 74")
    func noMemory() throws {
        defer { folder.remove() }
        let run = try run("ulimit -v 1500000; " + line("--memory 4096"))
        #expect(run.status == 74 && run.output.isEmpty, "\(run.output)")
        #expect(run.errors.contains("the program `qemu-system-x86_64` failed: "))
        #expect(run.errors.contains("Cannot allocate memory"))
        try expectNothingLeft()
    }

    @Test("a TPM that is killed ends the machine with a sentence, status 74")
    func killedTPM() throws {
        defer { folder.remove() }
        let killer = """
            until grep -q 'policy and manifest: valid' '\(folder.path("run"))/console.log'
            do sleep 0.2; done 2>/dev/null
            for place in /proc/[0-9]*; do
                words=$(tr '\\0' ' ' <"$place/cmdline" 2>/dev/null) || continue
                case $words in
                    swtpm*"dir=\(folder.path("run"))/tpm"*) kill -KILL "${place#/proc/}" ;;
                esac
            done
            """
        let run = try run("(\(killer)) & \(line()); status=$?; wait; exit $status")
        #expect(run.status == 74)
        #expect(
            run.errors.contains(
                "casemate: the program `swtpm` was ended by signal 9; the machine was ended"))
        try expectNothingLeft()
    }

    @Test("Ctrl-C ends a machine at every time of its start, and leaves nothing")
    func interrupted() throws {
        defer { folder.remove() }
        for delay in ["0.05", "0.4", "1.2", "3"] {
            let run = try run(
                "\(line()) & pid=$!; sleep \(delay); kill -TERM $pid; wait $pid; exit $?")
            #expect(run.status == 0 || run.status == 143 || run.status == 124, "\(delay)")
            try expectNothingLeft()
        }
    }
}
