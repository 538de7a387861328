public import Digests

/// Compares a boot bundle with what it should be, byte for byte.
///
/// For: whoever was given a bundle and knows policy, manifest, and the modules' sizes and digests.
/// - Source: `docs/abi/boot-bundle.md`, which leaves no byte of a bundle open.
public struct BootBundleComparison {
    /// A module that the bundle should hold.
    public struct Module {
        /// The size, in bytes.
        public let sizeInBytes: UInt64
        /// SHA-384 of the module.
        public let digest: Digest384

        /// Describes a module.
        public init(sizeInBytes: UInt64, digest: Digest384) {
            self.sizeInBytes = sizeInBytes
            self.digest = digest
        }
    }

    /// What of a bundle is not as it should be.
    public struct Difference: Error, Equatable {
        /// The member, or what stands between members, in words.
        public let what: String
    }

    private let bundle: [UInt8]
    private var place = 0

    /// Compares.
    ///
    /// - Throws: the first difference.
    public static func check(
        _ bundle: [UInt8], policy: [UInt8], manifest: [UInt8], modules: [Module]
    ) throws(Difference) {
        var comparison = BootBundleComparison(bundle: bundle)
        try comparison.header("policy", size: UInt64(policy.count))
        try comparison.content(policy, of: "policy")
        try comparison.header("manifest", size: UInt64(manifest.count))
        try comparison.content(manifest, of: "manifest")
        for (index, module) in modules.enumerated() {
            let name = "module/\(index)"
            try comparison.header(name, size: module.sizeInBytes)
            let content = try comparison.take(module.sizeInBytes, of: name)
            guard SHA384.hash(content.span) == module.digest else {
                throw Difference(what: "`\(name)` has another digest")
            }
            try comparison.padding(after: content.count, of: name)
        }
        try comparison.header("TRAILER!!!", size: 0)
        guard comparison.place == bundle.count else {
            throw Difference(what: "something follows its end")
        }
    }

    private mutating func header(_ name: String, size: UInt64) throws(Difference) {
        let difference = Difference(what: "the header of `\(name)` is another one")
        guard let wanted = memberHeader(name, size: size) else { throw difference }
        guard bundle[place...].starts(with: wanted) else { throw difference }
        place += wanted.count
    }

    private mutating func content(_ wanted: [UInt8], of name: String) throws(Difference) {
        guard bundle[place...].starts(with: wanted) else {
            throw Difference(what: "`\(name)` is not the file beside it")
        }
        place += wanted.count
        try padding(after: wanted.count, of: name)
    }

    private mutating func take(
        _ count: UInt64, of name: String
    ) throws(Difference) -> ArraySlice<UInt8> {
        guard count <= UInt64(bundle.count - place) else {
            throw Difference(what: "it ends within `\(name)`")
        }
        let content = bundle[place..<place + Int(count)]
        place += content.count
        return content
    }

    private mutating func padding(after count: Int, of name: String) throws(Difference) {
        let wanted: [UInt8] = Array(repeating: 0, count: (4 - count % 4) % 4)
        guard bundle[place...].starts(with: wanted) else {
            throw Difference(what: "what follows `\(name)` is not zero")
        }
        place += wanted.count
    }
}
