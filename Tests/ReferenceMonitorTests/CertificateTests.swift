import BootArena
import CompilerTestSupport
import Digests
import FlowCertificate
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import SecurityLattice
import SystemManifest
import Testing

/// What the hypervisor does before a compartment runs, with policies, manifests and certificates
/// that each say something else than the others.
@Suite("a certificate and what it is about")
struct CertificateTests {
    /// Why the system is refused; nil: it is not.
    private func failure(
        _ system: TestSystem, _ lie: (inout SystemManifestModel) throws -> Void = { _ in },
        policy change: ((inout PolicyDatabaseModel) -> Void)? = nil
    ) throws -> FlowCertificateError? {
        var bytes = system.compiled.policy
        if let change {
            var database = LoweredPolicy(system.proved.policy).database
            change(&database)
            bytes = try database.encoded()
        }
        var model = system.compiled.model
        try lie(&model)
        let manifestBytes = model.encoded
        let policy = try PolicyDatabase(validating: bytes.span)
        let manifest = try SystemManifest(
            validating: manifestBytes.span, accepting: ManifestFeature.known)
        var arena = BootArena(
            hostSizeInBytes: ReferenceMonitor.arenaSizeInBytes(
                policy: policy, manifest: manifest))
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let count = manifest.compartmentCount
        let bottom = SecurityRange(SecurityLevel(Sensitivity(rank: 0)))
        var ranges = Array(repeating: bottom, count: count)
        let width = FlowCertificate.rowWordCount(compartmentCount: count)
        var flows: [UInt32] = Array(repeating: 0, count: count * width)
        var rangeSpan = ranges.mutableSpan
        var flowSpan = flows.mutableSpan
        do throws(FlowCertificateError) {
            let certificate = try FlowCertificate(
                validating: manifest.certificate, compartmentCount: count)
            try monitor.check(certificate, of: manifest, ranges: &rangeSpan, flows: &flowSpan)
            return nil
        } catch {
            return error
        }
    }

    /// Where an edge of a certificate starts.
    private func offset(ofEdge index: Int, _ model: SystemManifestModel) -> Int {
        32 + 8 * model.compartments.count + 16 * index
    }

    private func edges(_ model: SystemManifestModel) -> [(from: Int, to: Int, link: Int, use: Int)]
    {
        func half(_ offset: Int) -> Int {
            Int(model.certificate[offset]) | Int(model.certificate[offset + 1]) << 8
        }
        let count = half(12)
        return (0..<count).map { index in
            let start = offset(ofEdge: index, model)
            return (half(start), half(start + 2), half(start + 4), half(start + 6))
        }
    }

    @Test(
        "every system of the repository is accepted as it was built",
        arguments: ["minimal", "guard", "tenants", "factory", "workstation"])
    func accepted(_ name: String) throws {
        #expect(try failure(TestSystem.ofRepository(name)) == nil)
    }

    @Test("the uses of a compartment are numbered alike, in whatever order it names them")
    func orderOfUses() throws {
        let system = try TestSystem.ofRepository("guard")
        let turned = system.text.replacing("uses store, console", with: "uses console, store")
        try #require(turned != system.text)
        #expect(try failure(TestSystem(turned, enforced: ManifestFeature.known)) == nil)
    }

    @Test("integrity that is not the manifest's is refused")
    func integrity() throws {
        let system = try TestSystem.ofRepository("guard")
        for index in system.compiled.model.compartments.indices {
            let found = try failure(system) { $0.compartments[index].integrityRank ^= 1 }
            #expect(found == .integrityDiffers)
        }
        // The certificate's own numbers raised, so that nothing seems to lead to higher integrity.
        let found = try failure(system) { model in
            for index in model.compartments.indices { model.certificate[32 + 8 * index + 4] = 1 }
        }
        #expect(found == .integrityDiffers)
    }

    @Test("exemptions that are not the manifest's are refused")
    func exemptions() throws {
        let system = try TestSystem.ofRepository("guard")
        for index in system.compiled.model.exemptions.indices {
            // Left out of the manifest; and turned round in it.
            #expect(
                try failure(system) { $0.exemptions.remove(at: index) } == .exemptionDiffers)
            let turned = try failure(system) { model in
                let old = model.exemptions[index]
                model.exemptions[index].from = .channel(0)
                #expect(old.from != .channel(0))
            }
            #expect(turned == .exemptionDiffers)
        }
        let added = try failure(system) { model in
            var more = model.exemptions[0]
            more.to = .channel(0)
            model.exemptions.append(more)
        }
        #expect(added == .exemptionDiffers)
        // The same one twice is the same one.
        #expect(try failure(system) { $0.exemptions.append($0.exemptions[0]) } == nil)
    }

    @Test("who serves whom is the manifest's to say")
    func uses() throws {
        let system = try TestSystem.ofRepository("guard")
        let model = system.compiled.model
        var changed = 0
        for (index, edge) in edges(model).enumerated() {
            for use in 0...2 where use != edge.use {
                let found = try failure(system) {
                    $0.certificate[offset(ofEdge: index, $0) + 6] = UInt8(use)
                }
                #expect(found == .edgeNotDeclared, "edge \(index), use \(use)")
                changed += 1
            }
        }
        #expect(changed > 40)
        // A service that the manifest knows nothing of.
        let user = try #require(model.compartments.firstIndex { $0.uses.contains(.console) })
        let unknown = try failure(system) { model in
            model.compartments[user].uses.removeAll { $0 == .console }
            model.exemptions.removeAll { $0.from == .use(.console, by: user) }
        }
        #expect(unknown == .edgeNotDeclared)
    }

    @Test("edges are exactly those of the manifest's channels, uses and subtrees")
    func declaredEdges() throws {
        let system = try TestSystem.ofRepository("guard")
        let model = system.compiled.model
        let oneWay = try #require(model.channels.firstIndex { !$0.isTwoWay })
        let twoWay = try #require(model.channels.firstIndex { $0.isTwoWay })
        #expect(try failure(system) { $0.channels[oneWay].isTwoWay = true } == .edgeMissing)
        #expect(
            try failure(system) { model in
                model.channels[twoWay].isTwoWay = false
                model.directories.removeAll { $0.channel == twoWay }
            } == .edgeNotDeclared)
        #expect(
            try failure(system) { model in
                let other = model.channels[oneWay]
                model.channels[oneWay].from = model.channels[oneWay].to
                model.channels[oneWay].to = other.from
                model.directories.removeAll { $0.channel == oneWay }
            } == .edgeNotDeclared)
        // A reader more of the shared subtree.
        let last = model.compartments.count - 1
        #expect(try failure(system) { $0.subtrees[0].readers.append(last) } == .edgeMissing)
    }

    @Test("further claims are there exactly if the manifest says so")
    func claims() throws {
        let guarded = try TestSystem.ofRepository("guard")
        #expect(try failure(guarded) { $0.hasFurtherClaims = false } == .featureDiffers)
        let minimal = try TestSystem.minimal()
        #expect(try failure(minimal) { $0.hasFurtherClaims = true } == .featureDiffers)
        // The first claim's kind changed to one that permits exceptions.
        let kind = minimal.compiled.model.certificate.count - 2 * (8 + 3 * 4 + 2 * 4)
        #expect(try failure(minimal) { $0.certificate[kind] = 1 } == .featureDiffers)
    }

    @Test("a ring of one way is refused where the policy lets its reader write")
    func rings() throws {
        let fields = "    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
        let system = try TestSystem(
            """
            system rings version 1
            target casemate
            levels low
            compartment a at low {\n\(fields)}
            compartment b at low {\n\(fields)}
            channel pages: a -> b ring 4 pages
            assert never b -> a
            """, enforced: ManifestFeature.known)
        #expect(try failure(system) == nil)
        let types = LoweredPolicy(system.proved.policy).labels.map(\.type)
        for permission in [
            GrantPermission.mapWrite, GrantPermission.transfer, GrantPermission.copy,
        ] {
            let found = try failure(
                system, policy: { $0.allow(types[1], types[0], [permission]) })
            #expect(found == .flowNotCertified, "\(String(permission.policyName))")
        }
        let found = try failure(
            system, policy: { $0.allow(types[0], types[1], [GrantPermission.mapRead]) })
        #expect(found == .flowNotCertified)
    }
}
