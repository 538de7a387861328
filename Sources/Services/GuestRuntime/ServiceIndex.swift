public import SystemManifest

extension SystemManifest {
    /// The index of the compartment with this name, by which a service knows itself; nil when there
    /// is none.
    public func serviceIndex(_ name: StaticString) -> Int? {
        for index in 0..<compartmentCount {
            let found = compartment(at: index).name
            guard found.count == name.byteCount else { continue }
            var isEqual = true
            for position in found.indices where found[position] != name.byte(at: position) {
                isEqual = false
            }
            if isEqual { return index }
        }
        return nil
    }
}
