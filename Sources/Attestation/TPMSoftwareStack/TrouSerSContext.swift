// C binding: libtspi, the client library of TrouSerS.
internal import CTSPI
internal import Glibc
internal import Synchronization

/// A conversation with a tcsd, and the objects that libtspi keeps for it.
///
/// Every function of libtspi that is called is called here, so that what uses it is memory-safe.
/// Handles are numbers of the conversation and end with it; what the library allocates is copied
/// and given back at once.
final class TrouSerSContext {
    private let context: TSS_HCONTEXT
    /// The TPM behind the tcsd.
    let tpm: TSS_HTPM

    /// Where a tcsd is said to be is a matter of the process's environment.
    private static let environment = Mutex<Void>(())

    /// Begins a conversation.
    ///
    /// - Parameter daemon: the tcsd.
    /// - Throws: `.stackMissing`; `.daemonSilent`, also when what listens there is no tcsd.
    init(_ daemon: TrouSerSDaemon) throws(TPMConnectionError) {
        var context: TSS_HCONTEXT = 0
        Self.environment.withLock { _ in
            // Nothing is kept in the user's home: keys lie where whoever asks says.
            _ = unsafe setenv("TSS_USER_PS_FILE", "/dev/null", 0)
        }
        // SAFETY: the output lives across the call.
        let created = unsafe Tspi_Context_Create(&context)
        guard created != casemateLibraryMissing else { throw .stackMissing("libtspi.so.1") }
        guard created == 0 else { throw .callFailed("Tspi_Context_Create", code: created) }
        let connected = Self.environment.withLock { _ in
            if let port = daemon.port { _ = unsafe setenv("TSS_TCSD_PORT", "\(port)", 1) }
            guard let host = daemon.host else { return Tspi_Context_Connect(context, nil) }
            var name = Array(host.utf16) + [0]
            // SAFETY: the name ends with zero, and is copied before the call returns.
            return unsafe Tspi_Context_Connect(context, &name)
        }
        var tpm: TSS_HTPM = 0
        // SAFETY: the output lives across the call.
        let found = unsafe connected == 0 ? Tspi_Context_GetTpmObject(context, &tpm) : connected
        guard found == 0 else {
            _ = Tspi_Context_Close(context)
            throw .daemonSilent(daemon.words)
        }
        self.context = context
        self.tpm = tpm
    }

    deinit {
        _ = Tspi_Context_FreeMemory(context, nil)
        _ = Tspi_Context_Close(context)
    }

    /// Throws unless a call succeeded.
    private func check(_ code: TSS_RESULT, _ call: String) throws(TPMConnectionError) {
        guard code != 0 else { return }
        throw code == casemateLibraryMissing
            ? .stackMissing("libtspi.so.1") : .callFailed(call, code: code)
    }

    /// Copies what a call left in the library's memory, and gives that back.
    private func take(
        _ size: UINT32, _ bytes: UnsafeMutablePointer<BYTE>?
    ) -> [UInt8] {
        guard let bytes = unsafe bytes else { return [] }
        defer { _ = unsafe Tspi_Context_FreeMemory(context, bytes) }
        // SAFETY: the library says how many bytes there are.
        return unsafe Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
    }

    // MARK: Objects

    /// Makes an object.
    func make(_ type: Int32, _ flags: UInt32) throws(TPMConnectionError) -> TSS_HOBJECT {
        var object: TSS_HOBJECT = 0
        // SAFETY: the output lives across the call.
        let code = unsafe Tspi_Context_CreateObject(context, TSS_FLAG(type), flags, &object)
        try check(code, "Tspi_Context_CreateObject")
        return object
    }

    /// Gives an object's policy of use a secret of 20 bytes.
    func setSecret(_ secret: [UInt8], of object: TSS_HOBJECT) throws(TPMConnectionError) {
        var secret = secret
        let policy = try policy(of: object)
        // SAFETY: the library copies the secret before it returns.
        let code = unsafe Tspi_Policy_SetSecret(
            policy, TSS_FLAG(TSS_SECRET_MODE_SHA1), UINT32(secret.count), &secret)
        try check(code, "Tspi_Policy_SetSecret")
    }

    private func policy(of object: TSS_HOBJECT) throws(TPMConnectionError) -> TSS_HPOLICY {
        var policy: TSS_HPOLICY = 0
        // SAFETY: the output lives across the call.
        let code = unsafe Tspi_GetPolicyObject(object, TSS_FLAG(TSS_POLICY_USAGE), &policy)
        try check(code, "Tspi_GetPolicyObject")
        return policy
    }

    /// Sets an attribute that is a number.
    func set(
        _ object: TSS_HOBJECT, _ attribute: Int32, _ part: Int32 = 0, to value: UInt32
    ) throws(TPMConnectionError) {
        try check(
            Tspi_SetAttribUint32(object, TSS_FLAG(attribute), TSS_FLAG(part), value),
            "Tspi_SetAttribUint32")
    }

    /// Sets an attribute that is bytes.
    func set(
        _ object: TSS_HOBJECT, _ attribute: Int32, _ part: Int32, to bytes: [UInt8]
    ) throws(TPMConnectionError) {
        var bytes = bytes
        // SAFETY: the library copies the bytes before it returns.
        let code = unsafe Tspi_SetAttribData(
            object, TSS_FLAG(attribute), TSS_FLAG(part), UINT32(bytes.count), &bytes)
        try check(code, "Tspi_SetAttribData")
    }

    /// Returns an attribute that is bytes.
    func get(
        _ object: TSS_HOBJECT, _ attribute: Int32, _ part: Int32
    ) throws(TPMConnectionError) -> [UInt8] {
        var size: UINT32 = 0
        var bytes: UnsafeMutablePointer<BYTE>?
        // SAFETY: the outputs live across the call; the second is freed by `take`.
        let code = unsafe Tspi_GetAttribData(
            object, TSS_FLAG(attribute), TSS_FLAG(part), &size, &bytes)
        try check(code, "Tspi_GetAttribData")
        return unsafe take(size, bytes)
    }

    // MARK: Keys

    /// Returns the storage root key, as the tcsd knows it.
    func storageRoot() throws(TPMConnectionError) -> TSS_HKEY {
        var key: TSS_HKEY = 0
        // SAFETY: the output lives across the call.
        let code = unsafe Tspi_Context_LoadKeyByUUID(
            context, TSS_FLAG(TSS_PS_TYPE_SYSTEM), casemateStorageRootKey, &key)
        // `TSS_E_PS_KEY_NOTFOUND` of the tcsd.
        guard code != 0x2020 else { throw .storageRootUnknown }
        try check(code, "Tspi_Context_LoadKeyByUUID")
        return key
    }

    /// Loads a wrapped key.
    func load(_ wrapped: [UInt8], below parent: TSS_HKEY) throws(TPMConnectionError) -> TSS_HKEY {
        var wrapped = wrapped
        var key: TSS_HKEY = 0
        // SAFETY: the input and the output live across the call.
        let code = unsafe Tspi_Context_LoadKeyByBlob(
            context, parent, UINT32(wrapped.count), &wrapped, &key)
        try check(code, "Tspi_Context_LoadKeyByBlob")
        return key
    }

    /// Returns the endorsement key's public part, as its owner may read it.
    func endorsementKey() throws(TPMConnectionError) -> TSS_HKEY {
        var key: TSS_HKEY = 0
        // SAFETY: the output lives across the call.
        let code = unsafe Tspi_TPM_GetPubEndorsementKey(tpm, 1, nil, &key)
        try check(code, "Tspi_TPM_GetPubEndorsementKey")
        return key
    }

    // MARK: Attestation

    /// Has the TPM make `identity`; the request for an authority, which comes with it, is dropped.
    func collateIdentityRequest(
        _ identity: TSS_HKEY, below root: TSS_HKEY, for authority: TSS_HKEY, label: [UInt8]
    ) throws(TPMConnectionError) {
        var label = label
        var size: UINT32 = 0
        var request: UnsafeMutablePointer<BYTE>?
        // SAFETY: inputs and outputs live across the call; the last is freed by `take`.
        let code = unsafe Tspi_TPM_CollateIdentityRequest(
            tpm, root, authority, UINT32(label.count), &label, identity,
            TSS_ALGORITHM_ID(TSS_ALG_AES), &size, &request)
        try check(code, "Tspi_TPM_CollateIdentityRequest")
        _ = unsafe take(size, request)
    }

    /// Has the TPM open `contents` for `key`, and opens with what was in it `attestation`.
    func activateIdentity(
        _ key: TSS_HKEY, contents: [UInt8], attestation: [UInt8]
    ) throws(TPMConnectionError) -> [UInt8] {
        var (contents, attestation) = (contents, attestation)
        var size: UINT32 = 0
        var credential: UnsafeMutablePointer<BYTE>?
        // SAFETY: inputs and outputs live across the call; the last is freed by `take`.
        let code = unsafe Tspi_TPM_ActivateIdentity(
            tpm, key, UINT32(contents.count), &contents, UINT32(attestation.count), &attestation,
            &size, &credential)
        try check(code, "Tspi_TPM_ActivateIdentity")
        return unsafe take(size, credential)
    }

    /// Quotes registers: what was signed, and the signature.
    func quote(
        _ key: TSS_HKEY, registers: [UInt32], nonce: [UInt8]
    ) throws(TPMConnectionError) -> (statement: [UInt8], signature: [UInt8]) {
        let selection = try make(TSS_OBJECT_TYPE_PCRS, TSS_FLAG(TSS_PCRS_STRUCT_INFO_SHORT))
        for register in registers {
            try check(
                Tspi_PcrComposite_SelectPcrIndexEx(selection, register, casematePCRsForRelease),
                "Tspi_PcrComposite_SelectPcrIndexEx")
        }
        var nonce = nonce
        var validation = unsafe TSS_VALIDATION()
        var size: UINT32 = 0
        var version: UnsafeMutablePointer<BYTE>?
        // SAFETY: the nonce stays where it is across the call; what comes back is freed by `take`.
        let code = unsafe nonce.withUnsafeMutableBufferPointer { memory in
            unsafe validation.ulExternalDataLength = UINT32(memory.count)
            unsafe validation.rgbExternalData = memory.baseAddress
            return unsafe Tspi_TPM_Quote2(tpm, key, 0, selection, &validation, &size, &version)
        }
        try check(code, "Tspi_TPM_Quote2")
        _ = unsafe take(size, version)
        return unsafe (
            take(validation.ulDataLength, validation.rgbData),
            take(validation.ulValidationDataLength, validation.rgbValidationData)
        )
    }

    // MARK: Areas

    /// Reads a piece of an NV area.
    ///
    /// - Parameter asOwner: whether the owner's secret, which the TPM's object has, vouches for it.
    func readArea(
        _ index: UInt32, _ offset: Int, _ size: Int, asOwner: Bool
    ) throws(TPMConnectionError) -> [UInt8] {
        let area = try make(TSS_OBJECT_TYPE_NV, 0)
        try set(area, TSS_TSPATTRIB_NV_INDEX, to: index)
        if asOwner {
            try check(
                Tspi_Policy_AssignToObject(try policy(of: tpm), area),
                "Tspi_Policy_AssignToObject")
        }
        var count = UINT32(size)
        var bytes: UnsafeMutablePointer<BYTE>?
        // SAFETY: the outputs live across the call; the second is freed by `take`.
        let code = unsafe Tspi_NV_ReadValue(area, UINT32(offset), &count, &bytes)
        try check(code, "Tspi_NV_ReadValue")
        return unsafe take(count, bytes)
    }
}
