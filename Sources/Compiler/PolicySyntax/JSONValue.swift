/// A JSON document that is written, never read: members keep the order in which they are given.
///
/// - Source: RFC 8259.
package indirect enum JSONValue: Equatable, Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A whole number.
    case number(UInt64)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object.
    case object([(String, JSONValue)])

    /// Compares the documents as written.
    package static func == (left: JSONValue, right: JSONValue) -> Bool { left.text == right.text }

    /// The document with two blanks for each level of nesting, and a line feed at the end.
    package var text: String {
        var text = ""
        write(to: &text, indent: "")
        return text + "\n"
    }

    /// - Complexity: the depth is that of the value, which the program builds, never its input.
    private func write(to text: inout String, indent: String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let value): text += String(value)
        case .string(let value): text += JSONValue.quoted(value)
        case .array(let values):
            JSONValue.write(values, "[", "]", to: &text, indent: indent) { value, text, inner in
                value.write(to: &text, indent: inner)
            }
        case .object(let members):
            JSONValue.write(members, "{", "}", to: &text, indent: indent) { member, text, inner in
                text += JSONValue.quoted(member.0) + ": "
                member.1.write(to: &text, indent: inner)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], _ open: String, _ close: String, to text: inout String,
        indent: String, _ body: (Element, inout String, String) -> Void
    ) {
        guard !elements.isEmpty else {
            text += open + close
            return
        }
        text += open
        for (index, element) in elements.enumerated() {
            text += (index == 0 ? "\n" : ",\n") + indent + "  "
            body(element, &text, indent + "  ")
        }
        text += "\n" + indent + close
    }

    private static func quoted(_ value: String) -> String {
        var quoted = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            default:
                if scalar.isControl || scalar.hidesText {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}
