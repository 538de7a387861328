import KernelPolicyLanguage
import PolicyDatabaseModel

extension Lowering {
    /// Takes a statement that labels something.
    mutating func label(_ word: Word, _ list: Int, _ container: Int) throws(SourceFailure) {
        let items = tree.items(list)
        switch word {
        case .sidcontext: try identifierContext(list, container)
        case .fsuse: try fileSystemUse(list, container)
        case .genfscon: try genericPath(list, container)
        case .filecon: try fileContext(list, container)
        case .netifcon:
            _ = try self.items(list, 4...4)
            let name = try literal(items[1], "an interface", list)
            let first = try context(items[2], list, container)
            let second = try context(items[3], list, container)
            guard try isNew("netifcon \(name)", [first, second], list) else { return }
            policy.labels.networkInterfaces.append((name, first, second))
        case .portcon: try networkPort(list, container)
        case .nodecon: try node(list, container)
        case .ibpkeycon: try infinibandKey(list, container)
        case .ibendportcon: try infinibandPort(list, container)
        case .pirqcon, .pcidevicecon: try numbered(word, list, container)
        case .ioportcon, .iomemcon: try rangeContext(word, list, container)
        case .devicetreecon:
            _ = try self.items(list, 3...3)
            let path = try literal(items[1], "a path", list)
            let found = try context(items[2], list, container)
            guard try isNew("devicetreecon \(path)", [found], list) else { return }
            policy.labels.deviceTreePaths.append((path, found))
        default:
            throw failure(.syntax, "`\(word.rawValue)` cannot stand here", list)
        }
    }

    /// Returns whether a label is the first for a thing.
    ///
    /// - Throws: `.badRange` for a second one that says something else. secilc takes either then,
    ///   unless it is asked for warnings.
    private mutating func isNew(
        _ what: String, _ contexts: [ContextText], _ list: Int
    ) throws(SourceFailure) -> Bool {
        let label = contexts.map { describe($0) }.joined(separator: " ")
        guard let old = labelled.updateValue(label, forKey: what) else { return true }
        guard old == label else {
            throw failure(.badRange, "another statement labels the same", list)
        }
        return false
    }

    private func describe(_ context: ContextText) -> String {
        func level(_ level: LevelText) -> String {
            "\(level.sensitivity.index):\(level.categories.map(\.index))"
        }
        let range = context.range.map { "\(level($0.low))-\($0.high.map(level) ?? "")" } ?? ""
        return "\(context.user.index) \(context.role.index) \(context.type.index) \(range)"
    }

    private mutating func identifierContext(
        _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let name = try atom(items[1], "an initial identifier", list)
        let found = try find(name, .identifiers, "initial identifier", container, list)
        policy.labels.initialIdentifiers.append(
            (found.name, try context(items[2], list, container)))
    }

    private mutating func fileSystemUse(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let behavior: UInt32
        switch tree.word(items[1]) {
        case .xattr: behavior = 1
        case .trans: behavior = 2
        case .task: behavior = 3
        default: throw failure(.syntax, "`fsuse` is `xattr`, `trans` or `task`", list)
        }
        let name = try literal(items[2], "a file system", list)
        let found = try context(items[3], list, container)
        guard try isNew("fsuse \(behavior) \(name)", [found], list) else { return }
        policy.labels.fileSystemUses.append((behavior, name, found))
    }

    private func fileKind(_ place: Int, _ list: Int) throws(SourceFailure) -> Word {
        guard let word = tree.word(place),
            [.file, .dir, .char, .block, .socket, .pipe, .symlink, .any].contains(word)
        else { throw failure(.syntax, "this is no kind of file", list) }
        return word
    }

    private mutating func genericPath(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...5)
        let fileSystem = try literal(items[1], "a file system", list)
        let path = try literal(items[2], "a path", list)
        let kind = items.count == 5 ? try fileKind(items[3], list) : .any
        let classes: [Word: String] = [
            .file: "file", .dir: "dir", .char: "chr_file", .block: "blk_file",
            .socket: "sock_file", .pipe: "fifo_file", .symlink: "lnk_file",
        ]
        let found = try context(items[items.count - 1], list, container)
        guard try isNew("genfscon \(fileSystem) \(path)", [found], list) else { return }
        policy.labels.genericFileSystems.append(
            Labels.GenericPath(
                fileSystem: fileSystem, path: path, objectClass: classes[kind], context: found))
    }

    private mutating func fileContext(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let path = try literal(items[1], "a path", list)
        let kind = try fileKind(items[2], list)
        let isNone = tree.isList(items[3]) && tree.first(items[3]) == tree.end(items[3])
        let found = isNone ? nil : try context(items[3], list, container)
        guard try isNew("filecon \(kind.rawValue) \(path)", found.map { [$0] } ?? [], list) else {
            return
        }
        if let found { policy.checkedContexts.append(found) }
        fileLabels.append(FileLabel(path: path, kind: kind, context: found))
    }

    /// Returns a word that stands for itself: parameters mean nothing here, as secilc 3.4 has it.
    private func literal(
        _ place: Int, _ what: String, _ list: Int
    ) throws(SourceFailure) -> String {
        guard let name = tree.atom(place) else {
            throw failure(.syntax, "\(what) is missing here", list)
        }
        return text(name)
    }

    // MARK: Numbers

    private func number(
        _ place: Int, _ base: Int, _ most: UInt64, _ list: Int
    ) throws(SourceFailure) -> UInt64 {
        let word = text(try atom(place, "a number", list))
        guard let number = Lowering.number(word, base: base), number <= most else {
            throw failure(.badRange, "`\(word)` is no number up to \(most)", list)
        }
        return number
    }

    /// Reads a number, or two in parentheses.
    private func numbers(
        _ place: Int, _ base: Int, _ most: UInt64, _ list: Int
    ) throws(SourceFailure) -> (first: UInt64, last: UInt64) {
        guard tree.isList(place) else {
            let number = try number(place, base, most, list)
            return (number, number)
        }
        let items = tree.items(place)
        guard items.count == 2 else { throw failure(.syntax, "a range has two numbers", list) }
        let first = try number(items[0], base, most, list)
        let last = try number(items[1], base, most, list)
        guard first <= last else {
            throw failure(.badRange, "the range ends before it begins", list)
        }
        return (first, last)
    }

    private mutating func networkPort(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let number: UInt32
        switch tree.word(items[1]) {
        case .tcp: number = 6
        case .udp: number = 17
        case .dccp: number = 33
        case .sctp: number = 132
        default:
            throw failure(.syntax, "the protocols are `tcp`, `udp`, `dccp` and `sctp`", list)
        }
        let (first, last) = try numbers(items[2], 10, 65535, list)
        let found = try context(items[3], list, container)
        guard try isNew("portcon \(number) \(first) \(last)", [found], list) else { return }
        policy.labels.networkPorts.append(
            Labels.NetworkPort(
                networkProtocol: number, first: UInt32(first), last: UInt32(last), context: found))
    }

    private mutating func numbered(
        _ word: Word, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let most: UInt64 = 0xffff_ffff
        let number = UInt32(try number(items[1], word == .pirqcon ? 10 : 0, most, list))
        let found = try context(items[2], list, container)
        guard try isNew("\(word.rawValue) \(number)", [found], list) else { return }
        if word == .pirqcon {
            policy.labels.interrupts.append((number, found))
        } else {
            policy.labels.pciDevices.append((number, found))
        }
    }

    private mutating func rangeContext(
        _ word: Word, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let most: UInt64 = word == .iomemcon ? .max : 0xffff_ffff
        let (first, last) = try numbers(items[1], 0, most, list)
        let found = try context(items[2], list, container)
        guard try isNew("\(word.rawValue) \(first) \(last)", [found], list) else { return }
        if word == .iomemcon {
            policy.labels.frames.append((first, last, found))
        } else {
            policy.labels.ports.append((UInt32(first), UInt32(last), found))
        }
    }

    // MARK: Addresses

    /// Returns an address as the source writes it: by its name, or written out, perhaps in
    /// parentheses.
    private mutating func address(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> String {
        if tree.isList(place) {
            let items = tree.items(place)
            guard items.count == 1 else { throw failure(.syntax, "this is no address", list) }
            return text(try atom(items[0], "an address", list))
        }
        let name = try atom(place, "an address", list)
        if let found = structure.find(name, .addresses, from: container) {
            let (inner, outside) = definition(found)
            let word = tree.isList(inner) ? tree.items(inner).first ?? inner : inner
            _ = outside
            return text(try atomOnly(word, list))
        }
        let word = text(name)
        guard word.contains(".") || word.contains(":") else {
            throw failure(.undeclared, "no address `\(word)` is declared", list)
        }
        return word
    }

    private func atomOnly(_ place: Int, _ list: Int) throws(SourceFailure) -> Name {
        guard let name = tree.bare(place) else {
            throw failure(.syntax, "this is no address", list)
        }
        return name
    }

    private mutating func node(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let address = try address(items[1], list, container)
        let mask = try self.address(items[2], list, container)
        let found = try context(items[3], list, container)
        if let one = InternetAddress.narrow(address), let other = InternetAddress.narrow(mask) {
            guard try isNew("nodecon \(one) \(other)", [found], list) else { return }
            policy.labels.nodes.append((one, other, found))
        } else if let one = InternetAddress.wide(address), let other = InternetAddress.wide(mask) {
            guard try isNew("nodecon \(one) \(other)", [found], list) else { return }
            policy.labels.wideNodes.append((one, other, found))
        } else {
            throw failure(
                .syntax, "`\(address)` and `\(mask)` are no address and mask", list)
        }
    }

    private mutating func infinibandKey(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let prefix = text(try atom(items[1], "a subnet", list))
        // Of the address the first half counts.
        guard let subnet = InternetAddress.wide(prefix) else {
            throw failure(.syntax, "`\(prefix)` is no subnet's prefix", list)
        }
        let (first, last) = try numbers(items[2], 0, 65535, list)
        let found = try context(items[3], list, container)
        guard try isNew("ibpkeycon \(prefix) \(first) \(last)", [found], list) else { return }
        policy.labels.infinibandKeys.append((subnet, UInt32(first), UInt32(last), found))
    }

    private mutating func infinibandPort(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let device = text(try atom(items[1], "a device", list))
        let port = UInt32(try number(items[2], 10, 255, list))
        guard port > 0 else { throw failure(.badRange, "ports are 1 to 255", list) }
        let found = try context(items[3], list, container)
        guard try isNew("ibendportcon \(device) \(port)", [found], list) else { return }
        policy.labels.infinibandPorts.append((device, port, found))
    }

    /// Puts what the kernel searches from the begin in the order that secilc gives it.
    ///
    /// - Source: secilc 3.4, `cil_post.c`, the functions `cil_post_…_compare`.
    mutating func sortLabels() {
        policy.labels.networkPorts.sort {
            ($0.last - $0.first, $0.first, $0.networkProtocol)
                < ($1.last - $1.first, $1.first, $1.networkProtocol)
        }
        policy.labels.nodes.sort { ($1.mask, $0.address) < ($0.mask, $1.address) }
        policy.labels.wideNodes.sort {
            let masks = (Lowering.words($1.mask), Lowering.words($0.mask))
            guard masks.0 == masks.1 else { return masks.0.lexicographicallyPrecedes(masks.1) }
            return Lowering.words($0.address)
                .lexicographicallyPrecedes(Lowering.words($1.address))
        }
    }

    /// Leaves out the labels that the target has no use for, as secilc does, but says so.
    mutating func leaveOutOtherLabels() {
        let labels = policy.labels
        var kept = Labels()
        kept.initialIdentifiers = labels.initialIdentifiers
        let count: Int
        switch options.format.target {
        case .xen:
            kept.interrupts = labels.interrupts
            kept.ports = labels.ports
            kept.frames = labels.frames
            kept.pciDevices = labels.pciDevices
            kept.deviceTreePaths = labels.deviceTreePaths
            count =
                labels.fileSystemUses.count + labels.genericFileSystems.count
                + labels.networkPorts.count + labels.networkInterfaces.count + labels.nodes.count
                + labels.wideNodes.count + labels.infinibandKeys.count
                + labels.infinibandPorts.count
        case .linux:
            kept = labels
            kept.interrupts = []
            kept.ports = []
            kept.frames = []
            kept.pciDevices = []
            kept.deviceTreePaths = []
            count =
                labels.interrupts.count + labels.ports.count + labels.frames.count
                + labels.pciDevices.count + labels.deviceTreePaths.count
        }
        policy.labels = kept
        guard count > 0 else { return }
        warnings.append(
            "the target `\(options.format.target)` has no use for \(count) labels: left out")
    }

    private static func words(_ address: PolicyFile.WideAddress) -> [UInt32] {
        [address.first, address.second, address.third, address.fourth]
    }
}
