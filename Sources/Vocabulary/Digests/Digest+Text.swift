// The bare machine has no heap, hence no text and no arrays: this file is for the host alone.
#if !hasFeature(Embedded)

    extension Digest {
        /// Returns the digest in lower-case hexadecimal, two digits for each byte.
        public var hexadecimal: String {
            var digits: [UInt8] = []
            digits.reserveCapacity(2 * Self.byteCount)
            for index in bytes.indices {
                let pair = hexadecimalDigits(of: bytes[index])
                digits.append(pair.high)
                digits.append(pair.low)
            }
            return String(decoding: digits, as: UTF8.self)
        }

        /// Returns the bytes, in the order of FIPS 180-4, as an array.
        public var array: [UInt8] { bytes.indices.map { bytes[$0] } }

        /// Reads a digest of exactly `2 * byteCount` hexadecimal digits of either case;
        /// `nil` for any other text.
        public init?(hexadecimal text: String) {
            guard let bytes = bytesOfHexadecimal(text) else { return nil }
            self.init(bytes.span)
        }
    }

    /// Returns the bytes that `text` spells, two hexadecimal digits of either case for each;
    /// `nil` if the count of digits is odd or another character stands among them.
    public func bytesOfHexadecimal(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = hexadecimalValue(of: digits[index]),
                let low = hexadecimalValue(of: digits[index + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// Returns `bytes` in lower-case hexadecimal, two digits for each byte.
    public func hexadecimalText(_ bytes: [UInt8]) -> String {
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            let pair = hexadecimalDigits(of: byte)
            digits.append(pair.high)
            digits.append(pair.low)
        }
        return String(decoding: digits, as: UTF8.self)
    }

#endif
