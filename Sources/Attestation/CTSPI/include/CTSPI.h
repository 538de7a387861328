/* TrouSerS' client library (libtspi-dev of Debian), as Swift sees it: the TPM 1.2 software stack.
 * It is loaded when the first of its functions is called, as those of the module CTSS2 are.
 *
 * Swift does not see macros that are expressions or initialisers, so they have names here. */
#pragma once
#include <tss/platform.h>
#include <tss/tspi.h>

static const UINT32 casemateKeySize2048 = TSS_KEY_SIZE_2048;
static const UINT32 casematePCRsForRelease = TSS_PCRS_DIRECTION_RELEASE;
static const TSS_UUID casemateStorageRootKey = TSS_UUID_SRK;
/* What a function returns whose library is not there: a code that libtspi itself never gives. */
static const TSS_RESULT casemateLibraryMissing = 0xFFFFFFFF;
