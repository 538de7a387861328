internal import FoundationEssentials
internal import Glibc

/// A certificate authority as a TPM's manufacturer has one, made of files and software keys: it
/// certifies the endorsement keys of software TPMs.
///
/// For: showing and testing enrolment by certificate. Not for: trusting anything; whoever reads the
/// directory can certify.
///
/// - Source: swtpm_setup.conf(5), swtpm-localca.conf(5).
package struct ManufacturerAuthority {
    /// The authority's own certificate, PEM; it is there once something was certified.
    package let rootPath: String
    /// The certificate of the key that certifies, PEM.
    package let issuerPath: String
    /// What `swtpm_setup --config` takes.
    let configuration: String

    /// Makes the authority's directory if it is not there; its keys come with the first use.
    ///
    /// - Throws: `.systemCall`.
    package init(directory: String) throws(VirtualHardwareError) {
        try makePrivateDirectory(directory)
        rootPath = directory + "/swtpm-localca-rootca-cert.pem"
        issuerPath = directory + "/issuercert.pem"
        configuration = directory + "/swtpm_setup.conf"
        let authorityConfiguration = directory + "/swtpm-localca.conf"
        let options = directory + "/swtpm-localca.options"
        try write(
            """
            create_certs_tool = /usr/bin/swtpm_localca
            create_certs_tool_config = \(authorityConfiguration)
            create_certs_tool_options = \(options)

            """, to: configuration)
        try write(
            """
            statedir = \(directory)
            signingkey = \(directory)/signkey.pem
            issuercert = \(issuerPath)
            certserial = \(directory)/certserial

            """, to: authorityConfiguration)
        try write(
            """
            --platform-manufacturer Casemate
            --platform-version 1
            --platform-model Emulated

            """, to: options)
    }
}

/// - Throws: `.systemCall`.
private func write(_ text: String, to path: String) throws(VirtualHardwareError) {
    guard
        FileManager.default.createFile(
            atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
    else { throw .systemCall("open", errno: errno) }
}
