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
        case .target(let name, let version):
            lines.append("target \(name.value)" + (version.map { " \(quoted($0.value))" } ?? ""))
        case .importModule(let file):
            lines.append("import \(quoted(file.value))")
        case .levels(let names):
            lines.append("levels " + Located.list(names, " < "))
        case .categories(let names):
            lines.append("categories " + Located.list(names, ", "))
        case .integrity(let names):
            lines.append("integrity " + Located.list(names, " < "))
        case .compartment(let compartment):
            append(compartment, to: &lines)
        case .channel(let channel):
            lines.append(text(of: channel))
        case .store(let store):
            append(store, "store", to: &lines)
        case .device(let device):
            append(device, "device", to: &lines)
        case .exempt(let exempt):
            lines.append(
                "exempt \(exempt.subject.value) \(exempt.from.text) -> \(exempt.to.text) "
                    + "reason \(quoted(exempt.reason.value))")
        case .conflict(let name, let members):
            lines.append("conflict \(name.value): " + Located.list(members, ", "))
        case .assertion(let assertion):
            lines.append("assert " + text(of: assertion))
        }
        lines[lines.count - 1] += lineComment(statement.layout.lineComment)
    }

    private static func text(of channel: ChannelSyntax) -> String {
        let mark = channel.isTwoWay ? "<->" : "->"
        let pages = channel.pages.map { " \($0.value) pages" } ?? ""
        let rate = channel.rate.map { " rate \($0.value) per second" } ?? ""
        return "channel \(channel.name.value): \(channel.from.text) \(mark) \(channel.to.text) "
            + channel.kind.value + pages + rate
    }

    private static func text(of assertion: AssertionSyntax) -> String {
        switch assertion {
        case .never(let from, let to, let via):
            let except = via.isEmpty ? "" : " except via " + Located.list(via, " or ")
            return "never \(from.text) -> \(to.text)\(except)"
        case .everyPath(let from, let to, let passes):
            return "every path \(from.text) -> \(to.text) passes " + Located.list(passes, " or ")
        case .control(let from, let to, let through):
            return "control \(from.text) -> \(to.text) only through "
                + through.map(\.text).joined(separator: " or ")
        case .power(let names, let power):
            let who = names.map { "only " + Located.list($0, " or ") } ?? "nobody"
            return "\(who) may \(power.value.rawValue)"
        }
    }

    private static func append(_ compartment: CompartmentSyntax, to lines: inout [String]) {
        let word = compartment.isService ? "service" : "compartment"
        let high = compartment.label.high.map { "..\($0.text)" } ?? ""
        let integrity = compartment.integrity.map { " integrity \($0.value)" } ?? ""
        append(
            "\(word) \(compartment.name.value) at \(compartment.label.low.text)\(high)\(integrity)",
            BodySyntax(
                openingComment: compartment.openingComment, fields: compartment.fields,
                closingComments: compartment.closingComments), to: &lines)
    }

    private static func append(
        _ block: BlockSyntax, _ word: String, to lines: inout [String]
    ) {
        let path = block.path.map { " \(quoted($0.value))" } ?? ""
        append("\(word) \(block.name.value)\(path)", block.body, to: &lines)
    }

    private static func append(
        _ header: String, _ body: BodySyntax, to lines: inout [String]
    ) {
        lines.append("\(header) {" + lineComment(body.openingComment))
        for field in body.fields {
            append(field.layout, indent: "    ", to: &lines)
            lines.append(
                "    " + text(of: field.kind.value) + lineComment(field.layout.lineComment))
        }
        append(body.closingComments, indent: "    ", to: &lines)
        lines.append("}")
    }

    private static func lineComment(_ comment: String?) -> String {
        comment.map { "  //\($0)" } ?? ""
    }

    /// Returns a field without comments.
    static func text(of field: FieldSyntax.Kind) -> String {
        switch field {
        case .kernel(let name): return "kernel \(name.value)"
        case .kernelFile(let name): return "kernel \(quoted(name.value))"
        case .initrd(let name): return "initrd \(quoted(name.value))"
        case .commandLine(let text): return "command line \(quoted(text.value))"
        case .memory(let amount, let unit): return "memory \(amount.value) \(unit.value.rawValue)"
        case .vcpus(let count): return "vcpus \(count.value)"
        case .scheduleFixed(let slot, let unit):
            return "schedule fixed slot \(slot.value) \(unit.value.rawValue)"
        case .scheduleFair(let weight, let cap):
            return "schedule fair weight \(weight.value)"
                + (cap.map { " cap \($0.value) percent" } ?? "")
        case .start(let isAutomatic, let after):
            return isAutomatic
                ? "start auto" + (after.isEmpty ? "" : " after " + Located.list(after, ", "))
                : "start manual"
        case .restart(let count): return "restart \(count.value) times"
        case .consoleNone: return "console none"
        case .uses(let names): return "uses " + Located.list(names, ", ")
        case .commands(let names): return "commands " + Located.list(names, ", ")
        case .may(let power): return "may \(power.value.rawValue)"
        case .storeQuota(let quota): return "quota store " + text(of: quota)
        default: return textOfResource(field)
        }
    }

    private static func text(of quota: StoreQuotaSyntax) -> String {
        switch quota {
        case .count(let number, let count): return "\(number.value) \(count.rawValue)"
        case .memory(let amount, let unit): return "\(amount.value) \(unit.value.rawValue)"
        case .nodeSize(let amount, let unit):
            return "\(amount.value) \(unit.value.rawValue) per node"
        case .rate(let number): return "\(number.value) per second"
        }
    }

    /// The fields of stores and devices.
    private static func textOfResource(_ field: FieldSyntax.Kind) -> String {
        switch field {
        case .owner(let name): return "owner \(name.value)"
        case .readers(let ends): return "readers " + ends.map(\.text).joined(separator: ", ")
        case .writers(let ends): return "writers " + ends.map(\.text).joined(separator: ", ")
        case .quotaNodes(let count): return "quota \(count.value) nodes"
        case .quotaBytes(let amount, let unit):
            return "quota \(amount.value) \(unit.value.rawValue)"
        case .rate(let count): return "rate \(count.value) per second"
        case .pci(let address): return "pci \(quoted(address.value))"
        case .irq(let number): return "irq \(number.value)"
        case .ioMemory(let range): return "io memory \(quoted(range.value))"
        case .ioPorts(let range): return "io ports \(quoted(range.value))"
        default: return "without iommu"
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
