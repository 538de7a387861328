#if hasFeature(Embedded)

    import HypervisorCore
    import MachineX86
    import PolicyDatabase
    import SystemManifest

    /// Denials as sentences on the console, numbered; what a domain causes beyond its share is
    /// counted, not shown.
    struct AuditTrail: ~Copyable {
        private var sequence: UInt64 = 0
        private var shown = InlineArray<32, UInt16>(repeating: 0)
        private var dropped = InlineArray<32, UInt64>(repeating: 0)
        private var periodEnd: UInt64 = 0

        /// How many denials of one domain are shown in a second.
        static var shareForEachSecond: UInt16 { 16 }

        /// Shows a denial, or counts it.
        ///
        /// - Units: `now` nanoseconds of system time.
        mutating func record(
            _ denial: Denial, _ manifest: borrowing SystemManifest, now: UInt64,
            _ console: inout ConsoleLog
        ) {
            if now >= periodEnd { startPeriod(now, manifest, &console) }
            let index = Int(denial.source.number) - 1
            guard index >= 0, index < 32 else { return }
            guard shown[index] < AuditTrail.shareForEachSecond else {
                dropped[index] += 1
                return
            }
            shown[index] += 1
            sequence += 1
            console.begin()
            console.text("audit ")
            console.number(sequence)
            console.text(": denied ")
            console.text(denial.permission.objectClass.name)
            console.text(" { ")
            console.text(denial.permission.name)
            console.text(" } from ")
            write(denial.source, manifest, &console)
            console.text(" to ")
            write(denial.target, manifest, &console)
            console.text(" by ")
            console.text(denial.operation)
            console.text("; ")
            explain(denial, manifest, &console)
            console.end()
        }

        /// Starts a new second, and says what the last one dropped.
        private mutating func startPeriod(
            _ now: UInt64, _ manifest: borrowing SystemManifest, _ console: inout ConsoleLog
        ) {
            periodEnd = now + 1_000_000_000
            for index in 0..<32 {
                shown[index] = 0
                guard dropped[index] > 0 else { continue }
                console.begin()
                console.text("audit: ")
                console.number(dropped[index])
                console.text(" more denials of ")
                write(DomainID(number: UInt16(index + 1)), manifest, &console)
                console.end()
                dropped[index] = 0
            }
        }

        private func write(
            _ domain: DomainID, _ manifest: borrowing SystemManifest, _ console: inout ConsoleLog
        ) {
            if domain == .hypervisor {
                console.text("the hypervisor")
            } else if let index = index(domain, manifest) {
                console.text(manifest.compartment(at: index).name)
            } else {
                console.text("no domain ")
                console.number(UInt64(domain.number))
            }
        }

        private func index(
            _ domain: DomainID, _ manifest: borrowing SystemManifest
        ) -> Int? {
            let index = Int(domain.number) - 1
            return index >= 0 && index < manifest.compartmentCount ? index : nil
        }

        /// Names the line that decides: the channel between the two, in whichever direction it was
        /// declared, else the declaration of the compartment that asked.
        private func explain(
            _ denial: Denial, _ manifest: borrowing SystemManifest,
            _ console: inout ConsoleLog
        ) {
            guard let source = index(denial.source, manifest) else { return }
            guard let target = index(denial.target, manifest), target != source else {
                write(manifest.compartment(at: source).source, manifest, &console)
                console.text(": compartment ")
                console.text(manifest.compartment(at: source).name)
                console.text(" is not given this")
                return
            }
            for number in 0..<manifest.channelCount {
                let channel = manifest.channel(at: number)
                let joins =
                    (channel.from == source && channel.to == target)
                    || (channel.from == target && channel.to == source)
                guard joins else { continue }
                write(channel.source, manifest, &console)
                console.text(": channel ")
                console.text(channel.name)
                console.text(" goes from ")
                console.text(manifest.compartment(at: channel.from).name)
                console.text(" to ")
                console.text(manifest.compartment(at: channel.to).name)
                return
            }
            write(manifest.compartment(at: source).source, manifest, &console)
            console.text(": no channel joins the two")
        }

        private func write(
            _ place: SourceReference, _ manifest: borrowing SystemManifest,
            _ console: inout ConsoleLog
        ) {
            console.text(manifest.source(at: place.source).name)
            console.text(":")
            console.number(UInt64(place.line))
        }
    }

#endif
