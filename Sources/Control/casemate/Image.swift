import Appraisal
import ArgumentParser
import Digests
import FoundationEssentials
import PolicyAuthority
import PolicySyntax
import VirtualHardware

/// `casemate image`: makes a disk that a machine with UEFI boots by itself.
struct Image: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Make a disk image that a machine with UEFI boots, measured from power-on.",
        discussion: """
            Writes one disk with an EFI system partition: GRUB with its tpm module in one file, a \
            configuration of three commands, the hypervisor, and the boot bundle. Firmware \
            measures GRUB; GRUB measures each command and each file; the hypervisor takes their \
            log and measures policy, manifest and compartments.

            What GRUB measures is known before: beside the image stand its reference values, those \
            of the build with a boot loader's events, for `casemate attest verify`. Equal inputs \
            give equal bytes. Nothing needs root, and no device is touched; writing the image to a \
            disk is left to dd.

            SYSTEM is built first, as `casemate build` does; BUILD is the folder that it filled. \
            GRUB is Debian's, of the package grub-efi-amd64-bin, and grub-mkimage of grub-common.

            EXIT STATUS
              0   image and reference values were written
              1   the system is refused, or the files of the build do not belong together
              64  the command line is wrong
              74  a file could not be read or written, or grub-mkimage failed

            EXAMPLE
              casemate image policy/systems/minimal --output minimal.img
            """
    )

    @Argument(
        help: "The system's source or its folder, or the folder that `casemate build` filled.",
        completion: .directory)
    var source: String

    @Option(name: [.short, .long], help: "The image's name.", completion: .file())
    var output: String

    @Option(
        help: "Where to write the reference values; OUTPUT.reference-values.json unless said.",
        completion: .file())
    var referenceValues: String?

    @Option(help: "The hypervisor's image.", completion: .file())
    var hypervisor = ".build-bare/x86_64-unknown-none-elf/release/Hypervisor"

    @Option(help: "The folder of GRUB's modules for x86_64-efi.", completion: .directory)
    var grub = BootDisk.grubFolder

    @Option(help: "The folder of kernels and RAM disks, for SYSTEM.", completion: .directory)
    var modules: String?

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        var temporary: RunDirectory?
        defer { withExtendedLifetime(temporary) {} }
        var folder = source
        if !Files.exists("\(source)/\(BuildOutput.FileName.manifest)") {
            let directory = try reporting { () throws(VirtualHardwareError) in
                try RunDirectory(nil)
            }
            temporary = directory
            folder = directory.path + "/build"
            try build(into: folder)
        }
        if let refusal = try BuildFiles(reading: folder).inconsistency() {
            StandardError.write("refused[\(refusal.code)]: \(refusal.message)\n")
            throw ExitStatus.refused
        }
        let values = try AttestationFiles.reference(
            "\(folder)/\(BuildOutput.FileName.referenceValues)")
        let bundle = "\(folder)/\(BuildOutput.FileName.bundle)"
        let image = BootImage(
            disk: BootDisk(hypervisor: hypervisor, bundle: bundle, grub: grub))
        let result = try reporting { () throws(VirtualHardwareError) in
            try image.write(to: output, reference: values)
        }
        let bytes = result.referenceValues.encoded()
        let path = referenceValues ?? "\(output).reference-values.json"
        try Files.write(bytes, to: path)
        try report(result, SHA384.hash(bytes.span), path)
    }

    /// Does something; says on standard error why it failed.
    private func reporting<Result>(
        _ body: () throws(VirtualHardwareError) -> Result
    ) throws -> Result {
        do throws(VirtualHardwareError) {
            return try body()
        } catch {
            StandardError.write("casemate: \(error.message)\n")
            throw ExitStatus.inputOutput
        }
    }

    /// Builds the system, as `casemate build` would.
    private func build(into folder: String) throws {
        var words = [source, "--output", folder]
        if let modules { words += ["--modules", modules] }
        let build = try Build.parse(words)
        try build.run()
    }

    private func report(
        _ result: BootImage.Result, _ referenceDigest: Digest384, _ path: String
    ) throws {
        let system = result.referenceValues.system
        if json {
            let document = JSONValue.object([
                ("format", .string("casemate-image-1")), ("system", .string(system.name)),
                ("version", .number(system.version)),
                (
                    "image",
                    .object([
                        ("path", .string(output)), ("sizeInBytes", .number(result.sizeInBytes)),
                        ("sha384", .string(result.sha384.hexadecimal)),
                    ])
                ),
                (
                    "referenceValues",
                    .object([
                        ("path", .string(path)), ("sha384", .string(referenceDigest.hexadecimal)),
                    ])
                ),
            ])
            return try StandardOutput.write(document.text)
        }
        let shown = DiagnosticRenderer.harmless(output)
        try StandardOutput.write(
            """
            image: \(shown), \(result.sizeInBytes) bytes, \
            sha384:\(result.sha384.hexadecimal)
            reference values: \(DiagnosticRenderer.harmless(path)), \
            sha384:\(referenceDigest.hexadecimal)

            """)
    }
}
