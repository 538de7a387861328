import BootArena
import HypervisorCore
import TestSupport

/// A device of a low domain and one of a high domain, each with an interrupt line and a page of
/// I/O memory. Each asks for its interrupt until its line has rung, and is not heard while that is
/// shut.
extension LevelWorld {
    struct Devices {
        /// What the policy says of them.
        static let statements = """
            device sensor {
                owner c
                irq \(lowLine)
                io memory "0xfed10000-0xfed10fff"
                without iommu
            }
            device secret {
                owner d
                irq \(highLine)
                io memory "0xfed00000-0xfed00fff"
                without iommu
            }
            """
        static let lowOwner: UInt16 = 4
        static let highOwner: UInt16 = 5
        static let lowLine = 21
        static let highLine = 20

        private var generator: SeededGenerator
        /// When the low domain's device wants something next.
        /// - Units: ns.
        fileprivate(set) var wants: UInt64
        fileprivate var isAsking = false
        /// The lines that may ring.
        fileprivate var open: Set<Int> = []

        init(seed: UInt64, now: UInt64) {
            generator = SeededGenerator(seed: seed)
            wants = now
        }

        fileprivate mutating func ask() {
            isAsking = true
            wants += 20_000 + generator.next() % 1_500_000
        }
    }

    /// The low domain's device wants something, at a moment that has nothing to do with anyone.
    mutating func lowDeviceAsks() {
        devices.ask()
        ringLow()
    }

    /// What is heard of the low domain's device.
    mutating func ringLow() {
        guard isOpen(Devices.lowLine), devices.isAsking else { return }
        devices.isAsking = false
        ring(Devices.lowLine)
        count("low ring")
    }

    /// The high domain's device wants something, if it happens to.
    mutating func ringHigh() {
        guard isOpen(Devices.highLine), random(3, of: Devices.highOwner) == 0 else { return }
        ring(Devices.highLine)
        count("ring")
    }

    private mutating func isOpen(_ line: Int) -> Bool {
        devices.open.formUnion(simulation.memory.openedLines)
        simulation.memory.openedLines = []
        return devices.open.contains(line)
    }

    /// The low domain's device is heard, though nobody said so.
    mutating func openLowLine() { devices.open.insert(Devices.lowLine) }

    private mutating func ring(_ line: Int) {
        devices.open.remove(line)
        simulation.core.ring(1 << UInt32(line), &simulation.machine)
    }

    /// What a high domain does with lines, its own or not.
    mutating func useHighLine(_ domain: UInt16) {
        let line = UInt32(random(6, of: domain) == 0 ? Devices.lowLine : Devices.highLine)
        let result =
            random(3, of: domain) == 0
            ? simulation.call(32, 2, from: domain, [line, 0, 0])
            : simulation.call(33, 12, from: domain, [line])
        if result == 0 { count("line") }
    }

    /// A low domain's hypercall about a line, and which device's memory it reaches.
    mutating func useLowLine(_ cpu: VirtualCPUID) {
        let domain = cpu.domain.number
        let line = UInt32(random(4, of: domain) == 0 ? Devices.highLine : Devices.lowLine)
        let requests: [(call: UInt64, operation: UInt64, argument: [UInt32])] = [
            (32, 2, [line, 0, 0]), (33, 12, [line]), (33, 12, [line]), (33, 5, [line, 0]),
            (33, 13, [0x7ff0, 1, line, .max]),
        ]
        let request = requests[random(requests.count, of: domain)]
        let result = simulation.call(
            request.call, request.operation, from: domain, request.argument)
        let reached = [0xfed00, 0xfed10].map { frame -> Int64 in
            simulation.memory.reaches(.frame(frame), domain) ? 1 : 0
        }
        note(cpu, .line, [result, Int64(simulation.answer(2, of: domain))] + reached)
    }
}
