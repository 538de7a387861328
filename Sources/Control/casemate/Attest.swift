import ArgumentParser

/// `casemate attest`: quotes and their judgement.
struct Attest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attest",
        abstract: "Ask whether a machine runs exactly what it should.",
        discussion: """
            A machine measures its policy, its manifest and each compartment into its TPM before \
            any compartment runs, and keeps a log. `quote` asks the TPM for a signed statement of \
            these measurements; `verify` judges it against the reference values that the compiler \
            wrote, and needs neither TPM nor network. `enrol` shows that the key \
            that signs is in the machine's TPM; `platform` names the firmware that it has. \
            `machine` and `nonce` keep a verifier's own record from one answer to the next; \
            `show-log` shows what a log says; `explain` says what a refusal means.
            """,
        subcommands: [
            AttestVerify.self, AttestQuote.self, AttestEnrol.self, AttestPlatform.self,
            AttestMachine.self, AttestNonce.self, AttestShowLog.self, AttestExplain.self,
        ]
    )
}
