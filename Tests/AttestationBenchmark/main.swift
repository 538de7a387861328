// Measures the verifier: one machine's evidence, from the bytes of its file to the answer. What
// `Tests/bench attest` runs; exit status 1 when a bound is not kept.
import Appraisal
import AttestationTestSupport
import Digests
import Foundation

/// A machine of ten compartments that UEFI started, with 200 entries in its log.
struct SampleMachine {
    let reference: ReferenceValues
    let evidence: [UInt8]

    private struct Event {
        let pcr: Int
        let type: Int
        let digest: Digest256
        let data: [UInt8]
    }

    init() throws {
        func module(_ name: String) -> ReferenceModule {
            ReferenceModule(name: name, sha384: SHA384.hash(Array(name.utf8).span))
        }
        let compartments = (1...10).map { number in
            ReferenceCompartment(
                name: "compartment\(number)",
                source: SourceReference(file: "system.casemate", line: number),
                domainID: UInt32(number), labelText: "u:r:t:s0",
                labelRecord: [UInt8](repeating: UInt8(number), count: 88),
                kernel: module("debian"), initrd: module("\(number).cpio"),
                commandLine: "console=hvc0 quiet", memoryInBytes: 192 << 20, vcpuCount: 1)
        }
        let words = (0..<8).map { number in Array("module \(number)".utf8) }
        let loader = words.enumerated().map { index, text in
            BootLoaderEvent(
                pcr: index < 4 ? 8 : 9, text: String(decoding: text, as: UTF8.self),
                sha1: SHA1.hash(text.span), sha256: SHA256.hash(text.span),
                sha384: SHA384.hash(text.span))
        }
        reference = ReferenceValues(
            system: ReferenceSystem(name: "benchmark", version: 1),
            policy: SHA384.hash([1].span), manifest: SHA384.hash([2].span),
            compartments: compartments, bootLoader: ReferenceBootLoader(events: loader))
        var events: [Event] = (0..<180).map { number in
            let data = [UInt8](repeating: UInt8(number), count: 60)
            return Event(
                pcr: number % 8, type: 0x8000_0001, digest: SHA256.hash(data.span), data: data)
        }
        for (event, text) in zip(loader, words) {
            events.append(Event(pcr: Int(event.pcr), type: 13, digest: event.sha256, data: text))
        }
        for (data, pcr) in SampleMachine.ours(reference) {
            events.append(Event(pcr: pcr, type: 6, digest: SHA256.hash(data.span), data: data))
        }
        precondition(events.count == 200, "the log has 200 entries")
        let registers = Array(0...9) + [12, 13, 15]
        var values: [Int: [UInt8]] = [:]
        var bytes = log([])
        for event in events {
            let before = values[event.pcr] ?? [UInt8](repeating: 0, count: 32)
            values[event.pcr] = SHA256.hash((before + event.digest.array).span).array
            bytes += number(event.pcr) + number(event.type) + number(1) + [0x0B, 0]
            bytes += event.digest.array + number(event.data.count) + event.data
        }
        let all = registers.flatMap { values[$0] ?? [UInt8](repeating: 0, count: 32) }
        evidence = try ForgingTPM().evidence(
            log: bytes, pcrDigest: SHA256.hash(all.span).array,
            selection: [0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0xB3, 0]
        ).encoded()
    }

    /// The hypervisor's events of PCR 12 and 13.
    private static func ours(_ reference: ReferenceValues) -> [([UInt8], Int)] {
        let fixed = [reference.policy, reference.manifest].enumerated().map { index, digest in
            ([UInt8(index + 1), 0x4D, 0x53, 0x43, 48, 0, 0, 0] + digest.array, 12)
        }
        return fixed + reference.compartments.map { ($0.eventData, 13) }
    }
}

private func number(_ value: Int) -> [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// The middle, the least and the greatest.
private func spread(_ values: [Double]) -> (median: Double, least: Double, greatest: Double) {
    let sorted = values.sorted()
    return (sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1])
}

let rounds = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 11 : 11
let batch = 200
let machine = try SampleMachine()
let appraiser = Appraiser(
    reference: machine.reference,
    policy: AppraisalPolicy(nonce: ForgingTPM.nonce, attestationKeyName: nil))
var wall: [Double] = []
var processor: [Double] = []
for _ in 0..<max(3, rounds) {
    let start = ContinuousClock.now
    let used = clock()
    for _ in 0..<batch {
        guard case .accepted = appraiser.appraise(try Evidence(json: machine.evidence)) else {
            print("the evidence is refused")
            exit(2)
        }
    }
    let time = start.duration(to: .now)
    let seconds = Double(time.components.attoseconds) / 1e18 + Double(time.components.seconds)
    wall.append(seconds / Double(batch) * 1000)
    processor.append(Double(clock() - used) / Double(CLOCKS_PER_SEC) / Double(batch) * 1000)
}
let shown = spread(wall)
let used = spread(processor)
func milliseconds(_ value: Double) -> String { String(format: "%.3f", value) }
print(
    "one machine, 200 entries, 10 compartments: \(milliseconds(shown.median)) ms "
        + "(\(milliseconds(shown.least)) to \(milliseconds(shown.greatest))); processor "
        + "\(milliseconds(used.median)) ms (\(milliseconds(used.least)) to "
        + "\(milliseconds(used.greatest))); bound 5 ms")
let rate = 1000 / used.median
print("machines in a second of one processor: \(Int(rate)); bound 500")
exit(used.median <= 5 && rate >= 500 ? 0 : 1)
