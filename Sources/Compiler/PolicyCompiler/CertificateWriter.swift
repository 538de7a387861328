public import PolicyChecks
import PolicySemantics
import PolicySyntax

extension ProvedSystem {
    /// The flow certificate of the system: every edge, and why each claim holds.
    ///
    /// - Source: `docs/abi/certificate.md`, version 2.
    public var certificate: [UInt8] { FlowProof(of: policy, flows).encoded }
}

extension FlowProof {
    /// The proof as a certificate.
    ///
    /// A proof with more records than the format has numbers for gives a certificate that every
    /// reader refuses.
    package var encoded: [UInt8] {
        var starts = Array(repeating: 0, count: compartments.count)
        for edge in edges { starts[edge.from] += 1 }
        var next = 0
        for index in starts.indices { (starts[index], next) = (next, next + starts[index]) }
        let passing = PassingTable(self, starts: starts + [next])
        var writer = ByteWriter()
        writer.write(Array("CFC2".utf8))
        writer.write32(0)
        for count in [
            compartments.count, edges.count, exemptions.count, passing.words.count, claims.count,
            0,
        ] { writer.write32(UInt32(clamping: count)) }
        for (compartment, start) in zip(compartments, starts) {
            writer.write32(UInt32(clamping: start))
            writer.write16(compartment.integrity)
            writer.write16(compartment.keepsApart ? 1 : 0)
        }
        for (index, edge) in edges.enumerated() {
            for number in [edge.from, edge.to, edge.link, Int(edge.use.rawValue)] {
                writer.write16(number)
            }
            writer.write16(edge.exemptionOut.map { $0 + 1 } ?? 0)
            writer.write16(edge.exemptionIn.map { $0 + 1 } ?? 0)
            writer.write32(UInt32(clamping: passing.starts[index]))
        }
        for exemption in exemptions {
            for number in [exemption.subject, exemption.from, exemption.to, 0] {
                writer.write16(number)
            }
        }
        for word in passing.words { writer.write32(word) }
        for claim in claims { writer.write(claim, compartments.count, edges.count) }
        return writer.bytes
    }
}

/// For each edge to a compartment that keeps apart, the edges by which it passes on, as bits.
private struct PassingTable {
    /// Where the words of each edge begin; 0 for an edge without any.
    private(set) var starts: [Int] = []
    private(set) var words: [UInt32] = []

    /// - Parameter starts: the first edge of each compartment, and the number of edges.
    init(_ proof: FlowProof, starts first: [Int]) {
        for edge in proof.edges {
            guard proof.compartments[edge.to].keepsApart else {
                starts.append(0)
                continue
            }
            starts.append(words.count)
            let count = first[edge.to + 1] - first[edge.to]
            words += Array(repeating: 0, count: (count + 31) / 32)
            for next in edge.passing {
                let place = next - first[edge.to]
                words[starts[starts.count - 1] + place / 32] |= 1 << UInt32(place % 32)
            }
        }
    }
}

extension ByteWriter {
    fileprivate mutating func write(
        _ claim: FlowProof.Claim, _ compartmentCount: Int, _ edgeCount: Int
    ) {
        write32(claim.kind.rawValue)
        write32(claim.line)
        for set in [claim.from, claim.to, claim.reached] {
            for index in 0..<(compartmentCount + 31) / 32 {
                let word = set.word(at: index / 2)
                write32(UInt32(truncatingIfNeeded: index % 2 == 0 ? word : word >> 32))
            }
        }
        for members in [claim.excepted, claim.carrying] {
            var words = Array(repeating: UInt32(0), count: (edgeCount + 31) / 32)
            for member in members { words[member / 32] |= 1 << UInt32(member % 32) }
            for word in words { write32(word) }
        }
    }
}

/// Collects little-endian numbers.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ more: [UInt8]) { bytes += more }

    /// Appends two bytes; a number that does not fit is cut to the largest that does.
    mutating func write16(_ value: Int) {
        let number = UInt16(clamping: value)
        bytes.append(UInt8(truncatingIfNeeded: number))
        bytes.append(UInt8(truncatingIfNeeded: number >> 8))
    }

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
