import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import Testing

/// Domain 1 is `sensor`, 2 is `collector`, which may read what the sensor grants, and nothing else:
/// what a one-way channel is made of.
@Suite struct GrantTests {
    private let offset: UInt32 = 4000

    private func oneWay() throws -> Simulation {
        try Simulation(
            TestSystem.minimal(),
            rights: [
                Simulation.Right(
                    source: 1, target: 0,
                    permissions: [GrantPermission.mapRead, GrantPermission.unmap]),
                Simulation.Right(source: 0, target: 1, permissions: [GrantPermission.copy]),
            ])
    }

    @Test("a granted page is read by its grantee where it mapped it, and not written")
    func mapped() throws {
        var simulation = try oneWay()
        simulation.grant(1, 9, to: 2, frame: 5)
        let result = simulation.map(2, of: 1, 9, at: 40, readOnly: true)
        #expect(result.status == .okay)
        let read = simulation.access(2, 40)
        #expect(read == FakeMachine.firstFrame(DomainID(number: 1)) + 5)
        let written = simulation.access(2, 40, writing: true)
        #expect(written == nil)
        let entry = simulation.entry(1, 9)
        #expect(entry & (Simulation.Flag.reading | Simulation.Flag.writing) == 8)
    }

    @Test("a map against the direction of the channel is refused, recorded, and changes nothing")
    func denied() throws {
        var simulation = try oneWay()
        simulation.grant(1, 9, to: 2, frame: 5)
        simulation.grant(2, 9, to: 1, frame: 5)
        let before = simulation.view(of: 2)
        let writing = simulation.map(2, of: 1, 9, at: 40)
        let backwards = simulation.map(1, of: 2, 9, at: 40, readOnly: true)
        #expect(writing.status == .permissionDenied)
        #expect(backwards.status == .permissionDenied)
        let permissions = simulation.memory.denials.map(\.permission)
        #expect(permissions == [GrantPermission.mapWrite, GrantPermission.mapRead])
        let entry = simulation.entry(2, 9)
        #expect(entry == 1 | 1 << 16)
        let after = simulation.view(of: 2)
        // The structure of its own request, where the status is, is all that is new.
        #expect(before[8192...] == after[8192...])
    }

    @Test("bytes are copied along the channel, and not against it")
    func copied() throws {
        var simulation = try oneWay()
        simulation.grant(1, 3, to: 2, frame: 5, flags: Simulation.Flag.permitAccess)
        simulation.grant(2, 3, to: 1, frame: 6)
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 5
        simulation.memory.setByte(frame, Int(offset), 77)
        let along = simulation.copy(
            2, from: .granted(by: 1, 3), to: .own(frame: 8), offset: offset, count: 4)
        let pushed = simulation.copy(
            1, from: .own(frame: 5), to: .granted(by: 2, 3), offset: offset, count: 4)
        let against = simulation.copy(
            2, from: .own(frame: 8), to: .granted(by: 1, 3), offset: offset, count: 4)
        let pulled = simulation.copy(
            1, from: .granted(by: 2, 3), to: .own(frame: 8), offset: offset, count: 4)
        #expect(
            [along, pushed, against, pulled] == [
                .okay, .okay, .permissionDenied, .permissionDenied,
            ])
        let second = FakeMachine.firstFrame(DomainID(number: 2))
        let bytes = [
            simulation.memory.byte(second + 8, 4000), simulation.memory.byte(second + 6, 4000),
        ]
        #expect(bytes == [77, 77])
        let entries = [simulation.entry(1, 3), simulation.entry(2, 3)]
        #expect(entries == [1 | 2 << 16, 1 | 1 << 16])
    }

    @Test("a domain that does not exist answers as one that is forbidden")
    func absent() throws {
        var simulation = try oneWay()
        var statuses: [GrantStatus?] = []
        for grantor in [UInt16(0), 2, 3, 99, 0x7ff1, .max] {
            statuses.append(simulation.map(1, of: grantor, 9, at: 40).status)
            statuses.append(simulation.map(1, of: grantor, .max, at: 40, readOnly: true).status)
            statuses.append(
                simulation.copy(
                    1, from: .granted(by: grantor, 1), to: .own(frame: 8), offset: 0, count: 4))
        }
        #expect(statuses.allSatisfy { $0 == .permissionDenied })
    }

    @Test("only host maps exist: every other flag is refused")
    func flags() throws {
        var simulation = try oneWay()
        simulation.grant(1, 9, to: 2, frame: 5)
        for flags in UInt32(0)..<64 where flags & ~4 != 2 {
            let request = Simulation.mapRequest(of: 1, 9, at: 40, flags: flags)
            let result = simulation.call(20, 0, from: 2, request, third: 1)
            #expect(result == 0)
            let status = simulation.answer(4, of: 2) >> 16
            #expect(status == 0xffff, "flags \(flags)")
        }
    }

    @Test("a frame is mapped where nothing is, on a page boundary")
    func place() throws {
        var simulation = try oneWay()
        simulation.grant(1, 9, to: 2, frame: 5)
        let statuses = [3, 31, 48, 1 << 18].map {
            simulation.map(2, of: 1, 9, at: $0, readOnly: true).status
        }
        #expect(statuses.allSatisfy { $0 == .generalError })
        var request = Simulation.mapRequest(of: 1, 9, at: 40, flags: 6)
        request[0] |= 8
        _ = simulation.call(20, 0, from: 2, request, third: 1)
        let unaligned = simulation.answer(4, of: 2) >> 16
        #expect(unaligned == 0xffff)
        let first = simulation.map(2, of: 1, 9, at: 40, readOnly: true).status
        let second = simulation.map(2, of: 1, 9, at: 40, readOnly: true).status
        #expect(first == .okay)
        #expect(second == .generalError)
        // Nor can a page of the hypervisor take its place.
        let replaced = simulation.call(12, 7, from: 2, [0x7ff0, 0, 0, 0, 40, 0])
        #expect(replaced == -22)
    }

    @Test("what was unmapped cannot be reached, and its handle names nothing")
    func unmapped() throws {
        var simulation = try oneWay()
        simulation.grant(1, 9, to: 2, frame: 5)
        let mapped = simulation.map(2, of: 1, 9, at: 40, readOnly: true)
        _ = simulation.access(2, 40, processor: 1)
        let elsewhere = simulation.unmap(2, mapped.handle, at: 41)
        #expect(elsewhere == .badAddress)
        let ended = simulation.unmap(2, mapped.handle, at: 40)
        #expect(ended == .okay)
        let reached = simulation.access(2, 40, processor: 1)
        #expect(reached == nil)
        let again = simulation.unmap(2, mapped.handle, at: 40)
        #expect(again == .badHandle)
        let entry = simulation.entry(1, 9)
        #expect(entry == 1 | 2 << 16)
    }

    @Test("a compartment maps as many pages as the channel has, and not one more")
    func quota() throws {
        var simulation = try oneWay()
        for number in UInt32(0)..<9 { simulation.grant(1, number, to: 2, frame: 2 + number) }
        for number in UInt32(0)..<8 {
            let status = simulation.map(
                2, of: 1, number, at: UInt64(32 + number), readOnly: true
            ).status
            #expect(status == .okay)
        }
        let over = simulation.map(2, of: 1, 8, at: 47, readOnly: true).status
        #expect(over == .noSpace)
        let ended = simulation.unmap(2, 3, at: 35)
        #expect(ended == .okay)
        let again = simulation.map(2, of: 1, 8, at: 47, readOnly: true)
        #expect(again.status == .okay)
        #expect(again.handle == 3)
    }

    @Test("the table's size is four frames; version 1 is the only one")
    func table() throws {
        var simulation = try oneWay()
        let queried = simulation.call(20, 6, from: 1, [0x7ff0, 0, 0, 0], third: 1)
        let sizes = [simulation.answer(1, of: 1), simulation.answer(2, of: 1)]
        #expect(queried == 0)
        #expect(sizes == [4, 4])
        let versions = [1, 0, 2, 3].map { simulation.call(20, 8, from: 1, [$0], third: 1) }
        #expect(versions == [0, -38, -38, -38])
        let foreign = simulation.call(20, 6, from: 1, [2, 0, 0, 0], third: 1)
        let several = simulation.call(20, 6, from: 1, [0x7ff0, 0, 0, 0], third: 2)
        #expect(foreign == -1)
        #expect(several == -22)
    }

    @Test("a stopped domain's frames leave the others' memory; a blank page takes their place")
    func severed() throws {
        var simulation = try oneWay()
        simulation.grant(1, 9, to: 2, frame: 5)
        let mapped = simulation.map(2, of: 1, 9, at: 40, readOnly: true)
        let before = simulation.access(2, 40)
        simulation.crash(1)
        let after = simulation.access(2, 40, writing: true)
        let own = FakeMachine.firstFrame(DomainID(number: 2))
        #expect(before == FakeMachine.firstFrame(DomainID(number: 1)) + 5)
        #expect(after == own + 19)
        let renewed = simulation.renew(1)
        #expect(renewed)
        let ended = simulation.unmap(2, mapped.handle, at: 40)
        #expect(ended == .okay)
        let gone = simulation.access(2, 40)
        #expect(gone == nil)
    }

    @Test("a service finds the rings of the domains that it serves, granted and waiting")
    func services() throws {
        var simulation = try Simulation(
            TestSystem.minimal(),
            rights: [
                Simulation.Right(
                    source: 0, target: 1,
                    permissions: [
                        GrantPermission.mapRead, GrantPermission.mapWrite, GrantPermission.unmap,
                    ])
            ])
        let (guest, service) = (DomainID(number: 2), DomainID(number: 1))
        let console = simulation.core.attachConsole(of: guest, to: service, simulation.machine)
        let store = simulation.core.attachStore(of: guest, to: service, simulation.machine)
        let nobody = simulation.core.attachStore(
            of: guest, to: DomainID(number: 9), simulation.machine)
        #expect([console, store, nobody] == [true, true, false])
        let ports = [simulation.binding(2, port: 1), simulation.binding(2, port: 2)]
        #expect(ports == [.unbound(remote: service), .unbound(remote: service)])
        // The levels of this system let nobody write both ways; the entries are there all the same.
        let entries = [simulation.entry(2, 0), simulation.entry(2, 1)]
        #expect(entries == [1 | 1 << 16, 1 | 1 << 16])
        var parameters: [UInt32] = []
        for parameter in [UInt32(1), 2] {
            _ = simulation.call(34, 1, from: 2, [0x7ff0, parameter, 0, 0])
            parameters.append(simulation.answer(2, of: 2))
        }
        #expect(parameters == [0xfeffe, 2])
    }
}
