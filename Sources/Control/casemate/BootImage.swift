import Appraisal
import Digests
import SystemImage
import VirtualHardware

/// The disk that firmware boots, with what a verifier expects its boot loader to measure.
struct BootImage {
    /// What the disk is made of.
    let disk: BootDisk

    /// What was made.
    struct Result {
        let sizeInBytes: UInt64
        let sha384: Digest384
        let referenceValues: ReferenceValues
    }

    /// Makes the image; it appears whole or not at all.
    ///
    /// - Parameter reference: what the machine measures once the hypervisor runs.
    /// - Throws: what making the disk throws.
    func write(
        to path: String, reference: ReferenceValues
    ) throws(VirtualHardwareError) -> Result {
        let made = try disk.write(to: path)
        var reference = reference
        reference.bootLoader = ReferenceBootLoader(events: made.measured.map { $0.event })
        return Result(
            sizeInBytes: made.sizeInBytes, sha384: made.sha384, referenceValues: reference)
    }
}

extension BootDisk.Measured {
    /// The event that GRUB makes of it.
    fileprivate var event: BootLoaderEvent {
        switch self {
        case .command(let line): .command(line)
        case .kernelArguments(let line): .kernelArguments(line)
        case .moduleArguments(let line): .moduleArguments(line)
        case .file(let path, let digests):
            BootLoaderEvent(
                pcr: 9, text: path, sha1: digests.sha1, sha256: digests.sha256,
                sha384: digests.sha384)
        }
    }
}
