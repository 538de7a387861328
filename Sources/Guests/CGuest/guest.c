/* Requests to Linux and, through its drivers, to the hypervisor. */
#define _GNU_SOURCE

#include "CGuest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Without a version the header falls back to hypercall numbers of Xen 3.2. */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/privcmd.h>

/* The result of a system call as the header promises it. */
static int result(long value) { return value < 0 ? -errno : (int)value; }

int guest_open(const char *path) { return result(open(path, O_RDWR | O_CLOEXEC)); }

int guest_read_file(const char *path, uint8_t *bytes, size_t capacity) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    int count = result(read(file, bytes, capacity));
    close(file);
    return count;
}

int guest_write(const uint8_t *bytes, size_t count) {
    return result(write(STDOUT_FILENO, bytes, count));
}

int guest_sleep_milliseconds(uint32_t milliseconds) {
    struct timespec span = {
        .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    return result(nanosleep(&span, NULL));
}

int guest_random(uint8_t *bytes, size_t count) { return result(getrandom(bytes, count, 0)); }

int guest_bind_unbound(int device, uint32_t remote) {
    struct ioctl_evtchn_bind_unbound_port request = {.remote_domain = remote};
    return result(ioctl(device, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &request));
}

int guest_bind_interdomain(int device, uint32_t remote, uint32_t port) {
    struct ioctl_evtchn_bind_interdomain request = {
        .remote_domain = remote, .remote_port = port};
    return result(ioctl(device, IOCTL_EVTCHN_BIND_INTERDOMAIN, &request));
}

int guest_bind_virq(int device, uint32_t number) {
    struct ioctl_evtchn_bind_virq request = {.virq = number};
    return result(ioctl(device, IOCTL_EVTCHN_BIND_VIRQ, &request));
}

int guest_notify(int device, uint32_t port) {
    struct ioctl_evtchn_notify request = {.port = port};
    return result(ioctl(device, IOCTL_EVTCHN_NOTIFY, &request));
}

int guest_wait(int device, uint32_t milliseconds) {
    struct pollfd watched = {.fd = device, .events = POLLIN};
    int ready = poll(&watched, 1, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
    if (ready < 0) return -errno;
    if (ready == 0) return -ETIMEDOUT;
    uint32_t port = 0;
    ssize_t count = read(device, &port, sizeof port);
    if (count < 0) return -errno;
    return count == sizeof port ? (int)port : -EIO;
}

int guest_unmask(int device, uint32_t port) {
    ssize_t count = write(device, &port, sizeof port);
    if (count < 0) return -errno;
    return count == sizeof port ? 0 : -EIO;
}

int guest_send(int privcmd, uint32_t port) {
    /* The hypervisor reads the argument through this process's page tables and cannot wait for a
     * page fault, so the page has to stay. */
    struct evtchn_send argument = {.port = port};
    if (mlock(&argument, sizeof argument) < 0) return -errno;
    struct privcmd_hypercall call = {
        .op = __HYPERVISOR_event_channel_op,
        .arg = {EVTCHNOP_send, (uintptr_t)&argument},
    };
    int answer = result(ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call));
    munlock(&argument, sizeof argument);
    return answer;
}

_Noreturn void guest_exit(int status) { exit(status); }
