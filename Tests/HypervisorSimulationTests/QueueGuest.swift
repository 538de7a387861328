import BootArena
import HypervisorCore

/// A guest that uses queued event channels as Linux does: what the ABI says that a guest has to do,
/// on one processor.
struct QueueGuest {
    /// Its domain.
    let domain: UInt16
    /// Where its control block and its event words are.
    static let controlFrame: UInt64 = 10
    static let controlOffset = 64
    static let wordsFrame: UInt64 = 11

    private var heads = [UInt32](repeating: 0, count: 16)
    /// The ports that were handled, in order.
    private(set) var handled: [UInt32] = []

    init(_ domain: UInt16) { self.domain = domain }

    private var first: UInt64 { FakeMachine.firstFrame(DomainID(number: domain)) }

    /// Changes the domain over, with every port masked, as Linux does.
    func start(_ simulation: inout Simulation) -> [Int64] {
        let control = simulation.call(
            32, 11, from: domain,
            [UInt32(QueueGuest.controlFrame), 0, UInt32(QueueGuest.controlOffset), 0, 0, 0])
        for port in 0..<1024 { setWord(simulation, UInt32(port), 1 << 30) }
        let words = simulation.call(32, 12, from: domain, [UInt32(QueueGuest.wordsFrame), 0])
        return [control, words]
    }

    func word(_ simulation: borrowing Simulation, _ port: UInt32) -> UInt32 {
        let frame = first + QueueGuest.wordsFrame
        return UInt32(simulation.memory.number(frame, Int(port) * 4, 4))
    }

    func setWord(_ simulation: borrowing Simulation, _ port: UInt32, _ value: UInt32) {
        let frame = first + QueueGuest.wordsFrame
        simulation.memory.setNumber(frame, Int(port) * 4, 4, UInt64(value))
    }

    /// Takes the mask off a port, by the hypervisor, as it may be pending.
    func unmask(_ simulation: inout Simulation, _ port: UInt32) -> Int64 {
        simulation.call(32, 9, from: domain, [port])
    }

    func mask(_ simulation: borrowing Simulation, _ port: UInt32) {
        setWord(simulation, port, word(simulation, port) | 1 << 30)
    }

    private func takeReady(_ simulation: borrowing Simulation) -> UInt32 {
        let frame = first + QueueGuest.controlFrame
        let ready = simulation.memory.number(frame, QueueGuest.controlOffset, 4)
        simulation.memory.setNumber(frame, QueueGuest.controlOffset, 4, 0)
        return UInt32(ready)
    }

    /// Handles events until there are none, or `limit` were looked at.
    mutating func handle(_ simulation: borrowing Simulation, limit: Int = .max) {
        simulation.clearUpcall(DomainID(number: domain))
        var ready = takeReady(simulation)
        var count = 0
        while ready != 0, count < limit {
            let priority = ready.trailingZeroBitCount
            if consume(simulation, priority) { ready &= ~(1 << UInt32(priority)) }
            ready |= takeReady(simulation)
            count += 1
        }
        guard ready != 0 else { return }
        // What was not looked at stays for the next time.
        let frame = first + QueueGuest.controlFrame
        simulation.memory.setNumber(frame, QueueGuest.controlOffset, 4, UInt64(ready))
    }

    /// Takes one event from the head of a queue.
    ///
    /// - Returns: whether the queue was empty afterwards.
    private mutating func consume(_ simulation: borrowing Simulation, _ priority: Int) -> Bool {
        var head = heads[priority]
        if head == 0 {
            let place = QueueGuest.controlOffset + 8 + priority * 4
            let frame = first + QueueGuest.controlFrame
            head = UInt32(simulation.memory.number(frame, place, 4))
        }
        guard head != 0, head < 1024 else { return true }
        let old = word(simulation, head)
        setWord(simulation, head, old & ~(1 << 29 | 0x1_ffff))
        if old >> 31 == 1, old >> 30 & 1 == 0 {
            setWord(simulation, head, word(simulation, head) & ~(1 << 31))
            handled.append(head)
        }
        heads[priority] = old & 0x1_ffff
        return heads[priority] == 0
    }
}

extension Simulation {
    /// A processor takes its upcall.
    func clearUpcall(_ domain: DomainID) {
        let processor = core.domains[Int(domain.number) - 1].cpus[0]
        memory.setByte(processor.infoFrame.number, processor.infoOffset, 0)
    }
}
