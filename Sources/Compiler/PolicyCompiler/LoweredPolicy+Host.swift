import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import SecurityLattice

extension LoweredPolicy {
    /// Joins every compartment with the domain that stock Xen starts first, which makes them and
    /// serves their store and consoles: event channels both ways, at the highest level, of which
    /// the constraints make exceptions for what that domain does.
    mutating func addHost(_ system: SystemPolicy) {
        let host = number(of: TypeNames.host)
        let top = SecurityRange(system.fullRange.high)
        let (out, back) = (number(of: TypeNames.hostEnd), number(of: TypeNames.guestEnd))
        let own = [EventPermission.create, EventPermission.send, EventPermission.status]
        for subject in subjects {
            database.transition(host, subject, .event, to: out)
            database.rangeTransition(host, subject, .event, to: top)
            database.transition(subject, host, .event, to: back)
            database.rangeTransition(subject, host, .event, to: top)
            database.allow(subject, back, own)
            database.allow(out, subject, [EventPermission.bind])
        }
        database.transition(host, host, .event, to: out)
        database.rangeTransition(host, host, .event, to: top)
        database.allow(host, out, own)
        // The tools make the ends that a new domain finds.
        database.allow(host, back, own)
        for end in [out, back] { database.allow(end, host, [EventPermission.bind]) }
        constraints.trusted = [host, out]
    }
}
