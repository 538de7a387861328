import PolicySyntax

extension Resolver {
    /// Takes one bound of what a compartment may use of the store.
    mutating func take(
        _ syntax: StoreQuotaSyntax, at span: SourceSpan,
        into quota: inout SystemPolicy.Compartment.StoreQuota
    ) {
        switch syntax {
        case .count(let number, .nodes):
            take(number.value, number.span, 1...1_000_000, "nodes", span, &quota.nodes)
        case .count(let number, .watches):
            take(number.value, number.span, 1...100_000, "watches", span, &quota.watches)
        case .count(let number, .transactions):
            take(number.value, number.span, 1...1000, "transactions", span, &quota.transactions)
        case .count(let number, .requests):
            take(number.value, number.span, 1...1000, "requests", span, &quota.requests)
        case .rate(let number):
            take(
                number.value, number.span, 1...1_000_000, "requests a second", span,
                &quota.requestsPerSecond)
        case .memory(let amount, let unit):
            take(
                size(amount, unit), amount.span.through(unit.span), 4096...1 << 30,
                "bytes in the store", span, &quota.memoryInBytes)
        case .nodeSize(let amount, let unit):
            take(
                size(amount, unit), amount.span.through(unit.span), 1024...64 << 10,
                "bytes per node", span, &quota.nodeSizeInBytes)
        }
    }

    /// The bytes of a size; the greatest number when they are too many to be counted.
    private func size(_ amount: Located<UInt64>, _ unit: Located<MemoryUnit>) -> UInt64 {
        let (bytes, overflow) = amount.value.multipliedReportingOverflow(
            by: unit.value.sizeInBytes)
        return overflow ? .max : bytes
    }

    private mutating func take(
        _ number: UInt64, _ place: SourceSpan, _ bounds: ClosedRange<UInt64>, _ what: String,
        _ span: SourceSpan, _ field: inout Located<UInt64>?
    ) {
        guard isFirstField("quota store", field?.span, at: span) else { return }
        field = Located(number, at: span)
        guard !bounds.contains(number) else { return }
        report(
            .valueOutOfBounds, at: place, "a quota of so many \(what) is out of bounds",
            help: "give from \(bounds.lowerBound) to \(bounds.upperBound) \(what)")
    }
}
