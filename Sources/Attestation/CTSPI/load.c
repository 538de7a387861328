// Each function here is called for the one of the same name in TrouSerS' library, with the same
// types; it is hidden, so that the library's own calls stay in the library. Where the library or
// its function is not there, `casemateLibraryMissing` is returned; standard error has what the
// loader says.
#pragma GCC visibility push(hidden)
#include "CTSPI.h"
#pragma GCC visibility pop

#include <dlfcn.h>
#include <stdio.h>

static void *find(const char *name) {
    void *handle = dlopen("libtspi.so.1", RTLD_NOW | RTLD_LOCAL);
    void *found = handle ? dlsym(handle, name) : NULL;
    if (!found) fprintf(stderr, "%s\n", dlerror());
    return found;
}

// Calls the library's function, or returns when it is not there.
#define FORWARD(name, ...)                                       \
    static __typeof__(name) *real;                               \
    if (!real) real = (__typeof__(real))find(#name);             \
    return real ? real(__VA_ARGS__) : casemateLibraryMissing

TSS_RESULT Tspi_Context_Create(TSS_HCONTEXT *context) {
    FORWARD(Tspi_Context_Create, context);
}

TSS_RESULT Tspi_Context_Close(TSS_HCONTEXT context) {
    FORWARD(Tspi_Context_Close, context);
}

TSS_RESULT Tspi_Context_Connect(TSS_HCONTEXT context, TSS_UNICODE *destination) {
    FORWARD(Tspi_Context_Connect, context, destination);
}

TSS_RESULT Tspi_Context_FreeMemory(TSS_HCONTEXT context, BYTE *memory) {
    FORWARD(Tspi_Context_FreeMemory, context, memory);
}

TSS_RESULT Tspi_Context_GetTpmObject(TSS_HCONTEXT context, TSS_HTPM *tpm) {
    FORWARD(Tspi_Context_GetTpmObject, context, tpm);
}

TSS_RESULT Tspi_Context_CreateObject(
    TSS_HCONTEXT context, TSS_FLAG type, TSS_FLAG flags, TSS_HOBJECT *object) {
    FORWARD(Tspi_Context_CreateObject, context, type, flags, object);
}

TSS_RESULT Tspi_Context_LoadKeyByUUID(
    TSS_HCONTEXT context, TSS_FLAG storage, TSS_UUID identifier, TSS_HKEY *key) {
    FORWARD(Tspi_Context_LoadKeyByUUID, context, storage, identifier, key);
}

TSS_RESULT Tspi_Context_LoadKeyByBlob(
    TSS_HCONTEXT context, TSS_HKEY parent, UINT32 size, BYTE *bytes, TSS_HKEY *key) {
    FORWARD(Tspi_Context_LoadKeyByBlob, context, parent, size, bytes, key);
}

TSS_RESULT Tspi_GetPolicyObject(TSS_HOBJECT object, TSS_FLAG type, TSS_HPOLICY *policy) {
    FORWARD(Tspi_GetPolicyObject, object, type, policy);
}

TSS_RESULT Tspi_Policy_SetSecret(TSS_HPOLICY policy, TSS_FLAG mode, UINT32 size, BYTE *secret) {
    FORWARD(Tspi_Policy_SetSecret, policy, mode, size, secret);
}

TSS_RESULT Tspi_Policy_AssignToObject(TSS_HPOLICY policy, TSS_HOBJECT object) {
    FORWARD(Tspi_Policy_AssignToObject, policy, object);
}

TSS_RESULT Tspi_SetAttribUint32(
    TSS_HOBJECT object, TSS_FLAG attribute, TSS_FLAG part, UINT32 value) {
    FORWARD(Tspi_SetAttribUint32, object, attribute, part, value);
}

TSS_RESULT Tspi_SetAttribData(
    TSS_HOBJECT object, TSS_FLAG attribute, TSS_FLAG part, UINT32 size, BYTE *bytes) {
    FORWARD(Tspi_SetAttribData, object, attribute, part, size, bytes);
}

TSS_RESULT Tspi_GetAttribData(
    TSS_HOBJECT object, TSS_FLAG attribute, TSS_FLAG part, UINT32 *size, BYTE **bytes) {
    FORWARD(Tspi_GetAttribData, object, attribute, part, size, bytes);
}

TSS_RESULT Tspi_TPM_GetPubEndorsementKey(
    TSS_HTPM tpm, TSS_BOOL as_owner, TSS_VALIDATION *validation, TSS_HKEY *key) {
    FORWARD(Tspi_TPM_GetPubEndorsementKey, tpm, as_owner, validation, key);
}

TSS_RESULT Tspi_TPM_CollateIdentityRequest(
    TSS_HTPM tpm, TSS_HKEY root, TSS_HKEY authority, UINT32 label_size, BYTE *label, TSS_HKEY
    identity, TSS_ALGORITHM_ID algorithm, UINT32 *size, BYTE **request) {
    FORWARD(
        Tspi_TPM_CollateIdentityRequest, tpm, root, authority, label_size, label,
        identity, algorithm, size, request);
}

TSS_RESULT Tspi_TPM_ActivateIdentity(
    TSS_HTPM tpm, TSS_HKEY key, UINT32 contents_size, BYTE *contents, UINT32 attestation_size,
    BYTE *attestation, UINT32 *size, BYTE **credential) {
    FORWARD(
        Tspi_TPM_ActivateIdentity, tpm, key, contents_size, contents, attestation_size,
        attestation, size, credential);
}

TSS_RESULT Tspi_PcrComposite_SelectPcrIndexEx(
    TSS_HPCRS registers, UINT32 index, UINT32 direction) {
    FORWARD(Tspi_PcrComposite_SelectPcrIndexEx, registers, index, direction);
}

TSS_RESULT Tspi_TPM_Quote2(
    TSS_HTPM tpm, TSS_HKEY key, TSS_BOOL with_version, TSS_HPCRS registers, TSS_VALIDATION
    *validation, UINT32 *version_size, BYTE **version) {
    FORWARD(
        Tspi_TPM_Quote2, tpm, key, with_version, registers, validation, version_size,
        version);
}

TSS_RESULT Tspi_NV_ReadValue(TSS_HNVSTORE area, UINT32 offset, UINT32 *size, BYTE **bytes) {
    FORWARD(Tspi_NV_ReadValue, area, offset, size, bytes);
}
