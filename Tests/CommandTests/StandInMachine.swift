import Foundation
import TestSupport

/// A machine that `casemate run` starts, with a script in place of QEMU and a real software TPM: a
/// small system's build, and a run directory of its own.
final class StandInMachine {
    /// Why a test cannot go on.
    struct Failure: Error {
        let message: String
    }

    /// A script that plays a machine of two consoles: Control and `]` passes the input on, `deny`
    /// makes a record, every other line is said back.
    static let consoles = """
        printf '(casemate) policy and manifest: valid, and bound to one another\\r\\n' >&3
        focus=one word= number=0
        while IFS= read -r -N 1 -u 3 byte; do
            case $byte in
                $'\\x1d')
                    if [ "$focus" = one ]; then focus=two; else focus=one; fi
                    printf '(casemate) input goes to %s\\r\\n' "$focus" >&3
                    ;;
                $'\\r' | $'\\n')
                    if [ "$word" = deny ]; then
                        number=$((number + 1))
                        printf '(casemate) audit %d: denied event { send } from one to two by ' \\
                            "$number" >&3
                        printf 'EVTCHNOP_send; system.casemate:22: channel up\\r\\n' >&3
                    fi
                    printf '(%s) heard %q\\r\\n' "$focus" "$word" >&3
                    word=
                    ;;
                *) word+=$byte ;;
            esac
        done
        """

    let system: SmallSystem
    /// The run directory.
    let directory: String
    private let programs: String

    /// Builds the system and prepares the script.
    ///
    /// - Parameter script: what stands for QEMU; `$run` is the run directory, 3 the first serial
    ///   line, 4 the second.
    init(_ script: String) throws {
        system = try SmallSystem()
        directory = system.folder.path("run")
        programs = system.folder.path("programs")
        let built = try system.build("out")
        guard built.status == 0 else { throw Failure(message: built.errors) }
        _ = try system.folder.write("the hypervisor", to: "hypervisor")
        try FileManager.default.createDirectory(
            at: system.folder.url("programs"), withIntermediateDirectories: true)
        try program(
            "qemu-system-x86_64", "#!/bin/bash\nrun='\(directory)'\n\(script)\n")
    }

    deinit { system.folder.remove() }

    /// Puts a program before those of PATH.
    func program(_ name: String, _ text: String) throws {
        _ = try system.folder.writeProgram(text, to: "programs/\(name)")
    }

    /// The words that start it.
    func words(_ more: [String] = []) -> [String] {
        [
            Command.program.path(percentEncoded: false), "run",
            system.folder.path("system.casemate"), "--build", system.folder.path("out"),
            "--hypervisor", system.folder.path("hypervisor"), "--run-directory", directory,
        ] + more
    }

    /// Runs it to its end.
    ///
    /// - Parameter path: where programs are looked for; nil: where the tests do, and the script.
    func run(_ more: String..., path: String? = nil) throws -> ToolRun {
        let path = path.map { ["PATH=\($0)"] } ?? []
        return try ToolRun(
            "/usr/bin/env", ["--default-signal"] + path + words(more), programsIn: programs)
    }

    /// Starts it, and waits until it can be found, or has got so far.
    ///
    /// - Parameter name: a file of the run directory that it makes then.
    func start(_ more: String..., until name: String = "console.socket") throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["--default-signal"] + words(more)
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = programs + ":" + (environment["PATH"] ?? "")
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try system.folder.handle("output")
        process.standardError = try system.folder.handle("errors")
        try process.runBound()
        try wait { FileManager.default.fileExists(atPath: self.directory + "/" + name) }
        return process
    }

    /// What it wrote to standard error since it was started.
    var errors: String { text("errors") }
    /// What it wrote to standard output since it was started.
    var output: String { text("output") }

    private func text(_ name: String) -> String {
        let data = FileManager.default.contents(atPath: system.folder.path(name)) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }

    /// Waits until something is so, at most 30 seconds.
    func wait(_ isSo: () throws -> Bool) throws {
        let deadline = Date(timeIntervalSinceNow: 30)
        while Date() < deadline {
            if try isSo() { return }
            Thread.sleep(forTimeInterval: 0.05)
        }
        throw Failure(message: "it did not come: \(output) \(errors)")
    }

    /// The processes whose command line names the run directory, or another folder, but those of
    /// the tests.
    func processes(of other: String? = nil) -> [Int32] {
        let directory = other ?? directory
        let own = ProcessInfo.processInfo.processIdentifier
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { number in
            let words = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") ?? Data()
            return number != own && String(decoding: words, as: UTF8.self).contains(directory)
        }
    }

    /// Runs another command of the tool beside it.
    func tool(_ words: String...) throws -> Command {
        try Command(arguments: words + ["--run", directory], programsIn: nil)
    }
}
