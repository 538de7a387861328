public import PolicySemantics
public import PolicySyntax
public import SystemManifest

/// One thing that a target does not enforce: a sentence, and the function that finds who wants it.
///
/// What Casemate's hypervisor enforces is said in one place,
/// `ManifestFeature.enforcedByHypervisor`: the hypervisor refuses a manifest with any other
/// feature, and these checks refuse the statements that would cause it.
/// `check` accepts these; `build` refuses them, so that no statement is only decoration.
public struct TargetCheck: Sendable {
    /// The stable code, with the sentence that holds in a system that can be built.
    public let code: DiagnosticCode
    /// Finds what the target does not enforce: each the place and the words of a statement.
    private let findings: @Sendable (SystemPolicy, Enforcement) -> [Finding]

    /// Returns what the policy's target does not enforce.
    ///
    /// - Parameter features: what Casemate's hypervisor enforces, as features of the manifest.
    public func violations(
        _ policy: SystemPolicy, enforced features: UInt64 = ManifestFeature.enforcedByHypervisor
    ) -> [Diagnostic] {
        let enforced = policy.target == .xen ? TargetCheck.enforcedByXen : features
        return findings(policy, Enforcement(features: enforced)).map {
            Diagnostic(
                code, at: $0.source,
                "the target `\(policy.target.rawValue)` does not \($0.verb) \($0.what)",
                help: $0.help)
        }
    }

    /// What the hypervisor enforces.
    fileprivate struct Enforcement {
        let features: UInt64

        /// Whether it can be Casemate's own: one that is taken to enforce more has other room too.
        var isOurs: Bool { features & ~ManifestFeature.enforcedByHypervisor == 0 }

        /// Whether it does not enforce what a feature of the manifest stands for.
        func lacks(_ feature: UInt64) -> Bool { features & feature == 0 }
    }

    fileprivate struct Finding {
        let verb: String
        let what: String
        let source: SourceSpan
        let help: String
        init(
            _ what: String, at source: SourceSpan, verb: String = "enforce",
            help: String = "`check` proves it, but nothing would hold it at run time, so `build` "
                + "refuses it"
        ) {
            self.verb = verb
            self.what = what
            self.source = source
            self.help = help
        }
    }

    /// The most compartments that Casemate's hypervisor boots; a larger system it refuses.
    ///
    /// - Source: `Boot` of the hypervisor, which has room for so many domains.
    public static let mostBootedCompartments = 32

    /// What stock Xen enforces of a system with its FLASK module and `xl`, as features of the
    /// manifest. Whatever else is said would be ignored.
    private static let enforcedByXen =
        ManifestFeature.twoWaySignals | ManifestFeature.rings | ManifestFeature.fairSchedule
        | ManifestFeature.manualStart | ManifestFeature.exemptions | ManifestFeature.integrity
        | ManifestFeature.furtherClaims | ManifestFeature.policyLoading
        | ManifestFeature.relabelling | ManifestFeature.largeMemory

    /// What a target may not enforce, in the order of the codes.
    public static let all = [
        TargetCheck(code: .targetMemory) { policy, enforced in
            guard enforced.lacks(ManifestFeature.largeMemory) else { return [] }
            return policy.compartments.filter { $0.memoryInBytes > ordinaryMemorySize }.map {
                Finding("memory beyond 3840 MiB of `\($0.name)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetServices) { policy, enforced in
            policy.compartments.flatMap { compartment in
                let own = compartment.options.service.flatMap { service in
                    enforced.lacks(feature(of: service))
                        ? [Finding("the service `\(service.rawValue)`", at: compartment.source)]
                        : nil
                }
                let uses = compartment.uses.filter { enforced.lacks(feature(of: $0.service)) }
                return (own ?? [])
                    + uses.map {
                        Finding("the use of `\($0.service.rawValue)`", at: $0.source)
                    }
            }
        },
        TargetCheck(code: .targetChannelKinds) { policy, enforced in
            policy.channels.filter { enforced.lacks(feature(of: $0.kind)) }.map {
                Finding("channels of kind `\($0.kind.rawValue)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetTwoWay) { policy, enforced in
            guard enforced.lacks(ManifestFeature.twoWaySignals) else { return [] }
            return policy.channels.filter { $0.isTwoWay && $0.kind == .signal }.map {
                Finding("a signal of two ways, `\($0.name)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetRates) { policy, enforced in
            guard enforced.lacks(ManifestFeature.rates) else { return [] }
            return policy.channels.filter { $0.ratePerSecond != nil }.map {
                Finding("the rate of `\($0.name)`", at: $0.source)
            }
                + policy.further.subtrees.filter { $0.ratePerSecond != nil }.map {
                    Finding("the rate of `\($0.name)`", at: $0.source)
                }
        },
        TargetCheck(code: .targetExemptions) { policy, enforced in
            guard enforced.lacks(ManifestFeature.exemptions) else { return [] }
            return policy.further.exemptions.map { Finding("exemptions", at: $0.source) }
        },
        TargetCheck(code: .targetStores) { policy, enforced in
            let subtrees = policy.further.subtrees.map {
                Finding("the store `\($0.name)`", at: $0.source)
            }
            let quotas = policy.compartments.compactMap { compartment in
                compartment.options.storeQuota.bounds.first.map {
                    Finding("`quota store`", at: $0.bound.span)
                }
            }
            return (enforced.lacks(ManifestFeature.storeSubtrees) ? subtrees : [])
                + (enforced.lacks(ManifestFeature.storeQuotas) ? quotas : [])
        },
        TargetCheck(code: .targetDevices) { policy, enforced in
            policy.further.devices.filter { device in
                enforced.lacks(ManifestFeature.devices) && !device.ports.isEmpty
                    || enforced.lacks(ManifestFeature.interruptsAndMemory)
                        && !(device.interrupts.isEmpty && device.memory.isEmpty)
                    || enforced.lacks(ManifestFeature.pciDevices)
                        && (device.pci != nil || device.needsIOMMU)
            }.map { Finding("the device `\($0.name)`", at: $0.source) }
                + policy.further.devices.filter {
                    policy.target == .casemate && enforced.isOurs && isReserved($0)
                }.map {
                    Finding(
                        "what the hypervisor or the machine itself needs, as in `\($0.name)`",
                        at: $0.source, verb: "give away",
                        help: "ports, memory and interrupts that are nobody's are listed in "
                            + "docs/abi/hypercalls.md, Devices; the machine would not start")
                }
        },
        TargetCheck(code: .targetSchedules) { policy, enforced in
            policy.compartments.compactMap { compartment in
                compartment.options.schedule.flatMap { schedule in
                    enforced.lacks(feature(of: schedule.value))
                        ? Finding("such schedules", at: schedule.span) : nil
                }
            }
        },
        TargetCheck(code: .targetStart) { policy, enforced in
            policy.compartments.flatMap { startFindings($0.options, enforced) }
        },
        TargetCheck(code: .targetPowers) { policy, enforced in
            policy.compartments.flatMap(\.options.powers).filter {
                enforced.lacks(
                    $0.power == .loadPolicy
                        ? ManifestFeature.policyLoading : ManifestFeature.relabelling)
            }.map { Finding("`may \($0.power.rawValue)`", at: $0.source) }
        },
        TargetCheck(code: .targetClaims) { policy, enforced in
            guard enforced.lacks(ManifestFeature.furtherClaims) else { return [] }
            return policy.assertions.compactMap { assertion in
                if case .never(let via) = assertion.claim, via.isEmpty { return nil }
                return Finding(
                    "this claim: its certificate holds `never` only", at: assertion.source)
            }
        },
        TargetCheck(code: .targetIntegrity) { policy, enforced in
            guard enforced.lacks(ManifestFeature.integrity) else { return [] }
            return policy.further.integrities.prefix(1).map { Finding("integrity", at: $0.source) }
        },
        TargetCheck(code: .targetSize) { policy, enforced in
            guard policy.target == .casemate, enforced.isOurs else { return [] }
            return policy.compartments.dropFirst(mostBootedCompartments).prefix(1).map {
                Finding(
                    "more than \(mostBootedCompartments) compartments", at: $0.source,
                    verb: "boot")
            }
        },
    ]

    /// Whether a device has something that the hypervisor gives to nobody: it would not start.
    private static func isReserved(_ device: SystemPolicy.Device) -> Bool {
        device.interrupts.contains { DeviceRangeKind.interrupt.isReserved($0, $0) }
            || device.memory.contains { DeviceRangeKind.memory.isReserved($0.first, $0.last) }
            || device.ports.contains { DeviceRangeKind.ports.isReserved($0.first, $0.last) }
    }

    // MARK: What enforces what

    private static func feature(of service: SystemPolicy.Service) -> UInt64 {
        switch service {
        case .store: ManifestFeature.storeService
        case .console: ManifestFeature.consoleService
        case .control: ManifestFeature.controlService
        case .tpm: ManifestFeature.tpmService
        case .audit: ManifestFeature.auditService
        }
    }

    /// The feature of a kind of channel; a signal needs none but the policy.
    private static func feature(of kind: SystemPolicy.Channel.Kind) -> UInt64 {
        switch kind {
        case .signal: .max
        case .ring: ManifestFeature.rings
        case .store: ManifestFeature.storeChannels
        case .block: ManifestFeature.blockChannels
        case .net: ManifestFeature.networkChannels
        }
    }

    private static func feature(of schedule: SystemPolicy.Compartment.Schedule) -> UInt64 {
        switch schedule {
        case .fixed: ManifestFeature.fixedSchedule
        case .fair: ManifestFeature.fairSchedule
        }
    }

    private static func startFindings(
        _ options: SystemPolicy.Compartment.Options, _ enforced: Enforcement
    ) -> [Finding] {
        var findings: [Finding] = []
        if let place = options.startSource {
            if enforced.lacks(ManifestFeature.manualStart), !options.startsAutomatically {
                findings.append(Finding("`start manual`", at: place))
            }
            if enforced.lacks(ManifestFeature.startOrder), !options.startsAfter.isEmpty {
                findings.append(Finding("`start auto after`", at: place))
            }
        }
        if let restart = options.restartLimit, enforced.lacks(ManifestFeature.restart) {
            findings.append(Finding("`restart`", at: restart.span))
        }
        if let place = options.consoleNoneSource, enforced.lacks(ManifestFeature.noConsole) {
            findings.append(Finding("`console none`", at: place))
        }
        return findings
    }
}

extension DiagnosticCode {
    /// `POL-TGT-001`
    public static let targetListed = DiagnosticCode(
        "POL-TGT-001", "What is built is for a target that the system lists.")
    /// `POL-TGT-003`
    public static let targetMemory = DiagnosticCode(
        "POL-TGT-003",
        "What is built has more than 3840 MiB in a compartment only where its target has.")
    /// `POL-TGT-004`
    public static let targetServices = DiagnosticCode(
        "POL-TGT-004", "What is built uses the services that its target has.")
    /// `POL-TGT-005`
    public static let targetChannelKinds = DiagnosticCode(
        "POL-TGT-005", "What is built has channels of the kinds that its target has.")
    /// `POL-TGT-006`
    public static let targetTwoWay = DiagnosticCode(
        "POL-TGT-006", "What is built has signals of two ways only where its target has.")
    /// `POL-TGT-007`
    public static let targetRates = DiagnosticCode(
        "POL-TGT-007", "What is built has rates only where its target keeps them.")
    /// `POL-TGT-008`
    public static let targetExemptions = DiagnosticCode(
        "POL-TGT-008", "What is built has exemptions only where its target has.")
    /// `POL-TGT-009`
    public static let targetStores = DiagnosticCode(
        "POL-TGT-009", "What is built shares the store only where its target does.")
    /// `POL-TGT-010`
    public static let targetDevices = DiagnosticCode(
        "POL-TGT-010", "What is built has the devices that its target can assign.")
    /// `POL-TGT-011`
    public static let targetSchedules = DiagnosticCode(
        "POL-TGT-011", "What is built has the schedules that its target keeps.")
    /// `POL-TGT-012`
    public static let targetStart = DiagnosticCode(
        "POL-TGT-012", "What is built starts, restarts and has consoles as its target can.")
    /// `POL-TGT-013`
    public static let targetPowers = DiagnosticCode(
        "POL-TGT-013", "What is built gives power over the policy only where its target does.")
    /// `POL-TGT-014`
    public static let targetClaims = DiagnosticCode(
        "POL-TGT-014", "What is built claims what its certificate can prove.")
    /// `POL-TGT-015`
    public static let targetIntegrity = DiagnosticCode(
        "POL-TGT-015", "What is built has integrity only where its target keeps it.")
    /// `POL-TGT-016`
    public static let targetOpen = DiagnosticCode(
        "POL-TGT-016", "What is built for stock Xen leaves nothing open; else it is said.")
    /// `POL-TGT-017`
    public static let targetSize = DiagnosticCode(
        "POL-TGT-017", "What is built for Casemate has at most 32 compartments.")
}
