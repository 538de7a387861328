public import PolicySemantics
public import PolicySyntax
import SecurityLattice

/// One rule about a resolved system: a sentence, and the function that finds who breaks it.
///
/// `all` is the specification of a good system. A check looks at one rule only, and never relies on
/// another having been kept.
public struct PolicyCheck: Sendable {
    /// The stable code of the rule, with its sentence.
    public let code: DiagnosticCode
    /// Finds what breaks the rule; empty when the system keeps it.
    public let violations: @Sendable (SystemPolicy, FlowGraph) -> [Diagnostic]

    /// Every check, in the order in which they run.
    public static let all = [
        PolicyCheck(code: .undeclaredLevel, violations: undeclaredLevels),
        PolicyCheck(code: .channelDown, violations: linksDown),
        PolicyCheck(code: .flowDown, violations: flowsDown),
        PolicyCheck(code: .integrityRaised, violations: linksRaisingIntegrity),
        PolicyCheck(code: .integrityChain, violations: chainsRaisingIntegrity),
        PolicyCheck(code: .assertionRefuted, violations: refutedAssertions),
        PolicyCheck(code: .emptyAssertion, violations: emptyAssertions),
        PolicyCheck(code: .pathBypassed, violations: bypassedPaths),
        PolicyCheck(code: .controlBypassed, violations: bypassedControls),
        PolicyCheck(code: .conflictFlow, violations: flowsInConflict),
        PolicyCheck(code: .conflictReader, violations: readersOfConflict),
        PolicyCheck(code: .exemptionApart, violations: exemptionsApart),
        PolicyCheck(code: .exemptionOutOfRange, violations: exemptionsOutOfRange),
        PolicyCheck(code: .exemptionIdle, violations: idleExemptions),
        PolicyCheck(code: .unrealisable, violations: unrealisableLinks),
        PolicyCheck(code: .startCycle, violations: startCycles),
        PolicyCheck(code: .mixedSchedules, violations: mixedSchedules),
        PolicyCheck(code: .deviceShared, violations: sharedDevices),
        PolicyCheck(code: .deviceEmpty, violations: emptyDevices),
        PolicyCheck(code: .powerUnclaimed, violations: unclaimedPowers),
    ]

    /// What `check --strict` asks besides.
    public static let strict = [
        PolicyCheck(code: .residualChannel, violations: unboundedResidualChannels)
    ]
}

extension DiagnosticCode {
    /// Every rule of a source, from form to flow.
    public static var all: [DiagnosticCode] {
        syntaxCodes + nameCodes + levelCodes + limitCodes + PolicyCheck.all.map(\.code)
            + PolicyCheck.strict.map(\.code) + TargetCheck.all.map(\.code)
            + [.targetListed, .targetOpen]
    }

    /// `POL-MLS-004`
    public static let undeclaredLevel = DiagnosticCode(
        "POL-MLS-004", "Every level is made of declared sensitivities and categories.")
}

/// Finds the compartments whose levels are not made of declared sensitivities and categories.
private func undeclaredLevels(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    policy.compartments.compactMap { compartment in
        let levels = [compartment.range.low, compartment.range.high]
        let isDeclared = levels.allSatisfy { level in
            Int(level.sensitivity.rank) < policy.sensitivities.count
                && level.categories.first(from: policy.categories.count) == nil
        }
        guard !isDeclared else { return nil }
        return Diagnostic(
            .undeclaredLevel, at: compartment.source,
            "the compartment `\(compartment.name)` works at `\(policy.describe(compartment.range))`"
                + ", which is not declared")
    }
}
