import Appraisal
import SystemManifest

/// What two manifests of one system permit differently: channels, powers, shared subtrees and
/// exemptions; what of a compartment may not differ while it runs is named too.
struct ManifestDifference {
    /// Lines that begin with `+` or `-`, in rising order of what they say.
    let lines: [String]

    /// A manifest, with the labels of its compartments for people.
    struct Side {
        let manifest: [UInt8]
        let reference: ReferenceValues
    }

    /// Compares two manifests.
    ///
    /// - Precondition: both were read by `ManifestFacts`.
    init(from old: Side, to new: Side) {
        let before = ManifestDifference.facts(old)
        let after = ManifestDifference.facts(new)
        let gone = before.subtracting(after).map { ($0, "-") }
        let come = after.subtracting(before).map { ($0, "+") }
        lines = (gone + come).sorted { $0 < $1 }.map { "\($0.1) \($0.0)" }
    }

    private static func facts(_ side: Side) -> Set<String> {
        guard let manifest = try? SystemManifest(validating: side.manifest.span) else { return [] }
        var facts: Set<String> = []
        let names = (0..<manifest.compartmentCount).map { text(manifest.compartment(at: $0).name) }
        for index in 0..<manifest.compartmentCount {
            let record = manifest.compartment(at: index)
            let name = names[index]
            let label = side.reference.compartments.first { $0.name == name }?.labelText
            facts.insert(
                "compartment \(name): domain \(record.domainID), "
                    + "\(record.memorySizeInBytes >> 20) MiB, \(record.virtualCPUCount) vcpus, "
                    + "label \(label ?? "unknown")")
            if record.mayLoadPolicy { facts.insert("\(name) may load policy") }
            if record.mayRelabel { facts.insert("\(name) may relabel") }
        }
        for index in 0..<manifest.channelCount {
            let record = manifest.channel(at: index)
            let arrow = record.isTwoWay ? "<->" : "->"
            let pages = record.pageCount > 0 ? " \(record.pageCount) pages" : ""
            let rate = record.ratePerSecond > 0 ? " rate \(record.ratePerSecond) per second" : ""
            facts.insert(
                "channel \(text(record.name)): \(names[record.from]) \(arrow) "
                    + "\(names[record.to]) \(record.kind)\(pages)\(rate)")
        }
        for index in 0..<manifest.subtreeCount {
            let record = manifest.subtree(at: index)
            let readers = names.indices.filter { record.isRead(by: $0) }.map { names[$0] }
            let writers = names.indices.filter { record.isWritten(by: $0) }.map { names[$0] }
            facts.insert(
                "store \(text(record.name)) at \(text(record.path)): "
                    + "read by \(readers.joined(separator: ", ")), "
                    + "written by \(writers.joined(separator: ", "))")
        }
        return facts
    }

    private static func text(_ bytes: borrowing Span<UInt8>) -> String {
        String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }
}
