import BootArena
import CompilerTestSupport
import Foundation
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import PolicySyntax
import SecurityModel
import TestSupport
import Testing

extension LibsepolTests {
    /// Every system of `policy/systems`, lowered whatever its target enforces today: services,
    /// exemptions, rings, shares of the store and devices are judged before anything runs them.
    @Suite("the whole language before its judges")
    struct WholeLanguageTests {
        static let names = [
            "minimal", "shared", "levels", "guard", "tenants", "factory", "workstation", "vault",
        ]

        private static func system(_ name: String) throws -> SystemPolicy {
            let folder = RepositoryFiles.root.appending(path: "policy/systems/\(name)")
            func read(_ file: String) -> SourceFile? {
                (try? RepositoryFiles.bytes(of: folder.appending(path: file))).map {
                    SourceFile(name: file, bytes: $0)
                }
            }
            let source = try #require(read("system.casemate"))
            return try #require(CheckResult.check(source, reading: read).proved).policy
        }

        /// Every label that a request can name: the hypervisor's, the policy's, those of
        /// compartments, of what they share, of devices, and of both ends of every pair.
        private func labels(
            _ lowered: LoweredPolicy, _ policy: borrowing PolicyDatabase
        ) throws -> [SecurityContext] {
            let own = policy.context(of: .xen)
            let hypervisor = try #require(own)
            let subjects = [hypervisor] + lowered.labels
            let ofPolicy = policy.context(of: .security)
            var labels = subjects + [try #require(ofPolicy)]
            labels += lowered.subtreeLabels + lowered.directoryLabels.map(\.label)
            labels += lowered.database.deviceContexts.map(\.context)
            for source in subjects {
                for target in subjects {
                    let end = policy.computeTransition(
                        source: source, target: target, class: .event)
                    let label = try #require(end)
                    if !labels.contains(label) { labels.append(label) }
                }
            }
            return labels
        }

        @Test("libsepol decides every request of every system as our reader does", arguments: names)
        func sepol(_ name: String) throws {
            let lowered = LoweredPolicy(try WholeLanguageTests.system(name))
            let bytes = try lowered.database.encoded()
            let oracle = try SepolOracle(policy: bytes)
            let policy = try PolicyDatabase(validating: bytes.span)
            let labels = try labels(lowered, policy)
            let identifiers = try labels.map {
                try oracle.identifier(of: lowered.database.text($0))
            }
            var prepared: [PreparedContext] = []
            for label in labels {
                if let one = policy.prepare(label) { prepared.append(one) }
            }
            try #require(prepared.count == labels.count)
            let stride = PolicyDatabase.rowStride
            var row = Array(repeating: UInt32(0), count: labels.count * stride)
            var (asked, granted) = (0, 0)
            for source in labels.indices {
                var span = row.mutableSpan
                let isComputed = policy.computeRow(
                    source: prepared[source], targets: prepared.span, into: &span)
                #expect(isComputed)
                for target in labels.indices {
                    for number in 1...ObjectClass.count {
                        let objectClass = try #require(ObjectClass(number: number))
                        let ours = row[target * stride + number]
                        let theirs = try oracle.accessVector(
                            identifiers[source], identifiers[target], objectClass)
                        asked += 1
                        granted += ours == 0 ? 0 : 1
                        if ours != theirs {
                            Issue.record(
                                """
                                \(lowered.database.text(labels[source])) \
                                \(String(objectClass.policyName)) \
                                \(lowered.database.text(labels[target])): \(ours) \(theirs)
                                """)
                        }
                    }
                }
            }
            print("\(name): \(labels.count) labels, \(asked) decisions, \(granted) not empty")
            #expect(granted > 10)
        }

        @Test("libsepol labels the end of every channel as our reader does", arguments: names)
        func transitions(_ name: String) throws {
            let lowered = LoweredPolicy(try WholeLanguageTests.system(name))
            let bytes = try lowered.database.encoded()
            let oracle = try SepolOracle(policy: bytes)
            let policy = try PolicyDatabase(validating: bytes.span)
            let own = policy.context(of: .xen)
            let hypervisor = try #require(own)
            for source in [hypervisor] + lowered.labels {
                for target in [hypervisor] + lowered.labels {
                    let end = policy.computeTransition(
                        source: source, target: target, class: .event)
                    let ours = try #require(end)
                    let theirs = try oracle.transition(
                        oracle.identifier(of: lowered.database.text(source)),
                        oracle.identifier(of: lowered.database.text(target)), .event)
                    #expect(try theirs == oracle.identifier(of: lowered.database.text(ours)))
                }
            }
        }

        @Test("seinfo counts what was declared", arguments: names)
        func counts(_ name: String) throws {
            let system = try WholeLanguageTests.system(name)
            let lowered = LoweredPolicy(system)
            let file = FileManager.default.temporaryDirectory.appending(
                path: "casemate-\(UUID().uuidString).30")
            try Data(try lowered.database.encoded()).write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["seinfo", file.path(percentEncoded: false)]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.runBound()
            let text = String(
                decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            func count(_ word: String) -> Int? {
                guard let start = text.range(of: "\(word):") else { return nil }
                return Int(
                    text[start.upperBound...].drop { $0 == " " }.prefix { $0.isNumber })
            }
            let model = SecurityModel(system, comparesLevels: false)
            let ends = model.joined.filter {
                let end = SecurityModel.Entity.end(owner: $0.from, peer: $0.to)
                return !model.permissions(of: .compartment($0.from), on: end).isEmpty
            }.count
            let directories = model.joined.filter {
                let directory = SecurityModel.Entity.directory(writer: $0.from, reader: $0.to)
                return !model.permissions(of: .compartment($0.from), on: directory).isEmpty
            }.count
            let own = 13 + 3 * system.compartments.count
            let shared = system.further.subtrees.count + system.further.devices.count
            #expect(count("Types") == own + ends + directories + shared, "\(text)")
            #expect(count("Attributes") == 6)
            #expect(count("Sensitivities") == system.sensitivities.count)
            #expect(count("Categories") == system.categories.count)
            #expect(count("Range_trans") == ends + system.compartments.count)
            #expect(count("Type_trans") == ends + 2 * system.compartments.count)
            #expect(count("Permissives") ?? 0 == 0)
            #expect(count("Booleans") == 0)
        }
    }
}
