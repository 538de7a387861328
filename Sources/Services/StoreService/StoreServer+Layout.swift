import BootArena
import GuestRuntime
import StoreCore
import SystemManifest

/// What the store lays out itself: where each user finds itself, and the directories in which the
/// ends of channels meet. It does so as domain 0, under the hypervisor's label.
extension StoreServer {
    /// Takes the users over from the manifest, and says which label each path will have.
    ///
    /// - Throws: `.unfit` if a label or path is refused.
    mutating func declarePaths(
        _ manifest: borrowing SystemManifest, own: Int
    ) throws(StoreServiceError) {
        for number in 0..<4 {
            begin(.makeDirectory)
            switch number {
            case 0: add("/")
            case 1: add("/local")
            case 2: add("/local/domain")
            default: add("/channel")
            }
            try openWay()
        }
        var next = 0
        for compartment in 0..<manifest.compartmentCount
        where manifest.compartment(at: compartment).uses(.store) {
            let domain = manifest.compartment(at: compartment).domainID
            rings[next].domain = domain
            rings[next].compartment = compartment
            rings[next].label = UInt16(truncatingIfNeeded: compartment + 1)
            begin(.makeDirectory)
            addDomainPath(domain)
            try label(rings[next].label)
            next += 1
        }
        for index in 0..<manifest.directoryCount where NodeLabels.isServed(index, manifest) {
            begin(.makeDirectory)
            add(manifest.directory(at: index).path)
            try label(NodeLabels.ofDirectory(index, manifest))
        }
        for index in 0..<manifest.subtreeCount {
            let path = manifest.subtree(at: index).path
            let label = NodeLabels.ofSubtree(index, manifest)
            begin(.makeDirectory)
            add(path)
            try self.label(label)
            // The name that leads there is its name too, unless every store has it.
            let first = StoreServer.firstName(of: path)
            begin(.makeDirectory)
            add(path.extracting(first: first))
            if !isStandard, first < path.count { try self.label(label) }
        }
    }

    /// The length of the first name of a path, with its `/`.
    private static func firstName(of path: Span<UInt8>) -> Int {
        for index in 1..<max(1, path.count) where path[index] == 0x2f { return index }
        return path.count
    }

    /// Whether the path that was added is one that every store has.
    private var isStandard: Bool {
        let start = StoreMessageHeader.sizeInBytes
        let standard: InlineArray<2, StaticString> = ["/local", "/channel"]
        for number in 0..<2 where standard[number].byteCount == messageCount - start {
            var isEqual = true
            for position in 0..<standard[number].byteCount
            where standard[number].byte(at: position) != message[start + position] {
                isEqual = false
            }
            if isEqual { return true }
        }
        return false
    }

    /// Lays out what all lives have in common: the directories of channels, and the subtrees with
    /// their quotas. Their labels decide who reads and writes; Xen's permissions leave that open.
    ///
    /// - Throws: `.unfit` if a quota is beyond what can be counted.
    mutating func layOutShared(
        _ manifest: borrowing SystemManifest
    ) throws(StoreServiceError) {
        begin(.setPermissions)
        add("/")
        end()
        add("r0")
        end()
        submit()
        for index in 0..<manifest.directoryCount where NodeLabels.isServed(index, manifest) {
            open(manifest.directory(at: index).path)
        }
        for index in 0..<manifest.subtreeCount {
            open(manifest.subtree(at: index).path)
        }
        try StoreServer.limit(&core, manifest, as: manifest)
    }

    /// Bounds the labels of subtrees and directories.
    ///
    /// - Parameters:
    ///   - manifest: the one that the store was made from.
    ///   - present: the one in force, which says how; what it does not have has no bounds.
    /// - Throws: `.unfit` if a quota is beyond what can be counted.
    static func limit(
        _ core: inout StoreCore, _ manifest: borrowing SystemManifest,
        as present: borrowing SystemManifest
    ) throws(StoreServiceError) {
        for index in 0..<manifest.subtreeCount {
            let label = NodeLabels.ofSubtree(index, manifest)
            guard let place = NodeLabels.subtree(of: label, manifest, in: present) else { continue }
            let record = present.subtree(at: place)
            try limit(
                &core, label, nodes: record.quotaInNodes, bytes: record.quotaInBytes,
                rate: record.ratePerSecond)
        }
        for index in 0..<manifest.directoryCount where NodeLabels.isServed(index, manifest) {
            let label = NodeLabels.ofDirectory(index, manifest)
            guard let place = NodeLabels.directory(of: label, manifest, in: present) else {
                continue
            }
            let channel = present.channel(at: present.directory(at: place).channel)
            guard channel.kind == .store, channel.ratePerSecond > 0 else { continue }
            try limit(&core, label, nodes: 0, bytes: 0, rate: channel.ratePerSecond)
        }
    }

    /// Makes a node of the store's own that labels alone protect, and what will be below it.
    private mutating func open(_ path: Span<UInt8>) {
        begin(.makeDirectory)
        add(path)
        end()
        submit()
        begin(.setPermissions)
        add(path)
        end()
        add("b0")
        end()
        submit()
    }

    /// Bounds a label: all its nodes, what the store itself has laid out among them.
    private static func limit(
        _ core: inout StoreCore, _ label: UInt16, nodes: UInt64, bytes: UInt64, rate: UInt64
    ) throws(StoreServiceError) {
        // Beyond that no store has room anyway, and no client is as fast.
        let most: UInt64 = 1 << 29
        let quota = SubtreeQuota(
            nodes: Int(min(nodes, most)), sizeInBytes: Int(min(bytes, most)),
            changesPerSecond: Int(min(rate, most)))
        do throws(StoreSetupError) {
            try core.limit(StoreLabel(index: label), to: quota)
        } catch { throw .unfit }
    }

    /// Lays out what belongs to one life of a domain, and introduces it.
    mutating func layOutUser(
        _ index: Int, _ manifest: borrowing SystemManifest, port: UInt32
    ) {
        let record = manifest.compartment(at: rings[index].compartment)
        let domain = record.domainID
        make(domain, "")
        share(domain, "")
        write(domain, "/name", record.name)
        write(domain, "/domid", UInt64(domain))
        write(domain, "/memory/static-max", record.memorySizeInBytes >> 10)
        write(domain, "/memory/target", record.memorySizeInBytes >> 10)
        write(domain, "/store/port", UInt64(StoreServer.userPort))
        for cpu in 0..<record.virtualCPUCount {
            begin(.write)
            addDomainPath(domain)
            add("/cpu/")
            add(UInt64(cpu))
            add("/availability")
            end()
            add("online")
            submit()
        }
        make(domain, "/device")
        own(domain, "/control")
        own(domain, "/control/shutdown")
        own(domain, "/data")
        own(domain, "/attr")
        own(domain, "/error")
        own(domain, "/feature")
        own(domain, "/drivers")
        layOutTPM(index, manifest)
        openChannels(index, manifest)
        begin(.introduce)
        add(UInt64(domain))
        end()
        add("1")
        end()
        add(UInt64(port))
        end()
        submit()
    }

    /// Lays out what Linux's `xen-tpmfront` expects for a user of the service `tpm`: its own end,
    /// which the service reads, and the service's, which is as it is from the beginning.
    private mutating func layOutTPM(_ index: Int, _ manifest: borrowing SystemManifest) {
        guard manifest.compartment(at: rings[index].compartment).uses(.tpm),
            let service = manifest.index(of: .tpm)
        else { return }
        let domain = rings[index].domain
        let provider = manifest.compartment(at: service).domainID
        make(domain, "/tpm")
        begin(.write)
        addDomainPath(domain)
        add("/tpm/frontend")
        end()
        addDomainPath(domain)
        add("/device/vtpm/0")
        submit()
        write(domain, "/tpm/frontend-id", UInt64(domain))
        write(domain, "/tpm/feature-protocol-v2", 1)
        // `XenbusStateConnected`, `XenbusStateInitialising` (Xen public `io/xenbus.h`).
        write(domain, "/tpm/state", 4)
        make(domain, "/device/vtpm")
        own(domain, "/device/vtpm/0", readableBy: provider)
        begin(.write)
        addDomainPath(domain)
        add("/device/vtpm/0/backend")
        end()
        addDomainPath(domain)
        add("/tpm")
        submit()
        write(domain, "/device/vtpm/0/backend-id", UInt64(provider))
        write(domain, "/device/vtpm/0/handle", 0)
        write(domain, "/device/vtpm/0/state", 1)
    }

    /// Takes away what is left of a domain after its end: all below its path. The ends of channels
    /// that it owned went with it.
    mutating func removeLayout(ofUser index: Int) {
        begin(.remove)
        addDomainPath(rings[index].domain)
        end()
        submit()
    }

    /// Says in the directories that a user writes who that is (`docs/abi/channels.md`), and gives
    /// it the subtrees that it owns.
    private mutating func openChannels(_ index: Int, _ manifest: borrowing SystemManifest) {
        let compartment = rings[index].compartment
        for number in 0..<manifest.directoryCount
        where manifest.directory(at: number).writer == compartment
            && NodeLabels.isServed(number, manifest)
        {
            begin(.write)
            add(manifest.directory(at: number).path)
            add("/domain")
            end()
            add(UInt64(rings[index].domain))
            submit()
            // The number of its domain is not the user's to change.
            begin(.setPermissions)
            add(manifest.directory(at: number).path)
            add("/domain")
            end()
            add("r0")
            end()
            submit()
        }
        for number in 0..<manifest.subtreeCount
        where manifest.subtree(at: number).owner == compartment {
            giveSubtree(number, to: rings[index].domain, manifest)
        }
    }

    /// Takes back what a user was given outside its own directory, before its nodes go.
    mutating func withdraw(_ index: Int, _ manifest: borrowing SystemManifest) {
        let compartment = rings[index].compartment
        for number in 0..<manifest.directoryCount
        where manifest.directory(at: number).writer == compartment
            && NodeLabels.isServed(number, manifest)
        {
            begin(.remove)
            add(manifest.directory(at: number).path)
            add("/domain")
            end()
            submit()
        }
        for number in 0..<manifest.subtreeCount
        where manifest.subtree(at: number).owner == compartment {
            giveSubtree(number, to: 0, manifest)
        }
    }

    /// Makes a domain the owner of a subtree's topmost node.
    private mutating func giveSubtree(
        _ number: Int, to domain: UInt16, _ manifest: borrowing SystemManifest
    ) {
        begin(.setPermissions)
        add(manifest.subtree(at: number).path)
        end()
        add("b")
        add(UInt64(domain))
        end()
        submit()
    }

    // MARK: Requests of the store itself

    private mutating func begin(_ type: StoreMessageType) {
        messageCount = StoreMessageHeader.sizeInBytes
        for position in 0..<messageCount { message[position] = 0 }
        message[0] = UInt8(truncatingIfNeeded: type.rawValue)
    }

    /// Adds a byte; what does not fit makes the message too long, and the core refuses it.
    private mutating func add(byte: UInt8) {
        if messageCount < message.count { message[messageCount] = byte }
        messageCount += 1
    }

    private mutating func add(_ text: StaticString) {
        for position in 0..<text.byteCount { add(byte: text.byte(at: position)) }
    }

    private mutating func add(_ text: Span<UInt8>) {
        for position in text.indices { add(byte: text[position]) }
    }

    private mutating func add(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            add(byte: 0x30 + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }

    private mutating func end() { add(byte: 0) }

    private mutating func addDomainPath(_ domain: UInt16) {
        add("/local/domain/")
        add(UInt64(domain))
    }

    /// Labels the path that was added since `begin`.
    ///
    /// - Throws: `.unfit`.
    private mutating func label(_ label: UInt16) throws(StoreServiceError) {
        guard messageCount <= message.count,
            StoreServer.label(message, messageCount, label, in: &core)
        else { throw .unfit }
    }

    /// Lets the path that was added since `begin` only lead somewhere.
    ///
    /// - Throws: `.unfit`.
    private mutating func openWay() throws(StoreServiceError) {
        guard messageCount <= message.count,
            StoreServer.label(message, messageCount, nil, in: &core)
        else { throw .unfit }
    }

    private static func label(
        _ message: borrowing ArenaTable<UInt8>, _ count: Int, _ label: UInt16?,
        in core: inout StoreCore
    ) -> Bool {
        let path = message.span.extracting(StoreMessageHeader.sizeInBytes..<count)
        do throws(StoreSetupError) {
            if let label {
                try core.label(path, StoreLabel(index: label))
            } else {
                try core.openWay(path)
            }
            return true
        } catch { return false }
    }

    /// Has the core serve the message; counts a refusal.
    private mutating func submit() {
        guard messageCount <= message.count else {
            layoutRefusals += 1
            return
        }
        let length = messageCount - StoreMessageHeader.sizeInBytes
        message[12] = UInt8(truncatingIfNeeded: length)
        message[13] = UInt8(truncatingIfNeeded: length >> 8)
        let isServed = StoreServer.isServed(message, messageCount, administrator, by: &core)
        if !isServed { layoutRefusals += 1 }
    }

    private static func isServed(
        _ message: borrowing ArenaTable<UInt8>, _ count: Int, _ client: StoreClient,
        by core: inout StoreCore
    ) -> Bool {
        let outcome = core.handle(message.span.extracting(first: count), from: client)
        guard outcome.order != .close, core.replyMessage.count > 0 else { return false }
        return UInt32(core.replyMessage[0]) != StoreMessageType.error.rawValue
    }

    private mutating func write(_ domain: UInt16, _ path: StaticString, _ value: Span<UInt8>) {
        begin(.write)
        addDomainPath(domain)
        add(path)
        end()
        add(value)
        submit()
    }

    private mutating func write(_ domain: UInt16, _ path: StaticString, _ value: UInt64) {
        begin(.write)
        addDomainPath(domain)
        add(path)
        end()
        add(value)
        submit()
    }

    private mutating func make(_ domain: UInt16, _ path: StaticString) {
        begin(.makeDirectory)
        addDomainPath(domain)
        add(path)
        end()
        submit()
    }

    /// Makes a directory that the domain owns, and one other may read.
    private mutating func own(
        _ domain: UInt16, _ path: StaticString, readableBy reader: UInt16? = nil
    ) {
        make(domain, path)
        begin(.setPermissions)
        addDomainPath(domain)
        add(path)
        end()
        add("n")
        add(UInt64(domain))
        end()
        if let reader {
            add("r")
            add(UInt64(reader))
            end()
        }
        submit()
    }

    /// Lets a domain read a node of the store's own, and what will be made below it.
    private mutating func share(_ domain: UInt16, _ path: StaticString) {
        begin(.setPermissions)
        addDomainPath(domain)
        add(path)
        end()
        add("n0")
        end()
        add("r")
        add(UInt64(domain))
        end()
        submit()
    }
}
