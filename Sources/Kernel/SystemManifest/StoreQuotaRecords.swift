/// What one user of the store may use of it; each number 0: the store's own bound.
public struct StoreQuotaRecord: Equatable, Sendable, BitwiseCopyable {
    /// The index of the compartment, 0-based.
    public var compartment: Int
    /// The most nodes.
    public var nodes: UInt32 = 0
    /// The size below which a node stays, in bytes.
    public var nodeSizeInBytes: UInt32 = 0
    /// The most watches.
    public var watches: UInt32 = 0
    /// The most open transactions.
    public var transactions: UInt32 = 0
    /// The most requests whose replies are not taken.
    public var requests: UInt32 = 0
    /// The most requests a second.
    public var requestsPerSecond: UInt32 = 0
    /// The most memory, in bytes.
    public var memoryInBytes: UInt64 = 0

    /// Creates a quota that says nothing.
    public init(compartment: Int) { self.compartment = compartment }
}

/// The most memory that a quota of the store names, in bytes.
public let maximumStoreQuota: UInt64 = 1 << 30

extension SystemManifest {
    /// The number of quotas of the store's users, 0 to 512.
    public var storeQuotaCount: Int { sections[.storeQuotas].count }

    /// Returns a quota of a user of the store.
    ///
    /// - Precondition: `index` is below `storeQuotaCount`.
    public func storeQuota(at index: Int) -> StoreQuotaRecord {
        let offset = offset(of: index, in: sections[.storeQuotas])
        var record = StoreQuotaRecord(compartment: Int(bytes.littleEndian32(at: offset)))
        record.nodes = bytes.littleEndian32(at: offset + 4)
        record.nodeSizeInBytes = bytes.littleEndian32(at: offset + 8)
        record.watches = bytes.littleEndian32(at: offset + 12)
        record.transactions = bytes.littleEndian32(at: offset + 16)
        record.requests = bytes.littleEndian32(at: offset + 20)
        record.requestsPerSecond = bytes.littleEndian32(at: offset + 24)
        record.memoryInBytes = bytes.littleEndian64(at: offset + 32)
        return record
    }

    /// Returns the quota of a compartment, by its index; nil where the store's own holds.
    public func storeQuota(of compartment: Int) -> StoreQuotaRecord? {
        for index in 0..<storeQuotaCount {
            let record = storeQuota(at: index)
            if record.compartment == compartment { return record }
        }
        return nil
    }

    /// Checks that each user of the store has at most one quota, which says something.
    func validateStoreQuotas() throws(SystemManifestError) {
        var next: UInt32 = 0
        for index in 0..<storeQuotaCount {
            let offset = offset(of: index, in: sections[.storeQuotas])
            let compartment = bytes.littleEndian32(at: offset)
            guard compartment >= next, compartment < UInt32(compartmentCount) else {
                throw .badIndex
            }
            next = compartment + 1
            var greatest: UInt32 = 0
            for field in stride(from: offset + 4, to: offset + 28, by: 4) {
                greatest = max(greatest, bytes.littleEndian32(at: field))
            }
            let memory = bytes.littleEndian64(at: offset + 32)
            guard self.compartment(at: Int(compartment)).uses(.store), greatest > 0 || memory > 0,
                greatest <= 1 << 20, memory <= maximumStoreQuota
            else { throw .badStoreQuota }
            guard bytes.littleEndian32(at: offset + 28) == 0 else { throw .reservedNotZero }
        }
    }
}
