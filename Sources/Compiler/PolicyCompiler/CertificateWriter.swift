public import PolicyChecks
import PolicySemantics
import PolicySyntax

extension ProvedSystem {
    /// The flow certificate of the system: its flows, their closure, and what was asserted.
    ///
    /// - Source: `docs/abi/certificate.md`, version 1.
    public var certificate: [UInt8] {
        var writer = ByteWriter()
        writer.write(Array("CFC1".utf8))
        writer.write32(UInt32(flows.direct.count))
        writer.write32(UInt32(policy.assertions.count))
        writer.write32(0)
        for row in flows.direct { writer.write32(row.bits) }
        for row in flows.reach { writer.write32(row.bits) }
        for assertion in policy.assertions {
            writer.write32(assertion.from.compartments.bits)
            writer.write32(assertion.to.compartments.bits)
            writer.write32(assertion.source.line)
        }
        return writer.bytes
    }
}

/// Collects little-endian numbers.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ more: [UInt8]) { bytes += more }

    mutating func write32(_ value: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func write64(_ value: UInt64) {
        write32(UInt32(truncatingIfNeeded: value))
        write32(UInt32(truncatingIfNeeded: value >> 32))
    }

    mutating func writeZeros(_ count: Int) { bytes += Array(repeating: 0, count: count) }

    /// Appends zeros up to a multiple of 8.
    mutating func pad() { writeZeros((8 - bytes.count % 8) % 8) }
}
