public import Digests
internal import SystemImage

/// A disk that firmware boots by itself: GRUB with its `tpm` module in one file, what GRUB is to
/// do, the hypervisor, and a boot bundle. Equal parts make equal disks.
public struct BootDisk: Sendable {
    /// The hypervisor's image.
    public var hypervisor: String
    /// The boot bundle.
    public var bundle: String
    /// The folder of GRUB's modules for x86_64-efi.
    public var grub: String

    /// Where Debian's `grub-efi-amd64-bin` puts GRUB's modules.
    public static let grubFolder = "/usr/lib/grub/x86_64-efi"

    /// Names the parts.
    public init(hypervisor: String, bundle: String, grub: String = BootDisk.grubFolder) {
        self.hypervisor = hypervisor
        self.bundle = bundle
        self.grub = grub
    }

    /// One thing that GRUB measures.
    public enum Measured: Sendable {
        /// A command.
        case command(String)
        /// The arguments of the kernel.
        case kernelArguments(String)
        /// The arguments of a module.
        case moduleArguments(String)
        /// A file.
        case file(String, FileDigests)
    }

    /// What was made.
    public struct Made: Sendable {
        /// The disk's size in bytes.
        public let sizeInBytes: UInt64
        /// SHA-384 of the disk.
        public let sha384: Digest384
        /// What GRUB measures when it boots, in its order.
        public let measured: [Measured]
    }

    private static let modules = [
        "tpm", "multiboot2", "normal", "part_gpt", "fat", "boot", "echo", "sleep", "halt",
    ]
    private static let hypervisorPath = "/casemate/casemate.elf"
    private static let bundlePath = "/casemate/system.bdl"
    private static let configurationPath = "/casemate/grub.cfg"

    /// GRUB's commands that end in the hypervisor.
    private static let commands = [
        "multiboot2 \(hypervisorPath)", "module2 \(bundlePath)", "boot",
    ]
    /// The file that GRUB takes its commands from; those at its end are for when it cannot.
    private static let configuration = """
        \(commands.joined(separator: "\n"))
        echo 'Casemate could not be started. The machine stops in a minute.'
        sleep 60
        halt

        """

    /// Makes the disk; it appears whole or not at all.
    ///
    /// - Throws: `.fileFailed`; `.programMissing`, `.programFailed` for `grub-mkimage`;
    ///   `.systemCall`.
    public func write(to path: String) throws(VirtualHardwareError) -> Made {
        let core = try makeCore()
        do throws(FileError) {
            return try write(core, to: path)
        } catch { throw .fileFailed(error.path, reason: error.reason) }
    }

    private func write(_ core: [UInt8], to path: String) throws(FileError) -> Made {
        let configuration = Array(BootDisk.configuration.utf8)
        let digests = FileDigests(of: configuration)
        let hypervisor = try FileDigests(reading: self.hypervisor)
        let bundle = try FileDigests(reading: self.bundle)
        let files = [
            DiskImage.File(path: "/EFI/BOOT/BOOTX64.EFI", content: .bytes(core)),
            DiskImage.File(path: BootDisk.configurationPath, content: .bytes(configuration)),
            DiskImage.File(
                path: BootDisk.hypervisorPath,
                content: .file(self.hypervisor, hypervisor.sha384)),
            DiskImage.File(
                path: BootDisk.bundlePath, content: .file(self.bundle, bundle.sha384)),
        ]
        let parts =
            SHA384.hash(core.span).array + digests.sha384.array + hypervisor.sha384.array
            + bundle.sha384.array
        let disk = try DiskImage(files, identity: SHA384.hash(parts.span).array, path: path)
        let digest = try HashingOutput.write(disk, to: path)
        return Made(
            sizeInBytes: disk.sizeInBytes, sha384: digest,
            measured: [
                .file(BootDisk.configurationPath, digests),
                .command(BootDisk.commands[0]), .file(BootDisk.hypervisorPath, hypervisor),
                .kernelArguments(""),
                .command(BootDisk.commands[1]), .file(BootDisk.bundlePath, bundle),
                .moduleArguments(""),
                .command(BootDisk.commands[2]),
            ])
    }

    /// Makes GRUB: one file with all the modules that it needs, so that firmware measures them.
    private func makeCore() throws(VirtualHardwareError) -> [UInt8] {
        let folder = try makeTemporaryDirectory()
        defer { removeTemporaryDirectory(folder) }
        let log = folder + "/grub-mkimage.log"
        let core = folder + "/core.efi"
        let maker = try ChildProcess(
            "grub-mkimage",
            [
                "--format", "x86_64-efi", "--directory", grub, "--prefix", "/casemate",
                "--output", core,
            ] + BootDisk.modules, outputPath: log)
        guard let status = maker.wait(timeoutInMilliseconds: 60_000) else { throw .timeout }
        guard status == 0 else {
            throw .programFailed("grub-mkimage", output: lastLines(of: log))
        }
        do throws(FileError) {
            return try InputFile(reading: core).contents()
        } catch { throw .fileFailed(error.path, reason: error.reason) }
    }
}

/// The digests of a file, for each bank that a TPM may have.
public struct FileDigests: Sendable {
    /// SHA-1.
    public let sha1: Digest160
    /// SHA-256.
    public let sha256: Digest256
    /// SHA-384.
    public let sha384: Digest384

    init(of bytes: [UInt8]) {
        sha1 = SHA1.hash(bytes.span)
        sha256 = SHA256.hash(bytes.span)
        sha384 = SHA384.hash(bytes.span)
    }

    init(reading path: String) throws(FileError) {
        var (first, second, third) = (SHA1(), SHA256(), SHA384())
        var file = try InputFile(reading: path)
        while try file.readOn({ (bytes) throws(FileError) in
            first.update(bytes)
            second.update(bytes)
            third.update(bytes)
        }) {}
        sha1 = first.finalize()
        sha256 = second.finalize()
        sha384 = third.finalize()
    }
}

/// A file that is hashed while it is written.
private struct HashingOutput: ByteOutput, ~Copyable {
    private var file: OutputFile
    private var hash = SHA384()

    private init(_ file: consuming OutputFile) { self.file = file }

    mutating func write(_ bytes: Span<UInt8>) throws(FileError) {
        hash.update(bytes)
        try file.write(bytes)
    }

    /// Writes a disk; it has its name only when it is complete.
    static func write(_ disk: DiskImage, to path: String) throws(FileError) -> Digest384 {
        var output = HashingOutput(try OutputFile(creating: path))
        try disk.write(to: &output)
        try output.file.synchronize()
        try output.file.publish()
        return output.hash.finalize()
    }
}
