import FlowCertificate
import PolicyChecks
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import PolicySyntax
import SecurityLattice
import SystemManifest

extension Decoder {
    /// Sources: parsed, printed and resolved; one in eight is also proved, which takes longest.
    static func sources(_ seeds: [[UInt8]]) -> Decoder {
        Decoder(name: "sources", seeds: seeds, most: 8192, change: SourceChanges.change) { bytes in
            let source = SourceFile(name: "fuzz", bytes: bytes)
            let parsed = Parser.parse(source)
            guard parsed.diagnostics.count <= 101 else { return .broken("errors of form are few") }
            guard areShown(parsed.diagnostics, DiagnosticRenderer(source: source), bytes.count)
            else { return .broken("every diagnostic can be shown") }
            guard parsed.diagnostics.isEmpty else { return .refused }
            let printed = SourceFile(name: "fuzz", text: Printer.text(of: parsed.tree))
            guard Parser.parse(printed).tree == parsed.tree else {
                return .broken("parse, print, parse is the identity")
            }
            if bytes.reduce(0, &+) % 8 == 0 { return proved(source, bytes.count) }
            let resolved = Resolver.resolve(parsed.tree, fileName: "fuzz")
            guard areShown(resolved.diagnostics, DiagnosticRenderer(source: source), bytes.count)
            else { return .broken("every diagnostic can be shown") }
            guard let policy = resolved.policy else { return .refused }
            for compartment in policy.compartments {
                guard !policy.describe(compartment.range).isEmpty else {
                    return .broken("every range can be shown")
                }
            }
            return .accepted
        }
    }

    private static func proved(_ source: SourceFile, _ count: Int) -> Outcome {
        let module = SourceFile(name: "module", text: "categories module_category\n")
        let result = CheckResult.check(source, strict: count.isMultiple(of: 2)) {
            $0.utf8.count.isMultiple(of: 2) ? module : $0.hasPrefix("m") ? source : nil
        }
        guard (result.proved != nil) == !result.diagnostics.refuse else {
            return .broken("what has no error is proved")
        }
        let renderer = DiagnosticRenderer(source: source, modules: result.modules)
        guard result.diagnostics.allSatisfy({ renderer.text($0).hasSuffix("\n") }),
            result.json(renderer).hasSuffix("}\n")
        else { return .broken("every diagnostic can be shown") }
        return result.proved == nil ? .refused : .accepted
    }

    private static func areShown(
        _ diagnostics: [Diagnostic], _ renderer: DiagnosticRenderer, _ count: Int
    ) -> Bool {
        diagnostics.allSatisfy {
            $0.span.start.offset <= $0.span.end.offset && $0.span.end.offset <= count
                && renderer.text($0).hasSuffix("\n") && !renderer.json($0).text.isEmpty
        }
    }

    /// Policies as the hypervisor reads them; then it is asked for decisions.
    static func policies(_ seeds: [[UInt8]]) -> Decoder {
        Decoder(name: "policies", seeds: seeds, most: 1 << 16, change: PolicyChanges.change) {
            bytes in
            do throws(PolicyDatabaseError) {
                let turn = Int(bytes.reduce(0, &+))
                return judge(try PolicyDatabase(validating: bytes.span), turn)
            } catch {
                return error.reason.utf8CodeUnitCount > 0
                    ? .refused : .broken("a refusal has a reason")
            }
        }
    }

    /// - Parameter turn: which classes each pair of labels is asked singly about: an eighth for
    ///   one input, since each decision goes through every rule.
    private static func judge(_ policy: borrowing PolicyDatabase, _ turn: Int) -> Outcome {
        let contexts = contexts(of: policy)
        let prepared = contexts.compactMap { policy.prepare($0) }
        guard prepared.count == contexts.count else {
            return .broken("a valid label can be prepared")
        }
        guard haveNames(contexts, policy) else {
            return .broken("user, role and type of a valid label have names, of others not")
        }
        var row = [UInt32](repeating: 1, count: prepared.count * PolicyDatabase.rowStride)
        for source in prepared {
            var span = row.mutableSpan
            guard policy.computeRow(source: source, targets: prepared.span, into: &span) else {
                return .broken("a row has the size that was asked for")
            }
            for (index, target) in prepared.enumerated() {
                guard agrees(policy, source.context, target.context, row, index, turn) else {
                    return .broken("a row says what single decisions say")
                }
            }
            guard Tabulation.agrees(policy, prepared, source, row) else {
                return .broken("one pass over the rules says what a row says")
            }
        }
        guard Tabulation.transitions(policy), Tabulation.devices(policy) else {
            return .broken("a transition is about types that exist, and a device's label is valid")
        }
        var short = row.mutableSpan
        let isComputed = policy.computeRow(
            source: prepared[0], targets: prepared.span.extracting(first: 0), into: &short)
        return isComputed ? .broken("a row of another size is refused") : .accepted
    }

    private static func haveNames(
        _ contexts: [SecurityContext], _ policy: borrowing PolicyDatabase
    ) -> Bool {
        for context in contexts {
            var count = 0
            guard policy.withNames(of: context, { count += $0.count > 0 ? 1 : 0 }), count == 3
            else { return false }
            let other = SecurityContext(
                user: context.user, role: context.role,
                type: UInt32(clamping: policy.typeCount) + 1, range: context.range)
            if policy.withNames(of: other, { _ in }) { return false }
        }
        return true
    }

    /// At most twelve valid labels: those of the initial SIDs, and others made from the first.
    private static func contexts(of policy: borrowing PolicyDatabase) -> [SecurityContext] {
        var found: [SecurityContext] = []
        for number in 1...UInt32(14) {
            guard let context = InitialSID(rawValue: number).flatMap({ policy.context(of: $0) })
            else { continue }
            if !found.contains(context), found.count < 6 { found.append(context) }
        }
        guard let model = found.last else { return [] }
        let types = UInt32(clamping: policy.typeCount)
        let roles = UInt32(clamping: policy.roleCount)
        for step in 0..<UInt32(24) where found.count < 12 {
            let context = SecurityContext(
                user: step % 3 + 1, role: step % (roles + 2), type: types - min(types, step) + 1,
                range: step % 2 == 0 ? model.range : SecurityRange(model.range.high))
            if policy.isValid(context), !found.contains(context) { found.append(context) }
        }
        // The answer only says how denials are recorded; it must not trap.
        if policy.hasAuditAllowRules { found.reverse() }
        return found
    }

    private static func agrees(
        _ policy: borrowing PolicyDatabase, _ source: SecurityContext, _ target: SecurityContext,
        _ row: [UInt32], _ index: Int, _ turn: Int
    ) -> Bool {
        let first = (turn + index + Int(source.type)) % 8 + 1
        for number in stride(from: first, through: ObjectClass.count, by: 8) {
            guard let objectClass = ObjectClass(number: number) else { continue }
            let vector = policy.computeAccessVector(
                source: source, target: target, class: objectClass)
            if vector.bits != row[index * PolicyDatabase.rowStride + number] { return false }
            for bit in 0..<32 {
                guard let permission = Permission(objectClass, at: bit) else { break }
                let isPermitted = row[index * PolicyDatabase.rowStride + number] >> bit & 1 == 1
                guard vector.contains(permission) == isPermitted,
                    permission.position < Permission.positionCount
                else { return false }
            }
            guard ObjectClass(number: number + ObjectClass.count) == nil else { return false }
            let label = policy.computeTransition(
                source: source, target: target, class: objectClass)
            if let label, !policy.isValid(label) { return false }
        }
        return true
    }

    /// Policies as the compiler reads them, of every format; then each is written again.
    static func policyFiles(_ seeds: [[UInt8]]) -> Decoder {
        Decoder(name: "policy-files", seeds: seeds, most: 1 << 16, change: PolicyChanges.change) {
            bytes in
            guard let file = try? PolicyFile(validating: bytes) else { return .refused }
            guard (try? file.encoded()) == bytes else {
                return .broken("what was read is written byte for byte")
            }
            for xen in XenClassMap.all.suffix(1) { _ = file.objections(of: xen) }
            for format in PolicyFormat.all where format != file.format {
                var other = file
                other.format = format
                _ = try? other.encoded()
            }
            return .accepted
        }
    }

    /// System manifests; then every record is read.
    static func manifests(_ seeds: [[UInt8]]) -> Decoder {
        Decoder(name: "manifests", seeds: seeds, most: 1 << 16, change: ManifestChanges.change) {
            bytes in
            do throws(SystemManifestError) {
                let manifest = try SystemManifest(
                    validating: bytes.span, accepting: ManifestFeature.known)
                let again = SystemManifest(bytes.span, validatedAs: manifest.layout)
                for index in 0..<manifest.compartmentCount {
                    let (one, other) = (
                        manifest.resources(ofCompartment: index),
                        again.resources(ofCompartment: index)
                    )
                    guard one.indices.allSatisfy({ one[$0] == other[$0] }) else {
                        return .broken("a manifest is the same when it is seen again")
                    }
                }
                return ManifestReading.read(again) ? .accepted : .broken("a field is what it is")
            } catch {
                return error.reason.utf8CodeUnitCount > 0
                    ? .refused : .broken("a refusal has a reason")
            }
        }
    }

    /// Certificates; then each is checked for the flows that it names, under several labels.
    ///
    /// - Parameter labels: the ranges of the systems that the seeds are for.
    static func certificates(_ seeds: [[UInt8]], _ labels: [[SecurityRange]]) -> Decoder {
        Decoder(name: "certificates", seeds: seeds, most: 1 << 15, change: WordChanges.change) {
            bytes in
            let count = bytes.count > 9 ? Int(bytes[8]) | Int(bytes[9]) << 8 : 0
            do throws(FlowCertificateError) {
                let certificate = try FlowCertificate(
                    validating: bytes.span, compartmentCount: count)
                let alike = SecurityRange(SecurityLevel(Sensitivity(rank: 0)))
                let uniform = [SecurityRange](repeating: alike, count: count)
                let isSound = [uniform] + labels.filter { $0.count == count }
                return isSound.map { holds(certificate, $0) }.contains(true) ? .accepted : .refused
            } catch {
                return error.reason.utf8CodeUnitCount > 0
                    ? .refused : .broken("a refusal has a reason")
            }
        }
    }

    /// Whether a certificate proves its claims for the flows that it names. It never does when one
    /// more flow is observed, or a row is missing.
    private static func holds(
        _ certificate: borrowing FlowCertificate, _ labels: [SecurityRange]
    ) -> Bool {
        let width = FlowCertificate.rowWordCount(compartmentCount: certificate.compartmentCount)
        var observed = [UInt32](repeating: 0, count: width * certificate.compartmentCount)
        for index in 0..<certificate.edgeCount {
            let edge = certificate.edge(at: index)
            let place = edge.from * width + edge.to / 32
            if place < observed.count { observed[place] |= 1 << UInt32(edge.to % 32) }
        }
        for index in 0..<certificate.exemptionCount { _ = certificate.exemption(at: index) }
        let all = [UInt32](repeating: .max, count: observed.count)
        _ = isChecked(certificate, labels, all)
        _ = isChecked(certificate, labels.dropLast(), observed)
        return isChecked(certificate, labels, observed)
    }

    private static func isChecked(
        _ certificate: borrowing FlowCertificate, _ labels: [SecurityRange], _ flows: [UInt32]
    ) -> Bool {
        do throws(FlowCertificateError) {
            try certificate.check(labels: labels.span, observedFlows: flows.span)
            return true
        } catch {
            return error.reason.utf8CodeUnitCount == 0
        }
    }
}
