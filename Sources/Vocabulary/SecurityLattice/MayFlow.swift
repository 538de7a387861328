/// Returns whether information of level `source` may come to a place of level `target`.
///
/// This is the one rule about direction; "no read up" and "no write down" are its two readings.
public func mayFlow(from source: SecurityLevel, to target: SecurityLevel) -> Bool {
    target.dominates(source)
}

/// Returns whether a compartment of range `source` may send to one of range `target`.
///
/// A compartment may pass on all that it can know, so what counts is its high level. Only a named
/// exemption lets a compartment of several levels send below that.
public func mayFlow(from source: SecurityRange, to target: SecurityRange) -> Bool {
    mayFlow(from: source.high, to: target.high)
}
