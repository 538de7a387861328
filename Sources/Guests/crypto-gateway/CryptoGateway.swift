internal import GuestSystemHosted

/// Between the networks: what goes out is sealed, what comes in is opened or dropped. Each
/// direction has a key of its own, drawn when the gateway starts, so that its own packets sent back
/// do not authenticate. It has no console; what it does shows at its ends and in its log.
enum CryptoGateway {
    /// - Parameter log: the domain of the audit.
    /// - Throws: what a driver or the store answered. Who cannot be audited does not begin.
    static func run(log: UInt32) throws(SystemError) -> Never {
        let channels = try EventChannels()
        var journal = try LogWriter(to: log, pages: 4, on: channels)
        let outward = Seal()
        let inward = Seal()
        var red = try MessageChannel("red_side", isFirst: false, pages: 32, on: channels)
        var black = try MessageChannel("black_side", isFirst: true, pages: 32, on: channels)
        var sequence: UInt64 = 0
        while true {
            if let letter = try red.receive() {
                sequence += 1
                guard letter.count <= MessageChannel.maximumLength - 64,
                    let packet = outward.close(letter, nonce: nonce(sequence))
                else { throw .protocolViolation }
                try journal.write("sealed a letter of \(letter.count) bytes, packet \(sequence)")
                try black.send(packet)
            } else if let packet = try black.receive() {
                if let letter = inward.open(packet) {
                    try journal.write("opened a packet of \(packet.count) bytes")
                    try red.send(letter)
                } else {
                    try journal.write("dropped \(packet.count) bytes that do not authenticate")
                    try red.send(Array("a packet was dropped: it does not authenticate".utf8))
                }
            } else {
                _ = try? channels.wait(milliseconds: 1000)
            }
        }
    }

    /// The number of a packet as a nonce: low byte first, then four bytes of 0.
    private static func nonce(_ sequence: UInt64) -> [UInt8] {
        (0..<UInt64(Seal.nonceSize)).map {
            $0 < 8 ? UInt8(truncatingIfNeeded: sequence >> (8 * $0)) : 0
        }
    }
}
