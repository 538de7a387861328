public import FlowCertificate
import PolicyDatabase
public import SecurityLattice
public import SystemManifest

extension ReferenceMonitor {
    /// Decides whether a certificate holds for a system: for the manifest's records, for the labels
    /// of the policy, and for what the decisions permit.
    ///
    /// - Parameters:
    ///   - manifest: the one that this monitor was made for.
    ///   - ranges: room for a range of levels for each compartment.
    ///   - flows: room for a row of `FlowCertificate.rowWordCount` words for each compartment.
    /// - Throws: `.featureDiffers`, `.integrityDiffers`, `.edgeNotDeclared`, `.edgeMissing`,
    ///   `.exemptionDiffers` if the certificate speaks of another system than the manifest; else
    ///   what `FlowCertificate.check(labels:observedFlows:)` throws.
    /// - Complexity: edges times compartments, exemptions times compartments, and that of
    ///   `observeFlows(into:)`.
    /// - Source: `docs/abi/certificate.md`, what the checker demands.
    public func check(
        _ certificate: borrowing FlowCertificate, of manifest: borrowing SystemManifest,
        ranges: inout MutableSpan<SecurityRange>, flows: inout MutableSpan<UInt32>
    ) throws(FlowCertificateError) {
        guard ranges.count == compartmentCount, certificate.compartmentCount == compartmentCount
        else { throw .wrongCompartmentCount }
        try checkDeclared(certificate, manifest)
        for index in 0..<compartmentCount {
            ranges[index] = context(of: label(ofCompartment: index)).range
        }
        observeFlows(into: &flows)
        try certificate.check(labels: ranges.span, observedFlows: flows.span)
    }
}

/// Checks that a certificate speaks of the manifest's system: of its features, its integrity, each
/// of its links and each of its exemptions, and of no others.
///
/// - Throws: `.featureDiffers`, `.integrityDiffers`, `.edgeNotDeclared`, `.edgeMissing`,
///   `.exemptionDiffers`.
private func checkDeclared(
    _ certificate: borrowing FlowCertificate, _ manifest: borrowing SystemManifest
) throws(FlowCertificateError) {
    var isFurther = false
    for index in 0..<certificate.claimCount {
        switch certificate.claim(at: index).kind {
        case .never, .conflict: break
        case .exceptVia, .everyPath, .onlyThrough: isFurther = true
        }
    }
    guard isFurther == (manifest.requiredFeatures & ManifestFeature.furtherClaims != 0) else {
        throw .featureDiffers
    }
    for index in 0..<manifest.compartmentCount
    where manifest.compartment(at: index).integrityRank
        != Int(certificate.integrity(of: index))
    { throw .integrityDiffers }
    let links = DeclaredLinks(manifest)
    for index in 0..<certificate.edgeCount
    where !links.declare(certificate.edge(at: index), manifest) { throw .edgeNotDeclared }
    // Edges are distinct, so that none is missing if there are as many.
    guard certificate.edgeCount == links.edgeCount else { throw .edgeMissing }
    try checkExemptions(certificate, manifest, links)
}

/// Checks that the exemptions are the same: each of the manifest's is in the certificate, and each
/// of those was found.
private func checkExemptions(
    _ certificate: borrowing FlowCertificate, _ manifest: borrowing SystemManifest,
    _ links: DeclaredLinks
) throws(FlowCertificateError) {
    guard certificate.exemptionCount <= manifest.exemptionCount else { throw .exemptionDiffers }
    // At most 4,096 exemptions, as of a manifest.
    var found = InlineArray<64, UInt64>(repeating: 0)
    var foundCount = 0
    for index in 0..<manifest.exemptionCount {
        let exemption = manifest.exemption(at: index)
        let place = certificate.exemptionIndex(
            subject: exemption.subject, from: links.number(of: exemption.from, manifest),
            to: links.number(of: exemption.to, manifest))
        guard let place, place >> 6 < found.count else { throw .exemptionDiffers }
        if found[place >> 6] >> UInt64(place & 63) & 1 == 0 { foundCount += 1 }
        found[place >> 6] |= 1 << UInt64(place & 63)
    }
    guard foundCount == certificate.exemptionCount else { throw .exemptionDiffers }
}

/// The links of a manifest as a certificate numbers them: the channels; the uses of services, by
/// compartment and then by service; the subtrees of the store.
private struct DeclaredLinks {
    private let channelCount: Int
    private let useCount: Int
    private let subtreeCount: Int
    /// The compartment that provides each service, by its number; that of number 0 is not used.
    private var providers = InlineArray<6, Int>(repeating: -1)
    /// The number of edges of all links.
    let edgeCount: Int

    init(_ manifest: borrowing SystemManifest) {
        channelCount = manifest.channelCount
        subtreeCount = manifest.subtreeCount
        var (uses, edges) = (0, 0)
        for index in 0..<manifest.compartmentCount {
            let compartment = manifest.compartment(at: index)
            if let service = compartment.service { providers[Int(service.rawValue)] = index }
            let used = compartment.usedServices
            uses += used.nonzeroBitCount
            edges += 2 * used.nonzeroBitCount - (used & ServiceKind.audit.bit == 0 ? 0 : 1)
        }
        useCount = uses
        for index in 0..<manifest.channelCount {
            edges += manifest.channel(at: index).isTwoWay ? 2 : 1
        }
        for index in 0..<manifest.subtreeCount {
            let subtree = manifest.subtree(at: index)
            var (readers, writers, both) = (0, 0, 0)
            for compartment in 0..<manifest.compartmentCount {
                let (reads, writes) = (
                    subtree.isRead(by: compartment), subtree.isWritten(by: compartment)
                )
                if reads { readers += 1 }
                if writes { writers += 1 }
                if reads && writes { both += 1 }
            }
            edges += readers * writers - both
        }
        edgeCount = edges
    }

    /// Returns whether a link has an edge, in this direction and with this part of a service.
    func declare(
        _ edge: FlowCertificate.Edge, _ manifest: borrowing SystemManifest
    ) -> Bool {
        if edge.link < channelCount {
            let channel = manifest.channel(at: edge.link)
            let leads =
                edge.from == channel.from && edge.to == channel.to
                || channel.isTwoWay && edge.from == channel.to && edge.to == channel.from
            return leads && edge.use == .none
        }
        if edge.link < channelCount + useCount {
            return declareUse(edge, edge.link - channelCount, manifest)
        }
        let index = edge.link - channelCount - useCount
        guard index < subtreeCount, edge.use == .none else { return false }
        let subtree = manifest.subtree(at: index)
        return subtree.isWritten(by: edge.from) && subtree.isRead(by: edge.to)
    }

    /// Whether the use of a number has an edge: a request to who provides the service, and unless
    /// it only collects, an answer from there.
    private func declareUse(
        _ edge: FlowCertificate.Edge, _ number: Int, _ manifest: borrowing SystemManifest
    ) -> Bool {
        var rest = number
        for user in 0..<manifest.compartmentCount {
            var used = manifest.compartment(at: user).usedServices
            guard rest >= used.nonzeroBitCount else {
                for _ in 0..<rest { used &= used - 1 }
                let service = used.trailingZeroBitCount + 1
                let provider = providers[service]
                switch edge.use {
                case .none: return false
                case .request: return edge.from == user && edge.to == provider
                case .answer:
                    return edge.from == provider && edge.to == user
                        && service != Int(ServiceKind.audit.rawValue)
                }
            }
            rest -= used.nonzeroBitCount
        }
        return false
    }

    /// Returns the number of what an exemption names.
    func number(of link: ExemptionLink, _ manifest: borrowing SystemManifest) -> Int {
        switch link {
        case .channel(let index): return index
        case .subtree(let index): return channelCount + useCount + index
        case .use(let service, by: let user):
            var number = channelCount
            for earlier in 0..<user {
                number += manifest.compartment(at: earlier).usedServices.nonzeroBitCount
            }
            let before = manifest.compartment(at: user).usedServices & (service.bit - 1)
            return number + before.nonzeroBitCount
        }
    }
}
