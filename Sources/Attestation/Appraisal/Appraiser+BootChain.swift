internal import Digests
internal import EventLog
internal import TPMStructures

/// What is said of the machine before the hypervisor ran.
extension Appraiser {
    /// Returns which enrolled registers of the firmware have other values now.
    func platformRefusals(_ log: EventLog<Replayed>) -> [Refusal] {
        guard let platform = policy.platform else { return [] }
        let bank = platform.family == .onePointTwo ? QuotedBank.sha1 : .sha256
        return platform.registers.compactMap { register in
            let found = log.values[register.pcr] ?? []
            guard log.bank != bank || found != register.value else { return nil }
            return .platformDiffers(
                platform: platform.name, pcr: register.pcr,
                expected: hexadecimalText(register.value),
                found: log.bank == bank ? hexadecimalText(found) : "a value of another bank")
        }
    }

    /// Returns where the events of PCR 8 and 9 are not exactly the expected ones, by their digests
    /// and in each register's order; the first difference of each register.
    func bootLoaderRefusals(_ log: EventLog<Replayed>) -> [Refusal] {
        guard let bootLoader = reference.bootLoader else { return [] }
        return [UInt32(8), 9].compactMap { pcr -> Refusal? in
            let expected = bootLoader.events(of: pcr)
            let found = log.entries.filter { $0.pcr == pcr }
            for number in 0..<max(expected.count, found.count) {
                let wanted = number < expected.count ? expected[number] : nil
                let entry = number < found.count ? found[number] : nil
                if let wanted, let entry, log.bank.agrees(entry, with: wanted) { continue }
                return .bootLoaderDiffers(
                    pcr: pcr, number: number + 1,
                    expected: wanted.map { log.bank.words(of: $0) } ?? "nothing",
                    found: entry.map { log.bank.words(of: $0) } ?? "nothing")
            }
            return nil
        }
    }
}

extension QuotedBank {
    /// An event in words, with its digest: the words of a log are not measured.
    fileprivate func words(of entry: EventLogEntry) -> String {
        let digest = digest(of: entry).map { hexadecimalText($0) } ?? "no digest"
        return "`\(printableText(entry.data))` (\(digest))"
    }

    /// The same of an event that is expected.
    fileprivate func words(of event: BootLoaderEvent) -> String {
        "`\(event.text)` (\(self == .sha1 ? event.sha1.hexadecimal : event.sha256.hexadecimal))"
    }

    /// Whether an entry has this bank's digest of an event that a boot loader should measure.
    fileprivate func agrees(_ entry: EventLogEntry, with event: BootLoaderEvent) -> Bool {
        switch self {
        case .sha1: entry.sha1 == event.sha1
        case .sha256: entry.sha256 == event.sha256
        }
    }
}

/// The words of an event of a boot loader, as far as they are printable ASCII, at most 120.
func printableText(_ data: [UInt8]) -> String {
    String(decoding: data.prefix(120).filter { (0x20...0x7e).contains($0) }, as: UTF8.self)
}
