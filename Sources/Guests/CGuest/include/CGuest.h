/* The few requests that a guest program makes of Linux, with plain numbers at the border: no
 * pointer but a text's crosses it. Numbers and structures come from the headers of `libxen-dev`.
 *
 * Each function returns the result, zero or above, or an `errno` below zero. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Opens `path` for reading and writing. Returns the descriptor. */
int guest_open(const char *path);

/* Reads at most `capacity` bytes of the file `path`. Returns the count. */
int guest_read_file(const char *path, uint8_t *bytes, size_t capacity);

/* Writes `count` bytes to standard output in one call. Returns the count. */
int guest_write(const uint8_t *bytes, size_t count);

/* Sleeps. Returns 0. */
int guest_sleep_seconds(uint32_t seconds);

/* `IOCTL_EVTCHN_BIND_UNBOUND_PORT`: returns a port of this domain that `remote` may bind. */
int guest_bind_unbound(int device, uint32_t remote);

/* `IOCTL_EVTCHN_BIND_INTERDOMAIN`: returns a port of this domain bound to `port` of `remote`. */
int guest_bind_interdomain(int device, uint32_t remote, uint32_t port);

/* `IOCTL_EVTCHN_NOTIFY`: asks the driver to signal `port`. It drops the hypervisor's answer. */
int guest_notify(int device, uint32_t port);

/* Waits for an event on any port of `device` and returns its port; `-ETIMEDOUT` after `seconds`. */
int guest_wait(int device, uint32_t seconds);

/* Takes the mask off `port`, which the driver set when it reported an event on it. Returns 0. */
int guest_unmask(int device, uint32_t port);

/* `EVTCHNOP_send` on `port` through `/dev/xen/privcmd`: returns what the hypervisor answered. */
int guest_send(int privcmd, uint32_t port);

/* Reads the value of the store's node `path`, at most `capacity` bytes. Returns the count. */
int guest_store_read(const char *path, uint8_t *value, size_t capacity);

/* Writes `count` bytes to the store's node `path`. Returns 0. */
int guest_store_write(const char *path, const uint8_t *value, size_t count);

/* `IOCTL_GNTALLOC_ALLOC_GREF`: makes the program's ring of `pages` new pages that `remote` may map
 * for reading; their references, as many, go to `references`. Returns 0. */
int guest_ring_grant(int device, uint32_t remote, uint32_t pages, uint32_t *references);

/* `IOCTL_GNTDEV_MAP_GRANT_REF`: makes the program's ring of `remote`'s pages. Returns 0. */
int guest_ring_map(int device, uint32_t remote, uint32_t pages, int writable,
                   const uint32_t *references);

/* Unmaps the ring that `guest_ring_map` made. Returns 0. */
int guest_ring_unmap(int device);

/* The ring's word at `offset` bytes, a multiple of 4; 0 outside the ring. */
uint32_t guest_ring_word(uint32_t offset);

/* Stores a word of the ring; nothing outside it. */
void guest_ring_set_word(uint32_t offset, uint32_t value);

/* Ends the program. */
_Noreturn void guest_exit(int status);
