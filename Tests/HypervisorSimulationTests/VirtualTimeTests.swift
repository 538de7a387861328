import BootArena
import CompilerTestSupport
import HypervisorCore
import TestSupport
import Testing

/// Counters of processors that run at one rate, each ahead of the first by an amount of its own,
/// and the record that says what they mean: `Clock` of the machine layer, without a machine.
struct FakeCounters {
    /// What each processor's counter is ahead of the first one's by.
    var skews: [UInt64] = [0]
    /// The processor that is asked.
    var present = 0
    /// What a processor takes off its counter for a guest, and for a record.
    var correctsSkew = true
    /// - Units: ticks in a microsecond.
    private(set) var rate: UInt64 = 2_000
    private var changed: (time: UInt64, ticks: UInt64, system: UInt64) = (0, 1 << 40, 0)

    /// The counter of the present processor, as a guest reads it there.
    func read(_ now: UInt64) -> UInt64 {
        let ticks = changed.ticks + (now - changed.time) * rate / 1_000
        return ticks + (correctsSkew ? 0 : skews[present])
    }

    private var scale: (multiplier: UInt32, shift: Int8) {
        var (scaled, shift) = (rate * 1_000_000, Int8(0))
        while scaled > 2_000_000_000 { (scaled, shift) = (scaled >> 1, shift - 1) }
        while scaled <= 1_000_000_000 { (scaled, shift) = (scaled << 1, shift + 1) }
        return (UInt32(truncatingIfNeeded: (1_000_000_000 << 32) / scaled), shift)
    }

    /// The record of this moment.
    func record(_ now: UInt64) -> TimeRecord {
        let (multiplier, shift) = scale
        let counter = read(now)
        let origin = TimeRecord(
            tscTimestamp: changed.ticks, systemTime: changed.system,
            tscToSystemMultiplier: multiplier, tscShift: shift)
        return TimeRecord(
            tscTimestamp: counter, systemTime: origin.time(at: counter),
            tscToSystemMultiplier: multiplier, tscShift: shift)
    }

    /// From now on the counters run at another rate; time goes on where it is.
    mutating func setRate(_ rate: UInt64, _ now: UInt64) {
        let record = record(now)
        changed = (now, record.tscTimestamp, record.systemTime)
        self.rate = rate
    }
}

extension TimeRecord {
    /// What a guest makes of its counter (Xen's public `xen.h`, `struct vcpu_time_info`).
    func time(at counter: UInt64) -> UInt64 {
        let delta = counter &- tscTimestamp
        let shifted = tscShift >= 0 ? delta << UInt64(tscShift) : delta >> UInt64(-tscShift)
        let product = shifted.multipliedFullWidth(by: UInt64(tscToSystemMultiplier))
        return systemTime &+ (product.high << 32 | product.low >> 32)
    }
}

@Suite struct VirtualTimeTests {
    /// What is wrong with a machine.
    enum Defect: CaseIterable {
        /// A guest reads the counter of the processor that it is on.
        case skewedCounter
        /// The version stays even while a record changes.
        case evenVersion
        /// The rate changes, and no record is renewed.
        case oldRecord
    }

    /// A guest of four processors that looks at its clock whenever it can, on each of them, also
    /// between two stores of the hypervisor.
    private final class Reader {
        /// Where the records are, by processor.
        var places: [(frame: UInt64, offset: Int)]
        /// What each processor read last.
        var last: [UInt64]
        var lookCount = 0
        /// How far it was off at most.
        var worst: UInt64 = 0
        /// How far two processors were apart at the same moment, at most.
        var apart: UInt64 = 0
        var wentBack = false

        init(_ places: [(frame: UInt64, offset: Int)]) {
            self.places = places
            last = places.map { _ in 0 }
        }

        func look(_ memory: FakeMemory) {
            guard let counters = memory.counters else { return }
            let counter = counters.read(memory.now)
            var (least, most) = (UInt64.max, UInt64(0))
            for (number, place) in places.enumerated() {
                let offset = place.offset + 32
                guard memory.number(place.frame, offset, 4) & 1 == 0 else { continue }
                let time = TimeRecord(memory, place.frame, offset).time(at: counter)
                lookCount += 1
                wentBack = wentBack || time < last[number]
                last[number] = time
                (least, most) = (min(least, time), max(most, time))
                worst = max(worst, time > memory.now ? time - memory.now : memory.now - time)
            }
            if least < most { apart = max(apart, most - least) }
        }
    }

    /// Moves virtual processors about, changes the rate, and renews records, at random.
    private func run(_ defect: Defect?, seed: UInt64) throws -> Reader {
        var simulation = try Simulation(TestSystem.minimal())
        let memory = simulation.memory
        var generator = SeededGenerator(seed: seed)
        var counters = FakeCounters()
        counters.skews = [0] + (0..<3).map { _ in generator.next() >> 30 }
        counters.correctsSkew = defect != .skewedCounter
        memory.counters = counters
        memory.losesOddVersions = defect == .evenVersion
        let domain = DomainID(number: 1)
        // One of them has its record in memory of its own.
        let moved = simulation.call(24, 10, from: 1, [12, 0, 128, 0], second: 3)
        #expect(moved == 0)
        simulation.core.start(domain, wallClockSeconds: 0, simulation.machine)
        let reader = Reader(
            (0..<4).map { number in
                let cpu = simulation.core.domains[0].cpus[number]
                return (cpu.infoFrame.number, cpu.infoOffset)
            })
        memory.onStore = { reader.look($0) }
        for _ in 0..<10_000 {
            memory.now += generator.next() % 200_000
            reader.look(memory)
            memory.counters?.present = Int(generator.next() % 4)
            reader.look(memory)
            switch generator.next() % 20 {
            case 0:
                memory.counters?.setRate(800 + generator.next() % 3_400, memory.now)
                guard defect != .oldRecord else { continue }
                for number in 0..<4 {
                    let cpu = VirtualCPUID(domain: domain, number: number)
                    simulation.core.publishTime(cpu, simulation.machine)
                }
            case 1, 2:
                let cpu = VirtualCPUID(domain: domain, number: Int(generator.next() % 4))
                simulation.core.publishTime(cpu, simulation.machine)
            default: break
            }
            reader.look(memory)
        }
        memory.onStore = nil
        return reader
    }

    @Test("a virtual processor's time never goes back and is right, on any processor, at any rate")
    func right() throws {
        let seed = SeededGenerator.announced(1_024).seed
        let reader = try run(nil, seed: seed)
        #expect(!reader.wentBack, "seed=\(seed)")
        // Rounding: a tick at each change of the rate, and parts of 2^-30 of the time between.
        #expect(reader.worst < 10_000, "seed=\(seed)")
        // Rounding of one record and of another, and the tick that a shift drops.
        #expect(reader.apart <= 2, "seed=\(seed)")
        #expect(reader.lookCount > 100_000)
        print(
            "looks at the clock: \(reader.lookCount); off by at most \(reader.worst) ns; "
                + "processors apart by at most \(reader.apart) ns")
    }

    @Test("each way to get time wrong is noticed", arguments: Defect.allCases)
    func defects(_ defect: Defect) throws {
        let reader = try run(defect, seed: 9)
        #expect(reader.wentBack || reader.worst >= 10_000)
    }
}
