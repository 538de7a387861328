internal import FoundationEssentials
internal import Glibc

/// Which machines of this user run, so that other commands find them: a private folder with a link
/// for each, named by the process that owns the machine, to its run directory.
public enum RunningMachines {
    /// The name of the socket by which other commands reach the control line.
    public static let controlSocketName = "control.socket"
    /// The name of the socket by which other commands reach the terminal.
    public static let consoleSocketName = "console.socket"
    /// The name of the record of everything that the machine wrote to its terminal.
    public static let recordName = "console.log"

    /// Where the links are: below the user's own run-time directory, if the session has one.
    private static var folder: String {
        let named = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] ?? ""
        var isFolder = false
        guard named.hasPrefix("/"),
            FileManager.default.fileExists(atPath: named, isDirectory: &isFolder), isFolder
        else { return "/tmp/casemate-running-\(getuid())" }
        return named + "/casemate-running"
    }

    /// Enters this process's machine.
    ///
    /// - Throws: `.systemCall` when the folder is not ours, `.fileFailed`.
    public static func enter(_ directory: String) throws(VirtualHardwareError) {
        try makePrivateDirectory(folder)
        let link = "\(folder)/\(getpid())"
        try? FileManager.default.removeItem(atPath: link)
        do {
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: directory)
        } catch { throw .fileFailed(link, reason: "the link cannot be made") }
    }

    /// Takes this process's machine out.
    public static func leave() {
        try? FileManager.default.removeItem(atPath: "\(folder)/\(getpid())")
    }

    /// Returns the run directories of the machines that run; forgets those of processes that are
    /// gone.
    public static func all() -> [String] {
        let folder = self.folder
        // Only what we made ourselves is believed.
        guard (try? makePrivateDirectory(folder)) != nil else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var found: [String] = []
        for name in names.sorted() {
            guard let process = Int32(name), process > 0 else { continue }
            let link = "\(folder)/\(name)"
            guard kill(process, 0) == 0 || errno == EPERM else {
                try? FileManager.default.removeItem(atPath: link)
                continue
            }
            guard
                let directory = try? FileManager.default.destinationOfSymbolicLink(atPath: link)
            else { continue }
            found.append(directory)
        }
        return found
    }
}
