import Foundation
import TPMSoftwareStack
import VirtualHardware

/// A tcsd of its own for one test, in front of an emulated machine's TPM: it takes commands to the
/// interposer's socket, as it would to `/dev/tpm0`.
///
/// It starts as root only, with a file that belongs to root and the group tss.
final class EmulatedDaemon {
    /// Where it listens.
    let place: TrouSerSDaemon
    private let process: ChildProcess
    private let directory: String

    /// Starts it, and waits until it answers, at most ten seconds.
    ///
    /// - Parameter knowsStorageRoot: whether it knows that the TPM is owned, as one does by which
    ///   it was taken.
    init(_ machine: EmulatedMachine, knowsStorageRoot: Bool = true) throws {
        directory = try makeTemporaryDirectory()
        let storage = directory + "/storage"
        try makePrivateDirectory(storage)
        if knowsStorageRoot {
            try Data(storageRootRecord).write(to: URL(filePath: storage + "/system.data"))
        }
        // Whoever has a port by chance makes tcsd end; then there is another one.
        for _ in 0..<5 {
            let port = UInt16.random(in: 20_000...32_000)
            let started = try start(port, machine.socketPath, storage, directory)
            let place = TrouSerSDaemon(host: "localhost", port: port)
            if isAnswering(started, at: place) {
                (self.place, process) = (place, started)
                return
            }
            started.end()
        }
        let output = lastLines(of: directory + "/tcsd.log")
        removeTemporaryDirectory(directory)
        throw VirtualHardwareError.programFailed("tcsd", output: output)
    }

    /// Ends it.
    func end() {
        process.end()
        removeTemporaryDirectory(directory)
    }
}

private func start(
    _ port: UInt16, _ socketPath: String, _ storage: String, _ directory: String
) throws -> ChildProcess {
    let configuration = directory + "/tcsd.conf"
    try Data("port = \(port)\nsystem_ps_file = \(storage)/system.data\n".utf8)
        .write(to: URL(filePath: configuration))
    try FileManager.default.setAttributes(
        [
            .ownerAccountName: "root", .groupOwnerAccountName: "tss", .posixPermissions: 0o640,
        ], ofItemAtPath: configuration)
    return try ChildProcess(
        "env",
        [
            "TCSD_UN_SOCKET_DEVICE_PATH=\(socketPath)", "/usr/sbin/tcsd", "-f", "-e", "-c",
            configuration,
        ], outputPath: directory + "/tcsd.log", startsOthers: true)
}

/// Whether a tcsd answers before it ends, or ten seconds are over.
private func isAnswering(_ process: ChildProcess, at place: TrouSerSDaemon) -> Bool {
    for _ in 0..<200 where process.exitStatus() == nil {
        if (try? TrouSerSConnection(to: place)) != nil { return process.exitStatus() == nil }
        usleep(50_000)
    }
    return false
}

/// What a tcsd keeps of the storage root key when a TPM is taken by it (`system.data`, version 1;
/// numbers little-endian): one key without a parent, whose public half is not written down.
private let storageRootRecord: [UInt8] = {
    let nobody = [UInt8](repeating: 0, count: 16)
    let storageRoot = Array(nobody.dropLast()) + [1]
    let modulus = [UInt8](repeating: 0, count: 256)
    // `TPM_KEY`, big-endian: for storage and with authorization; RSA of 2,048 bits with OAEP; no
    // registers, and no private part.
    let algorithm: [UInt8] = [0, 0, 0, 1, 0, 3, 0, 1, 0, 0, 0, 12, 0, 0, 8, 0, 0, 0, 0, 2]
    let key =
        [1, 1, 0, 6, 0, 0x11, 0, 0, 0, 0, 1] + algorithm + nobody.prefix(8) + [0, 0, 1, 0]
        + modulus + nobody.prefix(4)
    // Version, count, both numbers; the sizes of public half, key and what a vendor adds; flags.
    return [1, 1, 0, 0, 0] + storageRoot + nobody + [0, 1, 0x2F, 1, 0, 0, 0, 0, 3, 0] + modulus
        + key
}()
