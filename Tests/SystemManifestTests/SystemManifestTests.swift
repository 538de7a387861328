import CompilerTestSupport
import Digests
import PolicyCompiler
import PolicyDatabase
import SecurityLattice
import SystemManifest
import TestSupport
import Testing

@Suite("the system manifest")
struct SystemManifestTests {
    private func error(
        _ bytes: [UInt8], accepting features: UInt64 = ManifestFeature.enforcedByHypervisor
    ) -> SystemManifestError? {
        do throws(SystemManifestError) {
            _ = try SystemManifest(validating: bytes.span, accepting: features)
            return nil
        } catch {
            return error
        }
    }

    private func text(_ bytes: borrowing Span<UInt8>) -> String {
        String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    @Test("what the compiler writes is what the hypervisor reads")
    func roundTrip() throws {
        let system = try TestSystem.generated(compartments: 9, seed: 4)
        let model = system.compiled.model
        let manifest = try SystemManifest(validating: system.compiled.manifest.span)
        let (version, certificateSize) = (manifest.systemVersion, manifest.certificate.count)
        #expect(version == 7)
        #expect(certificateSize == model.certificate.count)
        let identifier = (0..<16).map { manifest.systemID[$0] }
        #expect(identifier == SystemManifestModel.systemID(of: "generated"))
        let digest = manifest.policyDigest
        #expect(digest == SHA384.hash(system.compiled.policy.span))
        for (index, wanted) in model.compartments.enumerated() {
            let found = manifest.compartment(at: index)
            let (name, initrd) = (text(found.name), found.initrd)
            let (label, memory) = (found.label, found.memorySizeInBytes)
            let place = found.source
            #expect(name == wanted.name && initrd == wanted.initrd)
            #expect(label == wanted.label && memory == wanted.memoryInBytes)
            #expect(place == wanted.place)
            let domain = found.domainID
            #expect(Int(domain) == index + 1)
        }
        for (index, wanted) in model.labels.enumerated() {
            let found = manifest.label(at: index)
            #expect(found.user == wanted.user && found.role == wanted.role)
            #expect(found.type == wanted.type && found.range == wanted.range)
        }
        for (index, wanted) in model.channels.enumerated() {
            let found = manifest.channel(at: index)
            let (name, from, to) = (text(found.name), found.from, found.to)
            #expect(name == wanted.name && from == wanted.from && to == wanted.to)
        }
        for (index, wanted) in model.modules.enumerated() {
            let found = manifest.module(at: index)
            let (size, kind, digest) = (found.sizeInBytes, found.kind, found.digest)
            #expect(size == wanted.sizeInBytes && kind == wanted.kind && digest == wanted.digest)
        }
        let name = text(manifest.source(at: 0).name)
        #expect(name == "system.casemate")
    }

    @Test("a manifest that is cut short is refused at every length, and one that is too long")
    func truncation() throws {
        let bytes = try TestSystem.minimal().compiled.manifest
        for length in 0..<bytes.count {
            let found = error(Array(bytes.prefix(length)))
            let wanted: SystemManifestError = length < 320 ? .truncated : .badFileSize
            #expect(found == wanted, "length \(length)")
        }
        #expect(error(bytes + [0, 0, 0, 0, 0, 0, 0, 0]) == .badFileSize)
    }

    @Test("a header with a wrong field is refused for that field")
    func header() throws {
        let bytes = try TestSystem.minimal().compiled.manifest
        func patched(_ offset: Int, _ value: UInt8) -> SystemManifestError? {
            var copy = bytes
            copy[offset] = value
            return error(copy)
        }
        #expect(error(bytes) == nil)
        #expect(patched(0, 0x63) == .badMagic)
        #expect(patched(8, 2) == .unsupportedVersion)
        #expect(patched(12, 65) == .badHeaderSize)
        #expect(patched(16, bytes[16] &+ 8) == .badFileSize)
        #expect(patched(24, 3) == .featureMismatch, "two-way signals, of which there are none")
        #expect(patched(24, 17) == .unknownFeature, "block devices, which are not enforced")
        #expect(patched(27, 0x20) == .unknownFeature, "no feature of this version")
        #expect(patched(31, 128) == .unknownFeature)
        #expect(patched(24, 0) == .certificateMismatch)
        #expect(patched(48, 0) == .badSystemVersion)
        #expect(patched(152, 1) == .badSignatureFields)
        #expect(patched(152, 2) == .protectionUnsupported)
        #expect(patched(153, 1) == .protectionUnsupported)
        #expect(patched(160, 1) == .badSignatureFields)
        #expect(patched(192, 1) == .badSignatureFields)
        #expect(patched(154, 1) == .reservedNotZero)
        #expect(patched(319, 1) == .reservedNotZero)
        #expect(patched(288, 0) == .badSectionDirectory)
        #expect(patched(288, 17) == .badSectionDirectory)
        #expect(patched(320, 2) == .badRecordSize)
        #expect(patched(320, 16) == .badSectionDirectory)
        #expect(patched(324, 2) == .badRecordSize)
        #expect(patched(328, bytes[328] &+ 8) == .badSectionPlacement)
        #expect(patched(156, 1) == .protectionUnsupported)
        #expect(patched(287, 1) == .badSignatureFields)
        #expect(patched(104, 1) == nil, "a predecessor's digest is for others to judge")
    }

    @Test("the fields of a signature are there together, or none of them is")
    func signatureFields() throws {
        let bytes = try TestSystem.minimal().compiled.manifest
        let fields = [152, 160, 192, 240]
        for present in 0..<16 {
            var copy = bytes
            for (bit, offset) in fields.enumerated() where present >> bit & 1 == 1 {
                copy[offset] = 1
            }
            let wanted: SystemManifestError? =
                present == 0 || present == 15 ? nil : .badSignatureFields
            #expect(error(copy) == wanted, "\(present)")
        }
        var signed = bytes
        for offset in fields { signed[offset] = 1 }
        let manifest = try SystemManifest(validating: signed.span)
        let (algorithm, key, signature) = (
            manifest.signatureAlgorithm, manifest.keyID[0], manifest.signature[48]
        )
        #expect(algorithm == .ecdsaP384 && key == 1 && signature == 1)
    }

    @Test("a record that breaks a rule is refused for it")
    func records() throws {
        func broken(
            accepting features: UInt64 = ManifestFeature.enforcedByHypervisor,
            _ change: (inout SystemManifestModel) -> Void
        ) throws -> SystemManifestError? {
            var model = try TestSystem.minimal().compiled.model
            change(&model)
            return error(model.encoded, accepting: features)
        }
        #expect(try broken { _ in } == nil)
        #expect(try broken { $0.channels = [] } == nil)
        #expect(try broken { $0.certificate = [] } == nil)
        #expect(try broken { $0.sources = [] } == .badRecordCount)
        #expect(try broken { $0.labels = [] } == .badRecordCount)
        #expect(try broken { $0.compartments = [] } == .badRecordCount)
        #expect(try broken { $0.compartments[1].name = "sensor" } == .duplicateName)
        #expect(try broken { $0.compartments[1].name = "" } == .badStringReference)
        let long = String(repeating: "x", count: 64)
        #expect(try broken { $0.compartments[1].name = String(long.dropLast()) } == nil)
        #expect(try broken { $0.compartments[1].name = long } == .badStringReference)
        #expect(try broken { $0.compartments[1].label = 2 } == .badIndex)
        #expect(try broken { $0.compartments[1].kernel = 1 } == .badIndex)
        #expect(try broken { $0.compartments[1].kernel = 3 } == .badIndex)
        #expect(try broken { $0.compartments[1].initrd = 0 } == .badIndex)
        #expect(try broken { $0.compartments[1].initrd = nil } == nil)
        #expect(try broken { $0.compartments[1].memoryInBytes = 32 << 20 } == nil)
        #expect(try broken { $0.compartments[1].memoryInBytes = 3840 << 20 } == nil)
        #expect(try broken { $0.compartments[1].memoryInBytes = 3841 << 20 } == nil)
        #expect(
            try broken { $0.compartments[1].memoryInBytes = (32 << 20) - 4096 } == .badMemorySize)
        #expect(try broken { $0.compartments[1].memoryInBytes += 1 } == .badMemorySize)
        #expect(
            try broken(accepting: ManifestFeature.known) {
                $0.compartments[1].memoryInBytes = (64 << 30) + 4096
            } == .badMemorySize)
        #expect(try broken { $0.compartments[1].vcpuCount = 8 } == nil)
        #expect(try broken { $0.compartments[1].vcpuCount = 9 } == .badVirtualCPUCount)
        #expect(try broken { $0.compartments[1].vcpuCount = 0 } == .badVirtualCPUCount)
        #expect(try broken { $0.channels[0].to = 2 } == .badIndex)
        #expect(try broken { $0.channels[0].to = 0 } == .badChannel)
        #expect(try broken { $0.modules[1].digest = $0.modules[2].digest } == .duplicateModule)
        #expect(try broken { $0.modules[1].sizeInBytes = 0 } == .badModule)
        #expect(
            try broken {
                $0.channels[0].place = SourceReference(source: 1, line: 1, column: 1)
            } == .badSourceReference)
        #expect(
            try broken {
                $0.channels[0].place = SourceReference(source: 0, line: 0, column: 1)
            } == .badSourceReference)
        #expect(
            try broken {
                $0.labels[0] = SecurityContext(
                    user: 0, role: 1, type: 1, range: $0.labels[0].range)
            } == .badLabel)
        #expect(try broken { $0.compartments[0].commandLine = "a\0b" } == .badText)
    }

    @Test("text is UTF-8 and is cut nowhere inside a character")
    func text() throws {
        var model = try TestSystem.minimal().compiled.model
        model.compartments[0].commandLine = "quiet ü € 😀"
        let bytes = model.encoded
        #expect(error(bytes) == nil)
        let euro = try #require((0..<bytes.count - 2).first { bytes[$0] == 0xe2 })
        for bad in [UInt8(0xff), 0xc0, 0x80, 0x00] {
            var copy = bytes
            copy[euro] = bad
            #expect(error(copy) == .badText)
        }
        var surrogate = bytes
        surrogate[euro] = 0xed
        surrogate[euro + 1] = 0xa0
        #expect(error(surrogate) == .badText)
    }

    @Test("no change of one byte makes the reader trap")
    func mutations() throws {
        var generator = SeededGenerator.announced(1_729)
        let good = try TestSystem.minimal().compiled.manifest
        var accepted = 0
        for index in good.indices {
            for _ in 0..<16 {
                var bytes = good
                bytes[index] = UInt8.random(in: 0...255, using: &generator)
                guard let manifest = try? SystemManifest(validating: bytes.span) else { continue }
                accepted += 1
                for number in 0..<manifest.compartmentCount {
                    let name = text(manifest.compartment(at: number).name)
                    #expect(!name.isEmpty)
                }
                for number in 0..<manifest.channelCount {
                    let to = manifest.channel(at: number).to
                    let count = manifest.compartmentCount
                    #expect(to < count)
                }
            }
        }
        #expect(accepted > 0)
    }
}
