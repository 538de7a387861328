/// What validating a manifest found out about it, without the bytes: they can be kept elsewhere,
/// and seen again without a second validation.
public struct ManifestLayout: BitwiseCopyable {
    let sections: SectionTable
    let sizeInBytes: Int
}

extension SystemManifest {
    /// What validating found out.
    public var layout: ManifestLayout {
        ManifestLayout(sections: sections, sizeInBytes: bytes.count)
    }

    /// Sees a manifest again that was validated before.
    ///
    /// - Precondition: `bytes` are those, or a copy of those, that `layout` was taken from. Another
    ///   size stops the machine.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>, validatedAs layout: ManifestLayout) {
        precondition(bytes.count == layout.sizeInBytes, "a manifest has another size than it had")
        self.bytes = bytes
        sections = layout.sections
    }

    /// The bytes of a compartment's record that say what the machine has to give it: memory,
    /// processors, flags; services; schedule, restart limit and ranks. Not what names other
    /// records, nor what it may do.
    ///
    /// - Precondition: `index` is below `compartmentCount`.
    public func resources(ofCompartment index: Int) -> InlineArray<52, UInt8> {
        let start = offset(of: index, in: sections[.compartments])
        return InlineArray { position in
            switch position {
            case 0..<16: bytes[start + 32 + position]
            case 16..<24: bytes[start + 60 + position - 16]
            default: bytes[start + 72 + position - 24]
            }
        }
    }
}
