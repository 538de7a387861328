import BootArena
import GuestRuntime

/// How users come and go: what the store says of them, and the hypervisor.
///
/// - Source: Xen public `io/xenbus.h`, `enum xenbus_state`; `io/tpmif.h` for the names of nodes.
extension TPMServer {
    /// Forgets a domain that has ended, and looks for its successor.
    mutating func followLife<M: TPMMachine & ~Copyable>(
        _ index: Int, _ machine: inout M
    ) -> Bool {
        let life = machine.life(of: users[index].domain)
        let isOther = life.generation != users[index].generation
        guard isOther || !life.isRunning && users[index].isJoined else { return false }
        leave(index, &machine)
        guard isOther else { return true }
        users[index].generation = life.generation
        inquire(index)
        return true
    }

    /// Has the store asked about a user, now or once it has answered.
    private mutating func inquire(_ index: Int) {
        if users[index].inquiry == .nothing {
            users[index].inquiry = .state
        } else {
            users[index].isStale = true
        }
    }

    /// Gives a user's page and port back. Its command goes on without it, to nobody.
    private mutating func leave<M: TPMMachine & ~Copyable>(_ index: Int, _ machine: inout M) {
        if let present = current, present.user == index {
            current?.user = nil
            machine.cancelCommand(of: present.domain)
        }
        guard users[index].isJoined else { return }
        users[index].isJoined = false
        machine.close(users[index].port)
        machine.unmap(users[index].page)
    }

    // MARK: The store

    /// Takes what the store says.
    mutating func listen<M: TPMMachine & ~Copyable>(_ machine: inout M) -> Bool {
        var hasMoved = false
        // A ring holds no more messages.
        for _ in 0..<64 {
            guard let message = store.receive(&machine) else { break }
            hasMoved = true
            if message.kind == StoreLine.Kind.event {
                if let token = message.decimal(behindNUL: true), token < UInt32(users.count) {
                    inquire(Int(token))
                }
            } else if let index = asked, message.number == UInt32(index) + 1 {
                asked = nil
                take(message, of: index, &machine)
            }
        }
        return hasMoved
    }

    /// Takes the answer to what was asked about a user.
    private mutating func take<M: TPMMachine & ~Copyable>(
        _ message: StoreMessage, of index: Int, _ machine: inout M
    ) {
        let number = message.kind == StoreLine.Kind.read ? message.decimal(behindNUL: false) : nil
        let inquiry = users[index].inquiry
        users[index].inquiry = .nothing
        switch inquiry {
        case .nothing: break
        case .watch: users[index].isStale = true
        case .state:
            // `XenbusStateInitialised`, `_Connected`.
            if number == 3 || number == 4 {
                if !users[index].isJoined { users[index].inquiry = .reference }
            } else {
                leave(index, &machine)
            }
        case .reference:
            guard let number else { break }
            users[index].reference = number
            users[index].inquiry = .port
        case .port:
            if let number { join(index, number, &machine) }
        }
        if users[index].isStale, users[index].inquiry == .nothing {
            users[index].isStale = false
            users[index].inquiry = .state
        }
    }

    /// Joins the ring that a user has named. What the hypervisor refuses is left alone until the
    /// user says something else.
    private mutating func join<M: TPMMachine & ~Copyable>(
        _ index: Int, _ remotePort: UInt32, _ machine: inout M
    ) {
        let domain = users[index].domain
        let life = machine.life(of: domain)
        guard life.isRunning, life.generation == users[index].generation,
            let page = machine.map(users[index].reference, of: domain)
        else { return }
        guard let port = machine.bind(remotePort, of: domain) else { return machine.unmap(page) }
        users[index].page = page
        users[index].port = port
        users[index].isJoined = true
    }

    /// Asks the store what is to be asked next, if it has answered.
    mutating func ask<M: TPMMachine & ~Copyable>(_ machine: inout M) -> Bool {
        guard asked == nil else { return false }
        for index in users.indices where users[index].inquiry != .nothing {
            let isWatch = users[index].inquiry == .watch
            store.begin(
                isWatch ? StoreLine.Kind.watch : StoreLine.Kind.read,
                number: UInt32(truncatingIfNeeded: index) + 1)
            store.append("/local/domain/")
            store.append(decimal: UInt32(users[index].domain))
            store.append("/device/vtpm/0/")
            switch users[index].inquiry {
            case .reference: store.append("ring-ref")
            case .port: store.append("event-channel")
            case .nothing, .watch, .state: store.append("state")
            }
            store.append(0)
            if isWatch {
                store.append(decimal: UInt32(truncatingIfNeeded: index))
                store.append(0)
            }
            guard store.send(&machine) else { return false }
            asked = index
            return true
        }
        return false
    }
}
