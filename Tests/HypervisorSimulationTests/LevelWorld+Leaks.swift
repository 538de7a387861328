import HypervisorCore

/// What low domains see, and what can be wrong.
extension LevelWorld {
    /// Something that a low domain saw.
    struct Sight: Equatable {
        /// What it saw.
        enum Kind: String {
            /// The clock, as its record and its counter have it.
            case clock
            /// How its processor's time was spent (`struct vcpu_runstate_info`).
            case times
            /// The pending bits, and whether it was told of them.
            case events
            /// The ports that its queues gave it, in order.
            case order
            /// Its console: how far its output was taken, and what was typed.
            case console
            /// All memory that it can read, a number for each page.
            case memory
            /// When it comes to a processor, and when it leaves it.
            case runs, leaves
            /// Results and answers of hypercalls.
            case reserve, send, change, status, map, unmap, copy, wait, timer, life, ask, line
            /// What it reaches through a mapping.
            case reach
        }

        let time: UInt64
        let domain: UInt16
        let cpu: Int
        let kind: Kind
        let values: [Int64]

        /// Whether it is the same but for the time.
        func differsInTime(from other: Sight) -> Bool {
            (domain, cpu, kind) == (other.domain, other.cpu, other.kind) && values == other.values
        }
    }

    /// What a low domain can do that tells it something of the high domains it sends to, by
    /// design: `docs/assurance.md` names each. Comparisons leave out exactly these.
    enum Residual: CaseIterable {
        /// `EVTCHNOP_bind_interdomain` to a high domain: whether that has reserved the port.
        case bindInterdomain
        /// `EVTCHNOP_status` of a port for a high domain: whether that has bound or closed its end.
        case status
        /// `GNTTABOP_copy` to a high domain: whether that has granted the page.
        case copy
        /// An entry that was granted to a high domain is granted to another: it is refused while
        /// the high one has it mapped.
        case regrant
        /// `GTF_reading` of an entry that is granted to a high domain.
        case marks
        /// `EVTCHNOP_send` to a high domain beyond the budget: only what the receiver had taken
        /// is paid for.
        case budget

        /// What low sees of it first, one of these.
        var shows: [Sight.Kind?] {
            switch self {
            case .bindInterdomain: [.reserve]
            case .status: [.status]
            case .copy: [.copy]
            case .regrant: [.map, .copy, .memory]
            case .marks: [.memory]
            case .budget: [.send]
            }
        }
    }

    /// A hypervisor that tells low domains of high ones: a step that it leaves out, or something
    /// that it does besides, when a high domain has done something.
    enum Leak: CaseIterable {
        /// Grants are looked up before the policy is asked.
        case undecided
        /// A grant is anybody's.
        case foreignGrantee
        /// A mapping that may read can write.
        case writableMapping
        /// All domains have one list of free ports.
        case sharedPorts
        /// All domains have one list of handles.
        case sharedHandles
        /// Who has time left over gives it to others: the schedule is `fair`.
        case fairTime
        /// Deadlines of domains whose time it is not are looked at, which takes a moment.
        case foreignTimers
        /// The clock goes on by what is done, not by itself.
        case countedTime
        /// What is accounted to one is noted at another.
        case sharedAccount
        /// A wait ends when another's does.
        case sharedWait
        /// An event is marked in another's page.
        case strayEvent
        /// Priorities of ports belong to the number, not to the domain.
        case sharedPriorities
        /// What is typed for one is shown to another.
        case sharedInput
        /// A low domain may know of lives.
        case lives
        /// A new policy takes a channel of low domains too.
        case revokesLow
        /// A line that rings has another one's port marked.
        case sharedLines
        /// Who is done with a line opens all.
        case opensAll

        /// The step that is left out.
        var fault: FaultPoint? {
            switch self {
            case .undecided: .authorizeFirst
            case .foreignGrantee: .checkGrantee
            case .writableMapping: .mapReadOnly
            default: nil
            }
        }

        /// Whether it tells by way of the schedule.
        var isOfSchedule: Bool { [.fairTime, .foreignTimers, .sharedAccount].contains(self) }

        /// What low sees of it first, one of these; nil: that something happens at another time.
        var shows: [Sight.Kind?] {
            switch self {
            case .undecided: [.map, .copy, .memory]
            case .foreignGrantee, .writableMapping: [.memory]
            case .sharedPorts: [.reserve, .change, .send, .status]
            case .sharedHandles: [.map, .unmap, .reach]
            case .fairTime: [.runs, .leaves, nil]
            case .foreignTimers: [.clock, nil]
            case .countedTime: [.clock]
            case .sharedAccount: [.times]
            case .sharedWait: [.times, .runs, nil]
            case .strayEvent: [.events]
            case .sharedPriorities: [.order]
            case .sharedInput: [.console]
            case .sharedLines, .opensAll: [.events, .memory, .times, .runs, nil]
            case .lives: [.events, .runs, nil]
            case .revokesLow: [.send, .reserve, .order, .events, .map, .unmap, .copy, .reach]
            }
        }
    }

    /// After each step of a high domain: what the leak makes of it.
    mutating func tellOfHigh(_ cpu: VirtualCPUID) {
        let two = DomainID(number: 2)
        let page = FakeMachine.firstFrame(two) + 16
        switch leak {
        case .countedTime: simulation.memory.lateness += 10
        case .sharedPorts: callUnseen(32, 7, from: 2, [0, 0])
        case .sharedHandles where (counts["map of high"] ?? 0) > 0:
            simulation.grant(2, 7, to: 3, frame: 4)
            let request = Simulation.mapRequest(of: 2, 7, at: 47, flags: 6)
            callUnseen(20, 0, from: 3, request, third: 1)
            simulation.grant(2, 7, to: 0, frame: 0, flags: 0)
        case .sharedAccount:
            simulation.core.note(
                .blocked, VirtualCPUID(domain: two, number: 0), simulation.machine)
        case .sharedWait: simulation.core.interrupt(VirtualCPUID(domain: two, number: 1))
        case .strayEvent:
            let bits = simulation.memory.number(page, 2048, 8)
            simulation.memory.setNumber(page, 2048, 8, bits | 1 << 63)
        case .sharedPriorities:
            for port in UInt32(1)..<20 {
                let priority = UInt32(random(16, of: cpu.domain.number))
                callUnseen(32, 13, from: LevelWorld.queued, [port, priority])
            }
        case .sharedInput:
            let typed = simulation.memory.number(page + 1, 3076, 4)
            simulation.memory.setNumber(page + 1, 3076, 4, typed + 1)
        case .sharedLines where (counts["ring"] ?? 0) > 0:
            simulation.core.ring(1 << UInt32(Devices.lowLine), &simulation.machine)
        case .opensAll where (counts["line"] ?? 0) > 0: openLowLine()
        default: break
        }
    }

    /// A call in a domain's name that leaves nothing in its memory.
    private mutating func callUnseen(
        _ number: UInt64, _ operation: UInt64, from domain: UInt16, _ argument: [UInt32],
        third: UInt64 = 0x1000
    ) {
        let frame = FakeMachine.firstFrame(DomainID(number: domain)) + 1
        let before = argument.indices.map { simulation.memory.number(frame, $0 * 4, 4) }
        _ = simulation.call(number, operation, from: domain, argument, third: third)
        for index in argument.indices {
            simulation.memory.setNumber(frame, index * 4, 4, before[index])
        }
    }
}
