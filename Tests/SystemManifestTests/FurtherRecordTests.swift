import CompilerTestSupport
import PolicyCompiler
import SystemManifest
import TestSupport
import Testing

/// What only a reader takes that enforces everything: the hypervisor refuses these by a feature.
@Suite("the manifest of the whole language")
struct FurtherRecordTests {
    private static let place = SourceReference(source: 0, line: 3, column: 9)

    private func error(
        accepting features: UInt64 = ManifestFeature.known,
        _ change: (inout SystemManifestModel) -> Void = { _ in }
    ) throws -> SystemManifestError? {
        var model = try WholeManifest.whole()
        change(&model)
        return error(model.encoded, accepting: features)
    }

    private func error(
        _ bytes: [UInt8], accepting features: UInt64 = ManifestFeature.known
    ) -> SystemManifestError? {
        do throws(SystemManifestError) {
            _ = try SystemManifest(validating: bytes.span, accepting: features)
            return nil
        } catch { return error }
    }

    private func text(_ bytes: borrowing Span<UInt8>) -> String {
        String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    @Test("a reader refuses each feature that it does not enforce, and no other") func features()
        throws
    {
        let model = try WholeManifest.whole()
        #expect(try error() == nil)
        #expect(try error(accepting: model.requiredFeatures) == nil)
        var bits = 0
        for bit in 0..<64 where model.requiredFeatures >> UInt64(bit) & 1 != 0 {
            bits += 1
            let others = ManifestFeature.known & ~(1 << UInt64(bit))
            #expect(try error(accepting: others) == .unknownFeature, "bit \(bit)")
        }
        // All but the services that are not in it and large memory.
        #expect(bits == 29 - 5)
        var bytes = model.encoded
        bytes[27] ^= UInt8(ManifestFeature.largeMemory >> 24)
        #expect(error(bytes) == .featureMismatch)
        bytes = model.encoded
        bytes[24] ^= UInt8(ManifestFeature.rings)
        #expect(error(bytes) == .featureMismatch)
    }

    @Test("what the compiler says of the whole language is what a reader finds") func roundTrip()
        throws
    {
        let bytes = try WholeManifest.whole().encoded
        let manifest = try SystemManifest(
            validating: bytes.span, accepting: ManifestFeature.known)
        let first = manifest.compartment(at: 0)
        let (usesStore, usesTPM) = (first.uses(.store), first.uses(.tpm))
        let starts = first.startsAutomatically
        #expect(usesStore && !usesTPM && !starts)
        let (schedule, restart, rank) = (first.schedule, first.restartLimit, first.integrityRank)
        #expect(schedule == .fixed(slotInMicroseconds: 100) && restart == 3 && rank == 2)
        let second = manifest.compartment(at: 1)
        let (service, console, start) = (second.service, second.hasConsole, second.startRank)
        #expect(service == .store && !console && start == 1)
        let (loads, relabels, share) = (second.mayLoadPolicy, second.mayRelabel, second.schedule)
        #expect(loads && relabels && share == .fair(weight: 65_535, capInPercent: 800))
        let ring = manifest.channel(at: 1)
        let (kind, pages, isTwoWay) = (ring.kind, ring.pageCount, ring.isTwoWay)
        #expect(kind == .ring && pages == 256 && isTwoWay)
        let subtree = manifest.subtree(at: 0)
        let (path, owner, nodes) = (text(subtree.path), subtree.owner, subtree.quotaInNodes)
        #expect(path == "/guard/filter" && owner == 1 && nodes == 7)
        let (reads, writes) = (subtree.isRead(by: 0), subtree.isWritten(by: 0))
        #expect(reads && !writes)
        let back = manifest.directory(at: 1)
        let (backPath, writer, reader) = (text(back.path), back.writer, back.reader)
        #expect(backPath == "/channel/alpha/back" && writer == 0 && reader == 1)
        let disk = manifest.device(at: 0)
        let (address, needs) = (disk.pciAddress, disk.needsIOMMU)
        #expect(address == 0x12_0a1b && needs)
        let ranges = (0..<manifest.deviceRangeCount).map { manifest.deviceRange(at: $0) }
        #expect(ranges.map(\.kind) == [.interrupt, .ports, .memory, .memory])
        #expect(ranges.map(\.device) == [1, 1, 0, 1])
        let exemption = manifest.exemption(at: 0)
        let (from, to, reason) = (exemption.from, exemption.to, text(exemption.reason))
        #expect(from == .channel(1) && to == .use(.store, by: 0) && reason == "checked")
        let (last, none) = (manifest.exemption(at: 1).from, manifest.exemption(at: 1).reason.count)
        #expect(last == .subtree(0) && none == 0)
    }

    @Test("a record of the whole language that breaks a rule is refused for it") func records()
        throws
    {
        let other = SystemManifestModel.Compartment(
            name: "third", commandLine: "", label: 0, kernel: 0, initrd: nil,
            memoryInBytes: 32 << 20, vcpuCount: 1, place: FurtherRecordTests.place)
        #expect(try error { $0.compartments[1].service = nil } == .badService)
        #expect(try error { $0.compartments[1].uses = [.store] } == .badService)
        #expect(
            try error {
                $0.compartments.append(other)
                $0.compartments[2].service = .store
            } == .badService)
        #expect(
            try error { $0.compartments[0].schedule = .fixed(slotInMicroseconds: 99) }
                == .badSchedule)
        #expect(
            try error { $0.compartments[1].schedule = .fair(weight: 0, capInPercent: 0) }
                == .badSchedule)
        #expect(
            try error { $0.compartments[1].schedule = .fair(weight: 1, capInPercent: 801) }
                == .badSchedule)
        #expect(try error { $0.channels[1].pages = 257 } == .badChannel)
        #expect(try error { $0.channels[1].pages = 0 } == .badChannel)
        #expect(try error { $0.channels[3].pages = 1 } == .badChannel)
        #expect(try error { $0.channels[5].name = "zulu" } == .duplicateName)
        #expect(try error { $0.subtrees[0].path = "guard" } == .badSubtree)
        #expect(try error { $0.subtrees[0].readers = [0] } == .badSubtree)
        #expect(try error { $0.subtrees[0].writers = [1, 2] } == .badSubtree)
        #expect(try error { $0.subtrees[0].label = 2 } == .badIndex)
        #expect(try error { $0.directories.swapAt(0, 1) } == .badDirectory)
        #expect(try error { $0.directories[2].writer = 0 } == .badDirectory)
        #expect(try error { $0.directories[2] = $0.directories[1] } == .badDirectory)
        #expect(try error { $0.directories[2].channel = 6 } == .badIndex)
        #expect(try error { $0.directories[2].path = "zulu" } == .badDirectory)
        #expect(try error { $0.devices[1].pciAddress = 0x12_0a1b } == .badDevice)
        #expect(try error { $0.devices[1].name = "disk" } == .duplicateName)
        #expect(try error { $0.devices[1].ranges[0].first = 0x1fff } == .badDeviceRange)
        #expect(try error { $0.devices[1].ranges[0].last = 0x1fff } == .badDeviceRange)
        #expect(try error { $0.devices[1].ranges[1].last = 256 } == .badDeviceRange)
        #expect(try error { $0.devices[1].ranges[2].last = 0x1_0000 } == .badDeviceRange)
        #expect(try error { $0.exemptions[0].from = .channel(6) } == .badExemption)
        #expect(try error { $0.exemptions[0].from = .use(.tpm, by: 0) } == .badExemption)
        #expect(try error { $0.exemptions[0].from = .use(.store, by: 1) } == .badExemption)
        #expect(try error { $0.exemptions[0].to = .subtree(1) } == .badExemption)
        #expect(try error { $0.exemptions[0].subject = 2 } == .badIndex)
        #expect(try error { $0.storeQuotas[0].compartment = 2 } == .badIndex)
        #expect(try error { $0.storeQuotas.append($0.storeQuotas[0]) } == .badIndex)
        #expect(try error { $0.storeQuotas[0].compartment = 1 } == .badStoreQuota)
        #expect(
            try error { $0.storeQuotas = [StoreQuotaRecord(compartment: 0)] } == .badStoreQuota)
        #expect(try error { $0.storeQuotas[0].requests = 1 << 20 + 1 } == .badStoreQuota)
        #expect(try error { $0.storeQuotas[0].memoryInBytes = 1 << 30 + 1 } == .badStoreQuota)
    }

    @Test("what a user may use of the store is read as it was written") func storeQuotas() throws {
        var model = try WholeManifest.whole()
        var quota = StoreQuotaRecord(compartment: 0)
        (quota.nodes, quota.nodeSizeInBytes, quota.watches) = (1, 2, 3)
        (quota.transactions, quota.requests, quota.requestsPerSecond) = (4, 5, 6)
        quota.memoryInBytes = 1 << 30
        model.storeQuotas = [quota]
        let bytes = model.encoded
        let manifest = try SystemManifest(
            validating: bytes.span, accepting: ManifestFeature.known)
        #expect(manifest.storeQuota(of: 0) == quota)
        #expect(manifest.storeQuota(of: 1) == nil)
    }

    @Test("commands of the TPM are those that were named; what nobody may be given is refused")
    func tpmCommands() throws {
        func system(_ commands: [UInt32]) throws -> SystemManifestModel {
            var model = try WholeManifest.whole()
            model.compartments[0].service = .tpm
            model.tpmCommands = commands
            return model
        }
        let bytes = try system([0x17B, 0x46, 0x193]).encoded
        let manifest = try SystemManifest(validating: bytes.span, accepting: ManifestFeature.known)
        let permitted = (0..<1024).filter { manifest.permitsTPMCommand($0) }
        #expect(permitted == [0x46, 0x17B, 0x193])
        #expect(!manifest.permitsTPMCommand(.max) && !manifest.permitsTPMCommand(0x2000_017B))
        // Startup, Clear, PCR_Allocate, HierarchyControl, ChangeEPS, DictionaryAttackParameters;
        // of TPM 1.2 OwnerClear, ForceClear, Startup, ExecuteTransport, PCR_Reset, TakeOwnership.
        for code: UInt32 in [
            0x144, 0x126, 0x12B, 0x121, 0x124, 0x13A, 0x5B, 0x5D, 0x99, 0xE7, 0xC8, 0x0D, 0, 0x194,
        ] {
            #expect(error(try system([code]).encoded) == .badTPMCommands, "\(code)")
        }
        // Without the service there is nothing to permit.
        #expect(try error { $0.tpmCommands = [0x17B] } == .badTPMCommands)
        let plain = try WholeManifest.whole().encoded
        let other = try SystemManifest(validating: plain.span, accepting: ManifestFeature.known)
        #expect(!(0..<1024).contains { other.permitsTPMCommand($0) })
    }

    @Test("the order of channels names each once, rising") func order() throws {
        let bytes = try WholeManifest.whole().encoded
        let count = Int(bytes[288])
        let entry = (0..<count).map { 320 + 24 * $0 }.first { bytes[$0] == 8 }
        let start = try #require(entry).advanced(by: 8)
        let offset = Int(bytes[start]) | Int(bytes[start + 1]) << 8
        #expect((0..<6).map { bytes[offset + 4 * $0] } == [1, 3, 5, 4, 0, 2])
        var swapped = bytes
        swapped.swapAt(offset, offset + 4)
        #expect(error(swapped) == .badChannelOrder)
        var twice = bytes
        twice[offset + 4] = 1
        #expect(error(twice) == .duplicateName)
        var beyond = bytes
        beyond[offset] = 6
        #expect(error(beyond) == .badIndex)
    }

    @Test("the most of everything is accepted, in time that does not grow as a square") func most()
        throws
    {
        var model = try TestSystem.minimal().compiled.model
        model.certificate = []
        let (compartment, channel) = (model.compartments[0], model.channels[0])
        model.compartments = (0..<512).map {
            var next = compartment
            next.name = "c\($0)"
            return next
        }
        model.channels = (0..<4096).map {
            var next = channel
            next.name = "channel_with_a_long_name_\(1_000_000 + $0 * 7919 % 4096)"
            next.to = 1 + $0 % 511
            next.from = 0
            return next
        }
        model.labels = Array(repeating: model.labels[0], count: 16_384)
        let bytes = model.encoded
        #expect(bytes.count > 1 << 20)
        let clock = ContinuousClock()
        let time = clock.measure { #expect(error(bytes) == nil) }
        print("the largest manifest, \(bytes.count) bytes, is validated in \(time)")
        #expect(time < .seconds(2))
        model.compartments.append(model.compartments[0])
        #expect(error(model.encoded) == .badRecordCount)
    }

    @Test("no change of one byte of the whole language makes the reader trap") func mutations()
        throws
    {
        var generator = SeededGenerator.announced(4_104)
        let good = try WholeManifest.whole().encoded
        var accepted = 0
        for index in good.indices {
            for _ in 0..<8 {
                var bytes = good
                bytes[index] = UInt8.random(in: 0...255, using: &generator)
                guard
                    let manifest = try? SystemManifest(
                        validating: bytes.span, accepting: ManifestFeature.known)
                else { continue }
                accepted += 1
                var sum = 0
                for number in 0..<manifest.subtreeCount {
                    sum += manifest.subtree(at: number).path.count
                }
                for number in 0..<manifest.directoryCount {
                    sum += manifest.directory(at: number).path.count
                }
                for number in 0..<manifest.deviceCount {
                    sum += manifest.device(at: number).name.count
                }
                for number in 0..<manifest.exemptionCount {
                    sum += manifest.exemption(at: number).reason.count
                }
                #expect(sum > 0)
            }
        }
        #expect(accepted > 0)
    }
}
