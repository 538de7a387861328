import CompilerTestSupport
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
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
