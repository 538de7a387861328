/// Why a certificate was refused.
public enum FlowCertificateError: Error, Equatable {
    /// - `wrongSize`: the file ends inside its header or a table, or bytes follow its last claim.
    /// - `badMagic`: the file does not start with `CFC2`.
    /// - `unknownFeature`: a must-understand feature bit is set that this reader does not know.
    /// - `wrongCompartmentCount`: the number of compartments, labels or rows is not the manifest's.
    /// - `badValue`: a field says what does not exist: a number, a kind, a flag.
    case wrongSize, badMagic, unknownFeature, wrongCompartmentCount, badValue
    /// - `badOrder`: records do not stand in their order, or say wrongly where others stand.
    /// - `bitOutOfRange`: a set has a member that does not exist.
    /// - `claimExcepts`: a claim without exceptions has some.
    /// - `featureDiffers`: the manifest's feature bit says something else about the claims.
    /// - `integrityDiffers`: the integrity of a compartment is not the manifest's.
    case badOrder, bitOutOfRange, claimExcepts, featureDiffers, integrityDiffers
    /// - `edgeNotDeclared`: an edge is none of a channel, use or subtree of the manifest.
    /// - `edgeMissing`: a channel, use or subtree of the manifest has an edge that is left out.
    /// - `exemptionDiffers`: the exemptions are not those of the manifest.
    /// - `flowNotCertified`: the loaded policy permits a direct flow that the certificate leaves
    ///   out.
    /// - `edgeAgainstLevels`: an edge leads against the levels, and no exemption of its sender lets
    ///   it.
    case edgeNotDeclared, edgeMissing, exemptionDiffers, flowNotCertified, edgeAgainstLevels
    /// - `edgeAgainstIntegrity`: an edge leads to higher integrity, and no exemption of its
    ///   receiver lets it.
    /// - `keepsTooMuch`: a compartment is said to keep what the rules let it pass on.
    /// - `notClosed`: a flow leads out of what a claim counts as carrying, or as reached.
    /// - `claimViolated`: information comes where a claim says that it does not.
    case edgeAgainstIntegrity, keepsTooMuch, notClosed, claimViolated

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .wrongSize: "certificate: its size is wrong"
        case .badMagic: "certificate: not a certificate"
        case .unknownFeature: "certificate: a required feature is unknown"
        case .wrongCompartmentCount: "certificate: wrong number of compartments"
        case .badValue: "certificate: a field says what does not exist"
        case .badOrder: "certificate: records out of order"
        case .bitOutOfRange: "certificate: a set has a member that does not exist"
        case .claimExcepts: "certificate: a claim without exceptions has some"
        case .featureDiffers: "certificate: its claims are not what the manifest says"
        case .integrityDiffers: "certificate: its integrity is not the manifest's"
        case .edgeNotDeclared: "certificate: it has an edge that is not the manifest's"
        case .edgeMissing: "certificate: it leaves out an edge of the manifest"
        case .exemptionDiffers: "certificate: its exemptions are not the manifest's"
        case .flowNotCertified: "certificate: the policy permits a flow that it leaves out"
        case .edgeAgainstLevels: "certificate: an edge leads against the levels"
        case .edgeAgainstIntegrity: "certificate: an edge leads to higher integrity"
        case .keepsTooMuch: "certificate: a compartment keeps what it may pass on"
        case .notClosed: "certificate: a claim is not closed"
        case .claimViolated: "certificate: a claim does not hold"
        }
    }
}
