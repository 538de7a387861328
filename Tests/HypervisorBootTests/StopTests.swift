import CompilerTestSupport
import ControlFrames
import Digests
import Foundation
import PolicyAuthority
import PolicyCompiler
import SystemManifest
import TestSupport
import Testing
import VirtualHardware

/// The real hypervisor on an emulated machine, with a boot bundle that is wrong in one way: it must
/// stop with the reason for just that, on the console and on the control line.
///
/// The image is the one that `CASEMATE_HYPERVISOR` names. The guests' kernels are no kernels, so
/// even the unbroken system stops, at the last possible place; that shows that the others stopped
/// for what is broken in them.
@Suite(.serialized) struct StopTests {
    /// The system of the tests: policy, manifest and modules that belong together.
    private struct Parts {
        var policy: [UInt8]
        var model: SystemManifestModel
        var modules: [[UInt8]]

        init() throws {
            let system = try TestSystem.minimal()
            policy = system.compiled.policy
            model = system.compiled.model
            modules = model.modules.indices.map { index in
                Array(repeating: UInt8(index + 1), count: 4096)
            }
            for (index, module) in modules.enumerated() {
                model.modules[index].digest = SHA384.hash(module.span)
                model.modules[index].sizeInBytes = UInt64(module.count)
            }
        }

        /// Binds the manifest to the present policy, so that the policy itself is looked at.
        mutating func bind() { model.policyDigest = SHA384.hash(policy.span) }

        func bundle(manifest: [UInt8]? = nil) -> [UInt8] {
            NewcArchive.archive(
                [("policy", policy), ("manifest", manifest ?? model.encoded)]
                    + modules.enumerated().map { ("module/\($0)", $1) })
        }
    }

    @Test("a processor that lacks what a compartment's time or memory rests on stops the machine")
    func processor() throws {
        let reasons = [
            "EPYC,+svm,+npt,-hypervisor": "machine: the time-stamp counter changes its rate",
            "EPYC,+svm,-npt": "machine: AMD-V without nested paging",
            "EPYC,-svm": "machine: no AMD-V",
        ]
        for (model, reason) in reasons {
            let outcome = try BootOutcome.boot(try Parts().bundle()) { $0.processorModel = model }
            #expect(outcome.reasonOnConsole == reason, "\(model)\n\(outcome.console)")
        }
    }

    private func expect(
        _ reason: String, _ bundle: [UInt8], _ location: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try BootOutcome.boot(bundle)
        #expect(outcome.reasonOnConsole == reason, sourceLocation: location)
        #expect(outcome.reasonOnControlLine == reason, sourceLocation: location)
        // The stop is in the log: what a verifier replays says why, too.
        let log = outcome.eventLog ?? ""
        #expect(log.contains(reason), sourceLocation: location)
    }

    @Test("an unbroken system gets as far as its guests")
    func unbroken() throws {
        let parts = try Parts()
        try expect("guest: the kernel is no ELF image with a PVH entry", parts.bundle())
    }

    @Test("a signed system gets as far, whoever signed it; half a signature stops the machine")
    func signed() throws {
        let parts = try Parts()
        let key = AuthorityPrivateKey()
        let signed = try #require(SignedManifest.signed(parts.model.encoded, by: key))
        try expect(
            "guest: the kernel is no ELF image with a PVH entry", parts.bundle(manifest: signed))
        var half = signed
        for index in SystemManifest.keyIDPlace { half[index] = 0 }
        try expect(
            "manifest: signature fields contradict each other", parts.bundle(manifest: half))
    }

    @Test("a bundle that is no archive, or ends early, stops the machine")
    func bundle() throws {
        let bundle = try Parts().bundle()
        let reason = "boot: the boot bundle is malformed"
        try expect(reason, Array("garbage".utf8))
        try expect(reason, Array(bundle[0..<bundle.count / 2]))
    }

    @Test("a missing policy or manifest stops the machine")
    func missing() throws {
        let parts = try Parts()
        let reason = "boot: the boot bundle is malformed"
        try expect(reason, NewcArchive.archive([("manifest", parts.model.encoded)]))
        try expect(reason, NewcArchive.archive([("policy", parts.policy)]))
    }

    @Test("a policy that is not the manifest's stops the machine")
    func otherPolicy() throws {
        var parts = try Parts()
        parts.policy = try TestSystem.generated(compartments: 3, seed: 1).compiled.policy
        try expect("policy: not the one that the manifest names", parts.bundle())
    }

    @Test("a truncated, a garbage and a foreign policy stop the machine")
    func badPolicy() throws {
        var parts = try Parts()
        let good = parts.policy
        parts.policy = Array(good[0..<good.count / 2])
        parts.bind()
        let truncated = try BootOutcome.boot(parts.bundle())
        #expect(truncated.reasonOnConsole?.hasPrefix("policy: ") == true)
        var generator = SeededGenerator(seed: 7)
        parts.policy = generator.bytes(4096)
        parts.bind()
        let garbage = try BootOutcome.boot(parts.bundle())
        #expect(garbage.reasonOnConsole?.hasPrefix("policy: ") == true)
        // SELinux's own format: another name in the header, and nothing that Xen would take.
        parts.policy = good
        parts.policy.replaceSubrange(8..<16, with: Array("SE Linux".utf8))
        parts.bind()
        let foreign = try BootOutcome.boot(parts.bundle())
        #expect(foreign.reasonOnConsole?.hasPrefix("policy: ") == true)
        #expect(Set([truncated, garbage, foreign].map(\.reasonOnConsole)).count == 3)
    }

    @Test("a truncated, a garbage and a foreign manifest stop the machine")
    func badManifest() throws {
        let parts = try Parts()
        let good = parts.model.encoded
        var foreign = good
        foreign.replaceSubrange(0..<8, with: Array("TESTCASE".utf8))
        var future = good
        future[8] = 2
        var feature = good
        feature[24] |= 2
        var generator = SeededGenerator(seed: 8)
        let broken = [
            Array(good[0..<good.count / 2]), [], generator.bytes(4096), foreign, future, feature,
        ]
        for manifest in broken {
            let outcome = try BootOutcome.boot(parts.bundle(manifest: manifest))
            #expect(outcome.reasonOnConsole?.hasPrefix("manifest: ") == true)
            #expect(outcome.reasonOnConsole == outcome.reasonOnControlLine)
        }
    }

    @Test("a system without a flow certificate, or with one that claims less, stops the machine")
    func certificate() throws {
        var parts = try Parts()
        let good = parts.model.certificate
        // direct[0] and reach[0] say that sensor sends to nobody; the policy says otherwise.
        parts.model.certificate = good
        parts.model.certificate[16] = 1
        parts.model.certificate[24] = 1
        let outcome = try BootOutcome.boot(parts.bundle())
        #expect(outcome.reasonOnConsole?.hasPrefix("certificate: ") == true)
        parts.model.certificate = []
        let absent = try BootOutcome.boot(parts.bundle())
        #expect(absent.reasonOnConsole?.contains("certificate") == true)
    }

    @Test("a changed, a missing and a surplus module stop the machine")
    func modules() throws {
        var parts = try Parts()
        parts.modules[1][17] ^= 1
        try expect(
            "bundle: a module is not the one that the manifest names", parts.bundle())
        parts = try Parts()
        parts.modules.removeLast()
        try expect("bundle: not as many modules as the manifest names", parts.bundle())
        parts = try Parts()
        parts.modules.append([1])
        try expect("bundle: not as many modules as the manifest names", parts.bundle())
    }
}
