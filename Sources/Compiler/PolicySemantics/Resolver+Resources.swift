import PolicySyntax

// MARK: - Subtrees of the store

extension Resolver {
    /// Resolves a subtree of the store; nil after an error.
    mutating func resolveSubtree(_ syntax: BlockSyntax) -> SystemPolicy.Subtree? {
        var owner: (index: Int?, span: SourceSpan)?
        var readers: (set: CompartmentSet, span: SourceSpan)?
        var writers: (set: CompartmentSet, span: SourceSpan)?
        var nodes: Located<UInt64>?
        var bytes: Located<UInt64>?
        var rate: Located<UInt64>?
        for field in syntax.body.fields.map(\.kind) {
            switch field.value {
            case .owner(let name):
                if isFirstField("owner", owner?.span, at: field.span) {
                    owner = (resolveEnd(name), field.span)
                }
            case .readers(let ends):
                if isFirstField("readers", readers?.span, at: field.span) {
                    readers = (resolveEnds(ends), field.span)
                }
            case .writers(let ends):
                if isFirstField("writers", writers?.span, at: field.span) {
                    writers = (resolveEnds(ends), field.span)
                }
            case .quotaNodes(let count):
                if isFirstField("quota", nodes?.span, at: field.span) {
                    checkBounds(count, 1...1_000_000, "a quota of nodes")
                    nodes = Located(count.value, at: field.span)
                }
            case .quotaBytes(let amount, let unit):
                if isFirstField("quota", bytes?.span, at: field.span) {
                    bytes = resolveQuota(amount, unit).map { Located($0, at: field.span) }
                }
            case .rate(let count):
                if isFirstField("rate", rate?.span, at: field.span) {
                    checkBounds(count, 1...1_000_000_000, "a rate")
                    rate = Located(count.value, at: field.span)
                }
            default: break
            }
        }
        requireField("owner", owner?.span, of: "store", syntax.name, form: "owner NAME")
        checkPath(syntax.path)
        guard let owner = owner?.index, let path = syntax.path else { return nil }
        let own = CompartmentSet(index: owner)
        return SystemPolicy.Subtree(
            name: syntax.name.value, path: path.value, owner: owner,
            readers: (readers?.set ?? own).union(own),
            writers: (writers?.set ?? own).union(own),
            quotaNodes: nodes?.value, quotaBytes: bytes?.value, ratePerSecond: rate?.value,
            source: syntax.name.span)
    }

    private mutating func resolveEnds(_ ends: [EndSyntax]) -> CompartmentSet {
        var names: [Located<String>] = []
        for end in ends { names += self.names(of: end) }
        return resolveCompartments(names)
    }

    private mutating func resolveQuota(
        _ amount: Located<UInt64>, _ unit: Located<MemoryUnit>
    ) -> UInt64? {
        let (bytes, overflow) = amount.value.multipliedReportingOverflow(
            by: unit.value.sizeInBytes)
        guard !overflow, (1...(1 << 30)).contains(bytes) else {
            report(
                .valueOutOfBounds, at: amount.span.through(unit.span),
                "a quota of \(amount.value) \(unit.value.rawValue) is out of bounds",
                help: "give from 1 KiB to 1 GiB")
            return nil
        }
        return bytes
    }

    private mutating func requireField(
        _ word: String, _ span: SourceSpan?, of what: String, _ name: Located<String>,
        form: String
    ) {
        guard span == nil else { return }
        report(
            .missingField, at: name.span, "the \(what) `\(name.value)` has no `\(word)`",
            help: "write `\(form)`")
    }

    private mutating func checkPath(_ path: Located<String>?) {
        guard let path else { return }
        let parts = path.value.split(separator: "/", omittingEmptySubsequences: false)
        let isGood =
            parts.count > 1 && parts[0].isEmpty && path.value.utf8.count <= 255
            && parts.dropFirst().allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                            || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x5F
                    }
            }
        guard !isGood else { return }
        report(
            .badStorePath, at: path.span, "`\(path.value)` is no path of the store",
            help: "write `/` before each part; a part has letters, digits, `-` and `_`")
    }
}

// MARK: - Devices

extension Resolver {
    /// Resolves a device; nil after an error.
    mutating func resolveDevice(_ syntax: BlockSyntax) -> SystemPolicy.Device? {
        var owner: (index: Int?, span: SourceSpan)?
        var pci: Located<String>?
        var interrupts: [UInt64] = []
        var memory: [SystemPolicy.Device.Range] = []
        var ports: [SystemPolicy.Device.Range] = []
        var exposed: SourceSpan?
        for field in syntax.body.fields.map(\.kind) {
            switch field.value {
            case .owner(let name):
                if isFirstField("owner", owner?.span, at: field.span) {
                    owner = (resolveEnd(name), field.span)
                }
            case .pci(let address):
                if isFirstField("pci", pci?.span, at: field.span) {
                    checkPCI(address)
                    pci = Located(address.value, at: field.span)
                }
            case .irq(let number):
                checkBounds(number, 0...255, "an interrupt's number")
                interrupts.append(number.value)
            case .ioMemory(let text):
                if let range = resolveRange(text, atMost: 1 << 52) { memory.append(range) }
            case .ioPorts(let text):
                if let range = resolveRange(text, atMost: 0xFFFF) { ports.append(range) }
            case .withoutIOMMU:
                if isFirstField("without iommu", exposed, at: field.span) { exposed = field.span }
            default: break
            }
        }
        requireField("owner", owner?.span, of: "device", syntax.name, form: "owner NAME")
        guard let owner = owner?.index else { return nil }
        return SystemPolicy.Device(
            name: syntax.name.value, owner: owner, pci: pci?.value, interrupts: interrupts,
            memory: memory, ports: ports, needsIOMMU: exposed == nil, source: syntax.name.span)
    }

    private mutating func checkPCI(_ address: Located<String>) {
        let pattern = Array("hhhh:hh:hh.o".utf8)
        let text = Array(address.value.utf8)
        let isGood =
            text.count == pattern.count
            && zip(text, pattern).allSatisfy { byte, kind in
                switch kind {
                case UInt8(ascii: "h"): return Resolver.digit(byte) != nil
                case UInt8(ascii: "o"): return (0x30...0x37).contains(byte)
                default: return byte == kind
                }
            }
        guard !isGood else { return }
        report(
            .badDeviceAddress, at: address.span, "`\(address.value)` is no PCI address",
            help: "write segment, bus, device and function, such as `0000:03:00.0`")
    }

    /// Reads `FIRST-LAST`, both hexadecimal with `0x`.
    private mutating func resolveRange(
        _ text: Located<String>, atMost most: UInt64
    ) -> SystemPolicy.Device.Range? {
        let ends = text.value.split(separator: "-", omittingEmptySubsequences: false)
            .map { Resolver.hexadecimal($0) }
        if ends.count == 2, let first = ends[0], let last = ends[1], first <= last, last <= most {
            return .init(first: first, last: last)
        }
        report(
            .badDeviceAddress, at: text.span, "`\(text.value)` is no range of addresses",
            help: "write the first and the last, such as `0x3f8-0x3ff`")
        return nil
    }

    private static func hexadecimal(_ text: Substring) -> UInt64? {
        guard text.hasPrefix("0x"), (3...18).contains(text.utf8.count) else { return nil }
        var value: UInt64 = 0
        for byte in text.utf8.dropFirst(2) {
            guard let digit = digit(byte) else { return nil }
            value = value << 4 | digit
        }
        return value
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: return UInt64(byte - 0x30)
        case 0x61...0x66: return UInt64(byte - 0x61 + 10)
        default: return nil
        }
    }
}
