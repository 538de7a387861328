import Appraisal
import ArgumentParser

/// `casemate attest platform`: enrols a machine's firmware.
struct AttestPlatform: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "platform",
        abstract: "Name a machine's firmware by what its registers hold now.",
        discussion: """
            What firmware measures into PCR 0 to 7 is its maker's and its owner's matter: no \
            compiler can know it. This command takes evidence of a machine in a state that you \
            trust, checks its signature, replays its log, and writes the registers' values into a \
            file, which `casemate attest verify --platform` compares from then on.

            PCR 5 is left out unless named: the partition table that it holds is another one with \
            every image. PCR 1 holds settings and the boot order, and on emulated machines the \
            command line; PCR 4 holds GRUB.

            A TPM 1.2's registers are of SHA-1, and so is its platform; it is written with \
            --allow-tpm-1.2 only, and compared with no TPM 2.0's.

            EXIT STATUS
              0   the file was written
              1   the evidence is refused, with the reason on standard error
              64  the command line is wrong
              74  a file could not be read or written

            EXAMPLE
              casemate attest platform --evidence evidence.json --nonce 5eed \\
                --name "server room, BIOS 1.42" --output platform.json
            """
    )

    @Option(help: "Evidence of a machine that was started by UEFI.", completion: .file())
    var evidence: String

    @Option(help: "The nonce that the quote must carry, in hexadecimal.")
    var nonce: HexadecimalBytes?

    @Option(help: "The machine's attestation key, as `verify` takes it.")
    var key: KeyArgument?

    @Option(help: "The platform's name.")
    var name: String

    @Option(parsing: .upToNextOption, help: "The registers to compare, of 0 to 7.")
    var registers = FirmwarePlatform.usualRegisters

    @Option(help: "Where to write the platform file.", completion: .file())
    var output: String

    @Flag(
        name: .customLong("allow-tpm-1.2"),
        help: "Take a TPM 1.2's evidence too, whose only hash is SHA-1.")
    var allowsOnePointTwo = false

    func validate() throws {
        guard !registers.isEmpty, registers.allSatisfy({ $0 < 8 }) else {
            throw ValidationError("the firmware's registers are 0 to 7")
        }
    }

    func run() throws {
        let bytes = try Files.read(evidence)
        let policy = AppraisalPolicy(
            nonce: nonce?.bytes, attestationKeyName: try key?.name(),
            permitsOnePointTwo: allowsOnePointTwo)
        let platform: FirmwarePlatform
        do throws(Refusal) {
            platform = try FirmwarePlatform(
                named: name, registers: registers, from: try Evidence(json: bytes), policy: policy)
        } catch {
            StandardError.write("refused[\(error.code)]: \(error.message)\n")
            throw ExitStatus.refused
        }
        try Files.write(platform.encoded(), to: output)
    }
}
