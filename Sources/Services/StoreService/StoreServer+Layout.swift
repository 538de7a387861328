import BootArena
import GuestRuntime
import StoreCore
import SystemManifest

/// What the store lays out itself: where each user finds itself, and the directories in which the
/// ends of channels meet. It does so as domain 0, under the hypervisor's label.
extension StoreServer {
    /// Takes the users over from the manifest, and labels what will be theirs.
    ///
    /// - Throws: `.unfit` if a label or path is refused.
    mutating func declareUsers(
        _ manifest: borrowing SystemManifest, own: Int
    ) throws(StoreServiceError) {
        // The names of channels are nobody's to list.
        begin(.makeDirectory)
        add("/channel")
        try label(UInt16(truncatingIfNeeded: own + 1))
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
        for index in 0..<manifest.channelCount {
            let channel = manifest.channel(at: index)
            begin(.makeDirectory)
            addChannelPath(channel.name, isSender: true)
            try label(UInt16(truncatingIfNeeded: channel.from + 1))
            begin(.makeDirectory)
            addChannelPath(channel.name, isSender: false)
            try label(UInt16(truncatingIfNeeded: channel.to + 1))
        }
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

    /// Takes away what is left of a domain after its end: all below its path. The ends of channels
    /// that it owned went with it.
    mutating func removeLayout(ofUser index: Int) {
        begin(.remove)
        addDomainPath(rings[index].domain)
        end()
        submit()
    }

    /// Lays out a user's ends of its channels (`docs/abi/channels.md`): it writes there, and the
    /// other end reads where the policy lets it.
    private mutating func openChannels(_ index: Int, _ manifest: borrowing SystemManifest) {
        let compartment = rings[index].compartment
        for number in 0..<manifest.channelCount {
            let channel = manifest.channel(at: number)
            guard channel.from == compartment || channel.to == compartment else { continue }
            let isSender = channel.from == compartment
            let other = manifest.compartment(at: isSender ? channel.to : channel.from).domainID
            begin(.write)
            addChannelPath(channel.name, isSender: isSender)
            add("/domain")
            end()
            add(UInt64(rings[index].domain))
            submit()
            for part in 0..<2 {
                begin(.setPermissions)
                addChannelPath(channel.name, isSender: isSender)
                if part == 1 { add("/domain") }
                end()
                // The number of its domain is not the user's to change.
                add("n")
                add(part == 1 ? 0 : UInt64(rings[index].domain))
                end()
                add("r")
                add(UInt64(other))
                end()
                submit()
            }
        }
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

    private mutating func addChannelPath(_ channel: Span<UInt8>, isSender: Bool) {
        add("/channel/")
        add(channel)
        add(isSender ? "/sender" : "/receiver")
    }

    /// Labels the path that was added since `begin`.
    ///
    /// - Throws: `.unfit`.
    private mutating func label(_ label: UInt16) throws(StoreServiceError) {
        guard messageCount <= message.count,
            StoreServer.label(message, messageCount, label, in: &core)
        else { throw .unfit }
    }

    private static func label(
        _ message: borrowing ArenaTable<UInt8>, _ count: Int, _ label: UInt16,
        in core: inout StoreCore
    ) -> Bool {
        do throws(StoreSetupError) {
            try core.label(
                message.span.extracting(StoreMessageHeader.sizeInBytes..<count),
                StoreLabel(index: label))
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

    /// Makes a directory that the domain owns.
    private mutating func own(_ domain: UInt16, _ path: StaticString) {
        make(domain, path)
        begin(.setPermissions)
        addDomainPath(domain)
        add(path)
        end()
        add("n")
        add(UInt64(domain))
        end()
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
