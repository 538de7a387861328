internal import GuestSystem

/// The networks' ends: on the secret side what goes out passes the crypto gateway; on the open side
/// stands the wire.
enum Network {
    /// Takes mail of the application, has the gateway seal it, and tells what became of it.
    ///
    /// - Throws: what a driver or the store answered.
    static func uplink(
        _ channels: EventChannels, _ journal: inout Journal
    ) throws(SystemError) -> Never {
        var mail = try MessageChannel("red_mail", isFirst: true, pages: 32, on: channels)
        var gateway = try MessageChannel("red_side", isFirst: true, pages: 32, on: channels)
        while true {
            let letter = try mail.next()
            SystemCalls.report("a letter of \(letter.count) bytes goes to the gateway")
            try journal.note("a letter of \(letter.count) bytes goes out")
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
    static func wire(
        _ channels: EventChannels, _ journal: inout Journal
    ) throws(SystemError) -> Never {
        var gateway = try MessageChannel("black_side", isFirst: false, pages: 32, on: channels)
        var mail = try MessageChannel("black_mail", isFirst: false, pages: 32, on: channels)
        while true {
            if let packet = try gateway.receive() {
                let start = Text.hexadecimal(packet.prefix(8))
                SystemCalls.report("on the wire: \(packet.count) bytes, sealed, \(start)...")
                SystemCalls.report("on the wire: \(Text.printable(packet.prefix(200)))")
                try gateway.send(packet)
                SystemCalls.report("sent the packet back")
                try journal.note("\(packet.count) bytes on the wire, sealed")
            } else if let message = try mail.receive() {
                guard let document = Document(message) else { throw .protocolViolation }
                let name = Text.printable(document.name)
                SystemCalls.report("on the wire: \(name), in the clear")
                try journal.note("\(name) on the wire, in the clear")
            } else {
                _ = try? channels.wait(milliseconds: 1000)
            }
        }
    }
}
