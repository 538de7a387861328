/* libselinux: labels of paths (selabel), and the peer's context on a host that runs SELinux. */
#ifndef CASEMATE_CSELINUX_H
#define CASEMATE_CSELINUX_H

#include <selinux/label.h>
#include <selinux/selinux.h>

/* The union of callbacks holds variadic functions, which Swift cannot name. */
static int casemate_selinux_silence(int type, const char *format, ...) {
    (void)type;
    (void)format;
    return 0;
}

static inline void casemate_selinux_be_quiet(void) {
    union selinux_callback callback;
    callback.func_log = casemate_selinux_silence;
    selinux_set_callback(SELINUX_CB_LOG, callback);
}

#endif
