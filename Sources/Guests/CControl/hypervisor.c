/* Hypercalls. The hypervisor reads arguments through this process's page tables and cannot wait for
 * a page fault, so what an argument is made of is locked as long as the call lasts. */
#define _GNU_SOURCE

#include "CControl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#define __XEN_TOOLS__ 1
#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/sys/privcmd.h>
#include <xen/sysctl.h>

/* `FLASK_LOAD`, and `CASEMATE_REVOKED` and `CASEMATE_LOG`, of docs/abi/hypercalls.md. */
struct load_request {
    uint32_t command, interface_version;
    uint64_t buffer;
    uint32_t size, reason;
};
struct revoked_request {
    uint32_t command, interface_version, first, sequence, total, count;
    uint8_t records[control_revoked_records * 12];
};
enum { flask_load = 1, casemate_revoked = 0x43534d01, casemate_log = 0x43534d04 };
enum { flask_version = 1 };

int control_hypervisor_open(void) {
    int device = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    return device < 0 ? -errno : device;
}

/* Makes a hypercall with one structure as its argument. */
static int call(int device, uint64_t number, void *argument, size_t size) {
    if (mlock(argument, size) < 0) return -errno;
    struct privcmd_hypercall request = {.op = number, .arg = {(uintptr_t)argument}};
    int answer = ioctl(device, IOCTL_PRIVCMD_HYPERCALL, &request);
    if (answer < 0) answer = -errno;
    munlock(argument, size);
    return answer;
}

int control_domain_state(int device, uint16_t domain, uint32_t *flags, uint32_t *generation) {
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_getdomaininfo,
        .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
        .domain = domain,
    };
    int answer = call(device, __HYPERVISOR_domctl, &request, sizeof request);
    if (answer < 0) return answer;
    *flags = request.u.getdomaininfo.flags;
    memcpy(generation, request.u.getdomaininfo.handle, sizeof *generation);
    return 0;
}

int control_domain_order(int device, int starts, uint16_t domain) {
    struct xen_domctl request = {
        .cmd = starts ? XEN_DOMCTL_unpausedomain : XEN_DOMCTL_destroydomain,
        .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
        .domain = domain,
    };
    return call(device, __HYPERVISOR_domctl, &request, sizeof request);
}

int control_load(int device, const uint8_t *archive, size_t size, uint32_t *reason) {
    if (size > UINT32_MAX) return -E2BIG;
    if (mlock(archive, size) < 0) return -errno;
    struct load_request request = {
        .command = flask_load,
        .interface_version = flask_version,
        .buffer = (uintptr_t)archive,
        .size = (uint32_t)size,
    };
    int answer = call(device, __HYPERVISOR_xsm_op, &request, sizeof request);
    munlock(archive, size);
    *reason = request.reason;
    return answer;
}

/* One page of a list. */
static int list(int device, uint32_t command, uint32_t first, struct revoked_request *request) {
    memset(request, 0, sizeof *request);
    request->command = command;
    request->interface_version = flask_version;
    request->first = first;
    return call(device, __HYPERVISOR_xsm_op, request, sizeof *request);
}

int control_log(int device, uint32_t first, uint32_t *total, uint8_t bytes[control_log_bytes]) {
    struct revoked_request request;
    int answer = list(device, casemate_log, first, &request);
    if (answer < 0) return answer;
    *total = request.total;
    memcpy(bytes, request.records, sizeof request.records);
    return request.count > control_log_bytes ? -EIO : (int)request.count;
}

int control_revoked(int device, uint32_t first, uint32_t *sequence, uint32_t *total,
                    uint8_t records[control_revoked_records * 12]) {
    struct revoked_request request;
    int answer = list(device, casemate_revoked, first, &request);
    if (answer < 0) return answer;
    *sequence = request.sequence;
    *total = request.total;
    memcpy(records, request.records, sizeof request.records);
    return request.count > control_revoked_records ? -EIO : (int)request.count;
}

int control_records(int device, uint8_t *bytes, size_t capacity) {
    static uint32_t index;
    if (mlock(bytes, capacity) < 0) return -errno;
    struct xen_sysctl request = {
        .cmd = XEN_SYSCTL_readconsole,
        .interface_version = XEN_SYSCTL_INTERFACE_VERSION,
        .u.readconsole = {.incremental = 1, .index = index, .count = (uint32_t)capacity},
    };
    set_xen_guest_handle(request.u.readconsole.buffer, (char *)bytes);
    int answer = call(device, __HYPERVISOR_sysctl, &request, sizeof request);
    munlock(bytes, capacity);
    if (answer < 0) return answer;
    index = request.u.readconsole.index;
    return request.u.readconsole.count > capacity ? -EIO : (int)request.u.readconsole.count;
}
