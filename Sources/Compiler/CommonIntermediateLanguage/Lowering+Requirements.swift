import KernelPolicyLanguage

extension Lowering {
    /// Returns the requirements of comments, once for each place that they are meant of.
    mutating func requirements() -> [CommonIntermediatePolicy.Requirement] {
        guard !tree.requirements.isEmpty else { return [] }
        let isCompiled = compiledContainers()
        var places: [Int: [Int]] = [:]
        for (index, container) in structure.containers.enumerated() where isCompiled[index] {
            switch container.kind {
            case .call, .inherit:
                if container.origin >= 0 {
                    places[structure.containers[container.origin].list, default: []].append(index)
                }
                // A refinement stands in the call itself, with the names of the caller.
                if container.kind == .call {
                    places[container.list, default: []].append(container.parent)
                }
            case .root: break
            default: places[container.list, default: []].append(index)
            }
        }
        return tree.requirements.flatMap { list, offset, text in
            let place = tree.place(of: offset)
            let containers = list.map { places[$0] ?? [] } ?? [0]
            guard !containers.isEmpty else {
                return [
                    CommonIntermediatePolicy.Requirement(
                        text: text, file: place.file, line: place.line, instance: nil,
                        isUnused: true)
                ]
            }
            return containers.map { container in
                CommonIntermediatePolicy.Requirement(
                    text: wholeNames(in: text, container), file: place.file, line: place.line,
                    instance: instance(of: container), isUnused: false)
            }
        }
    }

    /// For each container whether its statements are part of the policy.
    private func compiledContainers() -> [Bool] {
        var isCompiled = Array(repeating: true, count: structure.containers.count)
        for (index, container) in structure.containers.enumerated().dropFirst() {
            let isTemplate =
                container.kind == .macro || container.kind == .inMacroOrBlock
                || container.isAbstract
            isCompiled[index] = isCompiled[container.parent] && !isOff[index] && !isTemplate
        }
        return isCompiled
    }

    /// Where the innermost call or inheritance around a container stands.
    private func instance(of container: Int) -> String? {
        var index = container
        while index > 0 {
            let found = structure.containers[index]
            if found.kind == .call || found.kind == .inherit {
                let place = tree.place(of: tree.offset(found.list))
                return "\(place.file):\(place.line)"
            }
            index = found.parent
        }
        return nil
    }

    /// Returns a requirement with whole names for those that a container knows.
    private mutating func wholeNames(in text: String, _ container: Int) -> String {
        var result: [UInt8] = []
        var name: [UInt8] = []
        // What the requirement is called stands in parentheses, permissions in brackets, and a
        // level behind `@`.
        var (isInBrackets, isLevel) = (false, false)
        for byte in Array(text.utf8) + [0] {
            let isName =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "_.-".utf8.contains(byte)
            if isName, !isInBrackets, !isLevel {
                name.append(byte)
                continue
            }
            result += wholeName(name, container)
            name = []
            if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { isInBrackets = true }
            if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") { isInBrackets = false }
            if byte == UInt8(ascii: "@") { isLevel = true }
            if byte <= 32 || byte == UInt8(ascii: ">") || byte == UInt8(ascii: "+") {
                isLevel = false
            }
            if byte > 0 { result.append(byte) }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private mutating func wholeName(_ bytes: [UInt8], _ container: Int) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        let name = structure.names.name(String(decoding: bytes, as: UTF8.self))
        do throws(SourceFailure) {
            let list = structure.containers[container].list
            return Array(text(try find(name, .types, "type", container, list).name).utf8)
        } catch {
            return bytes
        }
    }
}
