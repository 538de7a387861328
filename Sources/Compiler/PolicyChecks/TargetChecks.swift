public import PolicySemantics
public import PolicySyntax

/// One thing that a target does not enforce: a sentence, and the function that finds who wants it.
///
/// `check` accepts these; `build` refuses them, so that no statement is only decoration.
public struct TargetCheck: Sendable {
    /// The stable code, with the sentence that holds in a system that can be built.
    public let code: DiagnosticCode
    /// Finds what the target does not enforce: each the place and the words of a statement.
    private let findings: @Sendable (SystemPolicy) -> [Finding]

    /// Returns what the policy's target does not enforce.
    public func violations(_ policy: SystemPolicy) -> [Diagnostic] {
        // A target without a lowering is refused once, not statement by statement.
        guard policy.target == .casemate || code == .targetXen else { return [] }
        return findings(policy).map {
            Diagnostic(
                code, at: $0.source,
                "the target `\(policy.target.rawValue)` does not enforce \($0.what)",
                help: "`check` proves it all the same; `build` wants it removed")
        }
    }

    fileprivate struct Finding {
        let what: String
        let source: SourceSpan
        init(_ what: String, at source: SourceSpan) {
            self.what = what
            self.source = source
        }
    }

    /// What no target enforces today, in the order of the codes.
    public static let all = [
        TargetCheck(code: .targetXen) { policy in
            policy.target == .xen
                ? [Finding("anything: there is no lowering", at: policy.source)] : []
        },
        TargetCheck(code: .targetImports) { policy in
            policy.further.imports.map {
                Finding("modules: its manifest names one source", at: $0)
            }
        },
        TargetCheck(code: .targetMemory) { policy in
            policy.compartments.filter { $0.memoryInBytes > mostMemoryInBytes }.map {
                Finding("memory beyond 3840 MiB of `\($0.name)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetServices) { policy in
            policy.compartments.flatMap { compartment in
                let own = compartment.options.service.map {
                    [Finding("the service `\($0.rawValue)`", at: compartment.source)]
                }
                return (own ?? [])
                    + compartment.uses.map {
                        Finding("the use of `\($0.service.rawValue)`", at: $0.source)
                    }
            }
        },
        TargetCheck(code: .targetChannelKinds) { policy in
            policy.channels.filter { $0.kind != .signal }.map {
                Finding("channels of kind `\($0.kind.rawValue)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetTwoWay) { policy in
            policy.channels.filter(\.isTwoWay).map {
                Finding("a channel of two ways, `\($0.name)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetRates) { policy in
            policy.channels.filter { $0.ratePerSecond != nil }.map {
                Finding("the rate of `\($0.name)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetExemptions) { policy in
            policy.further.exemptions.map { Finding("exemptions", at: $0.source) }
        },
        TargetCheck(code: .targetStores) { policy in
            policy.further.subtrees.map { Finding("the store `\($0.name)`", at: $0.source) }
        },
        TargetCheck(code: .targetDevices) { policy in
            policy.further.devices.map { Finding("the device `\($0.name)`", at: $0.source) }
        },
        TargetCheck(code: .targetSchedules) { policy in
            policy.compartments.compactMap { compartment in
                compartment.options.schedule.map { Finding("schedules", at: $0.span) }
            }
        },
        TargetCheck(code: .targetStart) { policy in
            policy.compartments.flatMap { compartment in
                let options = compartment.options
                let start = options.startSource.map { [Finding("`start`", at: $0)] } ?? []
                let restart = options.restartLimit.map { [Finding("`restart`", at: $0.span)] } ?? []
                let console = options.consoleNoneSource.map { [Finding("`console none`", at: $0)] }
                return start + restart + (console ?? [])
            }
        },
        TargetCheck(code: .targetPowers) { policy in
            policy.compartments.flatMap(\.options.powers).map {
                Finding("`may \($0.power.rawValue)`", at: $0.source)
            }
        },
        TargetCheck(code: .targetClaims) { policy in
            policy.assertions.compactMap { assertion in
                if case .never(let via) = assertion.claim, via.isEmpty { return nil }
                return Finding(
                    "this claim: its certificate holds `never` only", at: assertion.source)
            }
        },
        TargetCheck(code: .targetIntegrity) { policy in
            policy.further.integrities.prefix(1).map { Finding("integrity", at: $0.source) }
        },
    ]

    /// The most memory of a compartment that the hypervisor maps today: 3,840 MiB.
    private static let mostMemoryInBytes: UInt64 = 3840 << 20
}

extension DiagnosticCode {
    /// `POL-TGT-001`
    public static let targetXen = DiagnosticCode(
        "POL-TGT-001", "What is built is for the target `casemate`.")
    /// `POL-TGT-002`
    public static let targetImports = DiagnosticCode(
        "POL-TGT-002", "What is built is declared in one file.")
    /// `POL-TGT-003`
    public static let targetMemory = DiagnosticCode(
        "POL-TGT-003", "What is built has at most 3840 MiB of memory in each compartment.")
    /// `POL-TGT-004`
    public static let targetServices = DiagnosticCode(
        "POL-TGT-004", "What is built neither is a service nor uses one.")
    /// `POL-TGT-005`
    public static let targetChannelKinds = DiagnosticCode(
        "POL-TGT-005", "What is built has channels of kind `signal` only.")
    /// `POL-TGT-006`
    public static let targetTwoWay = DiagnosticCode(
        "POL-TGT-006", "What is built has channels of one way only.")
    /// `POL-TGT-007`
    public static let targetRates = DiagnosticCode(
        "POL-TGT-007", "What is built has no rates.")
    /// `POL-TGT-008`
    public static let targetExemptions = DiagnosticCode(
        "POL-TGT-008", "What is built has no exemptions.")
    /// `POL-TGT-009`
    public static let targetStores = DiagnosticCode(
        "POL-TGT-009", "What is built has no subtrees of the store.")
    /// `POL-TGT-010`
    public static let targetDevices = DiagnosticCode(
        "POL-TGT-010", "What is built has no devices.")
    /// `POL-TGT-011`
    public static let targetSchedules = DiagnosticCode(
        "POL-TGT-011", "What is built says nothing of schedules.")
    /// `POL-TGT-012`
    public static let targetStart = DiagnosticCode(
        "POL-TGT-012", "What is built says nothing of starting, restarting and consoles.")
    /// `POL-TGT-013`
    public static let targetPowers = DiagnosticCode(
        "POL-TGT-013", "What is built gives nobody power over the policy.")
    /// `POL-TGT-014`
    public static let targetClaims = DiagnosticCode(
        "POL-TGT-014", "What is built claims `never` without exceptions only.")
    /// `POL-TGT-015`
    public static let targetIntegrity = DiagnosticCode(
        "POL-TGT-015", "What is built has no integrity.")
}
