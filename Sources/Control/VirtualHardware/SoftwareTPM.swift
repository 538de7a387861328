internal import Digests
internal import FoundationEssentials

/// Which TPM an emulated machine has, and behind which interface.
public enum TPMModel: String, CaseIterable, Sendable {
    /// TPM 1.2 behind TIS.
    case onePointTwo = "1.2"
    /// TPM 2.0 behind TIS (FIFO).
    case twoPointZero = "2.0"
    /// TPM 2.0 behind a command response buffer.
    case twoPointZeroCRB = "2.0-crb"

    /// Whether the TPM is of family 1.2.
    var isOnePointTwo: Bool { self == .onePointTwo }

    /// QEMU's device.
    var device: String {
        switch self {
        case .onePointTwo, .twoPointZero: "tpm-tis"
        case .twoPointZeroCRB: "tpm-crb"
        }
    }
}

/// A TPM in a process of its own: swtpm, manufactured anew in a run directory.
///
/// Its control channel is an inherited socket pair and its data channel is set through that
/// (`CMD_SET_DATAFD`), so that nobody else can reach it.
///
/// - Source: swtpm's `tpm_ioctl.h`; swtpm(8), "--ctrl type=unixio,clientfd".
package final class SoftwareTPM {
    /// The control channel, big-endian requests and answers.
    package let control: Descriptor
    private let process: ChildProcess

    /// The secret of a TPM 1.2's owner and of its storage root key: what `swtpm_setup` makes of its
    /// options `--owner-well-known` and `--srk-well-known`, SHA-1 of 20 zero bytes. In the run
    /// directory both stand in hexadecimal.
    package static let ownerSecret: [UInt8] = [
        0x67, 0x68, 0x03, 0x3E, 0x21, 0x64, 0x68, 0x24, 0x7B, 0xD0,
        0x31, 0xA0, 0xA2, 0xD9, 0x87, 0x6D, 0x79, 0x81, 0x8F, 0x8F,
    ]

    /// Starts the TPM of a directory; one that is new is manufactured first (2.0: SHA-256 bank
    /// only; 1.2: owned, which quotes need, by a secret that lies beside the socket and permits no
    /// more than the interposer lets through). The same directory and family give the same TPM,
    /// with the same keys, after a reset.
    ///
    /// - Parameters:
    ///   - directory: a private directory, in which state and logs are left.
    ///   - authority: a directory with the certificate authority that certifies a new TPM's
    ///     endorsement keys; it is made if it is not there. `nil`: there are no certificates.
    /// - Throws: `.programMissing`, `.programFailed`; `.systemCall`.
    package init(
        directory: String, model: TPMModel = .twoPointZero, certifiedBy authority: String? = nil
    ) throws(VirtualHardwareError) {
        let state = directory + (model.isOnePointTwo ? "/tpm12" : "/tpm")
        let family = model.isOnePointTwo ? [] : ["--tpm2"]
        try makePrivateDirectory(state)
        let file = model.isOnePointTwo ? "/tpm-00.permall" : "/tpm2-00.permall"
        if !FileManager.default.fileExists(atPath: state + file) {
            let banks =
                model.isOnePointTwo
                ? ["--take-ownership", "--owner-well-known", "--srk-well-known"]
                : ["--pcr-banks", "sha256"]
            var certificates: [String] = []
            if let authority {
                let configuration = try ManufacturerAuthority(directory: authority).configuration
                certificates = ["--config", configuration, "--create-ek-cert"]
            }
            try manufacture(
                state, family + banks + certificates, logPath: directory + "/swtpm_setup.log")
            if model.isOnePointTwo { try keepOwnerSecret(in: directory) }
        }
        let (ours, theirs) = try socketPair()
        process = try ChildProcess(
            "swtpm",
            ["socket"] + family
                + ["--tpmstate", "dir=\(state)", "--ctrl", "type=unixio,clientfd=3"],
            passing: [theirs], outputPath: directory + "/swtpm.log")
        control = ours
    }

    /// The status with which the process has ended by itself; nil while it runs.
    package var exitStatus: Int32? { process.exitStatus() }

    /// Ends the process.
    package func end() {
        process.end()
    }
}

/// Writes down a TPM 1.2's owner, for whoever asks it through the socket of this directory.
private func keepOwnerSecret(in directory: String) throws(VirtualHardwareError) {
    let text = hexadecimalText(SoftwareTPM.ownerSecret + SoftwareTPM.ownerSecret)
    guard
        FileManager.default.createFile(
            atPath: directory + "/tpm.socket.owner", contents: Data(text.utf8),
            attributes: [.posixPermissions: 0o600])
    else { throw .programFailed("swtpm_setup", output: "its owner's secret cannot be kept") }
}

/// Manufactures a TPM.
private func manufacture(
    _ state: String, _ options: [String], logPath: String
) throws(VirtualHardwareError) {
    let setup = try ChildProcess(
        "swtpm_setup",
        options + ["--tpmstate", state, "--overwrite"],
        outputPath: logPath, startsOthers: true)
    guard let status = setup.wait(timeoutInMilliseconds: 30_000) else { throw .timeout }
    guard status == 0 else { throw .programFailed("swtpm_setup", output: lastLines(of: logPath)) }
}
