/* The TPM 2.0 software stack of libtss2-dev (Debian), as Swift sees it. Its libraries are loaded
 * when the first of its functions is called: they and OpenSSL, which they need, take time, and most
 * of what a program does needs no TPM. */
#pragma once
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
