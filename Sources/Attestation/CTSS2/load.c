// Each function here is called for the one of the same name in its library, with the same types;
// it is hidden, so that the library's own calls stay in the library. Where a library or its
// function is not there, `TSS2_ESYS_RC_NOT_IMPLEMENTED` is returned; standard error has what the
// loader says.
#pragma GCC visibility push(hidden)
#include "CTSS2.h"
#pragma GCC visibility pop

#include <dlfcn.h>
#include <stdio.h>

static void *find(const char *library, const char *name) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *found = handle ? dlsym(handle, name) : NULL;
    if (!found) fprintf(stderr, "%s\n", dlerror());
    return found;
}

#define ESYS "libtss2-esys.so.0"
#define MU "libtss2-mu.so.0"

// Calls the library's function, or returns when it is not there.
#define FORWARD(library, name, ...)                                                \
    static __typeof__(name) *real;                                                 \
    if (!real) real = (__typeof__(real))find(library, #name);                      \
    return real ? real(__VA_ARGS__) : TSS2_ESYS_RC_NOT_IMPLEMENTED

TSS2_RC Esys_Initialize(
    ESYS_CONTEXT **context, TSS2_TCTI_CONTEXT *tcti, TSS2_ABI_VERSION *version) {
    FORWARD(ESYS, Esys_Initialize, context, tcti, version);
}

void Esys_Finalize(ESYS_CONTEXT **context) {
    static __typeof__(Esys_Finalize) *real;
    if (!real) real = (__typeof__(real))find(ESYS, "Esys_Finalize");
    if (real) real(context);
}

void Esys_Free(void *memory) {
    static __typeof__(Esys_Free) *real;
    if (!real) real = (__typeof__(real))find(ESYS, "Esys_Free");
    if (real) real(memory);
}

TSS2_RC Esys_TR_Close(ESYS_CONTEXT *context, ESYS_TR *object) {
    FORWARD(ESYS, Esys_TR_Close, context, object);
}

TSS2_RC Esys_TR_FromTPMPublic(
    ESYS_CONTEXT *context, TPM2_HANDLE handle, ESYS_TR first, ESYS_TR second, ESYS_TR third,
    ESYS_TR *object) {
    FORWARD(ESYS, Esys_TR_FromTPMPublic, context, handle, first, second, third, object);
}

TSS2_RC Esys_FlushContext(ESYS_CONTEXT *context, ESYS_TR object) {
    FORWARD(ESYS, Esys_FlushContext, context, object);
}

TSS2_RC Esys_CreatePrimary(
    ESYS_CONTEXT *context, ESYS_TR hierarchy, ESYS_TR first, ESYS_TR second, ESYS_TR third,
    const TPM2B_SENSITIVE_CREATE *sensitive, const TPM2B_PUBLIC *template,
    const TPM2B_DATA *outside, const TPML_PCR_SELECTION *registers, ESYS_TR *object,
    TPM2B_PUBLIC **area, TPM2B_CREATION_DATA **data, TPM2B_DIGEST **digest,
    TPMT_TK_CREATION **ticket) {
    FORWARD(
        ESYS, Esys_CreatePrimary, context, hierarchy, first, second, third, sensitive, template,
        outside, registers, object, area, data, digest, ticket);
}

TSS2_RC Esys_ActivateCredential(
    ESYS_CONTEXT *context, ESYS_TR object, ESYS_TR key, ESYS_TR first, ESYS_TR second,
    ESYS_TR third, const TPM2B_ID_OBJECT *credential, const TPM2B_ENCRYPTED_SECRET *secret,
    TPM2B_DIGEST **answer) {
    FORWARD(
        ESYS, Esys_ActivateCredential, context, object, key, first, second, third, credential,
        secret, answer);
}

TSS2_RC Esys_Quote(
    ESYS_CONTEXT *context, ESYS_TR key, ESYS_TR first, ESYS_TR second, ESYS_TR third,
    const TPM2B_DATA *nonce, const TPMT_SIG_SCHEME *scheme, const TPML_PCR_SELECTION *registers,
    TPM2B_ATTEST **statement, TPMT_SIGNATURE **signature) {
    FORWARD(
        ESYS, Esys_Quote, context, key, first, second, third, nonce, scheme, registers, statement,
        signature);
}

TSS2_RC Esys_NV_ReadPublic(
    ESYS_CONTEXT *context, ESYS_TR index, ESYS_TR first, ESYS_TR second, ESYS_TR third,
    TPM2B_NV_PUBLIC **area, TPM2B_NAME **name) {
    FORWARD(ESYS, Esys_NV_ReadPublic, context, index, first, second, third, area, name);
}

TSS2_RC Esys_NV_Read(
    ESYS_CONTEXT *context, ESYS_TR authority, ESYS_TR index, ESYS_TR first, ESYS_TR second,
    ESYS_TR third, UINT16 size, UINT16 offset, TPM2B_MAX_NV_BUFFER **data) {
    FORWARD(
        ESYS, Esys_NV_Read, context, authority, index, first, second, third, size, offset, data);
}

TSS2_RC Tss2_MU_TPMT_PUBLIC_Marshal(
    const TPMT_PUBLIC *source, uint8_t buffer[], size_t size, size_t *offset) {
    FORWARD(MU, Tss2_MU_TPMT_PUBLIC_Marshal, source, buffer, size, offset);
}

TSS2_RC Tss2_MU_TPMT_SIGNATURE_Marshal(
    const TPMT_SIGNATURE *source, uint8_t buffer[], size_t size, size_t *offset) {
    FORWARD(MU, Tss2_MU_TPMT_SIGNATURE_Marshal, source, buffer, size, offset);
}
