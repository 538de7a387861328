/// What one run of the program is to do.
struct Request {
    /// The end of the channel that this compartment holds, or what it tries.
    enum Role {
        case receive, send, reverse, probe, give, take, feed, watch
    }

    let role: Role
    /// The channel's name in the policy, for the reports; empty for `probe`.
    let channel: String
    /// The domain at the far end.
    let remote: UInt32
    /// How long to wait for the far end, in seconds.
    let seconds: UInt32
    /// How many pages the ring has, of `give` and `take`.
    let pages: UInt32

    /// What the program says to a command line that it does not understand.
    static let usage = """
        usage: channel-demo receive --channel NAME --from DOMID [--seconds N]
               channel-demo reverse --channel NAME --from DOMID [--seconds N]
               channel-demo send --channel NAME --to DOMID [--seconds N]
               channel-demo probe --to DOMID
               channel-demo give --channel NAME --to DOMID [--pages N] [--seconds N]
               channel-demo take --channel NAME --from DOMID [--pages N] [--seconds N]
               channel-demo feed --channel NAME --to DOMID [--seconds N]
               channel-demo watch --channel NAME --from DOMID [--seconds N]
        """

    /// Reads a command line; nil when it is not one of `usage`.
    init?(_ arguments: [[UInt8]]) {
        guard arguments.count >= 2, let role = Self.role(arguments[1]) else { return nil }
        var channel: String?
        var remote: UInt32?
        var seconds: UInt32 = 120
        var pages: UInt32 = 256
        var index = 2
        while index + 1 < arguments.count {
            let value = arguments[index + 1]
            if Self.matches(arguments[index], "--channel") {
                channel = String(decoding: value, as: UTF8.self)
            } else if Self.matches(arguments[index], Self.remoteOption(of: role)) {
                remote = Self.number(value)
            } else if Self.matches(arguments[index], "--seconds"), let number = Self.number(value) {
                seconds = number
            } else if Self.matches(arguments[index], "--pages"), let number = Self.number(value) {
                pages = number
            } else {
                return nil
            }
            index += 2
        }
        // The last argument is followed by an empty one, since its terminator ends the list.
        guard index == arguments.count - 1, arguments[index].isEmpty else { return nil }
        guard let remote, remote < 0x7ff0, seconds <= 3600 else { return nil }
        guard pages >= 1, pages <= 256 else { return nil }
        if channel == nil, role != .probe { return nil }
        self.pages = pages
        (self.role, self.remote, self.seconds) = (role, remote, seconds)
        self.channel = channel ?? ""
    }

    private static func role(_ word: [UInt8]) -> Role? {
        if matches(word, "receive") { return .receive }
        if matches(word, "send") { return .send }
        if matches(word, "reverse") { return .reverse }
        if matches(word, "probe") { return .probe }
        if matches(word, "give") { return .give }
        if matches(word, "take") { return .take }
        if matches(word, "feed") { return .feed }
        if matches(word, "watch") { return .watch }
        return nil
    }

    private static func remoteOption(of role: Role) -> StaticString {
        switch role {
        case .receive, .reverse, .take, .watch: "--from"
        case .send, .probe, .give, .feed: "--to"
        }
    }

    private static func matches(_ word: [UInt8], _ text: StaticString) -> Bool {
        "\(text)".utf8.elementsEqual(word)
    }

    private static func number(_ digits: [UInt8]) -> UInt32? {
        var value: UInt32 = 0
        guard !digits.isEmpty, digits.count <= 5 else { return nil }
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + UInt32(digit - 0x30)
        }
        return value
    }
}
