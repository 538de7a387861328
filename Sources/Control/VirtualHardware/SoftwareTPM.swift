internal import FoundationEssentials

/// A TPM 2.0 in a process of its own: swtpm, manufactured anew in a run directory.
///
/// Its control channel is an inherited socket pair and its data channel is set through that
/// (`CMD_SET_DATAFD`), so that nobody else can reach it.
///
/// - Source: swtpm's `tpm_ioctl.h`; swtpm(8), "--ctrl type=unixio,clientfd".
package final class SoftwareTPM {
    /// The control channel, big-endian requests and answers.
    package let control: Descriptor
    private let process: ChildProcess

    /// Starts the TPM of a directory; one that is new is manufactured first (SHA-256 bank only, no
    /// certificates). The same directory gives the same TPM, with the same keys, after a reset.
    ///
    /// - Parameter directory: a private directory, in which state and logs are left.
    /// - Throws: `.programMissing`, `.programFailed`; `.systemCall`.
    package init(directory: String, diesWithThread: Bool) throws(VirtualHardwareError) {
        let state = directory + "/tpm"
        try makePrivateDirectory(state)
        if !FileManager.default.fileExists(atPath: state + "/tpm2-00.permall") {
            try manufacture(state, logPath: directory + "/swtpm_setup.log", diesWithThread)
        }
        let (ours, theirs) = try socketPair()
        process = try ChildProcess(
            "swtpm",
            ["socket", "--tpm2", "--tpmstate", "dir=\(state)", "--ctrl", "type=unixio,clientfd=3"],
            passing: [theirs], outputPath: directory + "/swtpm.log",
            diesWithThread: diesWithThread)
        control = ours
    }

    /// Ends the process.
    package func end() {
        process.end()
    }
}

/// Manufactures a TPM.
private func manufacture(
    _ state: String, logPath: String, _ diesWithThread: Bool
) throws(VirtualHardwareError) {
    let setup = try ChildProcess(
        "swtpm_setup",
        ["--tpm2", "--tpmstate", state, "--pcr-banks", "sha256", "--overwrite"],
        outputPath: logPath, diesWithThread: diesWithThread)
    guard let status = setup.wait(timeoutInMilliseconds: 30_000) else { throw .timeout }
    guard status == 0 else { throw .programFailed("swtpm_setup", output: lastLines(of: logPath)) }
}
