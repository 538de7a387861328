/* The records of the hypervisor's audit, as the compartment that may read them asks for them. */
#define _GNU_SOURCE

#include "CGuest.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#define __XEN_TOOLS__ 1
#include <xen/xen.h>

#include <xen/sys/privcmd.h>
#include <xen/sysctl.h>

enum { page_size = 4096 };

int guest_read_records(int privcmd, uint8_t *bytes, size_t capacity, uint32_t *index) {
    /* The hypervisor reads and writes through this process's page tables and cannot wait for a
     * page fault, so the pages have to stay. */
    static uint8_t buffer[page_size] __attribute__((aligned(4096)));
    static struct xen_sysctl request __attribute__((aligned(4096)));
    if (mlock(buffer, sizeof buffer) < 0 || mlock(&request, sizeof request) < 0) return -errno;
    memset(&request, 0, sizeof request);
    request.cmd = XEN_SYSCTL_readconsole;
    request.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    request.u.readconsole.incremental = 1;
    request.u.readconsole.index = *index;
    request.u.readconsole.count = capacity < sizeof buffer ? (uint32_t)capacity : sizeof buffer;
    set_xen_guest_handle(request.u.readconsole.buffer, (char *)buffer);
    struct privcmd_hypercall call = {
        .op = __HYPERVISOR_sysctl,
        .arg = {(uintptr_t)&request},
    };
    if (ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0) return -errno;
    uint32_t count = request.u.readconsole.count;
    if (count > capacity || count > sizeof buffer) return -EIO;
    memcpy(bytes, buffer, count);
    *index = request.u.readconsole.index;
    return (int)count;
}
