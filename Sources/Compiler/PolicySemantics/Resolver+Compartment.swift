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
        var options = SystemPolicy.Compartment.Options()
        var usesSpan: SourceSpan?
    }

    /// Resolves a compartment; nil after an error.
    mutating func resolve(
        _ syntax: CompartmentSyntax, range: SecurityRange?
    ) -> SystemPolicy.Compartment? {
        var fields = Fields()
        fields.options.service = SystemPolicy.Service(rawValue: syntax.name.value)
            .flatMap { syntax.isService ? $0 : nil }
        for field in syntax.fields { take(field.kind, into: &fields) }
        let integrity = resolveIntegrity(of: syntax)
        require("kernel", fields.kernel?.span, of: syntax, form: "kernel debian")
        require("memory", fields.memory?.span, of: syntax, form: "memory NUMBER MiB")
        require("vcpus", fields.vcpus?.span, of: syntax, form: "vcpus NUMBER")
        guard let integrity, let range, let kernel = fields.kernel?.value,
            let memory = fields.memory?.value,
            let vcpus = fields.vcpus?.value
        else { return nil }
        fields.options.integrity = integrity
        return SystemPolicy.Compartment(
            name: syntax.name.value, range: range, kernel: kernel,
            initrd: fields.initrd?.value, commandLine: fields.commandLine?.value ?? "",
            memoryInBytes: memory, vcpuCount: vcpus, options: fields.options,
            source: syntax.name.span)
    }

    private mutating func resolveIntegrity(of syntax: CompartmentSyntax) -> Int? {
        guard let name = syntax.integrity else {
            guard !integrities.declared.isEmpty else { return 0 }
            report(
                .missingIntegrity, at: syntax.name.span,
                "the compartment `\(syntax.name.value)` has no integrity",
                help: "write `integrity NAME` after its label")
            return nil
        }
        if let index = integrities.indices[name.value] { return index }
        report(
            .unknownIntegrity, at: name.span, "the integrity `\(name.value)` is unknown",
            help: Suggestion.help(for: name.value, among: integrities.all)
                ?? "declare it with `integrity`")
        return nil
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
            if isFirstField("kernel", fields.kernel?.span, at: field.span) {
                fields.kernel = (resolveKernel(name), field.span)
            }
        case .kernelFile(let name):
            if isFirstField("kernel", fields.kernel?.span, at: field.span) {
                checkFileName(name)
                fields.kernel = (.file(name.value), field.span)
            }
        case .initrd(let name):
            if isFirstField("initrd", fields.initrd?.span, at: field.span) {
                checkFileName(name)
                fields.initrd = Located(name.value, at: field.span)
            }
        case .commandLine(let text):
            if isFirstField("command line", fields.commandLine?.span, at: field.span) {
                checkCommandLine(text)
                fields.commandLine = Located(text.value, at: field.span)
            }
        case .memory(let amount, let unit):
            if isFirstField("memory", fields.memory?.span, at: field.span) {
                fields.memory = (resolveMemory(amount, unit), field.span)
            }
        case .vcpus(let count):
            if isFirstField("vcpus", fields.vcpus?.span, at: field.span) {
                fields.vcpus = (resolveVCPUs(count), field.span)
            }
        default: takeOption(field, into: &fields)
        }
    }

    private mutating func takeOption(
        _ field: Located<FieldSyntax.Kind>, into fields: inout Fields
    ) {
        switch field.value {
        case .scheduleFixed(let slot, let unit):
            if isFirstField("schedule", fields.options.schedule?.span, at: field.span) {
                fields.options.schedule = resolveSlot(slot, unit).map {
                    Located(.fixed(slotInMicroseconds: $0), at: field.span)
                }
            }
        case .scheduleFair(let weight, let cap):
            if isFirstField("schedule", fields.options.schedule?.span, at: field.span) {
                checkBounds(weight, 1...65_535, "a weight")
                if let cap { checkBounds(cap, 1...800, "a cap in percent of one processor") }
                fields.options.schedule = Located(
                    .fair(weight: weight.value, capInPercent: cap?.value), at: field.span)
            }
        case .start(let isAutomatic, let after):
            if isFirstField("start", fields.options.startSource, at: field.span) {
                fields.options.startSource = field.span
                fields.options.startsAutomatically = isAutomatic
                fields.options.startsAfter = resolveCompartments(after)
            }
        case .restart(let count):
            if isFirstField("restart", fields.options.restartLimit?.span, at: field.span) {
                checkBounds(count, 1...1_000, "a number of restarts")
                fields.options.restartLimit = Located(count.value, at: field.span)
            }
        case .consoleNone:
            if isFirstField("console", fields.options.consoleNoneSource, at: field.span) {
                fields.options.consoleNoneSource = field.span
            }
        case .uses(let names):
            if isFirstField("uses", fields.usesSpan, at: field.span) {
                fields.usesSpan = field.span
                fields.options.uses = resolveUses(names, by: fields.options.service)
            }
        case .commands(let names): takeCommands(names, at: field.span, into: &fields.options)
        case .may(let power):
            let earlier = fields.options.powers.first { $0.power == power.value }
            if isFirstField("may \(power.value.rawValue)", earlier?.source, at: field.span) {
                fields.options.powers.append(.init(power: power.value, source: field.span))
            }
        case .storeQuota(let quota): take(quota, at: field.span, into: &fields.options.storeQuota)
        default: break
        }
    }

    private mutating func resolveUses(
        _ names: [Located<String>], by user: SystemPolicy.Service?
    ) -> [SystemPolicy.Compartment.Use] {
        var uses: [SystemPolicy.Compartment.Use] = []
        for name in names {
            let service = SystemPolicy.Service(rawValue: name.value)
            guard let service, let provider = services.firstIndex(of: service) else {
                report(
                    .unknownService, at: name.span, "the service `\(name.value)` is unknown",
                    help: service == nil
                        ? Suggestion.help(
                            for: name.value, among: SystemPolicy.Service.allCases.map(\.rawValue))
                        : "declare it with `service \(name.value) at LABEL { … }`")
                continue
            }
            if uses.contains(where: { $0.service == service }) {
                report(
                    .repeatedField, at: name.span,
                    "the service `\(name.value)` stands here already")
            } else if service == user {
                report(
                    .channelToItself, at: name.span,
                    "the service `\(name.value)` cannot use itself")
            } else {
                uses.append(.init(service: service, provider: provider, source: name.span))
            }
        }
        return uses
    }

    private mutating func resolveSlot(
        _ slot: Located<UInt64>, _ unit: Located<TimeUnit>
    ) -> UInt64? {
        let (time, overflow) = slot.value.multipliedReportingOverflow(by: unit.value.microseconds)
        guard !overflow, (100...1_000_000).contains(time) else {
            report(
                .valueOutOfBounds, at: slot.span.through(unit.span),
                "a slot of \(slot.value) \(unit.value.rawValue) is out of bounds",
                help: "give from 100 us to 1 s")
            return nil
        }
        return time
    }

    mutating func checkBounds(
        _ number: Located<UInt64>, _ bounds: ClosedRange<UInt64>, _ what: String
    ) {
        guard !bounds.contains(number.value) else { return }
        report(
            .valueOutOfBounds, at: number.span, "\(what) of \(number.value) is out of bounds",
            help: "give from \(bounds.lowerBound) to \(bounds.upperBound)")
    }

    mutating func isFirstField(
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
