import BootArena
import Digests
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import SecurityLattice
import StoreCore
import SystemManifest

/// Why a policy cannot be put in force.
struct PolicyFailure: Error {
    /// What is wrong, and with which file.
    let message: String
}

/// A compartment, as far as the store knows it.
struct StoreCompartment {
    /// Its name.
    let name: String
    /// Its domain.
    let domain: UInt16
    /// Its label.
    let label: StoreLabel
    /// What it may use of the store; nil: what the daemon gives to everybody.
    let bounds: StoreQuotaRecord?
}

/// What the nodes of one label may take together.
struct StoreSubtree {
    /// The name of the subtree, or of the channel.
    let name: String
    /// Its label.
    let label: StoreLabel
    /// The most nodes, bytes, and writes a second.
    var quota: SubtreeQuota
}

/// A policy and its manifest, reduced to what the store needs: a closed set of labels with all
/// decisions between them.
///
/// - Invariant (closed): label 0 is the hypervisor's, then the compartments', then those that the
///   manifest and the file of contexts name; then the store's own, which may do everything and is
///   nobody's; the last is that of what must not be labelled, to which nothing is permitted.
final class StorePolicy {
    /// The text of each label's context.
    let names: [String]
    /// The compartments, in the manifest's order.
    let compartments: [StoreCompartment]
    /// What the manifest says about paths, generic ones first.
    let pathLabels: [(path: String, label: StoreLabel)]
    /// What the manifest bounds: subtrees, and channels that are directories of the store.
    let subtrees: [StoreSubtree]
    /// The directories of channels, and the tops of subtrees.
    let sharedPaths: [String]
    /// The digest of the policy, in hexadecimal.
    let digest: String
    private let contexts: [SecurityContext]
    private let contextNames: ContextNames
    private let vectors: [UInt32]
    private let fileLabels: PathLabels?

    /// The label of the store itself.
    var own: StoreLabel { StoreLabel(index: UInt16(contexts.count)) }
    /// The label of what must not be labelled.
    var closed: StoreLabel { StoreLabel(index: UInt16(contexts.count + 1)) }

    /// Reads a policy with its manifest, and a file of contexts if there is one.
    ///
    /// - Throws: `PolicyFailure` if one of them is not valid, if they do not belong together, or a
    ///   context of the file is not one of the policy.
    init(policy: [UInt8], manifest: [UInt8], fileContexts: (path: String, text: String)?) throws {
        let file: PolicyFile
        do {
            file = try PolicyFile(validating: policy)
        } catch {
            throw PolicyFailure(message: "the policy cannot be read: \(error)")
        }
        let contextNames = ContextNames(file)
        self.contextNames = contextNames
        var loaded = try LoadedPolicy(policy, manifest)
        if let fileContexts {
            guard let opened = PathLabels(fileContexts.path) else {
                throw PolicyFailure(message: "\(fileContexts.path): libselinux cannot open it")
            }
            for text in try StorePolicy.contexts(of: fileContexts.text) {
                guard let context = contextNames.context(text) else {
                    throw PolicyFailure(
                        message: "\(fileContexts.path): `\(text)` is no context of the policy")
                }
                try loaded.add(context, named: text, policy)
            }
            fileLabels = opened
        } else {
            fileLabels = nil
        }
        contexts = loaded.contexts
        compartments = loaded.compartments
        pathLabels = loaded.pathLabels
        subtrees = loaded.subtrees
        sharedPaths = loaded.sharedPaths
        digest = loaded.digest
        names =
            loaded.contexts.map { contextNames.text($0) } + ["(the store itself)", "(no label)"]
        vectors = try loaded.decisions(policy, manifest)
    }

    /// The contexts that a file of contexts can yield: the last word of each line.
    private static func contexts(of text: String) throws -> [String] {
        var found: [String] = []
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard words.count == 2 || words.count == 3, let last = words.last else {
                throw PolicyFailure(message: "a line of the file of contexts is not one: \(line)")
            }
            if last != "<<none>>", !found.contains(String(last)) { found.append(String(last)) }
        }
        return found
    }

    /// Whether there is a file of contexts to ask for new nodes.
    var asksFile: Bool { fileLabels != nil }

    /// Returns what the file of contexts says about a path; nil when it says nothing. What is not a
    /// label of the policy, or cannot be found out, is `closed`.
    func fileLabel(of path: String) -> StoreLabel? {
        guard let fileLabels else { return nil }
        switch fileLabels.label(of: path) {
        case .none: return nil
        case .failure: return closed
        case .context(let text): return label(named: text) ?? closed
        }
    }

    /// Returns for each label its number in another policy of the same compartments; what that has
    /// not is no number.
    func translation(to other: StorePolicy) -> [UInt16] {
        var numbers = (0..<names.count).map { index -> UInt16 in
            if index <= compartments.count { return UInt16(index) }
            return other.label(named: names[index])?.index ?? .max
        }
        numbers[Int(own.index)] = other.own.index
        numbers[Int(closed.index)] = other.closed.index
        return numbers
    }

    /// Returns the label of a context, however it is written; nil when it is none of the store's.
    func label(named text: String) -> StoreLabel? {
        guard let context = contextNames.context(text),
            let index = contexts.firstIndex(of: context)
        else { return nil }
        return StoreLabel(index: UInt16(index))
    }

    /// Returns the text of a label.
    func name(of label: StoreLabel) -> String {
        // A policy that was replaced may have had more labels.
        Int(label.index) < names.count ? names[Int(label.index)] : "(no label any more)"
    }

    /// Returns the name of a label's type, for a rule.
    func typeName(_ label: StoreLabel) -> String {
        let index = Int(label.index)
        return index < contexts.count ? contextNames.typeName(contexts[index]) : name(of: label)
    }

    /// Whether the levels alone would let `subject` observe, and change, what has label `object`.
    func levels(_ subject: StoreLabel, _ object: StoreLabel) -> (observes: Bool, changes: Bool)? {
        guard Int(subject.index) < contexts.count, Int(object.index) < contexts.count else {
            return nil
        }
        let (source, target) = (contexts[Int(subject.index)], contexts[Int(object.index)])
        let (high, other) = (source.range.high, target.range.high)
        return (high.dominates(other), high == other)
    }
}

extension StorePolicy: StoreAuthority {
    var labelCount: Int { contexts.count + 2 }

    func decide(
        subject: StoreLabel, object: StoreLabel, permission: Permission
    ) -> AccessDecision {
        if subject == own { return object == closed ? .denied : .allowed }
        let (source, target) = (Int(subject.index), Int(object.index))
        guard source < contexts.count, target < contexts.count else { return .denied }
        return vectors[source * contexts.count + target] & permission.mask != 0
            ? .allowed : .denied
    }

    /// What a label may not read it may not know of.
    func isPresenceSecret(from subject: StoreLabel, object: StoreLabel) -> Bool { true }
}

/// A policy and a manifest while they are read.
private struct LoadedPolicy {
    var contexts: [SecurityContext] = []
    var compartments: [StoreCompartment] = []
    var pathLabels: [(path: String, label: StoreLabel)] = []
    var subtrees: [StoreSubtree] = []
    var sharedPaths: [String] = []
    var digest = ""

    init(_ policyBytes: [UInt8], _ manifestBytes: [UInt8]) throws {
        let policy = try PolicyDatabase(validating: policyBytes.span)
        let manifest = try SystemManifest(
            validating: manifestBytes.span, accepting: LoadedPolicy.features)
        let sum = SHA384.hash(policyBytes.span)
        guard sum == manifest.policyDigest else {
            throw PolicyFailure(message: "the manifest is not of this policy")
        }
        digest = LoadedPolicy.hexadecimal(sum)
        guard let hypervisor = policy.context(of: .xen), policy.isValid(hypervisor) else {
            throw PolicyFailure(message: "the policy has no label for the hypervisor")
        }
        contexts = [hypervisor]
        for index in 0..<manifest.compartmentCount {
            let record = manifest.compartment(at: index)
            let context = LoadedPolicy.context(manifest, record.label)
            guard policy.isValid(context) else {
                throw PolicyFailure(message: "the label of a compartment is not the policy's")
            }
            // Compartments of equal labels keep labels of their own, as in the reference monitor.
            contexts.append(context)
            compartments.append(
                StoreCompartment(
                    name: String(decoding: LoadedPolicy.bytes(record.name), as: UTF8.self),
                    domain: record.domainID, label: StoreLabel(index: UInt16(index + 1)),
                    bounds: manifest.storeQuota(of: index)))
        }
        try addPaths(policy, manifest)
    }

    /// What a manifest may ask for: all. Most of it is another's to enforce; what concerns the
    /// store is enforced here.
    private static var features: UInt64 { ManifestFeature.known }

    /// Takes in what the manifest says about paths: subtrees, then directories of channels.
    ///
    /// - Throws: `PolicyFailure` if a label is not valid, or two rates are about one label.
    private mutating func addPaths(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest
    ) throws {
        for index in 0..<manifest.subtreeCount {
            let record = manifest.subtree(at: index)
            let label = try addPath(
                record.path, LoadedPolicy.context(manifest, record.label), policy)
            try bound(
                record.name, label, nodes: record.quotaInNodes, bytes: record.quotaInBytes,
                rate: record.ratePerSecond)
        }
        for index in 0..<manifest.directoryCount {
            let record = manifest.directory(at: index)
            let label = try addPath(
                record.path, LoadedPolicy.context(manifest, record.label), policy)
            let channel = manifest.channel(at: record.channel)
            guard channel.kind == .store else { continue }
            try bound(channel.name, label, nodes: 0, bytes: 0, rate: channel.ratePerSecond)
        }
    }

    private mutating func bound(
        _ name: Span<UInt8>, _ label: StoreLabel, nodes: UInt64, bytes: UInt64, rate: UInt64
    ) throws {
        guard nodes > 0 || bytes > 0 || rate > 0 else { return }
        guard !subtrees.contains(where: { $0.label == label }) else {
            throw PolicyFailure(
                message: "two channels of the store have one label, and rates of their own")
        }
        // Beyond that no store has room anyway, and no client is as fast.
        let most: UInt64 = 1 << 29
        subtrees.append(
            StoreSubtree(
                name: String(decoding: LoadedPolicy.bytes(name), as: UTF8.self), label: label,
                quota: SubtreeQuota(
                    nodes: Int(min(nodes, most)), sizeInBytes: Int(min(bytes, most)),
                    changesPerSecond: Int(min(rate, most)))))
    }

    private mutating func addPath(
        _ path: Span<UInt8>, _ context: SecurityContext, _ policy: borrowing PolicyDatabase
    ) throws -> StoreLabel {
        guard policy.isValid(context) else {
            throw PolicyFailure(message: "the label of a path is not the policy's")
        }
        if !contexts.contains(context) { contexts.append(context) }
        let label = StoreLabel(index: UInt16(contexts.firstIndex(of: context) ?? 0))
        let text = String(decoding: LoadedPolicy.bytes(path), as: UTF8.self)
        pathLabels.append((text, label))
        sharedPaths.append(text)
        return label
    }

    private static func bytes(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in span.indices { bytes.append(span[index]) }
        return bytes
    }

    private static func hexadecimal(_ digest: Digest384) -> String {
        var text: [UInt8] = []
        for index in digest.bytes.indices {
            let digits = hexadecimalDigits(of: digest.bytes[index])
            text += [digits.high, digits.low]
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func context(
        _ manifest: borrowing SystemManifest, _ index: Int
    ) -> SecurityContext {
        let label = manifest.label(at: index)
        return SecurityContext(
            user: label.user, role: label.role, type: label.type, range: label.range)
    }

    /// Adds a context that is not there yet.
    ///
    /// - Throws: `PolicyFailure` if it is not valid.
    mutating func add(_ context: SecurityContext, named text: String, _ bytes: [UInt8]) throws {
        guard !contexts.contains(context) else { return }
        guard try PolicyDatabase(validating: bytes.span).isValid(context) else {
            throw PolicyFailure(message: "`\(text)` is not valid in the policy")
        }
        contexts.append(context)
    }

    /// What each label may do to each of class `xenstore`: the reference monitor's rows where it
    /// has the labels, and what it would tabulate where it has not.
    func decisions(_ policyBytes: [UInt8], _ manifestBytes: [UInt8]) throws -> [UInt32] {
        let policy = try PolicyDatabase(validating: policyBytes.span)
        let manifest = try SystemManifest(
            validating: manifestBytes.span, accepting: LoadedPolicy.features)
        let size = ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest)
        guard let memory = SystemMemory(sizeInBytes: size + (1 << 20)) else {
            throw PolicyFailure(message: "the system has not enough memory")
        }
        var arena = memory.arena()
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        var vectors: [UInt32] = []
        for source in contexts.indices {
            for target in contexts.indices {
                let vector: AccessVector
                if source <= compartments.count, target <= compartments.count,
                    let subject = monitor.label(at: source), let object = monitor.label(at: target)
                {
                    vector = monitor.accessVector(
                        source: subject, target: object, class: .xenstore)
                } else {
                    vector = policy.computeAccessVector(
                        source: contexts[source], target: contexts[target], class: .xenstore)
                }
                vectors.append(vector.bits)
            }
        }
        return vectors
    }
}
