internal import Digests
internal import FoundationEssentials
public import TPMStructures

/// A platform's firmware and its settings, named by the values that its registers had when a person
/// decided to trust them. Nobody can compute them from sources: what firmware measures is its
/// maker's.
///
/// - Source: docs/abi/evidence.md, "Platform file".
public struct FirmwarePlatform: Equatable, Sendable {
    /// One register of the bank that is quoted.
    public struct Register: Equatable, Sendable {
        /// The register, 0 to 7.
        public let pcr: UInt32
        /// Its value: 32 bytes of the SHA-256 bank; of a TPM 1.2 20 bytes.
        public let value: [UInt8]
    }

    /// The platform's name, for people.
    public let name: String
    /// The family of its TPM.
    public let family: TPMFamily
    /// The registers that are compared, rising.
    public let registers: [Register]

    /// The registers that stay as they are while nobody changes firmware, its settings or the boot
    /// loader. PCR 5 holds the disk's partition table, which every image has its own of.
    public static let usualRegisters: [UInt32] = [0, 1, 2, 3, 4, 6, 7]

    /// Returns the bytes of a platform file: sorted keys, a final newline.
    public func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let isOnePointTwo = family == .onePointTwo
        let document = Document(
            formatVersion: 1, requiredFeatures: isOnePointTwo ? [onePointTwoFeature] : [],
            name: name,
            registers: registers.map {
                let text = hexadecimalText($0.value)
                return .init(
                    pcr: $0.pcr, sha1: isOnePointTwo ? text : nil,
                    sha256: isOnePointTwo ? nil : text)
            })
        guard let text = try? encoder.encode(document) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return Array(text) + [0x0A]
    }

    /// Reads a platform file.
    ///
    /// - Throws: `PlatformFileError` if it is not JSON of the documented shape, of another version
    ///   or with a feature that is not known, or does not name at least one register of 0 to 7,
    ///   rising, each with a value of the bank that its TPM has.
    public init(json: [UInt8]) throws(PlatformFileError) {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(json))
        } catch { throw PlatformFileError(reason: describe(error)) }
        guard document.formatVersion == 1,
            document.requiredFeatures.allSatisfy({ $0 == onePointTwoFeature })
        else { throw PlatformFileError(reason: "another version or an unknown feature") }
        let family = document.requiredFeatures.isEmpty ? TPMFamily.twoPointZero : .onePointTwo
        var registers: [Register] = []
        for entry in document.registers {
            guard entry.pcr < 8, registers.last.map({ $0.pcr < entry.pcr }) ?? true else {
                throw PlatformFileError(reason: "`registers` are not of 0 to 7, rising")
            }
            guard let value = entry.value(of: family) else {
                throw PlatformFileError(reason: "a register has no value of its bank alone")
            }
            registers.append(Register(pcr: entry.pcr, value: value))
        }
        guard !registers.isEmpty else { throw PlatformFileError(reason: "it names no register") }
        self.init(name: document.name, family: family, registers: registers)
    }

    private init(name: String, family: TPMFamily, registers: [Register]) {
        self.name = name
        self.family = family
        self.registers = registers
    }

    /// Names what evidence shows: the quote's signature is checked, and the log is replayed.
    ///
    /// - Parameters:
    ///   - registers: which are to be compared, of 0 to 7.
    ///   - policy: the nonce and the key that the evidence must have; its platform does not count.
    /// - Throws: what appraising throws until the replay; `.familyForbidden` for a TPM 1.2, unless
    ///   the policy permits one.
    public init(
        named name: String, registers: [UInt32], from evidence: Evidence, policy: AppraisalPolicy
    ) throws(Refusal) {
        let log = try Appraiser.replayedBootChain(evidence, policy)
        let sorted = Set(registers.filter { $0 < 8 }).sorted()
        self.init(
            name: name, family: evidence.family,
            registers: sorted.map { Register(pcr: $0, value: log.values[$0] ?? []) })
    }

    private struct Document: Codable {
        struct Register: Codable {
            let pcr: UInt32
            let sha1: String?
            let sha256: String?

            /// The value of the one bank that a TPM of this family is quoted by; nil unless it is
            /// there, whole, and alone.
            func value(of family: TPMFamily) -> [UInt8]? {
                switch family {
                case .onePointTwo:
                    guard let sha1, sha256 == nil else { return nil }
                    return Digest160(hexadecimal: sha1)?.array
                case .twoPointZero:
                    guard let sha256, sha1 == nil else { return nil }
                    return Digest256(hexadecimal: sha256)?.array
                }
            }
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
