import BootArena
import CompilerTestSupport
import Digests
import HypervisorCore
import PolicyCompiler
import PolicyDatabase
import ReferenceMonitor
import SystemManifest
import TestSupport

/// Replacing the policy, as a guest's kernel does it.
extension Simulation {
    /// The longest archive that a simulated machine takes.
    static let reloadCapacity = 56 << 10

    static func reload(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest,
        _ monitor: borrowing ReferenceMonitor, _ policyBytes: [UInt8], capacity: Int,
        _ arena: inout BootArena
    ) throws -> PolicyReload {
        let facts = SystemFacts(
            policy: policy, manifest: manifest, monitor: monitor,
            policyDigest: SHA384.hash(policyBytes.span),
            manifestDigest: SHA384.hash(manifest.bytes))
        let size = ReloadWork.tableSizeInBytes(policy: policy, manifest: manifest)
        let work = try ReloadWork(
            capacity: capacity, present: facts, manifest: manifest,
            tables: AlternatingTables(hostSizeInBytes: size), accepting: ManifestFeature.known,
            arena: &arena)
        return PolicyReload(work: work)
    }

    /// Does what the machine does beside the core: examines what waits for it, and measures it.
    mutating func examine() {
        if let facts = core.reloadToMeasure {
            if !memory.tpmFails {
                memory.measured.append(
                    FakeMemory.Measured(
                        policy: facts.policyDigest, manifest: facts.manifestDigest,
                        version: facts.version))
            }
            core.noteReloadMeasured(!memory.tpmFails)
        }
        guard var work = core.takeReloadWork() else { return }
        work.examine()
        core.returnReloadWork(work)
    }

    /// Puts an archive into the domain's memory, from frame 2.
    func store(_ archive: [UInt8], of domain: UInt16) {
        let frame = FakeMachine.firstFrame(DomainID(number: domain)) + 2
        for (index, byte) in archive.enumerated() {
            memory.setByte(frame + UInt64(index / 4096), index % 4096, byte)
        }
    }

    /// The arguments of `FLASK_LOAD`.
    static func loadRequest(size: Int) -> [UInt32] { [1, 1, 0x2000, 0, UInt32(size), 0] }

    /// `FLASK_LOAD` of an archive, until it is done.
    mutating func load(_ archive: [UInt8], from domain: UInt16) -> Int64 {
        store(archive, of: domain)
        return call(27, 0x1000, from: domain, Simulation.loadRequest(size: archive.count))
    }

    /// One part of a call whose arguments are in place.
    mutating func part(_ number: UInt64, _ operation: UInt64, from domain: UInt16) -> Int64? {
        let result = core.hypercall(
            HypercallRequest(call: number, arguments: [operation, 7, 8, 0]),
            from: VirtualCPUID(domain: DomainID(number: domain), number: 0), machine: &machine)
        switch result {
        case .finished(let value): return value
        case .unfinished: return nil
        }
    }

    /// The list of what the last reload took away, as its caller reads it: kind, holder, other and
    /// number of each.
    mutating func revoked(from domain: UInt16) -> [[UInt32]]? {
        var list: [[UInt32]] = []
        while true {
            let request: [UInt32] = [0x4353_4d01, 1, UInt32(list.count)]
            guard call(27, 0x1000, from: domain, request) == 0 else { return nil }
            let count = answer(5, of: domain)
            for index in 0..<Int(count) {
                let first = answer(6 + 3 * index, of: domain)
                list.append([
                    first & 0xffff, first >> 16, answer(7 + 3 * index, of: domain) & 0xffff,
                    answer(8 + 3 * index, of: domain),
                ])
            }
            if count == 0 { return list.count == Int(answer(4, of: domain)) ? list : nil }
        }
    }
}

/// Systems whose policy can be replaced: domain 1 may load one; 2 to 4 are of its level, 5 and 6
/// above.
struct ReloadSystem {
    /// A channel between two domains.
    struct Link: Equatable {
        let from: UInt16
        let to: UInt16
        /// The pages of a ring; 0: a signal.
        var pages = 0
        var isTwoWay = false
        /// Events in a second; 0: nothing is said.
        var rate = 0
    }

    let links: [Link]
    let compiled: TestSystem

    /// Makes a system; the same links in the same order give the same bytes.
    ///
    /// - Parameter devices: statements of devices.
    init(
        _ links: [Link], loader: String = "may load policy", highLevel: String = "high",
        devices: String = ""
    ) throws {
        self.links = links
        let names = ["loader", "a", "b", "c", "d", "e"]
        var text = "system changing version 1\ntarget casemate\nlevels low < high < higher\n"
        for (index, name) in names.enumerated() {
            text += "compartment \(name) at \(index > 3 ? highLevel : "low") {\n"
            text += "kernel debian\nmemory 64 MiB\nvcpus 1\n"
            if index == 0 { text += loader + "\n" }
            text += "}\n"
        }
        text += devices + "\n"
        for (number, link) in links.enumerated() {
            let arrow = link.isTwoWay ? "<->" : "->"
            let kind = link.pages == 0 ? "signal" : "ring \(link.pages) pages"
            text += "channel k\(number): \(names[Int(link.from) - 1]) \(arrow) "
            let rate = link.rate == 0 ? "" : " rate \(link.rate) per second"
            text += "\(names[Int(link.to) - 1]) \(kind)\(rate)\n"
        }
        for power in ["load policy", "relabel"] where loader.contains(power) {
            text += "assert only loader may \(power)\n"
        }
        compiled = try TestSystem(text, enforced: ManifestFeature.known)
    }

    /// The manifest as a version that replaces another.
    func manifest(version: UInt64, replacing predecessor: [UInt8]) -> [UInt8] {
        var bytes = compiled.compiled.manifest
        for index in 0..<8 {
            bytes[48 + index] = UInt8(truncatingIfNeeded: version >> UInt64(8 * index))
        }
        bytes.replaceSubrange(104..<152, with: SHA384.hash(predecessor.span).array)
        return bytes
    }

    /// What `FLASK_LOAD` takes.
    func archive(_ manifest: [UInt8]) -> [UInt8] {
        NewcArchive.archive([("policy", compiled.compiled.policy), ("manifest", manifest)])
    }

    /// Whether two domains may have an event channel.
    func joins(_ first: UInt16, _ second: UInt16) -> Bool {
        links.contains {
            ($0.from, $0.to) == (first, second) || ($0.to, $0.from) == (first, second)
        }
    }

    /// Whether the first may send events to the second.
    func sends(_ first: UInt16, _ second: UInt16) -> Bool {
        links.contains {
            ($0.from, $0.to) == (first, second)
                || $0.isTwoWay && ($0.to, $0.from) == (first, second)
        }
    }

    /// How many pages of the second the first may map, and whether it may write to them.
    func pages(_ first: UInt16, of second: UInt16) -> (count: UInt32, isWritable: Bool) {
        var (count, isWritable) = (0, false)
        for link in links where link.pages > 0 {
            let leads = (link.from, link.to) == (second, first)
            guard leads || link.isTwoWay && (link.to, link.from) == (second, first) else {
                continue
            }
            count += link.pages
            isWritable = isWritable || link.isTwoWay
        }
        return (UInt32(count), isWritable)
    }
}
