#if hasFeature(Embedded)

    import HypervisorCore
    import MachineX86
    import PolicyDatabase
    import SystemManifest

    /// Denials and other records as sentences; what a domain causes beyond its share is counted,
    /// not shown.
    struct AuditTrail: ~Copyable {
        private var sequence: UInt64 = 0
        private var shown = InlineArray<32, UInt16>(repeating: 0)
        private var dropped = InlineArray<32, UInt64>(repeating: 0)
        private var periodEnd: UInt64 = 0

        /// How many denials of one domain are shown in a second.
        static var shareForEachSecond: UInt16 { 16 }

        /// Shows a record, with its number.
        mutating func show(_ line: AuditLine, _ console: inout ConsoleLog) {
            sequence += 1
            console.say("audit \(sequence): \(line.bytes)", .error)
        }

        /// Adds a denial as a sentence.
        ///
        /// - Returns: false when its source has had its share, and it was counted.
        mutating func describe(
            _ denial: Denial, _ manifest: borrowing SystemManifest, _ line: inout AuditLine
        ) -> Bool {
            let index = Int(denial.source.number) - 1
            guard index >= 0, index < 32 else { return false }
            guard shown[index] < AuditTrail.shareForEachSecond else {
                dropped[index] += 1
                return false
            }
            shown[index] += 1
            let permission = denial.permission
            line.add("denied \(permission.objectClass.policyName) { ")
            line.add("\(permission.policyName) } from ")
            write(denial.source, manifest, &line)
            line.add(" to ")
            let object = StoreObject(denial, manifest)
            write(object.domain, manifest, &line)
            line.add(" by \(denial.operation)")
            if permission == XenPermission.firmware, let command = denial.object {
                line.appendInterpolation(hexadecimal: UInt64(command))
            }
            line.add("; ")
            explain(denial.source, object, manifest, &line)
            return true
        }

        /// What a denial is about: a domain, and which channel or subtree of the store has the
        /// label, if it is one of these.
        private struct StoreObject {
            var domain: DomainID
            var channel: Int?
            var subtree: Int?

            init(_ denial: Denial, _ manifest: borrowing SystemManifest) {
                domain = denial.target
                guard let object = denial.object, denial.permission.objectClass == .xenstore
                else { return }
                var number = Int(object)
                if number <= manifest.compartmentCount {
                    domain = DomainID(number: UInt16(truncatingIfNeeded: number))
                    return
                }
                number -= 1 + manifest.compartmentCount
                if number < manifest.subtreeCount {
                    subtree = number
                    domain = StoreObject.domain(
                        manifest.subtree(at: number).owner, manifest)
                    return
                }
                number -= manifest.subtreeCount
                guard number < manifest.directoryCount else { return }
                let directory = manifest.directory(at: number)
                let writer = StoreObject.domain(directory.writer, manifest)
                channel = directory.channel
                domain =
                    writer == denial.source
                    ? StoreObject.domain(directory.reader, manifest) : writer
            }

            private static func domain(
                _ compartment: Int, _ manifest: borrowing SystemManifest
            ) -> DomainID {
                DomainID(number: manifest.compartment(at: compartment).domainID)
            }
        }

        /// Starts a new second when the last one is over, and says what it dropped, one domain at a
        /// time.
        ///
        /// - Returns: nil when there is nothing more to say; else whom `line` is about.
        mutating func takeDropped(
            _ manifest: borrowing SystemManifest, now: UInt64, _ line: inout AuditLine
        ) -> DomainID? {
            guard now >= periodEnd else { return nil }
            for index in 0..<32 where dropped[index] > 0 {
                let domain = DomainID(number: UInt16(index + 1))
                line.add("\(dropped[index]) more denials of ")
                write(domain, manifest, &line)
                dropped[index] = 0
                return domain
            }
            shown = InlineArray(repeating: 0)
            periodEnd = now + 1_000_000_000
            return nil
        }

        /// Adds what a domain is called.
        func write(
            _ domain: DomainID, _ manifest: borrowing SystemManifest, _ line: inout AuditLine
        ) {
            if domain == .hypervisor {
                line.add("the hypervisor")
            } else if let index = index(domain, manifest) {
                line.text(manifest.compartment(at: index).name)
            } else {
                line.add("no domain \(domain.number)")
            }
        }

        private func index(
            _ domain: DomainID, _ manifest: borrowing SystemManifest
        ) -> Int? {
            let index = Int(domain.number) - 1
            return index >= 0 && index < manifest.compartmentCount ? index : nil
        }

        /// Names the line that decides: the channel between the two, in whichever direction it was
        /// declared, or the subtree of the store; else the declaration of the compartment that
        /// asked.
        private func explain(
            _ asking: DomainID, _ object: StoreObject, _ manifest: borrowing SystemManifest,
            _ line: inout AuditLine
        ) {
            guard let source = index(asking, manifest) else { return }
            if let number = object.subtree {
                let subtree = manifest.subtree(at: number)
                let owner = manifest.compartment(at: subtree.owner).name
                write(subtree.source, manifest, &line)
                return line.add(": the store's \(subtree.name) is owned by \(owner)")
            }
            guard let target = index(object.domain, manifest), target != source else {
                let compartment = manifest.compartment(at: source)
                write(compartment.source, manifest, &line)
                return line.add(": compartment \(compartment.name) is not given this")
            }
            if let number = object.channel ?? channel(joining: source, target, manifest) {
                let channel = manifest.channel(at: number)
                let from = manifest.compartment(at: channel.from).name
                let to = manifest.compartment(at: channel.to).name
                write(channel.source, manifest, &line)
                return line.add(": channel \(channel.name) goes from \(from) to \(to)")
            }
            write(manifest.compartment(at: source).source, manifest, &line)
            line.add(": no channel joins the two")
        }

        private func channel(
            joining one: Int, _ other: Int, _ manifest: borrowing SystemManifest
        ) -> Int? {
            for number in 0..<manifest.channelCount {
                let channel = manifest.channel(at: number)
                if channel.from == one && channel.to == other
                    || channel.from == other && channel.to == one
                {
                    return number
                }
            }
            return nil
        }

        private func write(
            _ place: SourceReference, _ manifest: borrowing SystemManifest,
            _ line: inout AuditLine
        ) {
            line.add("\(manifest.source(at: place.source).name):\(place.line)")
        }
    }

#endif
