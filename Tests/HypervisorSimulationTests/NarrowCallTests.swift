import BootArena
import CompilerTestSupport
import HypervisorCore
import Testing

/// Hypercalls of 32-bit code: the same operations, of structures with narrower pointers.
@Suite struct NarrowCallTests {
    /// Where the answers go, beside the arguments at 0x1000.
    private static let buffer: UInt32 = 0x1100

    private func number(_ simulation: borrowing Simulation, _ offset: Int, _ size: Int) -> UInt64 {
        simulation.memory.number(FakeMachine.firstFrame(DomainID(number: 1)) + 1, offset, size)
    }

    @Test("both widths read the same memory map, each by its own structure")
    func memoryMap() throws {
        for isNarrow in [true, false] {
            var simulation = try Simulation(TestSystem.minimal())
            let argument = isNarrow ? [8, Self.buffer] : [8, 0, Self.buffer, 0]
            let result = simulation.call(12, 9, from: 1, argument, isNarrow: isNarrow)
            #expect(result == 0)
            let count = simulation.answer(0, of: 1)
            #expect(count == 5)
            let first = [
                number(simulation, 0x100, 8), number(simulation, 0x108, 8),
                number(simulation, 0x110, 4),
            ]
            #expect(first == [0, 0xa0000, 1])
            let third = [
                number(simulation, 0x128, 8), number(simulation, 0x130, 8),
                number(simulation, 0x138, 4),
            ]
            #expect(third == [0x10_0000, 15 << 20, 1])
        }
    }

    @Test("a map that has less room is filled, and not a byte more is written")
    func smallMap() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
        simulation.memory.setNumber(frame, 0x100 + 20, 8, 0x1234)
        let result = simulation.call(12, 9, from: 1, [1, Self.buffer], isNarrow: true)
        #expect(result == 0)
        let told = [UInt64(simulation.answer(0, of: 1)), number(simulation, 0x100 + 20, 8)]
        #expect(told == [1, 0x1234])
        let outside = simulation.call(12, 9, from: 1, [1, 0xffff_f000], isNarrow: true)
        #expect(outside == -14)
    }

    @Test("a shared page is shown where the narrow structure says")
    func physmap() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let shown = simulation.call(12, 7, from: 1, [0x7ff0, 1, 0, 5], isNarrow: true)
        #expect(shown == 0)
        let place = simulation.core.domains[0].grantGuestFrames[0]
        #expect(place == GuestFrame(number: 5))
    }

    @Test("a poll of 32-bit code waits for its port and its deadline")
    func poll() throws {
        var simulation = try Simulation(TestSystem.minimal())
        simulation.memory.setNumber(
            FakeMachine.firstFrame(DomainID(number: 1)) + 1, 0x100, 4, 1)
        let result = simulation.call(29, 3, from: 1, [Self.buffer, 1, 5_000, 0], isNarrow: true)
        #expect(result == 0)
        let cpu = simulation.core.domains[0].cpus[0]
        #expect(cpu.isBlocked)
        #expect(cpu.pollDeadline == 5_000)
    }

    @Test("a timer's deadline comes in two halves")
    func timer() throws {
        var simulation = try Simulation(TestSystem.minimal())
        _ = simulation.call(15, 0x10, from: 1, second: 2, isNarrow: true)
        let deadline = simulation.core.domains[0].cpus[0].timerDeadline
        #expect(deadline == 2 << 32 | 0x10)
    }

    @Test("operations whose structures have other pointers do not exist for 32-bit code")
    func absent() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let known = simulation.call(20, 6, from: 1, [0x7ff0], third: 1, isNarrow: true)
        #expect(known == 0)
        for operation in [UInt64(2), 5] {
            let wide = simulation.call(20, operation, from: 1, [0x7ff0, 0], third: 1)
            #expect(wide == 0)
            let narrow = simulation.call(
                20, operation, from: 1, [0x7ff0, 0], third: 1, isNarrow: true)
            #expect(narrow == -38)
        }
    }
}
