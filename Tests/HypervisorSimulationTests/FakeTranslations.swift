import HypervisorCore

/// The page tables of all domains, as far as they hold foreign frames, and what two processors
/// remember of them. As on real hardware, and unlike on an emulator, a processor goes on using a
/// translation until it is told to forget it.
final class FakeTranslations {
    /// What is behind a place.
    struct Entry: Equatable {
        let frame: UInt64
        let isWritable: Bool
    }

    /// A processor's memory of the tables.
    private struct Buffer {
        var entries: [UInt64: Entry] = [:]
        var staleKeys: Set<UInt64> = []
    }

    private var tables: [UInt64: Entry] = [:]
    private var processors = [Buffer(), Buffer()]

    private func key(_ domain: DomainID, _ frame: GuestFrame) -> UInt64 {
        UInt64(domain.number) << 32 | frame.number & 0xffff_ffff
    }

    func isForeign(_ domain: DomainID, _ frame: GuestFrame) -> Bool {
        tables[key(domain, frame)] != nil
    }

    func set(_ domain: DomainID, _ frame: GuestFrame, _ target: MachineFrame, writable: Bool) {
        let key = key(domain, frame)
        let entry = Entry(frame: target.number, isWritable: writable)
        tables[key] = entry
        noteChange(key)
    }

    func remove(_ domain: DomainID, _ frame: GuestFrame) {
        let key = key(domain, frame)
        tables[key] = nil
        noteChange(key)
    }

    /// A page of the domain's own takes the place of whatever was there.
    func replaceByOwn(_ domain: DomainID, _ frame: GuestFrame) { remove(domain, frame) }

    private func noteChange(_ key: UInt64) {
        for index in processors.indices {
            guard let known = processors[index].entries[key] else { continue }
            if tables[key] == known {
                processors[index].staleKeys.remove(key)
            } else {
                processors[index].staleKeys.insert(key)
            }
        }
    }

    func flush(_ domain: DomainID) {
        for index in processors.indices {
            processors[index].entries = processors[index].entries.filter {
                $0.key >> 32 != UInt64(domain.number)
            }
            processors[index].staleKeys = processors[index].staleKeys.filter {
                $0 >> 32 != UInt64(domain.number)
            }
        }
    }

    /// Whether a processor remembers a translation that the tables no longer hold.
    var isStale: Bool { processors.contains { !$0.staleKeys.isEmpty } }

    /// Whether anybody can reach a foreign frame, by the tables or by memory.
    var reachesForeignFrames: Bool {
        !tables.isEmpty || processors.contains { !$0.entries.isEmpty }
    }

    /// What a guest reaches on a processor; nil: its access faults.
    func access(
        _ domain: DomainID, _ frame: GuestFrame, processor: Int, writing: Bool
    ) -> UInt64? {
        if frame.number < FakeMachine.frameCount {
            return FakeMachine.firstFrame(domain) + frame.number
        }
        let key = key(domain, frame)
        if let known = processors[processor].entries[key], known.isWritable || !writing {
            return known.frame
        }
        guard let entry = tables[key] else { return nil }
        processors[processor].entries[key] = entry
        processors[processor].staleKeys.remove(key)
        return entry.isWritable || !writing ? entry.frame : nil
    }
}
