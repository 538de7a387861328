internal import Glibc

/// A TPM that others need too: what was cancelled for them is tried again.
///
/// Where the TPM is the hypervisor's, a command of a compartment that keeps a measurement waiting
/// is cancelled (docs/abi/hypercalls.md). It did nothing; but a TPM 1.2 ends the sessions that it
/// had. So it is the whole question that is asked again.
public struct PatientTPM: AttestingTPM {
    private let tpm: any AttestingTPM
    private let pauseInMilliseconds: UInt32

    /// How often a question is asked at most.
    public static var attemptCount: Int { 6 }

    /// - Parameter pauseInMilliseconds: how long to wait before the second attempt; before each
    ///   other twice as long as before the last.
    public init(_ tpm: any AttestingTPM, pauseInMilliseconds: UInt32 = 50) {
        self.tpm = tpm
        self.pauseInMilliseconds = pauseInMilliseconds
    }

    /// As `AttestingTPM` says; `.cancelled` when every attempt was.
    public func identity() throws(TPMConnectionError) -> TPMIdentity {
        try ask { tpm throws(TPMConnectionError) in try tpm.identity() }
    }

    /// As `AttestingTPM` says; `.cancelled` when every attempt was.
    public func endorsementCertificate() throws(TPMConnectionError) -> [UInt8]? {
        try ask { tpm throws(TPMConnectionError) in try tpm.endorsementCertificate() }
    }

    /// As `AttestingTPM` says; `.cancelled` when every attempt was.
    public func activate(
        credential: [UInt8], secret: [UInt8]
    ) throws(TPMConnectionError) -> [UInt8] {
        try ask { tpm throws(TPMConnectionError) in
            try tpm.activate(credential: credential, secret: secret)
        }
    }

    /// As `AttestingTPM` says; `.cancelled` when every attempt was.
    public func quote(
        qualifyingData: [UInt8], registers: [UInt32]
    ) throws(TPMConnectionError) -> TPMQuote {
        try ask { tpm throws(TPMConnectionError) in
            try tpm.quote(qualifyingData: qualifyingData, registers: registers)
        }
    }

    private func ask<Answer>(
        _ question: (any AttestingTPM) throws(TPMConnectionError) -> Answer
    ) throws(TPMConnectionError) -> Answer {
        var pause = pauseInMilliseconds
        for _ in 1..<PatientTPM.attemptCount {
            do throws(TPMConnectionError) {
                return try question(tpm)
            } catch {
                guard error.isCancellation else { throw error }
                usleep(1000 * pause)
                pause *= 2
            }
        }
        do throws(TPMConnectionError) {
            return try question(tpm)
        } catch {
            throw error.isCancellation ? .cancelled : error
        }
    }
}
