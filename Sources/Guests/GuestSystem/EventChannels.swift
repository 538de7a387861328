private import CGuest

/// This domain's event channels, as `/dev/xen/evtchn` and `/dev/xen/privcmd` give them.
///
/// A port lives as long as the program: Linux closes it when the program ends.
package struct EventChannels {
    private let device: Int32

    /// Opens `/dev/xen/evtchn`.
    ///
    /// - Throws: what `open` answered: `ENOENT` when the driver `xen-evtchn` is not loaded.
    package init() throws(SystemError) {
        device = try SystemCalls.open("/dev/xen/evtchn")
    }

    /// Reserves a port that `remote` may bind: `EVTCHNOP_alloc_unbound`.
    ///
    /// - Throws: the hypervisor's answer: `EPERM` when the policy has no channel between the two.
    package func reservePort(for remote: UInt32) throws(SystemError) -> EventChannelPort {
        try port(guest_bind_unbound(device, remote))
    }

    /// Binds a new port to a port that `remote` reserved: `EVTCHNOP_bind_interdomain`.
    ///
    /// - Throws: the hypervisor's answer: `EPERM` when the policy has no channel between the two,
    ///   `EINVAL` when `remote` has not reserved that port for this domain.
    package func bind(
        to remotePort: UInt32, of remote: UInt32
    ) throws(SystemError) -> EventChannelPort {
        try port(guest_bind_interdomain(device, remote, remotePort))
    }

    /// Asks the driver to signal the far end. The driver drops the hypervisor's answer.
    ///
    /// - Throws: the driver's answer: `ENOTCONN` when `port` is not this program's.
    package func notify(_ port: EventChannelPort) throws(SystemError) {
        _ = try SystemCalls.checked(guest_notify(device, port.index))
    }

    /// Binds a new port to a virtual interrupt of this domain.
    ///
    /// - Throws: the hypervisor's answer: `EPERM` when it is not this domain's.
    package func bind(virtualInterrupt number: UInt32) throws(SystemError) -> EventChannelPort {
        try port(guest_bind_virq(device, number))
    }

    /// Waits for an event and takes the mask off its port again.
    ///
    /// - Throws: `ETIMEDOUT` when none came in time.
    package func wait(milliseconds: UInt32) throws(SystemError) -> EventChannelPort {
        let port = try port(guest_wait(device, milliseconds))
        _ = try SystemCalls.checked(guest_unmask(device, port.index))
        return port
    }

    /// Signals the far end by a hypercall of its own, which shows the hypervisor's answer.
    ///
    /// - Throws: the hypervisor's answer, `EPERM` when the policy does not let this end signal; or
    ///   what opening `/dev/xen/privcmd` answered.
    package func send(_ port: EventChannelPort) throws(SystemError) {
        let privcmd = try SystemCalls.open("/dev/xen/privcmd")
        _ = try SystemCalls.checked(guest_send(privcmd, port.index))
    }

    private func port(_ answer: Int32) throws(SystemError) -> EventChannelPort {
        EventChannelPort(index: UInt32(bitPattern: try SystemCalls.checked(answer)))
    }
}
