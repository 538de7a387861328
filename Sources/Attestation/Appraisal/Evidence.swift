internal import FoundationEssentials
public import TPMStructures

/// What a machine shows of itself: a quote, the key that signed it, and the log that explains it.
///
/// - Trust: none. Each part is bytes until `Appraiser` has looked at it.
/// - Source: docs/abi/evidence.md, "Evidence file".
public struct Evidence: Equatable, Sendable {
    /// The quote's statement (`TPMS_ATTEST`; of TPM 1.2 `TPM_QUOTE_INFO2`).
    public let quote: [UInt8]
    /// The signature over it (`TPMT_SIGNATURE`; of TPM 1.2 the number alone).
    public let signature: [UInt8]
    /// The public area of the attestation key (`TPMT_PUBLIC`; of TPM 1.2 `TPM_PUBKEY`).
    public let attestationKey: [UInt8]
    /// The TCG event log.
    public let eventLog: [UInt8]
    /// Of which family the TPM is.
    public let family: TPMFamily

    /// Collects the parts.
    public init(
        quote: [UInt8], signature: [UInt8], attestationKey: [UInt8], eventLog: [UInt8],
        family: TPMFamily = .twoPointZero
    ) {
        self.family = family
        self.quote = quote
        self.signature = signature
        self.attestationKey = attestationKey
        self.eventLog = eventLog
    }

    /// The nonce that the quote says it carries, for whoever looks up which of theirs it is; `nil`
    /// if the quote is malformed.
    ///
    /// - Trust: none before `Appraiser` has checked the signature, and the nonce as its policy's.
    public var claimedNonce: [UInt8]? {
        switch family {
        case .twoPointZero: (try? QuoteStatement(validating: quote))?.qualifyingData
        case .onePointTwo: (try? OnePointTwoQuote(validating: quote))?.externalData
        }
    }

    /// Returns the bytes of an evidence file: sorted keys, a final newline.
    public func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let document = EvidenceDocument(
            formatVersion: 1, requiredFeatures: family == .onePointTwo ? [onePointTwoFeature] : [],
            quote: base64(quote),
            signature: base64(signature), attestationKey: base64(attestationKey),
            eventLog: base64(eventLog))
        guard let text = try? encoder.encode(document) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return Array(text) + [0x0A]
    }

    /// Reads an evidence file.
    ///
    /// - Throws: `.evidenceMalformed` if it is not JSON of the documented shape;
    ///   `.evidenceVersionUnknown` for another version; `.evidenceFeatureUnknown` for a
    ///   must-understand feature that this version does not know; `tpm-1.2` is the only one that is
    ///   defined.
    public init(json: [UInt8]) throws(Refusal) {
        let document: EvidenceDocument
        do {
            document = try JSONDecoder().decode(EvidenceDocument.self, from: Data(json))
        } catch {
            throw .evidenceMalformed(describe(error))
        }
        guard document.formatVersion == 1 else {
            throw .evidenceVersionUnknown(document.formatVersion)
        }
        for feature in document.requiredFeatures where feature != onePointTwoFeature {
            throw .evidenceFeatureUnknown(feature)
        }
        self.init(
            quote: try decoded(document.quote, "quote"),
            signature: try decoded(document.signature, "signature"),
            attestationKey: try decoded(document.attestationKey, "attestationKey"),
            eventLog: try decoded(document.eventLog, "eventLog"),
            family: document.requiredFeatures.isEmpty ? .twoPointZero : .onePointTwo)
    }
}

/// The feature of evidence that a TPM 1.2 gave, and of its platform.
let onePointTwoFeature = "tpm-1.2"

/// The file's shape; its field names are the format's.
private struct EvidenceDocument: Codable {
    let formatVersion: Int
    let requiredFeatures: [String]
    let quote: String
    let signature: String
    let attestationKey: String
    let eventLog: String
}

private func base64(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString()
}

private func decoded(_ text: String, _ field: String) throws(Refusal) -> [UInt8] {
    guard let data = Data(base64Encoded: text), data.count <= 1 << 20 else {
        throw .evidenceMalformed("`\(field)` is not base64 of at most 1 MiB")
    }
    return Array(data)
}
