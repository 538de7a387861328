import Foundation
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import TestSupport
import Testing

/// Compares a generated file with what its generator writes now; `policy/flask/generate` has it
/// written instead.
private func expectFresh(_ path: String, _ generated: String) throws {
    let output = RepositoryFiles.root.appending(path: path)
    if ProcessInfo.processInfo.environment["CASEMATE_UPDATE_GENERATED"] != nil {
        try Data(generated.utf8).write(to: output)
    }
    #expect(try String(contentsOf: output, encoding: .utf8) == generated)
}

@Test("the generated class map is what its inputs say")
func classMapIsFresh() throws {
    try expectFresh(
        ClassMapGenerator.output, try ClassMapGenerator(root: RepositoryFiles.root).text)
}

@Test("the generated maps of Xen's versions are what their inputs say")
func classMapIsFreshForEveryXen() throws {
    let generator = XenClassMapGenerator(files: try XenClassMapFile.all())
    try expectFresh(XenClassMapGenerator.mapsOutput, generator.mapsText)
    try expectFresh(XenClassMapGenerator.versionsOutput, generator.versionsText)
}

@Test("every map names its version, its source, and a name only once")
func classMapsAreWellFormed() throws {
    let files = try XenClassMapFile.all()
    #expect(files.map(\.version) == SystemPolicy.Target.xenVersions)
    #expect(XenClassMap.all.map(\.version) == SystemPolicy.Target.xenVersions)
    #expect(files.count >= 10)
    for (file, map) in zip(files, XenClassMap.all) {
        #expect(file.source.contains("Xen \(file.version.prefix { $0 != "-" })"), "\(file.version)")
        #expect(map.initialSIDs == file.initialSIDs)
        #expect(map.classes.map(\.name) == file.classes.map(\.name))
        #expect(map.classes.map(\.permissions) == file.classes.map(\.permissions))
        #expect(map.classes.count == 13)
        #expect(Set(map.classes.map(\.name)).count == 13)
        for entry in map.classes {
            #expect(entry.permissions.count <= 32)
            #expect(Set(entry.permissions).count == entry.permissions.count, "\(entry.name)")
        }
        #expect(XenClassMap.of(version: map.version) == map)
        #expect(map.number(ofClass: "argo") == 13)
    }
    #expect(XenClassMap.of(version: "4.13") == nil)
}

@Test("versions of Xen differ where their releases changed something, and only there")
func classMapsDiffer() throws {
    // Method: what three releases are known to have changed, from their change logs.
    func permissions(_ version: String, _ name: String) throws -> Set<String> {
        let map = try #require(XenClassMap.of(version: version))
        return Set(try #require(map.classes.first { $0.name == name }).permissions)
    }
    let added = try permissions("4.17", "domain").subtracting(try permissions("4.16", "domain"))
    #expect(added == ["getpagingmempool", "setpagingmempool"])
    #expect(XenClassMap.of(version: "4.16")?.initialSIDs.contains("xenboot") == false)
    #expect(XenClassMap.of(version: "4.17")?.initialSIDs.first == "xenboot")
    #expect(try permissions("4.22", "xen").count == permissions("4.21", "xen").count - 2)
    let equal = zip(XenClassMap.all, XenClassMap.all.dropFirst()).filter {
        $0.classes == $1.classes && $0.initialSIDs == $1.initialSIDs
    }
    #expect(equal.map(\.1.version) == ["4.16", "4.23-dev"])
}

@Test("Casemate's first classes are those of Xen 4.17")
func ownClassMap() throws {
    let map = try #require(XenClassMap.of(version: "4.17"))
    for (index, entry) in map.classes.enumerated() {
        let own = try #require(ObjectClass(number: index + 1))
        #expect(String(own.policyName) == entry.name)
        let permissions = (0..<own.permissionCount).compactMap { Permission(own, at: $0) }
        let names = permissions.map { String($0.policyName) }
        #expect(names == entry.permissions)
    }
    #expect(ObjectClass.xenCount == map.classes.count)
}
