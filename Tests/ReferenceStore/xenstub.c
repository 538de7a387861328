/* Lets Debian's C xenstored run on a plain Linux: preloaded, it stands for libxenctrl, libxenevtchn
 * and libxengnttab. Domains are files in $XSTUB_DIR: dom.N (first byte r, s, d: running, shut down,
 * dying), ring.N (the page of its ring). evt.sock takes the 4 bytes of a port that fires; events to
 * domain N are sent to cli.N.sock. Ports: 1 is VIRQ_DOM_EXC, 1000 + N is domain N's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

static int events = -1;

static void place(char *text, size_t size, const char *name, int number) {
    if (number < 0) snprintf(text, size, "%s/%s", getenv("XSTUB_DIR"), name);
    else snprintf(text, size, "%s/%s.%d", getenv("XSTUB_DIR"), name, number);
}

static int open_domain(const char *name, int domain, int flags) {
    char path[108];
    place(path, sizeof path, name, domain);
    return open(path, flags | O_CLOEXEC);
}

static int state(int domain) {
    char byte = 0;
    int file = open_domain("dom", domain, O_RDONLY);
    if (file < 0) return 0;
    if (read(file, &byte, 1) != 1) byte = 'r';
    close(file);
    return byte;
}

/* The daemon asks these files for domain 0's ring. */
static int is_xsd(const char *path) { return !strncmp(path, "/proc/xen/xsd_", 14); }

static int open_xsd(const char *path) {
    if (strstr(path, "kva")) return open_domain("ring", 0, O_RDWR);
    const char *text = "1000";
    int pair[2];
    if (pipe(pair)) return -1;
    if (write(pair[1], text, strlen(text)) < 0) return -1;
    close(pair[1]);
    return pair[0];
}

int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    return is_xsd(path) ? open_xsd(path) : real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return is_xsd(path) ? open_xsd(path) : real(path, flags, mode);
}

static void *map(int domain) {
    int file = open_domain("ring", domain, O_RDWR);
    if (file < 0) return NULL;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return page == MAP_FAILED ? NULL : page;
}

xc_interface *xc_interface_open(xentoollog_logger *a, xentoollog_logger *b, unsigned flags) {
    return (xc_interface *)&events;
}
int xc_interface_close(xc_interface *handle) { return 0; }

int xc_domain_getinfo(
    xc_interface *handle, uint32_t first, unsigned int count, xc_dominfo_t *info) {
    for (uint32_t domain = first; domain < first + 64; domain++) {
        int now = state(domain);
        if (!now) continue;
        memset(info, 0, sizeof *info);
        info->domid = domain;
        info->running = now == 'r';
        info->shutdown = now == 's';
        info->dying = now == 'd';
        return 1;
    }
    return 0;
}

void *xc_map_foreign_range(
    xc_interface *handle, uint32_t domain, int size, int protection, unsigned long frame) {
    return map(domain);
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags) {
    return (xengnttab_handle *)&events;
}
int xengnttab_close(xengnttab_handle *handle) { return 0; }
int xengnttab_set_max_grants(xengnttab_handle *handle, uint32_t count) { return 0; }
void *xengnttab_map_grant_ref(
    xengnttab_handle *handle, uint32_t domain, uint32_t reference, int protection) {
    return map(domain);
}
int xengnttab_unmap(xengnttab_handle *handle, void *start, uint32_t count) {
    return munmap(start, 4096);
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned flags) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    place(address.sun_path, sizeof address.sun_path, "evt.sock", -1);
    events = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    unlink(address.sun_path);
    return bind(events, (void *)&address, sizeof address) ? NULL : (xenevtchn_handle *)&events;
}
int xenevtchn_close(xenevtchn_handle *handle) { return close(events); }
int xenevtchn_fd(xenevtchn_handle *handle) { return events; }
xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *handle, unsigned int virq) {
    return 1;
}
xenevtchn_port_or_error_t xenevtchn_bind_interdomain(
    xenevtchn_handle *handle, uint32_t domain, evtchn_port_t port) {
    return 1000 + domain;
}
int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port) { return 0; }
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle) {
    uint32_t port;
    return recv(events, &port, sizeof port, 0) == sizeof port ? (int)port : -1;
}
int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port) { return 0; }
int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[24];
    snprintf(name, sizeof name, "cli.%u.sock", port - 1000);
    place(address.sun_path, sizeof address.sun_path, name, -1);
    if (sendto(events, &port, sizeof port, 0, (void *)&address, sizeof address) < 0) return 0;
    return 0;
}
