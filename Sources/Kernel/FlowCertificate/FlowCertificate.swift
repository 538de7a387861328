/// The compiler's proof of where information can come to, as a small checker reads it.
///
/// For: the hypervisor at boot, before any compartment runs, and verifiers. Finding the closure of
/// all flows needs a search; checking a claimed one needs one pass. Not for: finding flows; those
/// come from the decisions of the loaded policy, which the caller hands in. It trusts nothing about
/// the bytes, and nothing about the compiler.
///
/// - Invariant (shape): the header is right, no bit at or above the compartment count is set, and
///   every compartment reaches itself.
/// - Source: `docs/abi/certificate.md`, version 1.
public struct FlowCertificate: ~Escapable {
    private let bytes: Span<UInt8>
    /// The number of compartments, 1 to 32.
    public let compartmentCount: Int
    /// The number of assertions, at most 256.
    public let assertionCount: Int

    /// Reads a certificate; `check(observedFlows:)` then decides whether it holds.
    ///
    /// - Parameter compartmentCount: the number of compartments of the manifest.
    /// - Throws: `.truncated`, `.badMagic`, `.wrongCompartmentCount`, `.tooManyAssertions`,
    ///   `.unknownFeature`, `.trailingBytes`, `.bitOutOfRange`, `.missingSelf`.
    /// - Trust: none.
    @_lifetime(copy bytes)
    public init(
        validating bytes: Span<UInt8>, compartmentCount: Int
    ) throws(FlowCertificateError) {
        guard bytes.count >= headerSize else { throw .truncated }
        guard littleEndian32(bytes, at: 0) == 0x3143_4643 else { throw .badMagic }
        guard compartmentCount >= 1, compartmentCount <= 32,
            littleEndian32(bytes, at: 4) == UInt32(compartmentCount)
        else { throw .wrongCompartmentCount }
        let assertionCount = littleEndian32(bytes, at: 8)
        guard assertionCount <= 256 else { throw .tooManyAssertions }
        guard littleEndian32(bytes, at: 12) == 0 else { throw .unknownFeature }
        let size = headerSize + 8 * compartmentCount + 12 * Int(assertionCount)
        guard bytes.count >= size else { throw .truncated }
        guard bytes.count == size else { throw .trailingBytes }
        self.bytes = bytes
        self.compartmentCount = compartmentCount
        self.assertionCount = Int(assertionCount)
        try validateBits()
    }

    /// The compartments that `index` may send information straight to, as bits.
    ///
    /// - Precondition: `index` is below `compartmentCount`.
    public func directFlows(from index: Int) -> UInt32 {
        precondition(index >= 0 && index < compartmentCount, "a compartment is out of range")
        return littleEndian32(bytes, at: headerSize + 4 * index)
    }

    /// The compartments that information of `index` can come to, as bits.
    ///
    /// - Precondition: `index` is below `compartmentCount`.
    public func reach(of index: Int) -> UInt32 {
        precondition(index >= 0 && index < compartmentCount, "a compartment is out of range")
        return littleEndian32(bytes, at: headerSize + 4 * compartmentCount + 4 * index)
    }

    /// Returns an assertion: nothing of any compartment of `from` ever comes to another of `to`.
    ///
    /// - Precondition: `index` is below `assertionCount`.
    public func assertion(at index: Int) -> (from: UInt32, to: UInt32, line: UInt32) {
        precondition(index >= 0 && index < assertionCount, "an assertion is out of range")
        let offset = headerSize + 8 * compartmentCount + 12 * index
        return (
            littleEndian32(bytes, at: offset), littleEndian32(bytes, at: offset + 4),
            littleEndian32(bytes, at: offset + 8)
        )
    }

    /// Decides whether the certificate is sound for a policy, closed, and proves its assertions.
    ///
    /// - Parameter observedFlows: for each compartment, the compartments that the decisions of the
    ///   loaded policy let it send to, as bits.
    /// - Throws: `.wrongCompartmentCount` if there is not one row for each compartment;
    ///   `.flowNotCertified`, `.notClosed`, `.assertionViolated` as the three rules say.
    /// - Complexity: compartments squared, plus assertions times compartments.
    public func check(observedFlows: Span<UInt32>) throws(FlowCertificateError) {
        guard observedFlows.count == compartmentCount else { throw .wrongCompartmentCount }
        for index in 0..<compartmentCount {
            guard observedFlows[index] & ~directFlows(from: index) == 0 else {
                throw .flowNotCertified
            }
            try checkClosed(index)
        }
        for index in 0..<assertionCount {
            let (from, to, _) = assertion(at: index)
            for source in 0..<compartmentCount where from >> UInt32(source) & 1 != 0 {
                guard reach(of: source) & to & ~(1 << UInt32(source)) == 0 else {
                    throw .assertionViolated
                }
            }
        }
    }

    private func checkClosed(_ index: Int) throws(FlowCertificateError) {
        let reached = reach(of: index)
        guard directFlows(from: index) & ~reached == 0 else { throw .notClosed }
        for middle in 0..<compartmentCount where reached >> UInt32(middle) & 1 != 0 {
            guard directFlows(from: middle) & ~reached == 0 else { throw .notClosed }
        }
    }

    private func validateBits() throws(FlowCertificateError) {
        let known = UInt32.max >> UInt32(32 - compartmentCount)
        for index in 0..<compartmentCount {
            let (direct, reached) = (directFlows(from: index), reach(of: index))
            guard (direct | reached) & ~known == 0 else { throw .bitOutOfRange }
            guard direct & reached & (1 << UInt32(index)) != 0 else { throw .missingSelf }
        }
        for index in 0..<assertionCount {
            let (from, to, _) = assertion(at: index)
            guard (from | to) & ~known == 0 else { throw .bitOutOfRange }
        }
    }
}

/// Why a certificate was refused.
public enum FlowCertificateError: Error, Equatable {
    /// The file ends inside its header or a row.
    case truncated
    /// The file does not start with `CFC1`.
    case badMagic
    /// The number of compartments is not the manifest's, or there is not one row for each.
    case wrongCompartmentCount
    /// There are more than 256 assertions.
    case tooManyAssertions
    /// A must-understand feature bit is set that this reader does not know.
    case unknownFeature
    /// Bytes follow the last assertion.
    case trailingBytes
    /// A set names a compartment that does not exist.
    case bitOutOfRange
    /// A compartment's own bit is not set in one of its rows.
    case missingSelf
    /// The loaded policy permits a direct flow that the certificate leaves out.
    case flowNotCertified
    /// A flow leads out of a compartment's claimed reach.
    case notClosed
    /// An assertion does not hold.
    case assertionViolated

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .truncated: "certificate: truncated"
        case .badMagic: "certificate: not a certificate"
        case .wrongCompartmentCount: "certificate: wrong number of compartments"
        case .tooManyAssertions: "certificate: too many assertions"
        case .unknownFeature: "certificate: a required feature is unknown"
        case .trailingBytes: "certificate: bytes after its end"
        case .bitOutOfRange: "certificate: names a compartment that does not exist"
        case .missingSelf: "certificate: a compartment does not reach itself"
        case .flowNotCertified: "certificate: the policy permits a flow that it leaves out"
        case .notClosed: "certificate: reach is not closed"
        case .assertionViolated: "certificate: an assertion does not hold"
        }
    }
}

/// The size of the header, in bytes.
private let headerSize = 16

/// Returns the number in four bytes from `offset`; they must lie inside.
private func littleEndian32(_ bytes: Span<UInt8>, at offset: Int) -> UInt32 {
    UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8
        | UInt32(bytes[offset + 2]) << 16 | UInt32(bytes[offset + 3]) << 24
}
