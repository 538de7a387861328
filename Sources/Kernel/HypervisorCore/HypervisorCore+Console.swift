import BootArena
import ReferenceMonitor

/// The console ring (Xen public `io/console.h`, `struct xencons_interface`).
///
/// - Layout: `char in[1024]`, `char out[2048]`, `u32 in_cons` [guest], `u32 in_prod` [hypervisor],
///   `u32 out_cons` [hypervisor], `u32 out_prod` [guest].
/// - Trust: every index in it is the guest's allegation, used modulo the ring's size.
extension HypervisorCore {
    /// Passes on what the guest has written to its ring, at most one ring full.
    mutating func drainConsole(_ domain: DomainID, _ machine: inout some Hardware) {
        guard let index = index(of: domain) else { return }
        let ring = domains[index].consoleRing
        let producer = machine.load32(ring, offset: 3084)
        var consumer = machine.load32(ring, offset: 3080)
        // WRAPS: the indices run freely modulo 2^32.
        let waiting = producer &- consumer
        guard waiting <= 2048 else {
            machine.store32(ring, offset: 3080, producer)
            return
        }
        for _ in 0..<waiting {
            let byte = machine.load8(ring, offset: 1024 + Int(consumer & 2047))
            machine.consoleOutput(domain, byte)
            consumer &+= 1
        }
        // ORDER: the bytes were read before the guest may overwrite them.
        machine.store32(ring, offset: 3080, consumer)
        if waiting > 0 { setPending(domain, Domain.consolePort, &machine) }
    }

    /// Offers one byte of input to the domain's console.
    ///
    /// - Returns: false when its ring is full, or the domain does not run; the byte was not taken.
    public mutating func consoleInput(
        _ byte: UInt8, to domain: DomainID, machine: inout some Hardware
    ) -> Bool {
        guard let index = index(of: domain), domains[index].life == .running,
            domains[index].plan.hasConsole
        else { return false }
        let ring = domains[index].consoleRing
        let consumer = machine.load32(ring, offset: 3072)
        let producer = machine.load32(ring, offset: 3076)
        // WRAPS: the indices run freely modulo 2^32.
        guard producer &- consumer < 1024 else { return false }
        machine.store8(ring, offset: Int(producer & 1023), byte)
        // ORDER: the byte is in place before the guest sees the index.
        machine.store32(ring, offset: 3076, producer &+ 1)
        setPending(domain, Domain.consolePort, &machine)
        return true
    }

    /// `CONSOLEIO_write`: writes to the console without the ring.
    ///
    /// - Throws: `.badAddress`; what came before the bad address was written.
    func consoleWrite(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        var remaining = Int(truncatingIfNeeded: min(call.second, 4096))
        var position = call.address.value
        while remaining > 0 {
            let size = min(remaining, GuestBytes.capacity)
            let place = GuestVirtualAddress(position)
            let bytes = try machine.copyFromGuest(call.caller, at: place, count: size)
            for index in 0..<size { machine.consoleOutput(call.caller, bytes[index]) }
            remaining -= size
            // WRAPS: an address past the end is not mapped, and refused by the next copy.
            position &+= UInt64(size)
        }
    }
}
