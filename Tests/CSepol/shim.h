/* libsepol's security server, as an oracle in tests. Nothing that ships links it. */
#ifndef CSEPOL_SHIM_H
#define CSEPOL_SHIM_H
#include <stdio.h>
#include <stdlib.h>
#include <sepol/sepol.h>
#include <sepol/policydb/services.h>
#endif
