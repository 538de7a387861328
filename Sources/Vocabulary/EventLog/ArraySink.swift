// The bare machine has no heap: this file is for the host alone.
#if !hasFeature(Embedded)

    /// A sink that grows, for hosts.
    public struct ArraySink: ByteSink {
        /// What was taken so far.
        public private(set) var bytes: [UInt8] = []

        /// Makes an empty sink.
        public init() {}

        /// Takes the next byte.
        public mutating func append(_ byte: UInt8) { bytes.append(byte) }
    }

    extension Measurement where Self: ~Copyable & ~Escapable {
        /// Returns the event data: tag, payload length and payload.
        public var eventData: [UInt8] {
            var sink = ArraySink()
            encodeEventData(into: &sink)
            return sink.bytes
        }
    }

#endif
