import PolicySyntax
import SecurityLattice

extension Resolver {
    /// The fields of one compartment: the first of each kind.
    private struct Fields {
        var kernel: (value: SystemPolicy.Kernel?, span: SourceSpan)?
        var initrd: Located<String>?
        var commandLine: Located<String>?
        var memory: (value: UInt64?, span: SourceSpan)?
        var vcpus: (value: UInt32?, span: SourceSpan)?
    }

    /// Resolves a compartment; nil after an error.
    mutating func resolve(
        _ syntax: CompartmentSyntax, range: SecurityRange?
    ) -> SystemPolicy.Compartment? {
        var fields = Fields()
        for field in syntax.fields { take(field.kind, into: &fields) }
        require("kernel", fields.kernel?.span, of: syntax, form: "kernel debian")
        require("memory", fields.memory?.span, of: syntax, form: "memory NUMBER MiB")
        require("vcpus", fields.vcpus?.span, of: syntax, form: "vcpus NUMBER")
        guard let range, let kernel = fields.kernel?.value, let memory = fields.memory?.value,
            let vcpus = fields.vcpus?.value
        else { return nil }
        return SystemPolicy.Compartment(
            name: syntax.name.value, range: range, kernel: kernel,
            initrd: fields.initrd?.value, commandLine: fields.commandLine?.value ?? "",
            memoryInBytes: memory, vcpuCount: vcpus, source: syntax.name.span)
    }

    private mutating func require(
        _ word: String, _ span: SourceSpan?, of syntax: CompartmentSyntax, form: String
    ) {
        guard span == nil else { return }
        report(
            .missingField, at: syntax.name.span,
            "the compartment `\(syntax.name.value)` has no `\(word)`", help: "write `\(form)`")
    }

    private mutating func take(_ field: Located<FieldSyntax.Kind>, into fields: inout Fields) {
        switch field.value {
        case .kernel(let name):
            if isFirst("kernel", fields.kernel?.span, at: field.span) {
                fields.kernel = (resolveKernel(name), field.span)
            }
        case .kernelFile(let name):
            if isFirst("kernel", fields.kernel?.span, at: field.span) {
                checkFileName(name)
                fields.kernel = (.file(name.value), field.span)
            }
        case .initrd(let name):
            if isFirst("initrd", fields.initrd?.span, at: field.span) {
                checkFileName(name)
                fields.initrd = Located(name.value, at: field.span)
            }
        case .commandLine(let text):
            if isFirst("command line", fields.commandLine?.span, at: field.span) {
                checkCommandLine(text)
                fields.commandLine = Located(text.value, at: field.span)
            }
        case .memory(let amount, let unit):
            if isFirst("memory", fields.memory?.span, at: field.span) {
                fields.memory = (resolveMemory(amount, unit), field.span)
            }
        case .vcpus(let count):
            if isFirst("vcpus", fields.vcpus?.span, at: field.span) {
                fields.vcpus = (resolveVCPUs(count), field.span)
            }
        }
    }

    private mutating func isFirst(
        _ word: String, _ earlier: SourceSpan?, at span: SourceSpan
    ) -> Bool {
        guard let earlier else { return true }
        report(
            .repeatedField, at: span, "`\(word)` stands here a second time",
            notes: [.init("the first one", at: earlier)])
        return false
    }

    private mutating func resolveKernel(_ name: Located<String>) -> SystemPolicy.Kernel? {
        if name.value == "debian" { return .debian }
        report(
            .unknownKernel, at: name.span, "the kernel `\(name.value)` is not known",
            help: Suggestion.help(for: name.value, among: ["debian"])
                ?? "write `kernel debian`, or `kernel \"FILE\"` for a file of the system")
        return nil
    }

    private mutating func checkFileName(_ name: Located<String>) {
        let length = name.value.utf8.count
        guard length <= SystemLimits.fileNameBytes else {
            return report(
                .longFileName, at: name.span, "the file's name has \(length) bytes",
                help: "the limit is \(SystemLimits.fileNameBytes)")
        }
        let components = name.value.split(separator: "/", omittingEmptySubsequences: false)
        guard components.allSatisfy({ !["", ".", ".."].contains($0) }) else {
            return report(
                .badFileName, at: name.span,
                name.value.isEmpty
                    ? "the file's name is empty"
                    : "the file `\(name.value)` may lie outside the system's folder",
                help: "name a file relative to the system's folder, without `.` and `..`")
        }
    }

    private mutating func checkCommandLine(_ text: Located<String>) {
        let length = text.value.utf8.count
        guard length > SystemLimits.commandLineBytes else { return }
        report(
            .longCommandLine, at: text.span, "the command line has \(length) bytes",
            help: "the limit is \(SystemLimits.commandLineBytes)")
    }

    private mutating func resolveMemory(
        _ amount: Located<UInt64>, _ unit: Located<MemoryUnit>
    ) -> UInt64? {
        let span = amount.span.through(unit.span)
        let shown = "\(amount.value) \(unit.value.rawValue)"
        let (bytes, overflow) = amount.value.multipliedReportingOverflow(
            by: unit.value.sizeInBytes)
        let bounds = SystemLimits.leastMemoryInBytes...SystemLimits.mostMemoryInBytes
        guard !overflow, bounds.contains(bytes) else {
            report(
                .memoryOutOfBounds, at: span, "\(shown) of memory is out of bounds",
                help: "give from 32 MiB to 64 GiB")
            return nil
        }
        guard bytes.isMultiple(of: SystemLimits.pageSizeInBytes) else {
            report(
                .memoryNotInPages, at: span, "\(shown) of memory is not a whole number of pages",
                help: "a page has 4 KiB")
            return nil
        }
        return bytes
    }

    private mutating func resolveVCPUs(_ count: Located<UInt64>) -> UInt32? {
        guard let value = UInt32(exactly: count.value), (1...SystemLimits.vcpus).contains(value)
        else {
            report(
                .vcpusOutOfBounds, at: count.span,
                "\(count.value) virtual processors are out of bounds",
                help: "give from 1 to \(SystemLimits.vcpus)")
            return nil
        }
        return value
    }
}
