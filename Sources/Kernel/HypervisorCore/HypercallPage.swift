/// The page of stubs through which a guest may make hypercalls without knowing how (Xen public
/// `arch-x86/cpuid.h`, leaf 2, and the MSR that it names). Linux makes them itself; other systems,
/// GRUB among them, ask for the page.
public enum HypercallPage {
    /// The register that takes the page's guest-physical address.
    public static var register: UInt32 { 0x4000_0000 }
    /// How many stubs it has.
    public static var stubCount: Int { 64 }
    /// The bytes from one stub to the next.
    public static var stubSize: Int { 32 }

    /// Writes the stubs. Stub n moves n to EAX, makes a VMMCALL and returns; the bytes are the same
    /// in 32-bit and in 64-bit code. Number 23 (`iret`) is no call for these guests: it faults, as
    /// does everything between the stubs.
    ///
    /// - Parameter page: 4,096 bytes.
    public static func write(_ page: inout MutableSpan<UInt8>) {
        guard page.count == 4096 else { return }
        // INT3 everywhere else.
        for index in 0..<4096 { page[index] = 0xcc }
        for number in 0..<stubCount {
            let place = number * stubSize
            guard number != 23 else {
                page.set(0x0b0f, size: 2, at: place)
                continue
            }
            page.set(0xb8, size: 1, at: place)
            page.set(UInt64(number), size: 4, at: place + 1)
            page.set(0xc3_d9_01_0f, size: 4, at: place + 5)
        }
    }
}
