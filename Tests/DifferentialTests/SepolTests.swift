import CompilerTestSupport
import Foundation
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import TestSupport
import Testing

/// The systems that every judge is asked about.
enum Systems {
    static let seeds: [UInt64] = [1, 2, 3, 4, 5]

    static func all() throws -> [TestSystem] {
        try [TestSystem.minimal(), served(), TestSystem.generated(compartments: 12, seed: 99)]
            + seeds.map { try TestSystem.generated(compartments: Int($0) + 2, seed: $0) }
    }

    /// Store and console, users of both, of one and of none, and channels between them.
    static func served() throws -> TestSystem {
        let fields = "    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
        let parts = [
            "service store at basic", "service console at basic", "compartment a at basic",
            "compartment b at basic", "compartment c at basic", "compartment d at inner",
        ]
        let uses = ["", "", "    uses store, console\n", "    uses store\n", "", ""]
        return try TestSystem(
            "system served version 1\ntarget casemate\n\nlevels basic < inner\n\n"
                + zip(parts, uses).map { "\($0) {\n\(fields)\($1)}\n" }.joined(separator: "\n")
                + "\nchannel x: a -> b signal\nchannel y: c -> b signal\nchannel z: a -> d signal\n"
        )
    }
}

extension LibsepolTests {
    @Suite("libsepol as a judge")
    struct SepolTests {
        @Test("libsepol decides every request as the monitor does")
        func decisions() throws {
            // Method: exhaustive over all pairs of interned labels and all classes.
            var asked = 0
            var granted = 0
            for system in try Systems.all() {
                let model = LoweredPolicy(system.proved.policy).database
                let oracle = try SepolOracle(policy: system.compiled.policy)
                try system.withMonitor { _, _, monitor in
                    let labels = (0..<monitor.labelCount).compactMap { monitor.label(at: $0) }
                    let identifiers = try labels.map {
                        try oracle.identifier(of: model.text(monitor.context(of: $0)))
                    }
                    for source in labels.indices {
                        for target in labels.indices {
                            for number in 1...ObjectClass.count {
                                let objectClass = try #require(ObjectClass(number: number))
                                let ours = monitor.accessVector(
                                    source: labels[source], target: labels[target],
                                    class: objectClass
                                ).bits
                                let theirs = try oracle.accessVector(
                                    identifiers[source], identifiers[target], objectClass)
                                asked += 1
                                granted += ours == 0 ? 0 : 1
                                if ours != theirs {
                                    let pair = [source, target].map {
                                        model.text(monitor.context(of: labels[$0]))
                                    }
                                    let name = String(objectClass.policyName)
                                    Issue.record("\(pair) \(name): \(ours), \(theirs)")
                                }
                            }
                        }
                    }
                }
            }
            print("decisions compared: \(asked), not empty: \(granted)")
            #expect(granted > 100)
        }

        @Test("libsepol labels every end of an event channel as the monitor does")
        func transitions() throws {
            var named = 0
            for system in try Systems.all() {
                let model = LoweredPolicy(system.proved.policy).database
                let oracle = try SepolOracle(policy: system.compiled.policy)
                try system.withMonitor { _, _, monitor in
                    let subjects =
                        [SecurityID.hypervisor]
                        + (0..<monitor.compartmentCount).map { monitor.label(ofCompartment: $0) }
                    for source in subjects {
                        for target in subjects {
                            let end = monitor.eventLabel(source: source, target: target)
                            // What no rule names has one label, and no decisions.
                            guard end != monitor.deniedLabel else { continue }
                            named += 1
                            let ours = monitor.context(of: end)
                            let theirs = try oracle.transition(
                                oracle.identifier(of: model.text(monitor.context(of: source))),
                                oracle.identifier(of: model.text(monitor.context(of: target))),
                                .event)
                            #expect(try theirs == oracle.identifier(of: model.text(ours)))
                        }
                    }
                }
            }
            #expect(named > 100)
        }

        @Test("one permission more is one difference more")
        func canary() throws {
            // The harness must be able to fail: libsepol gets a policy with one rule that ours
            // lacks.
            let system = try TestSystem.minimal()
            var model = LoweredPolicy(system.proved.policy).database
            let types = model.types.map(\.name)
            let sensor = UInt32(try #require(types.firstIndex(of: "sensor-t")) + 1)
            let hypervisor = UInt32(try #require(types.firstIndex(of: "xen_t")) + 1)
            model.allow(sensor, hypervisor, [XenPermission.debug])
            let oracle = try SepolOracle(policy: try model.encoded())
            let differing = try system.withMonitor { _, _, monitor in
                let source = monitor.label(ofCompartment: 0)
                let theirs = try oracle.accessVector(
                    oracle.identifier(of: model.text(monitor.context(of: source))),
                    oracle.identifier(of: model.text(monitor.context(of: .hypervisor))), .xen)
                let ours = monitor.accessVector(source: source, target: .hypervisor, class: .xen)
                return ours.bits ^ theirs
            }
            #expect(differing == XenPermission.debug.mask)
        }

        @Test("libsepol refuses a policy that is cut short, and the oracle says so")
        func refusal() throws {
            let policy = try TestSystem.minimal().compiled.policy
            #expect(throws: OracleError.self) {
                try SepolOracle(policy: Array(policy.prefix(policy.count / 2)))
            }
        }

        @Test(
            "libsepol agrees on random policies of both versions", arguments: PolicyVersion.allCases
        )
        func randomPolicies(version: PolicyVersion) throws {
            let seed = SeededGenerator.announced(20_261).seed
            var granted = 0
            for offset in 0..<12 {
                let random = RandomPolicy(seed: seed &+ UInt64(offset))
                let bytes = try random.model.encoded(version: version)
                let oracle = try SepolOracle(policy: bytes)
                let policy = try PolicyDatabase(validating: bytes.span)
                let identifiers = try random.contexts.map {
                    try oracle.identifier(of: random.model.text($0))
                }
                for source in random.contexts.indices {
                    for target in random.contexts.indices {
                        for number in 1...ObjectClass.count {
                            let objectClass = try #require(ObjectClass(number: number))
                            let ours = policy.computeAccessVector(
                                source: random.contexts[source], target: random.contexts[target],
                                class: objectClass
                            ).bits
                            let theirs = try oracle.accessVector(
                                identifiers[source], identifiers[target], objectClass)
                            granted += ours == 0 ? 0 : 1
                            // Xen asks for a role allow rule here, libsepol only for class
                            // `process`.
                            let ignored =
                                objectClass == .domain ? DomainPermission.transition.mask : 0
                            #expect(ours & ~ignored == theirs & ~ignored, "offset \(offset)")
                        }
                        let label = policy.computeTransition(
                            source: random.contexts[source], target: random.contexts[target],
                            class: .event)
                        let ours = try #require(label)
                        let theirs = try oracle.transition(
                            identifiers[source], identifiers[target], .event)
                        #expect(try theirs == oracle.identifier(of: random.model.text(ours)))
                    }
                }
            }
            #expect(granted > 1000)
        }

        @Test("what checkpolicy decompiles and compiles again still says the same")
        func checkpolicy() throws {
            let system = try TestSystem.generated(compartments: 5, seed: 8)
            let folder = FileManager.default.temporaryDirectory.appending(
                path: "casemate-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try Data(system.compiled.policy).write(to: folder.appending(path: "policy.30"))
            try run(
                ["checkpolicy", "-b", "-t", "Xen", "-M", "-F", "-o", "text", "policy.30"], folder)
            try run(
                ["checkpolicy", "-t", "Xen", "-M", "-c", "30", "-o", "again.30", "text"], folder)
            try run(["seinfo", "policy.30"], folder)
            let again = Array(try Data(contentsOf: folder.appending(path: "again.30")))
            // Not in rising order, and with other numbers: our reader takes libsepol's files too.
            _ = try PolicyDatabase(validating: again.span)
            let model = LoweredPolicy(system.proved.policy).database
            let oracle = try SepolOracle(policy: again)
            try system.withMonitor { _, _, monitor in
                let labels = (0..<monitor.labelCount).compactMap { monitor.label(at: $0) }
                let identifiers = try labels.map {
                    try oracle.identifier(of: model.text(monitor.context(of: $0)))
                }
                for source in labels.indices {
                    for target in labels.indices {
                        for number in 1...ObjectClass.count {
                            let objectClass = try #require(ObjectClass(number: number))
                            let ours = monitor.accessVector(
                                source: labels[source], target: labels[target], class: objectClass)
                            let theirs = try oracle.accessVector(
                                identifiers[source], identifiers[target], objectClass)
                            #expect(ours.bits == theirs)
                        }
                    }
                }
            }
        }

        private func run(_ arguments: [String], _ folder: URL) throws {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = arguments
            process.currentDirectoryURL = folder
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.runBound()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(arguments.joined(separator: " "))")
        }
    }
}
