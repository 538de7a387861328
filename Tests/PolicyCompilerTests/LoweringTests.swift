import CompilerTestSupport
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import PolicySyntax
import SystemManifest
import Testing

@Test("equal systems compile to equal bytes")
func deterministic() throws {
    let first = try TestSystem.generated(compartments: 6, seed: 3)
    let second = try TestSystem.generated(compartments: 6, seed: 3)
    #expect(first.compiled == second.compiled)
    #expect(first.compiled.policy != (try TestSystem.minimal()).compiled.policy)
}

@Test("every permission on the end of a channel comes from a declared channel")
func onlyDeclaredChannels() throws {
    let system = try TestSystem.minimal()
    let lowered = LoweredPolicy(system.proved.policy)
    let names = lowered.database.types.map(\.name)
    #expect(names.filter { $0.contains("-to-") } == ["sensor-to-collector", "collector-to-sensor"])
    let sends = lowered.database.accessRules.filter { key, data in
        key.kind == .allowed && key.objectClass == 9 && data & EventPermission.send.mask != 0
    }
    let senders = sends.map { names[Int($0.key.target) - 1] }.sorted()
    #expect(senders == ["collector-console", "sensor-console", "sensor-to-collector"])
}

@Test("a write of version 24 says the same as one of version 30")
func versions() throws {
    let system = try TestSystem.generated(compartments: 4, seed: 1)
    let lowered = LoweredPolicy(system.proved.policy)
    let old = try lowered.database.encoded(version: .xen24)
    let new = try lowered.database.encoded(version: .xen30)
    let oldPolicy = try PolicyDatabase(validating: old.span)
    let newPolicy = try PolicyDatabase(validating: new.span)
    #expect(oldPolicy.version == 24 && newPolicy.version == 30)
    for source in lowered.labels {
        for target in lowered.labels {
            for number in 1...ObjectClass.count {
                let objectClass = try #require(ObjectClass(number: number))
                let one = oldPolicy.computeAccessVector(
                    source: source, target: target, class: objectClass)
                let other = newPolicy.computeAccessVector(
                    source: source, target: target, class: objectClass)
                #expect(one == other)
            }
        }
    }
}

@Test("what the target does not enforce is not compiled, whoever asks")
func notEnforced() throws {
    let text = try TestSystem.minimal().text
    let twoWay = text.replacing("channel readings: sensor -> collector signal", with: "")
        .replacing("at secret {", with: "at unclassified {")
        .replacing("assert never secret -> unclassified", with: "")
        .replacing("assert never collector -> sensor", with: "")
    _ = try TestSystem(twoWay)
    _ = try TestSystem(twoWay + "\nchannel both: sensor <-> collector signal\n")
    #expect(throws: CompilationError.self) {
        try TestSystem(twoWay + "\nchannel both: sensor <-> collector net\n")
    }
}

@Test("a system of several files names each of them in its manifest")
func imports() throws {
    let text = try TestSystem.minimal().text.replacing(
        "levels unclassified < secret", with: "import \"levels.casemate\"")
    let source = SourceFile(name: "system.casemate", text: text)
    let module = SourceFile(name: "levels.casemate", text: "levels unclassified < secret\n")
    let proved = try #require(CheckResult.check(source) { _ in module }.proved)
    let modules = proved.policy.compartments.map {
        CompartmentModules(
            kernel: TestSystem.module("vmlinux", .kernel),
            initrd: TestSystem.module("\($0.name).cpio", .initrd))
    }
    let compiled = try CompiledSystem(proved, sources: [source, module], modules: modules)
    #expect(compiled.model.sources.map(\.name) == ["system.casemate", "levels.casemate"])
    #expect(throws: CompilationError.missingSource("system.casemate")) {
        try CompiledSystem(proved, sources: [module], modules: modules)
    }
}

@Test("the types of 400 compartments and 1,600 channels grow with the channels, not as a square")
func large() throws {
    var text = "system large version 1\ntarget casemate\nlevels basic < inner\n"
    for index in 0..<400 {
        let level = index < 200 ? "basic" : "inner"
        text += "compartment c\(index) at \(level) {\n"
        text += "    kernel debian\n    memory 64 MiB\n    vcpus 1\n}\n"
    }
    for index in 0..<1600 {
        let from = index % 200
        let to = 200 + (from + index / 200) % 200
        text += "channel k\(index): c\(from) -> c\(to) signal\n"
    }
    let source = SourceFile(name: "system.casemate", text: text)
    let result = CheckResult.check(source)
    let policy = try #require(result.policy)
    let clock = ContinuousClock()
    var lowered: LoweredPolicy?
    var bytes: [UInt8] = []
    let lowering = try clock.measure {
        let policy = LoweredPolicy(policy)
        bytes = try policy.database.encoded()
        lowered = policy
    }
    let labels = try #require(lowered).labels
    let checking = try clock.measure {
        try TranslationCheck.check(bytes, of: policy, labels: labels)
    }
    print("lowered in \(lowering), \(bytes.count) bytes, validated in \(checking)")
    // 6 attributes, 13 types of Xen's, 3 for each compartment, 2 for each channel.
    let (typeCount, ruleCount) = (
        lowered?.database.types.count ?? 0, lowered?.database.accessRules.count ?? 0
    )
    #expect(typeCount == 4419)
    #expect(ruleCount < 20_000)
    #expect(lowering < .seconds(3))
    #expect(checking < .seconds(3))
    _ = try PolicyDatabase(validating: bytes.span)
}
