// Runs one end of a channel inside a Linux guest and reports what the hypervisor answered.
//
// There is no xenstore in which the ends could meet, so they meet by the convention of
// docs/abi/channels.md. The program never prints an outcome that it did not observe: every refusal
// is the answer of the hypervisor, named.

internal import GuestSystem

@main
enum ChannelDemo {
    static func main() {
        do throws(SystemError) {
            guard let request = Request(try SystemCalls.arguments()) else {
                SystemCalls.report(Request.usage)
                SystemCalls.exit(status: 2)
            }
            SystemCalls.exit(status: try run(request) ? 0 : 1)
        } catch {
            SystemCalls.report("channel-demo stopped: \(error.name)")
            SystemCalls.exit(status: 1)
        }
    }

    /// Plays the role; returns whether it came to its end.
    private static func run(_ request: Request) throws(SystemError) -> Bool {
        let channels = try EventChannels()
        switch request.role {
        case .receive:
            return receive(request, on: channels) != nil
        case .reverse:
            guard let port = receive(request, on: channels) else { return false }
            reverse(port, on: channels)
            return true
        case .send:
            return try send(request, on: channels)
        case .probe:
            probe(request, on: channels)
            return true
        case .give:
            try RingDemo(request, on: channels).send()
            return true
        case .take:
            try RingDemo(request, on: channels).receive()
            return true
        case .feed:
            try LiveRing(request, on: channels).feed()
            return true
        case .watch:
            try LiveRing(request, on: channels).watch()
            return true
        }
    }

    /// Reserves a port for the sender and waits for one event on it; nil when there was none.
    private static func receive(
        _ request: Request, on channels: EventChannels
    ) -> EventChannelPort? {
        let port: EventChannelPort
        do throws(SystemError) {
            port = try channels.reservePort(for: request.remote)
        } catch {
            SystemCalls.report("port for \(request.channel) refused: \(error.name)")
            return nil
        }
        SystemCalls.report("waiting on \(request.channel), port \(port.index)")
        do throws(SystemError) {
            // The driver reports the program's own ports only, and this is its only one.
            _ = try channels.wait(milliseconds: request.seconds * 1000)
        } catch {
            SystemCalls.report("no event on \(request.channel): \(error.name)")
            return nil
        }
        SystemCalls.report("event received on \(request.channel)")
        return port
    }

    /// Tries to signal against the direction of the channel.
    private static func reverse(_ port: EventChannelPort, on channels: EventChannels) {
        do throws(SystemError) {
            try channels.send(port)
            SystemCalls.report("send was allowed")
        } catch {
            SystemCalls.report("send refused: \(error.name)")
        }
    }

    /// Looks for the receiver's port, signals it once and keeps the channel open.
    ///
    /// - Throws: what the driver answered to the signal.
    private static func send(
        _ request: Request, on channels: EventChannels
    ) throws(SystemError) -> Bool {
        for attempt in 0...request.seconds {
            if attempt > 0 { SystemCalls.sleep(milliseconds: 1000) }
            switch find(request, on: channels) {
            case .bound(let port):
                try channels.notify(port)
                SystemCalls.report("signalled on \(request.channel), port \(port.index)")
                SystemCalls.sleepForever()
            case .refused(let error):
                SystemCalls.report("bind on \(request.channel) refused: \(error.name)")
                return false
            case .absent:
                continue
            }
        }
        SystemCalls.report("no receiver on \(request.channel) within \(request.seconds) s")
        return false
    }

    /// What a search for the receiver's port came to.
    private enum Search {
        case bound(EventChannelPort)
        /// No port is reserved for us, so far.
        case absent
        /// The policy has no such channel: asking again changes nothing.
        case refused(SystemError)
    }

    /// Tries the ports at which a receiver may wait.
    private static func find(_ request: Request, on channels: EventChannels) -> Search {
        for remotePort in UInt32(1)...63 {
            do throws(SystemError) {
                return .bound(try channels.bind(to: remotePort, of: request.remote))
            } catch {
                if error == .notPermitted { return .refused(error) }
            }
        }
        return .absent
    }

    /// Asks for a port toward a domain with which the policy has no channel.
    private static func probe(_ request: Request, on channels: EventChannels) {
        do throws(SystemError) {
            let port = try channels.reservePort(for: request.remote)
            SystemCalls.report("port for domain \(request.remote) was allowed: \(port.index)")
        } catch {
            SystemCalls.report("port for domain \(request.remote) refused: \(error.name)")
        }
    }
}
