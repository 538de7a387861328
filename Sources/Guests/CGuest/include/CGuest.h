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
int guest_sleep_milliseconds(uint32_t milliseconds);

/* Fills `count` bytes, at most 256, with the kernel's random ones. Returns the count. */
int guest_random(uint8_t *bytes, size_t count);

/* `IOCTL_EVTCHN_BIND_UNBOUND_PORT`: returns a port of this domain that `remote` may bind. */
int guest_bind_unbound(int device, uint32_t remote);

/* `IOCTL_EVTCHN_BIND_INTERDOMAIN`: returns a port of this domain bound to `port` of `remote`. */
int guest_bind_interdomain(int device, uint32_t remote, uint32_t port);

/* `IOCTL_EVTCHN_BIND_VIRQ`: returns a port of this domain that the interrupt rings. */
int guest_bind_virq(int device, uint32_t number);

/* `IOCTL_EVTCHN_NOTIFY`: asks the driver to signal `port`. It drops the hypervisor's answer. */
int guest_notify(int device, uint32_t port);

/* Waits for an event on any port of `device` and returns its port; `-ETIMEDOUT` when none came. */
int guest_wait(int device, uint32_t milliseconds);

/* Takes the mask off `port`, which the driver set when it reported an event on it. Returns 0. */
int guest_unmask(int device, uint32_t port);

/* `EVTCHNOP_send` on `port` through `/dev/xen/privcmd`: returns what the hypervisor answered. */
int guest_send(int privcmd, uint32_t port);

/* Reads the value of the store's node `path`, at most `capacity` bytes. Returns the count. */
int guest_store_read(const char *path, uint8_t *value, size_t capacity);

/* Writes `count` bytes to the store's node `path`. Returns 0. */
int guest_store_write(const char *path, const uint8_t *value, size_t count);

/* Reads records of the audit, everything before `*index` being done with: at most `capacity` bytes,
 * and 4096. Returns the count; `*index` is then where the next ones begin. */
int guest_read_records(int privcmd, uint8_t *bytes, size_t capacity, uint32_t *index);

/* `IOCTL_GNTALLOC_ALLOC_GREF`: makes a ring of `pages` new pages that `remote` may map for
 * reading; their references, as many, go to `references`. Returns the ring's number. */
int guest_ring_grant(int device, uint32_t remote, uint32_t pages, uint32_t *references);

/* `IOCTL_GNTDEV_MAP_GRANT_REF`: makes a ring of `remote`'s pages. Returns its number. */
int guest_ring_map(int device, uint32_t remote, uint32_t pages, int writable,
                   const uint32_t *references);

/* Unmaps a ring that `guest_ring_map` made. Returns 0. */
int guest_ring_unmap(int device, int number);

/* A ring's word at `offset` bytes, a multiple of 4; 0 outside the ring. */
uint32_t guest_ring_word(int number, uint32_t offset);

/* Stores a word of a ring, between what was written before it and what is written after it; nothing
 * outside the ring. */
void guest_ring_set_word(int number, uint32_t offset, uint32_t value);

/* Copies `count` bytes at `offset` of a ring; `-EINVAL` outside it. Returns 0. */
int guest_ring_read(int number, uint32_t offset, uint8_t *bytes, size_t count);
int guest_ring_write(int number, uint32_t offset, const uint8_t *bytes, size_t count);

/* Ends the program. */
_Noreturn void guest_exit(int status);
