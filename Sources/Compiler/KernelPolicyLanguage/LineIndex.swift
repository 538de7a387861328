/// Where the lines of a source begin, and what its line markers say, in a byte or two a line.
///
/// For: naming the place of an error when the source itself is no longer held in memory.
///
/// - Layout: numbers of seven bits a byte, lowest first, with the highest bit set in all but the
///   last byte. A number above zero is a line's length with its end. Zero begins a marker: how far
///   the line's number is from the marker's, the sign as the lowest bit; then the file's place.
package struct LineIndex {
    private var bytes: [UInt8] = []
    /// Where the line begins that is not yet ended, its number from 1 and its file's place.
    private var start = 0
    private var line = 1
    private var file = 0
    /// The files that markers name; the first is what markers say nothing of.
    private var files: [[UInt8]] = [[]]

    package init() {}

    /// Notes the end of a line. One that was noted before is left out.
    ///
    /// - Parameter offset: where the line behind it begins.
    package mutating func endLine(before offset: Int) {
        guard offset > start else { return }
        append(offset - start)
        start = offset
        line += 1
    }

    /// Notes that the line that is not yet ended is a line marker.
    ///
    /// - Parameters:
    ///   - next: the number of the line behind it.
    ///   - name: the name of its file; empty: as before.
    ///   - place: where the marker stands.
    package mutating func mark(_ next: Int, file name: ArraySlice<UInt8>, at place: Int) {
        guard place >= start else { return }
        if !name.isEmpty, !files[file].elementsEqual(name) {
            file = files.firstIndex { $0.elementsEqual(name) } ?? files.count
            if file == files.count { files.append(Array(name)) }
        }
        let step = next - 1 - line
        append(0)
        append(step < 0 ? -step * 2 + 1 : step * 2)
        append(file)
        line = next - 1
    }

    private mutating func append(_ number: Int) {
        var rest = number
        while rest >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: rest & 127 | 128))
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Returns the user's file, line and column of a place.
    package func place(
        of offset: Int, in name: String
    ) -> (file: String, line: Int, column: Int) {
        var place = 0
        func next() -> Int {
            var (number, shift) = (0, 0)
            while place < bytes.count {
                let byte = Int(bytes[place])
                place += 1
                number |= (byte & 127) << shift
                shift += 7
                if byte < 128 { break }
            }
            return number
        }
        var (begin, line, file) = (0, 1, 0)
        while place < bytes.count {
            let length = next()
            if length == 0 {
                let step = next()
                line += step & 1 == 1 ? -(step >> 1) : step >> 1
                file = next()
            } else {
                guard begin + length <= offset else { break }
                begin += length
                line += 1
            }
        }
        let found = files[file].isEmpty ? name : String(decoding: files[file], as: UTF8.self)
        return (found, line, offset - begin + 1)
    }
}

extension LineIndex {
    /// How many bytes the ended lines have.
    package var byteCount: Int { start }

    /// Notes that the lines behind a place are those of the source itself again.
    package mutating func forgetFile(at place: Int, next: Int) {
        guard file != 0, place >= start else { return }
        file = 0
        mark(next, file: [], at: place)
    }
}
