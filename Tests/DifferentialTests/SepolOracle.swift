import CSepol
import Foundation
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import SecurityLattice
import Testing

/// A failure of the oracle itself.
struct OracleError: Error {
    let message: String
}

/// libsepol's security server, which decides independently of ours.
///
/// The library keeps one policy for the whole process, so tests that use it run one after another:
/// they all stand in `LibsepolTests`.
struct SepolOracle {
    /// Loads a policy, or fails: after a failure the library must not be asked.
    init(policy: [UInt8]) throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "casemate-\(UUID().uuidString).policy")
        try Data(policy).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        guard let file = unsafe fopen(url.path(percentEncoded: false), "r") else {
            throw OracleError(message: "the policy cannot be opened")
        }
        defer { _ = unsafe fclose(file) }
        guard unsafe sepol_set_policydb_from_file(file) == 0 else {
            throw OracleError(message: "libsepol refuses the policy")
        }
    }

    func identifier(of context: String) throws -> UInt32 {
        var identifier: sepol_security_id_t = 0
        guard unsafe sepol_context_to_sid(context, context.utf8.count + 1, &identifier) == 0 else {
            throw OracleError(message: "libsepol refuses the context \(context)")
        }
        return identifier
    }

    func accessVector(_ source: UInt32, _ target: UInt32, _ objectClass: ObjectClass) throws
        -> UInt32
    {
        var decision = sepol_av_decision()
        let number = sepol_security_class_t(objectClass.number)
        guard unsafe sepol_compute_av(source, target, number, .max, &decision) == 0 else {
            throw OracleError(message: "libsepol does not decide")
        }
        return decision.allowed
    }

    func transition(_ source: UInt32, _ target: UInt32, _ objectClass: ObjectClass) throws
        -> UInt32
    {
        var identifier: sepol_security_id_t = 0
        let number = sepol_security_class_t(objectClass.number)
        guard unsafe sepol_transition_sid(source, target, number, &identifier) == 0 else {
            throw OracleError(message: "libsepol computes no transition")
        }
        return identifier
    }
}

/// Everything that asks libsepol, one test after another.
@Suite(.serialized) enum LibsepolTests {}
