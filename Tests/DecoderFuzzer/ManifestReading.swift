import SystemManifest

/// Reads every field of every record of a manifest, as the hypervisor and the verifier may.
enum ManifestReading {
    /// Returns false when something is not what a manifest that was validated can hold.
    static func read(_ manifest: borrowing SystemManifest) -> Bool {
        header(manifest) && modules(manifest) && compartments(manifest) && channels(manifest)
            && store(manifest) && devices(manifest) && exemptions(manifest)
    }

    private static func header(_ manifest: borrowing SystemManifest) -> Bool {
        let isSigned = manifest.signatureAlgorithm != .none
        let places = [
            SystemManifest.predecessorPlace, SystemManifest.signatureAlgorithmPlace,
            SystemManifest.keyIDPlace, SystemManifest.signaturePlace,
        ]
        _ = (manifest.policyDigest, manifest.predecessorDigest, manifest.systemVersion)
        _ = manifest.certificate.count
        return manifest.keyID.count == places[2].count
            && manifest.signature.count == places[3].count
            && (0..<manifest.signature.count).contains { manifest.signature[$0] != 0 } == isSigned
            && manifest.systemID.count == 16
    }

    private static func modules(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.sourceCount {
            guard manifest.source(at: index).name.count > 0 else { return false }
        }
        for index in 0..<manifest.labelCount {
            guard manifest.label(at: index).type > 0, manifest.labelBytes(at: index).count > 0
            else { return false }
        }
        for index in 0..<manifest.moduleCount {
            let module = manifest.module(at: index)
            guard module.name.count > 0, ModuleKind(rawValue: module.kind.rawValue) != nil
            else { return false }
        }
        return true
    }

    private static func compartments(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.compartmentCount {
            let compartment = manifest.compartment(at: index)
            guard compartment.name.count > 0, Int(compartment.domainID) == index + 1,
                compartment.virtualCPUCount > 0, compartment.memorySizeInBytes > 0,
                isPlace(compartment.source, manifest), isSchedule(compartment.schedule)
            else { return false }
            _ = (compartment.startsAutomatically, compartment.hasConsole)
            _ = (compartment.restartLimit, compartment.startRank, compartment.integrityRank)
            _ = compartment.commandLine.count
            _ = (compartment.mayLoadPolicy, compartment.mayRelabel)
            // What is named is there, or this traps.
            _ = manifest.label(at: compartment.label)
            _ = manifest.module(at: compartment.kernel).name.count
            if let initrd = compartment.initrd { _ = manifest.module(at: initrd).name.count }
        }
        for code in [0, 0x14e, 0x17c, UInt32.max] { _ = manifest.permitsTPMCommand(code) }
        return true
    }

    private static func isSchedule(_ schedule: ScheduleRecord) -> Bool {
        switch schedule {
        case .automatic: true
        case .fixed(let slot): slot > 0
        case .fair(let weight, _): weight > 0
        }
    }

    private static func isPlace(
        _ place: SourceReference, _ manifest: borrowing SystemManifest
    ) -> Bool {
        place.source >= 0 && place.source < manifest.sourceCount
    }

    private static func channels(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.channelCount {
            let channel = manifest.channel(at: index)
            guard manifest.compartment(at: channel.from).name.count > 0,
                manifest.compartment(at: channel.to).name.count > 0, channel.name.count > 0,
                (channel.kind == .ring) == (channel.pageCount > 0),
                isPlace(channel.source, manifest)
            else { return false }
            _ = (channel.isTwoWay, channel.ratePerSecond)
        }
        for index in 0..<manifest.directoryCount {
            let directory = manifest.directory(at: index)
            guard directory.path.count > 0, directory.writer != directory.reader else {
                return false
            }
            _ = manifest.channel(at: directory.channel).name.count
            _ = manifest.label(at: directory.label)
        }
        return true
    }

    private static func store(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.compartmentCount {
            let compartment = manifest.compartment(at: index)
            let quota = manifest.storeQuota(of: index)
            guard quota == nil || compartment.uses(.store) else { return false }
            for place in 0..<manifest.subtreeCount {
                let subtree = manifest.subtree(at: place)
                _ = (subtree.isRead(by: index), subtree.isWritten(by: index))
            }
        }
        for place in 0..<manifest.subtreeCount {
            let subtree = manifest.subtree(at: place)
            guard subtree.name.count > 0, subtree.path.count > 0,
                isPlace(subtree.source, manifest)
            else { return false }
            _ = (subtree.quotaInNodes, subtree.quotaInBytes, subtree.ratePerSecond)
            _ = (manifest.label(at: subtree.label), manifest.compartment(at: subtree.owner).label)
        }
        return true
    }

    private static func devices(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.deviceCount {
            let device = manifest.device(at: index)
            guard device.name.count > 0, isPlace(device.source, manifest) else { return false }
            _ = (device.needsIOMMU, device.pciAddress)
            _ = manifest.compartment(at: device.owner).label
        }
        for index in 0..<manifest.deviceRangeCount {
            let range = manifest.deviceRange(at: index)
            guard range.first <= range.last else { return false }
            _ = manifest.device(at: range.device).owner
        }
        return true
    }

    private static func exemptions(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.exemptionCount {
            let exemption = manifest.exemption(at: index)
            guard isPlace(exemption.source, manifest) else { return false }
            _ = (exemption.from, exemption.to, exemption.reason.count)
            _ = manifest.compartment(at: exemption.subject).label
        }
        return true
    }
}
