/// Why a policy cannot be analysed, or a question about it has no answer.
package struct PolicyAnalysisError: Error, Equatable {
    /// What is wrong.
    package enum Reason: Sendable, CaseIterable {
        /// A record of the policy names a number that no symbol has.
        case unknownNumber
        /// The policy has more symbols than the analysis takes.
        case policyTooLarge
        /// A question names something that the policy does not have.
        case unknownName
        /// A question is not of the form that it must have.
        case badQuestion
    }

    /// What is wrong.
    package let reason: Reason
    /// What is wrong, in words for a person: one line, without a period.
    package let message: String

    /// Creates an error.
    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }
}
