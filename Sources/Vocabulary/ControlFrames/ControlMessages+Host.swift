#if !hasFeature(Embedded)

    /// Numbers and builds the frames of one direction, for programs with a heap.
    public struct ControlFrameSender: Sendable {
        private var last: UInt32 = 0

        /// Starts before the first frame of a session.
        public init() {}

        /// The number of the next frame.
        public var next: UInt32 { last &+ 1 }

        /// Returns the next frame of version 2.
        ///
        /// - Precondition: the payload is one that its kind can have, and the session has had fewer
        ///   than 2³² - 1 frames.
        public mutating func frame(_ kind: ControlFrameKind, _ payload: [UInt8] = []) -> [UInt8] {
            last += 1
            do throws(ControlFrameError) {
                let header = try ControlFrameHeader(
                    kind: kind, sequence: last, payload: payload.span, version: .agent)
                let bytes = header.encoded
                return bytes.indices.map { bytes[$0] } + payload
            } catch { preconditionFailure("a payload is at most 1 MiB") }
        }
    }

    /// The payloads of version 2.
    public enum ControlPayload {
        /// What the authority signs for one request: which session, which place in it, what.
        ///
        /// - Parameters:
        ///   - challenge: the agent's, of this session.
        ///   - sequence: the number of the frame.
        ///   - body: the payload without the signature.
        public static func signedMessage(
            challenge: [UInt8], sequence: UInt32, kind: ControlFrameKind, body: [UInt8]
        ) -> [UInt8] {
            var bytes = Array("casemate control request 2\n".utf8)
            bytes += challenge
            append(sequence, to: &bytes)
            append(kind.rawValue, to: &bytes)
            bytes += body
            return bytes
        }

        /// The payload of `list`.
        ///
        /// - Precondition: at most 32 domains.
        public static func list(_ domains: [UInt16]) -> [UInt8] {
            var bytes: [UInt8] = []
            for domain in Set(domains).sorted() { append(domain, to: &bytes) }
            return bytes
        }

        /// The body of `deploy` and `destroy`.
        public static func order(domain: UInt16, name: String) -> [UInt8] {
            var bytes: [UInt8] = []
            append(domain, to: &bytes)
            bytes += Array(name.utf8)
            return bytes
        }

        /// The payload of `domains` or, with one domain, of `done`.
        public static func domains(_ request: UInt32, _ states: [ControlDomainState]) -> [UInt8] {
            var bytes: [UInt8] = []
            append(request, to: &bytes)
            for state in states {
                append(state.domain, to: &bytes)
                append(state.error, to: &bytes)
                append(state.flags, to: &bytes)
                append(state.generation, to: &bytes)
                append(UInt32(0), to: &bytes)
            }
            return bytes
        }

        /// The payload of `loaded`; of what was taken away the first 4,096 are named.
        ///
        /// - Parameter sequence: which policy is in force, from 1.
        public static func loaded(
            _ request: UInt32, sequence: UInt32, total: UInt32, _ revocations: [ControlRevocation]
        ) -> [UInt8] {
            var bytes: [UInt8] = []
            for word in [request, sequence, total, 0] { append(word, to: &bytes) }
            for revocation in revocations.prefix(4096) {
                append(revocation.kind, to: &bytes)
                append(revocation.holder, to: &bytes)
                append(revocation.other, to: &bytes)
                append(UInt16(0), to: &bytes)
                append(revocation.number, to: &bytes)
            }
            return bytes
        }

        /// The payload of `records`; a longer text is cut.
        public static func records(_ request: UInt32, _ text: [UInt8]) -> [UInt8] {
            var bytes: [UInt8] = []
            append(request, to: &bytes)
            bytes += text.prefix(16 << 10)
            return bytes
        }

        /// The payload of `readLog`.
        public static func readLog(from offset: UInt32) -> [UInt8] {
            var bytes: [UInt8] = []
            append(offset, to: &bytes)
            return bytes
        }

        /// The payload of `log`; a longer part is cut.
        ///
        /// - Parameter total: how long the whole log is, in bytes.
        public static func log(_ request: UInt32, total: UInt32, _ part: [UInt8]) -> [UInt8] {
            var bytes: [UInt8] = []
            append(request, to: &bytes)
            append(total, to: &bytes)
            return bytes + part.prefix(ControlFrameKind.maximumLogPartByteCount)
        }

        /// The payload of `refused`.
        public static func refused(
            _ request: UInt32, _ reason: ControlRefusal, detail: UInt32
        ) -> [UInt8] {
            var bytes: [UInt8] = []
            append(request, to: &bytes)
            append(UInt32(reason.rawValue), to: &bytes)
            append(detail, to: &bytes)
            return bytes
        }

        /// The payload of `working`.
        public static func working(_ request: UInt32, milliseconds: UInt32) -> [UInt8] {
            var bytes: [UInt8] = []
            append(request, to: &bytes)
            append(milliseconds, to: &bytes)
            return bytes
        }

        /// The payload of `tpmResponse`.
        public static func tpmResponse(_ request: UInt32, _ response: [UInt8]) -> [UInt8] {
            var bytes: [UInt8] = []
            append(request, to: &bytes)
            return bytes + response
        }

        /// The payload of `closed`.
        public static func closed(_ end: ControlSessionEnd) -> [UInt8] {
            var bytes: [UInt8] = []
            append(end.rawValue, to: &bytes)
            return bytes
        }

        /// Appends a number, little-endian.
        private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
            for position in 0..<number.bitWidth / 8 {
                bytes.append(UInt8(truncatingIfNeeded: number >> (8 * position)))
            }
        }
    }

#endif
