// C binding: a domain's ring as a file, and its event channel as a socket, for C xenstored with the
// stub of `Tests/ReferenceStore`.
import Foundation

/// A guest of C xenstored: requests and responses in a page that both map.
///
/// - Layout: Xen public `io/xs_wire.h`, `struct xenstore_domain_interface`: requests at 0,
///   responses at 1,024, then `req_cons`, `req_prod`, `rsp_cons`, `rsp_prod`.
@safe final class RingClient {
    private let page: UnsafeMutableRawPointer
    private let events: Int32
    private let own: Int32
    private let folder: String
    private let domain: Int
    private var held: [UInt8] = []

    /// Joins the ring of a domain whose files `Tests/ReferenceStore/run` has made.
    init?(folder: String, domain: Int) {
        self.folder = folder
        self.domain = domain
        let file = unsafe open("\(folder)/ring.\(domain)", O_RDWR)
        guard file >= 0 else { return nil }
        let memory = unsafe mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        close(file)
        guard unsafe memory != MAP_FAILED, let memory = unsafe memory else { return nil }
        unsafe page = memory
        own = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        events = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard bound(own, "\(folder)/cli.\(domain).sock") else { return nil }
        var limit = timeval(tv_sec: 0, tv_usec: 20_000)
        // SAFETY: the option is copied during the call, and has the size that is given.
        _ = unsafe setsockopt(
            own, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        _ = unsafe munmap(page, 4096)
        close(own)
        close(events)
    }

    private static func address(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // SAFETY: what does not fit is cut, and found out by the call that takes the address.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe target.copyBytes(from: Array(path.utf8.prefix(100)))
        }
        return address
    }

    private func bound(_ socket: Int32, _ path: String) -> Bool {
        var address = RingClient.address(path)
        // SAFETY: the address lives through the call, and has the size that is given.
        return unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(socket, address, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// Rings the daemon.
    private func kick() {
        var address = RingClient.address("\(folder)/evt.sock")
        var port = UInt32(1000 + domain)
        // SAFETY: port and address live through the call, and have the sizes that are given.
        _ = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(
                    events, &port, 4, 0, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private func word(_ offset: Int) -> UInt32 {
        // SAFETY: the words lie in the page, aligned. ORDER: a full barrier stands before and
        // after, since the daemon is another process.
        unsafe page.load(fromByteOffset: offset, as: UInt32.self)
    }

    private func setWord(_ offset: Int, _ value: UInt32) {
        unsafe page.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
    }

    /// Puts a whole request into the ring, which must be empty, and rings.
    func send(_ message: [UInt8]) {
        var rest = message[...]
        while !rest.isEmpty {
            var producer = word(2052)
            while let byte = rest.first, producer &- word(2048) < 1024 {
                unsafe page.storeBytes(of: byte, toByteOffset: Int(producer & 1023), as: UInt8.self)
                producer &+= 1
                rest = rest.dropFirst()
            }
            setWord(2052, producer)
            kick()
            if !rest.isEmpty { wait() }
        }
    }

    private func wait() {
        var port: UInt32 = 0
        _ = unsafe recv(own, &port, 4, 0)
    }

    /// Takes the next whole message; nil when none comes within ten seconds.
    func receive() -> [UInt8]? {
        for _ in 0..<500 {
            take()
            if held.count >= 16 {
                let size = 16 + Int(held[12]) + Int(held[13]) << 8
                if held.count >= size {
                    let message = Array(held[..<size])
                    held.removeFirst(size)
                    return message
                }
            }
            wait()
        }
        return nil
    }

    private func take() {
        var consumer = word(2056)
        let producer = word(2060)
        guard consumer != producer else { return }
        while consumer != producer {
            held.append(
                unsafe page.load(
                    fromByteOffset: 1024 + Int(consumer & 1023), as: UInt8.self))
            consumer &+= 1
        }
        setWord(2056, consumer)
        kick()
    }
}
