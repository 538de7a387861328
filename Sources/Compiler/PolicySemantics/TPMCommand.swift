import PolicySyntax

/// A command of the TPM that the service `tpm` may pass on. Its name stands for what the same
/// command is in either family of TPM.
public struct TPMCommand: Equatable, Sendable {
    /// The name in a source: that of the specifications, without its prefix, in lower case.
    public let name: String
    /// Its codes: in TPM 2.0 (`TPM_CC_…`), in TPM 1.2 (`TPM_ORD_…`), where there is one.
    public let codes: [UInt32]

    /// Finds a command; nil for one that does not exist, or that nobody but the hypervisor may use.
    public init?(name: String) {
        guard let found = TPMCommand.table.first(where: { $0.name == name }) else { return nil }
        self.name = name
        codes = [found.two, found.one].filter { $0 > 0 }
    }

    /// The names of all.
    public static var names: [String] { table.map(\.name) }

    /// Names with their codes in TPM 2.0 and 1.2; 0: there is none.
    ///
    /// - Source: TPM 2.0 Library, Part 2, 6.5.2; TPM Main Specification 1.2, Part 2, 17.
    private static let table: [(name: String, two: UInt32, one: UInt32)] = [
        ("activate_credential", 0x147, 0x0), ("activate_identity", 0x0, 0x7a),
        ("certify", 0x148, 0x0), ("certify_creation", 0x14a, 0x0), ("certify_key", 0x0, 0x32),
        ("certify_key2", 0x0, 0x33), ("commit", 0x18b, 0x0), ("context_load", 0x161, 0x0),
        ("context_save", 0x162, 0x0), ("continue_self_test", 0x0, 0x53), ("create", 0x153, 0x0),
        ("create_loaded", 0x191, 0x0), ("create_primary", 0x131, 0x0),
        ("create_wrap_key", 0x0, 0x1f), ("dsap", 0x0, 0x11), ("duplicate", 0x14b, 0x0),
        ("ec_ephemeral", 0x18e, 0x0), ("ecc_parameters", 0x178, 0x0), ("ecdh_key_gen", 0x163, 0x0),
        ("ecdh_zgen", 0x154, 0x0), ("encrypt_decrypt", 0x164, 0x0),
        ("encrypt_decrypt2", 0x193, 0x0), ("event_sequence_complete", 0x185, 0x0),
        ("evict_control", 0x120, 0x0), ("evict_key", 0x0, 0x22), ("flush_context", 0x165, 0x0),
        ("flush_specific", 0x0, 0xba), ("get_capability", 0x17a, 0x65),
        ("get_command_audit_digest", 0x133, 0x0), ("get_pub_key", 0x0, 0x21),
        ("get_random", 0x17b, 0x46), ("get_session_audit_digest", 0x14d, 0x0),
        ("get_test_result", 0x17c, 0x54), ("get_time", 0x14c, 0x0), ("hash", 0x17d, 0x0),
        ("hash_sequence_start", 0x186, 0x0), ("hmac", 0x155, 0x0), ("hmac_start", 0x15b, 0x0),
        ("import", 0x156, 0x0), ("incremental_self_test", 0x142, 0x0), ("load", 0x157, 0x0),
        ("load_context", 0x0, 0xb9), ("load_external", 0x167, 0x0), ("load_key", 0x0, 0x20),
        ("load_key2", 0x0, 0x41), ("make_credential", 0x168, 0x0), ("make_identity", 0x0, 0x79),
        ("nv_certify", 0x184, 0x0), ("nv_change_auth", 0x13b, 0x0), ("nv_define_space", 0x12a, 0x0),
        ("nv_extend", 0x136, 0x0), ("nv_increment", 0x134, 0x0), ("nv_read", 0x14e, 0x0),
        ("nv_read_lock", 0x14f, 0x0), ("nv_read_public", 0x169, 0x0), ("nv_read_value", 0x0, 0xcf),
        ("nv_read_value_auth", 0x0, 0xd0), ("nv_set_bits", 0x135, 0x0),
        ("nv_undefine_space", 0x122, 0x0), ("nv_write", 0x137, 0x0), ("nv_write_lock", 0x138, 0x0),
        ("object_change_auth", 0x150, 0x0), ("oiap", 0x0, 0xa), ("osap", 0x0, 0xb),
        ("owner_read_internal_pub", 0x0, 0x81), ("pcr_event", 0x13c, 0x0),
        ("pcr_extend", 0x182, 0x14), ("pcr_read", 0x17e, 0x15), ("pcr_reset", 0x13d, 0x0),
        ("policy_auth_value", 0x16b, 0x0), ("policy_authorize", 0x16a, 0x0),
        ("policy_authorize_nv", 0x192, 0x0), ("policy_command_code", 0x16c, 0x0),
        ("policy_counter_timer", 0x16d, 0x0), ("policy_cp_hash", 0x16e, 0x0),
        ("policy_duplication_select", 0x188, 0x0), ("policy_get_digest", 0x189, 0x0),
        ("policy_locality", 0x16f, 0x0), ("policy_name_hash", 0x170, 0x0),
        ("policy_nv", 0x149, 0x0), ("policy_nv_written", 0x18f, 0x0), ("policy_or", 0x171, 0x0),
        ("policy_password", 0x18c, 0x0), ("policy_pcr", 0x17f, 0x0),
        ("policy_physical_presence", 0x187, 0x0), ("policy_restart", 0x180, 0x0),
        ("policy_secret", 0x151, 0x0), ("policy_signed", 0x160, 0x0),
        ("policy_template", 0x190, 0x0), ("policy_ticket", 0x172, 0x0), ("quote", 0x158, 0x16),
        ("quote2", 0x0, 0x3e), ("read_clock", 0x181, 0x0), ("read_counter", 0x0, 0xde),
        ("read_pubek", 0x0, 0x7c), ("read_public", 0x173, 0x0), ("rewrap", 0x152, 0x0),
        ("rsa_decrypt", 0x159, 0x0), ("rsa_encrypt", 0x174, 0x0), ("save_context", 0x0, 0xb8),
        ("seal", 0x0, 0x17), ("sealx", 0x0, 0x3d), ("self_test", 0x143, 0x0),
        ("self_test_full", 0x0, 0x50), ("sequence_complete", 0x13e, 0x0),
        ("sequence_update", 0x15c, 0x0), ("sha1_complete", 0x0, 0xa2),
        ("sha1_complete_extend", 0x0, 0xa3), ("sha1_start", 0x0, 0xa0), ("sha1_update", 0x0, 0xa1),
        ("sign", 0x15d, 0x3c), ("start_auth_session", 0x176, 0x0), ("stir_random", 0x146, 0x47),
        ("terminate_handle", 0x0, 0x96), ("test_parms", 0x18a, 0x0), ("unbind", 0x0, 0x1e),
        ("unseal", 0x15e, 0x18), ("verify_signature", 0x177, 0x0), ("zgen_2phase", 0x18d, 0x0),
    ]
}

extension Resolver {
    /// Takes the commands that the service `tpm` passes on.
    mutating func takeCommands(
        _ names: [Located<String>], at span: SourceSpan,
        into options: inout SystemPolicy.Compartment.Options
    ) {
        guard isFirstField("commands", options.tpmCommands.first?.span, at: span) else { return }
        guard options.service == .tpm else {
            return report(
                .unknownCommand, at: span, "only the service `tpm` passes commands on",
                help: "write them in `service tpm at LABEL { … }`")
        }
        for name in names {
            guard let command = TPMCommand(name: name.value) else {
                report(
                    .unknownCommand, at: name.span,
                    "`\(name.value)` is no command that users of the TPM may be given",
                    help: Suggestion.help(for: name.value, among: TPMCommand.names))
                continue
            }
            if options.tpmCommands.contains(where: { $0.value == command }) {
                report(
                    .repeatedField, at: name.span, "the command `\(name.value)` stands here already"
                )
            } else {
                options.tpmCommands.append(Located(command, at: name.span))
            }
        }
        options.tpmCommands.sort { $0.value.name < $1.value.name }
    }
}
