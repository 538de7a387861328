private import CGuest

/// Pages that this domain and another share, by Debian's drivers `gntalloc` and `gntdev`.
///
/// It lives as long as the program: Linux takes the pages back when the program ends.
package struct SharedRing {
    private let number: Int32
    /// The driver that it was mapped by; -1 for pages of this domain's own.
    private let device: Int32

    /// The size of a page, in bytes.
    package static var pageSize: UInt32 { 4096 }

    /// Shares new pages, which `remote` may map for reading.
    ///
    /// - Returns: them, and their references in their order.
    /// - Throws: what `/dev/xen/gntalloc` answered.
    package static func grant(
        to remote: UInt32, pages: UInt32
    ) throws(SystemError) -> (ring: SharedRing, references: [UInt32]) {
        let device = try SystemCalls.open("/dev/xen/gntalloc")
        var references = [UInt32](repeating: 0, count: Int(pages))
        var answer: Int32 = 0
        unsafe references.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer holds `pages` numbers and outlives the call.
            answer = unsafe guest_ring_grant(device, remote, pages, buffer.baseAddress)
        }
        return (SharedRing(number: try SystemCalls.checked(answer), device: -1), references)
    }

    /// Maps pages that `remote` granted.
    ///
    /// - Throws: what `/dev/xen/gntdev` answered; `EINVAL` when the hypervisor refused a page.
    package static func map(
        of remote: UInt32, _ references: [UInt32], writable: Bool = false
    ) throws(SystemError) -> SharedRing {
        try map(of: remote, references, writable: writable, by: GrantDevice())
    }

    /// Maps pages that `remote` granted, by a driver that is open already.
    ///
    /// - Throws: as the function above.
    package static func map(
        of remote: UInt32, _ references: [UInt32], writable: Bool = false, by device: GrantDevice
    ) throws(SystemError) -> SharedRing {
        var answer: Int32 = 0
        unsafe references.withUnsafeBufferPointer { buffer in
            // SAFETY: the buffer holds as many numbers as are announced and outlives the call.
            answer = unsafe guest_ring_map(
                device.number, remote, UInt32(references.count), writable ? 1 : 0,
                buffer.baseAddress)
        }
        return SharedRing(number: try SystemCalls.checked(answer), device: device.number)
    }

    /// Gives mapped pages back.
    ///
    /// - Throws: what `/dev/xen/gntdev` answered.
    package func unmap() throws(SystemError) {
        _ = try SystemCalls.checked(guest_ring_unmap(device, number))
    }

    /// Returns the word at `offset`, a multiple of 4; 0 outside. What was written before the word
    /// is seen after it.
    package func word(at offset: UInt32) -> UInt32 { guest_ring_word(number, offset) }

    /// Stores a word; nothing outside. Who sees it sees what was written before, and who sees what
    /// is written after sees it.
    package func setWord(_ value: UInt32, at offset: UInt32) {
        guest_ring_set_word(number, offset, value)
    }

    /// Copies bytes out, once.
    ///
    /// - Throws: `EINVAL` when they are not all inside.
    package func read(_ count: Int, at offset: UInt32) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var answer: Int32 = 0
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer holds `count` bytes and outlives the call.
            answer = unsafe guest_ring_read(number, offset, buffer.baseAddress, count)
        }
        _ = try SystemCalls.checked(answer)
        return bytes
    }

    /// Copies bytes in.
    ///
    /// - Throws: `EINVAL` when they are not all inside.
    package func write(_ bytes: ArraySlice<UInt8>, at offset: UInt32) throws(SystemError) {
        var answer: Int32 = 0
        unsafe bytes.withUnsafeBufferPointer { buffer in
            // SAFETY: the buffer outlives the call.
            answer = unsafe guest_ring_write(number, offset, buffer.baseAddress, buffer.count)
        }
        _ = try SystemCalls.checked(answer)
    }
}

/// Debian's driver `gntdev`, open for as long as the program runs: for whoever tries many
/// references.
package struct GrantDevice {
    let number: Int32

    /// Opens it.
    ///
    /// - Throws: what `open` answered.
    package init() throws(SystemError) {
        number = try SystemCalls.open("/dev/xen/gntdev")
    }
}
