/// Writes a tree in the one canonical form: what `casemate format` leaves.
///
/// - Postcondition: parsing the text gives an equal tree, and printing that gives equal text.
public enum Printer {
    /// Returns the text of a tree; it ends with a line feed unless it is empty.
    public static func text(of tree: SyntaxTree) -> String {
        var lines: [String] = []
        for statement in tree.statements {
            append(statement.layout, indent: "", to: &lines)
            append(statement, to: &lines)
        }
        append(tree.closingComments, indent: "", to: &lines)
        return lines.map { $0 + "\n" }.joined()
    }

    private static func append(_ comments: [Comment], indent: String, to lines: inout [String]) {
        for comment in comments {
            if comment.followsBlankLine { lines.append("") }
            lines.append("\(indent)//\(comment.text)")
        }
    }

    private static func append(_ layout: Layout, indent: String, to lines: inout [String]) {
        append(layout.comments, indent: indent, to: &lines)
        if layout.followsBlankLine { lines.append("") }
    }

    private static func append(_ statement: Statement, to lines: inout [String]) {
        switch statement.kind.value {
        case .system(let name, let version):
            lines.append("system \(name.value) version \(version.value)")
        case .target(let name):
            lines.append("target \(name.value)")
        case .levels(let names):
            lines.append("levels " + names.map(\.value).joined(separator: " < "))
        case .categories(let names):
            lines.append("categories " + names.map(\.value).joined(separator: ", "))
        case .compartment(let compartment):
            append(compartment, to: &lines)
        case .channel(let channel):
            lines.append(
                "channel \(channel.name.value): \(channel.from.value) -> \(channel.to.value) "
                    + channel.kind.value)
        case .assertNever(let from, let to):
            lines.append("assert never \(from.text) -> \(to.text)")
        }
        lines[lines.count - 1] += lineComment(statement.layout.lineComment)
    }

    private static func append(_ compartment: CompartmentSyntax, to lines: inout [String]) {
        let high = compartment.label.high.map { "..\($0.text)" } ?? ""
        lines.append(
            "compartment \(compartment.name.value) at \(compartment.label.low.text)\(high) {"
                + lineComment(compartment.openingComment))
        for field in compartment.fields {
            append(field.layout, indent: "    ", to: &lines)
            lines.append(
                "    " + text(of: field.kind.value) + lineComment(field.layout.lineComment))
        }
        append(compartment.closingComments, indent: "    ", to: &lines)
        lines.append("}")
    }

    private static func lineComment(_ comment: String?) -> String {
        comment.map { "  //\($0)" } ?? ""
    }

    private static func text(of field: FieldSyntax.Kind) -> String {
        switch field {
        case .kernel(let name): return "kernel \(name.value)"
        case .kernelFile(let name): return "kernel \(quoted(name.value))"
        case .initrd(let name): return "initrd \(quoted(name.value))"
        case .commandLine(let text): return "command line \(quoted(text.value))"
        case .memory(let amount, let unit): return "memory \(amount.value) \(unit.value.rawValue)"
        case .vcpus(let count): return "vcpus \(count.value)"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted + "\""
    }
}
