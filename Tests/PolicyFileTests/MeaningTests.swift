import PolicyDatabaseModel
import TestSupport
import Testing

@Test("Linux's records say what the source says")
func linuxMeaning() throws {
    let policy = ForeignPolicy(compiler: .checkpolicy, target: .linux, version: 33)
    let file = try PolicyFile(validating: try policy.compiled())
    func type(_ name: String) throws -> UInt32 {
        try #require(file.types.symbols.first { $0.name == name }).number
    }
    #expect(file.isMultilevel)
    #expect(file.unknownHandling == .deny)
    #expect(file.permissiveTypes == PolicyBitmap([try type("loader_t")]))
    #expect(try type("visitor_t") == type("guest_t"))

    let process = try #require(file.classes.symbols.first { $0.name == "domain" })
    #expect(process.common == "shared")
    #expect(
        process.permissions.symbols.map(\.name).sorted() == ["create", "destroy", "transition"])
    #expect(process.defaultUser == 1)
    #expect(process.defaultRole == 2)

    let node = try #require(file.objectContexts.nodes.first { $0.address >> 24 == 10 })
    #expect(node.address == 0x0a00_0000)
    #expect(node.mask == 0xff00_0000)
    #expect(file.objectContexts.wideNodes.contains { $0.address.first == 0xfe80_0000 })
    #expect(file.objectContexts.infinibandKeys.contains { $0.first == 0 && $0.last == 16 })
    #expect(file.objectContexts.infinibandPorts.map(\.device) == ["mlx4_0"])

    let named = file.filenameTransitions.filter { $0.name == "name" && $0.objectClass != 0 }
    let sources = named.flatMap(\.results).map(\.sources)
    let shared = PolicyBitmap([try type("guest_t") - 1, try type("loader_t") - 1])
    #expect(sources.contains(shared))
    #expect(file.filenameTransitions.contains { $0.name == "résumé.txt" })

    let audited = try #require(
        file.accessRules.rules.first { $0.kind == .extendedAuditAllowed })
    let operations = file.accessRules.operations[Int(audited.data)]
    #expect(operations.form == 1)
    #expect(operations.driver == 0x89)
    #expect(operations.first == 1 << 0x27)
    #expect(operations.second | operations.third | operations.fourth == 0)
}

@Test("Xen's records say what the source says", arguments: [UInt32(24), 30])
func xenMeaning(version: UInt32) throws {
    let policy = ForeignPolicy(compiler: .checkpolicy, target: .xen, version: version)
    let file = try PolicyFile(validating: try policy.compiled())
    let contexts = file.objectContexts
    #expect(contexts.interrupts.map(\.number).sorted() == [7, 33])
    #expect(
        contexts.ports.map { [$0.first, $0.last] }.sorted { $0[0] < $1[0] }
            == [[0xeac0, 0xeac0], [0xecc0, 0xecdf]])
    let frames = contexts.frames.map(\.last).sorted()
    #expect(frames == [0xfebff, 0xfec9f] + (version == 30 ? [0x1_0000_00ff] : []))
    #expect(contexts.pciDevices.map(\.number) == [0xc800])
    #expect(contexts.deviceTreePaths.map(\.name) == (version == 30 ? ["/soc/uart@1c090000"] : []))
    let guest = try #require(file.users.symbols.first { $0.name == "guest_u" })
    #expect(guest.range.low.sensitivity == 2)
    #expect(guest.range.low.categories.numbers == [1])
    #expect(guest.range.high?.categories.numbers == [0, 1, 2, 3])
}

@Test("a set holds the numbers that it was made from, and no others")
func bitmaps() {
    let numbers: [UInt32] = [0, 1, 63, 64, 130, 4_000_000_000, 0xffff_ffbf]
    let bitmap = PolicyBitmap(numbers.reversed() + [64])
    #expect(bitmap.numbers == numbers)
    for number in numbers {
        #expect(bitmap.contains(number))
        #expect(!bitmap.contains(number &+ 2))
    }
    #expect(bitmap.single == nil)
    #expect(PolicyBitmap([77]).single == 77)
    #expect(PolicyBitmap([0xffff_ffc0]) == PolicyBitmap())
    #expect(!PolicyBitmap().contains(0))
}
