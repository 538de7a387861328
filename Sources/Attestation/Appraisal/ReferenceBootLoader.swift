public import Digests
internal import EventLog

/// What GRUB's `tpm` module measures when it boots an image that `casemate image` made: its
/// commands into PCR 8, the files that it reads into PCR 9.
///
/// - Source: docs/abi/reference-values.md, "Boot loader"; GRUB 2.06 manual, "Measured Boot".
public struct ReferenceBootLoader: Equatable, Sendable {
    /// The events, in the order in which they are measured.
    public let events: [BootLoaderEvent]

    /// States what is measured.
    public init(events: [BootLoaderEvent]) {
        self.events = events
    }

    /// The events of one register.
    func events(of pcr: UInt32) -> [BootLoaderEvent] { events.filter { $0.pcr == pcr } }
}

/// One event of a boot loader.
public struct BootLoaderEvent: Equatable, Sendable {
    /// The register: 8 for a string, 9 for a file.
    public let pcr: UInt32
    /// What is measured, for people: as GRUB's own log has it, but for a file's device.
    public let text: String
    /// The digest for the SHA-1 bank.
    public let sha1: Digest160
    /// The digest for the SHA-256 bank.
    public let sha256: Digest256
    /// The digest for the SHA-384 bank.
    public let sha384: Digest384

    /// States an event.
    public init(
        pcr: UInt32, text: String, sha1: Digest160, sha256: Digest256, sha384: Digest384
    ) {
        self.pcr = pcr
        self.text = text
        self.sha1 = sha1
        self.sha256 = sha256
        self.sha384 = sha384
    }

    /// A command, as it is after expansion: what is hashed has no prefix.
    public static func command(_ line: String) -> BootLoaderEvent {
        string(line, prefix: "grub_cmd: ")
    }

    /// The kernel's command line: its arguments, without its path.
    public static func kernelArguments(_ line: String) -> BootLoaderEvent {
        string(line, prefix: "kernel_cmdline: ")
    }

    /// A module's command line: its arguments, without its path.
    public static func moduleArguments(_ line: String) -> BootLoaderEvent {
        string(line, prefix: "module_cmdline: ")
    }

    /// A file that is read whole.
    public static func file(_ path: String, _ content: [UInt8]) -> BootLoaderEvent {
        let digests = EventDigests(of: content.span)
        return BootLoaderEvent(
            pcr: 9, text: path, sha1: digests.sha1, sha256: digests.sha256,
            sha384: digests.sha384)
    }

    private static func string(_ line: String, prefix: String) -> BootLoaderEvent {
        let digests = EventDigests(of: Array(line.utf8).span)
        return BootLoaderEvent(
            pcr: 8, text: prefix + line, sha1: digests.sha1, sha256: digests.sha256,
            sha384: digests.sha384)
    }
}
