internal import GuestSystem

/// The networks' ends: on the secret side what goes out passes the crypto gateway; on the open side
/// stands the wire.
enum Network {
    /// Takes mail of the application, has the gateway seal it, and tells what became of it.
    ///
    /// - Throws: what a driver or the store answered.
    static func uplink() throws(SystemError) -> Never {
        let channels = try EventChannels()
        var mail = try MessageChannel("red_mail", isFirst: true, pages: 32, on: channels)
        var gateway = try MessageChannel("red_side", isFirst: true, pages: 32, on: channels)
        while true {
            let letter = try mail.next()
            SystemCalls.report("a letter of \(letter.count) bytes goes to the gateway")
            try gateway.send(letter)
            let answer = try gateway.next()
            let text = Text.printable(answer)
            SystemCalls.report("the gateway says: \(text)")
            try mail.send(answer)
        }
    }

    /// Shows what stands on the wire, and sends each packet of the gateway back to it, as somebody
    /// out there might; says what the application hands over in the clear.
    ///
    /// - Throws: what a driver or the store answered.
    static func wire() throws(SystemError) -> Never {
        let channels = try EventChannels()
        var gateway = try MessageChannel("black_side", isFirst: false, pages: 32, on: channels)
        var mail = try MessageChannel("black_mail", isFirst: false, pages: 32, on: channels)
        while true {
            if let packet = try gateway.receive() {
                let start = Text.hexadecimal(packet.prefix(8))
                SystemCalls.report("on the wire: \(packet.count) bytes, sealed, \(start)...")
                SystemCalls.report("on the wire: \(Text.printable(packet.prefix(200)))")
                try gateway.send(packet)
                SystemCalls.report("sent the packet back")
            } else if let message = try mail.receive() {
                guard let document = Document(message) else { throw .protocolViolation }
                SystemCalls.report("on the wire: \(Text.printable(document.name)), in the clear")
            } else {
                _ = try? channels.wait(milliseconds: 1000)
            }
        }
    }
}

/// Between the networks: what goes out is sealed, what comes in is opened or dropped. Each
/// direction has a key of its own, drawn when the gateway starts, so that its own packets sent back
/// do not authenticate. It has no console.
enum CryptoGateway {
    /// - Throws: what a driver or the store answered.
    static func run() throws(SystemError) -> Never {
        let channels = try EventChannels()
        let size = AuthenticatedCipher.keySize
        guard let outward = AuthenticatedCipher(key: try SystemCalls.randomBytes(size)),
            let inward = AuthenticatedCipher(key: try SystemCalls.randomBytes(size))
        else { throw SystemError(number: 5) }
        var red = try MessageChannel("red_side", isFirst: false, pages: 32, on: channels)
        var black = try MessageChannel("black_side", isFirst: true, pages: 32, on: channels)
        var sequence: UInt64 = 0
        while true {
            if let letter = try red.receive() {
                sequence += 1
                let nonce = (0..<UInt64(AuthenticatedCipher.nonceSize)).map {
                    $0 < 8 ? UInt8(truncatingIfNeeded: sequence >> (8 * $0)) : 0
                }
                guard letter.count <= MessageChannel.maximumLength - 64 else {
                    throw .protocolViolation
                }
                try black.send(nonce + outward.seal(letter, nonce: nonce))
            } else if let packet = try black.receive() {
                let nonceSize = AuthenticatedCipher.nonceSize
                var letter: [UInt8]?
                if packet.count >= nonceSize {
                    letter = inward.open(
                        Array(packet[nonceSize...]), nonce: Array(packet[..<nonceSize]))
                }
                try red.send(
                    letter ?? Array("a packet was dropped: it does not authenticate".utf8))
            } else {
                _ = try? channels.wait(milliseconds: 1000)
            }
        }
    }
}

/// Prints the records of the audit as they come.
enum AuditReader {
    /// `VIRQ_CON_RING` of Xen public `xen.h`: rings for every record.
    private static var consoleRing: UInt32 { 8 }

    /// - Throws: what the driver or the hypervisor answered.
    static func run() throws(SystemError) -> Never {
        let channels = try EventChannels()
        _ = try channels.bind(virtualInterrupt: consoleRing)
        let privcmd = try SystemCalls.open("/dev/xen/privcmd")
        var index: UInt32 = 0
        var pending: [UInt8] = []
        while true {
            let bytes = try SystemCalls.readRecords(privcmd, from: &index)
            pending += bytes
            while let end = pending.firstIndex(of: 0x0a) {
                SystemCalls.report("read \(Text.printable(pending[..<end]))")
                pending = Array(pending[(end + 1)...])
            }
            if bytes.isEmpty { _ = try? channels.wait(milliseconds: 5000) }
        }
    }
}
