import PolicyDatabaseModel

/// The words of what has no place in the compartment language, and of devices.
extension Migration {
    /// Why rules of a class are not said, by class; rules of other classes become channels.
    static let reasons: [String: String] = [
        "domain": "whoever builds domains is the machine itself: the system is built at once",
        "domain2": "whoever builds domains is the machine itself: the system is built at once",
        "hvm": "a compartment's virtual hardware is the hypervisor's own",
        "mmu": "no compartment maps another's memory but by a channel",
        "shadow": "there is no migration",
        "xen": "the hypervisor's operations are nobody's but the machine's",
        "xen2": "the hypervisor's operations are nobody's but the machine's",
        "version": "every compartment may ask for the version",
        "security": "loading a policy is `may load policy`; the rest is nobody's",
        "argo": "argo is not there; a ring carries the same",
        "resource": "a device is given by `device`, to one owner",
    ]

    /// A range of a device's parts, as the language writes it.
    static func span(_ first: UInt64, _ last: UInt64) -> String {
        "\"0x\(String(first, radix: 16))-0x\(String(last, radix: 16))\""
    }

    /// A PCI function: segment, bus, device and function, from Xen's number for it.
    static func pciName(_ number: UInt32) -> String {
        func digits(_ value: UInt32, _ count: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return "\(digits(number >> 16, 4)):\(digits(number >> 8 & 0xff, 2)):"
            + "\(digits(number >> 3 & 0x1f, 2)).\(number & 7)"
    }
}
