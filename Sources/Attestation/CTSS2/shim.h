/* The TPM 2.0 software stack of libtss2-dev (Debian), as Swift sees it. */
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
