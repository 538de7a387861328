extension Span<UInt8> {
    // Never inlined: there are hundreds of calls, and no reader of manifests is in a hurry.

    /// Returns the number in two bytes from `offset`; they must lie inside.
    @inline(never)
    func littleEndian16(at offset: Int) -> UInt16 {
        let bytes = extracting(offset..<offset + 2)
        return UInt16(bytes[0]) | UInt16(bytes[1]) << 8
    }

    /// Returns the number in four bytes from `offset`; they must lie inside.
    @inline(never)
    func littleEndian32(at offset: Int) -> UInt32 {
        let bytes = extracting(offset..<offset + 4)
        return UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16
            | UInt32(bytes[3]) << 24
    }

    /// Returns the number in eight bytes from `offset`; they must lie inside.
    @inline(never)
    func littleEndian64(at offset: Int) -> UInt64 {
        UInt64(littleEndian32(at: offset)) | UInt64(littleEndian32(at: offset + 4)) << 32
    }

    /// Returns the place in a source that a record names.
    @inline(never)
    func sourceReference(at offset: Int) -> SourceReference {
        SourceReference(
            source: Int(littleEndian32(at: offset)), line: littleEndian32(at: offset + 4),
            column: littleEndian32(at: offset + 8))
    }

    /// Returns the schedule at an offset; nil when it breaks a rule.
    func schedule(at offset: Int) -> ScheduleRecord? {
        let slot = littleEndian32(at: offset + 4)
        let weight = littleEndian32(at: offset + 8)
        let cap = littleEndian32(at: offset + 12)
        switch littleEndian32(at: offset) {
        case 0:
            return slot == 0 && weight == 0 && cap == 0 ? .automatic : nil
        case 1:
            guard (100...1_000_000).contains(slot), weight == 0, cap == 0 else { return nil }
            return .fixed(slotInMicroseconds: slot)
        case 2:
            guard slot == 0, (1...65_535).contains(weight), cap <= 800 else { return nil }
            return .fair(weight: weight, capInPercent: cap)
        default: return nil
        }
    }

    /// Returns whether all bytes of `range` are zero; it must lie inside.
    @inline(never)
    func isZero(_ range: Range<Int>) -> Bool {
        for index in range where self[index] != 0 { return false }
        return true
    }

    /// Returns whether both spans hold the same bytes.
    @inline(never)
    func hasSameBytes(as other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// Returns how these bytes stand to `other`, which is before them.
    @inline(never)
    func order(after other: Span<UInt8>) -> ByteOrder {
        for index in 0..<Swift.min(count, other.count) where self[index] != other[index] {
            return self[index] > other[index] ? .rising : .falling
        }
        if count == other.count { return .same }
        return count > other.count ? .rising : .falling
    }
}

/// How two sequences of bytes stand to each other.
enum ByteOrder {
    case rising
    case same
    case falling
}
