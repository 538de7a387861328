import CompilerTestSupport
import PolicyCompiler
import PolicyDatabaseModel
import TestSupport
import Testing

@Test("what other compilers write is written as it was read", arguments: ForeignPolicy.all)
func foreignRoundTrip(policy: ForeignPolicy) throws {
    let bytes = try policy.compiled()
    let file = try PolicyFile(validating: bytes)
    #expect(file.format.target == policy.target)
    #expect(file.format.version == policy.version)
    #expect(file.isMultilevel == policy.hasLevels)
    #expect(try file.encoded() == bytes)
}

@Test("versions that nobody writes are refused for their version", arguments: [14, 34, 35])
func otherVersionNumbers(version: UInt8) throws {
    for target in PolicyFormat.Target.allCases {
        let policy = ForeignPolicy(
            compiler: .checkpolicy, target: target, version: target == .xen ? 30 : 33)
        var bytes = try policy.compiled()
        bytes[16] = version
        #expect(throws: PolicyFileError(reason: .unsupportedVersion, offset: 20)) {
            try PolicyFile(validating: bytes)
        }
    }
}

@Test("rules that share a record are written in one again, and only in versions before 20")
func joinedRules() throws {
    let policy = ForeignPolicy(compiler: .checkpolicy, target: .linux, version: 19)
    var file = try PolicyFile(validating: try policy.compiled())
    let joined = try #require(file.accessRules.rules.firstIndex { $0.isJoined })
    let (first, second) = (file.accessRules.rules[joined - 1], file.accessRules.rules[joined])
    #expect(first.source == second.source && first.target == second.target)
    #expect(first.objectClass == second.objectClass && first.kind != second.kind)
    let size = try file.encoded().count
    file.accessRules.rules[joined].isJoined = false
    #expect(try file.encoded().count == size + 20)
    file.accessRules.rules[joined].isJoined = true
    file.accessRules.rules[joined].target &+= 1
    #expect(reason { try file.encoded() } == .badRule)
    file.accessRules.rules[joined].target &-= 1
    file.accessRules.rules.swapAt(joined - 1, joined)
    #expect(reason { try file.encoded() } == .badRule)
}

@Test("the policies that this project compiles are written as they were read")
func ownRoundTrip() throws {
    for system in [try TestSystem.minimal(), try .generated(compartments: 9, seed: 3)] {
        let file = try PolicyFile(validating: system.compiled.policy)
        #expect(file.format == .xen30)
        #expect(try file.encoded() == system.compiled.policy)
    }
}

@Test("the sources use every kind of record", arguments: PolicyFormat.Target.allCases)
func everyRecord(target: PolicyFormat.Target) throws {
    let newest = ForeignPolicy(
        compiler: .checkpolicy, target: target, version: target == .xen ? 30 : 33)
    let file = try PolicyFile(validating: try newest.compiled())
    let counts = sharedCounts(file)
        .merging(target == .xen ? xenCounts(file) : linuxCounts(file)) { $0 + $1 }
    #expect(counts.filter { $0.value == 0 }.isEmpty)
    for kind in PolicyFile.AccessRuleKind.allCases where target == .linux || !kind.isExtended {
        let rules = file.accessRules.rules.filter { $0.kind == kind }
        #expect(!rules.isEmpty, "\(kind)")
    }
}

@Test("a policy of one version can be written in another that can say the same")
func otherVersions() throws {
    let old = ForeignPolicy(compiler: .checkpolicy, target: .linux, version: 25)
    var file = try PolicyFile(validating: try old.compiled())
    for version in UInt32(25)...33 {
        file.format = try #require(PolicyFormat(.linux, version: version))
        #expect(try PolicyFile(validating: try file.encoded()) == file, "\(version)")
    }
    file.format = try #require(PolicyFormat(.linux, version: 24))
    #expect(reason { try file.encoded() } == .notInFormat)
    file.filenameTransitions = []
    #expect(try PolicyFile(validating: try file.encoded()) == file)
}

@Test("what a version has no place for is not written")
func notInFormat() throws {
    let newest = ForeignPolicy(compiler: .checkpolicy, target: .linux, version: 33)
    let linux = try PolicyFile(validating: try newest.compiled())
    let changes: [(inout PolicyFile) -> Void] = [
        { $0.format = .xen30 },
        { $0.format = PolicyFormat(.linux, version: 32) ?? .xen30 },
        { $0.format = PolicyFormat(.linux, version: 30) ?? .xen30 },
        { $0.format = PolicyFormat(.linux, version: 29) ?? .xen30 },
        { $0.format = PolicyFormat(.linux, version: 24) ?? .xen30 },
        { $0.format = PolicyFormat(.linux, version: 19) ?? .xen30 },
        { $0.format = PolicyFormat(.linux, version: 18) ?? .xen30 },
        { $0.format = PolicyFormat(.linux, version: 15) ?? .xen30 },
        { $0.objectContexts.interrupts = [PolicyFile.NumberedContext()] },
        nameWithoutPlace,
    ]
    for (index, change) in changes.enumerated() {
        var file = linux
        change(&file)
        #expect(reason { try file.encoded() } == .notInFormat, "change \(index)")
    }
}

/// Gives a comparison without names a set of names.
private func nameWithoutPlace(_ file: inout PolicyFile) {
    var term = PolicyFile.ConstraintTerm()
    term.names = PolicyBitmap([3])
    var constraint = PolicyFile.ConstraintRecord()
    constraint.terms = [term]
    file.classes.symbols[0].constraints = [constraint]
}

@Test("what a reader would refuse is not written")
func unreadable() throws {
    let newest = ForeignPolicy(compiler: .checkpolicy, target: .linux, version: 33)
    let good = try PolicyFile(validating: try newest.compiled())
    var file = good
    file.types.symbols[0].name = ""
    #expect(reason { try file.encoded() } == .badName)
    file = good
    file.typeAttributes.removeLast()
    #expect(reason { try file.encoded() } == .wrongTableCount)
    file = good
    file.accessRules.operations.removeLast()
    #expect(reason { try file.encoded() } == .badRule)
}

/// Returns why `body` throws a `PolicyFileError`; nil when it does not.
private func reason(_ body: () throws -> [UInt8]) -> PolicyFileError.Reason? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? PolicyFileError)?.reason
    }
}

/// How many records of each kind there are that both targets have.
private func sharedCounts(_ file: PolicyFile) -> [String: Int] {
    let contexts = file.objectContexts
    var counts: [String: Int] = [:]
    counts["commons"] = file.commons.symbols.count
    counts["classes"] = file.classes.symbols.count
    counts["roles"] = file.roles.symbols.count
    counts["types"] = file.types.symbols.count
    counts["users"] = file.users.symbols.count
    counts["booleans"] = file.booleans.symbols.count
    counts["sensitivities"] = file.sensitivities.symbols.count
    counts["categories"] = file.categories.symbols.count
    counts["accessRules.rules"] = file.accessRules.rules.count
    counts["conditionals"] = file.conditionals.count
    counts["roleTransitions"] = file.roleTransitions.count
    counts["roleAllows"] = file.roleAllows.count
    counts["rangeTransitions"] = file.rangeTransitions.count
    counts["typeAttributes"] = file.typeAttributes.count
    counts["capabilities"] = file.capabilities.numbers.count
    counts["permissiveTypes"] = file.permissiveTypes.numbers.count
    counts["initialIdentifiers"] = contexts.initialIdentifiers.count
    counts["classes.constraints"] = file.classes.symbols.flatMap(\.constraints).count
    counts["classes.transitionConstraints"] =
        file.classes.symbols.flatMap(\.transitionConstraints).count
    counts["types.bounds != 0"] = file.types.symbols.filter { $0.bounds != 0 }.count
    counts["types.properties & 1 == 0"] = file.types.symbols.filter { $0.properties & 1 == 0 }.count
    return counts
}

/// How many records of each kind there are that only Xen has.
private func xenCounts(_ file: PolicyFile) -> [String: Int] {
    let contexts = file.objectContexts
    var counts: [String: Int] = [:]
    counts["interrupts"] = contexts.interrupts.count
    counts["ports"] = contexts.ports.count
    counts["frames"] = contexts.frames.count
    counts["pciDevices"] = contexts.pciDevices.count
    counts["deviceTreePaths"] = contexts.deviceTreePaths.count
    return counts
}

/// How many records of each kind there are that only Linux has.
private func linuxCounts(_ file: PolicyFile) -> [String: Int] {
    let contexts = file.objectContexts
    var counts: [String: Int] = [:]
    counts["accessRules.operations"] = file.accessRules.operations.count
    counts["filenameTransitions"] = file.filenameTransitions.count
    counts["fileSystems"] = contexts.fileSystems.count
    counts["networkPorts"] = contexts.networkPorts.count
    counts["networkInterfaces"] = contexts.networkInterfaces.count
    counts["nodes"] = contexts.nodes.count
    counts["fileSystemUses"] = contexts.fileSystemUses.count
    counts["wideNodes"] = contexts.wideNodes.count
    counts["infinibandKeys"] = contexts.infinibandKeys.count
    counts["infinibandPorts"] = contexts.infinibandPorts.count
    counts["genericFileSystems"] = file.genericFileSystems.count
    counts["genericFileSystems.paths"] = file.genericFileSystems.flatMap(\.paths).count
    return counts
}
