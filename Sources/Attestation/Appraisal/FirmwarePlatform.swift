public import Digests
internal import FoundationEssentials
internal import TPMStructures

/// A platform's firmware and its settings, named by the values that its registers had when a person
/// decided to trust them. Nobody can compute them from sources: what firmware measures is its
/// maker's.
///
/// - Source: docs/abi/evidence.md, "Platform file".
public struct FirmwarePlatform: Equatable, Sendable {
    /// One register of the SHA-256 bank.
    public struct Register: Equatable, Sendable {
        /// The register, 0 to 7.
        public let pcr: UInt32
        /// Its value.
        public let sha256: Digest256
    }

    /// The platform's name, for people.
    public let name: String
    /// The registers that are compared, rising.
    public let registers: [Register]

    /// The registers that stay as they are while nobody changes firmware, its settings or the boot
    /// loader. PCR 5 holds the disk's partition table, which every image has its own of.
    public static let usualRegisters: [UInt32] = [0, 1, 2, 3, 4, 6, 7]

    /// Returns the bytes of a platform file: sorted keys, a final newline.
    public func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let document = Document(
            formatVersion: 1, requiredFeatures: [], name: name,
            registers: registers.map { .init(pcr: $0.pcr, sha256: $0.sha256.hexadecimal) })
        guard let text = try? encoder.encode(document) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return Array(text) + [0x0A]
    }

    /// Reads a platform file.
    ///
    /// - Throws: `PlatformFileError` if it is not JSON of the documented shape, of another version
    ///   or with a feature that is not known, or does not name at least one register of 0 to 7,
    ///   rising.
    public init(json: [UInt8]) throws(PlatformFileError) {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(json))
        } catch { throw PlatformFileError(reason: describe(error)) }
        guard document.formatVersion == 1, document.requiredFeatures.isEmpty else {
            throw PlatformFileError(reason: "another version or an unknown feature")
        }
        var registers: [Register] = []
        for entry in document.registers {
            guard let value = Digest256(hexadecimal: entry.sha256), entry.pcr < 8,
                registers.last.map({ $0.pcr < entry.pcr }) ?? true
            else { throw PlatformFileError(reason: "`registers` are not of 0 to 7, rising") }
            registers.append(Register(pcr: entry.pcr, sha256: value))
        }
        guard !registers.isEmpty else { throw PlatformFileError(reason: "it names no register") }
        self.init(name: document.name, registers: registers)
    }

    private init(name: String, registers: [Register]) {
        self.name = name
        self.registers = registers
    }

    /// Names what evidence shows: the quote's signature is checked, and the log is replayed.
    ///
    /// - Parameters:
    ///   - registers: which are to be compared, of 0 to 7.
    ///   - policy: the nonce and the key that the evidence must have; its platform does not count.
    /// - Throws: what appraising throws until the replay; `.familyForbidden` for a TPM 1.2, which
    ///   has no SHA-256 bank.
    public init(
        named name: String, registers: [UInt32], from evidence: Evidence, policy: AppraisalPolicy
    ) throws(Refusal) {
        guard evidence.family == .twoPointZero else { throw .familyForbidden }
        let log = try Appraiser.replayedBootChain(evidence, policy)
        let sorted = Set(registers.filter { $0 < 8 }).sorted()
        self.init(
            name: name,
            registers: sorted.map { pcr in
                let value = log.values[pcr] ?? []
                return Register(pcr: pcr, sha256: Digest256(value.span) ?? .zero)
            })
    }

    private struct Document: Codable {
        struct Register: Codable {
            let pcr: UInt32
            let sha256: String
        }
        let formatVersion: Int
        let requiredFeatures: [String]
        let name: String
        let registers: [Register]
    }
}

/// Why a file is no platform file.
public struct PlatformFileError: Error, Equatable {
    /// What is wrong with it.
    public let reason: String
}
