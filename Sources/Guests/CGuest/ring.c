/* Pages that two compartments share, by Debian's own drivers: gntalloc at the end that grants,
 * gntdev at the end that maps. No pointer leaves this file: the program names bytes by place. */
#define _GNU_SOURCE

#include "CGuest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>

#include <xen/grant_table.h>
#include <xen/sys/gntalloc.h>
#include <xen/sys/gntdev.h>

enum { page_size = 4096, most_pages = 512 };

/* The pages that this program shares: one ring. */
static uint8_t *ring;
static uint32_t ring_pages;
static uint64_t ring_index;

int guest_ring_grant(int device, uint32_t remote, uint32_t pages, uint32_t *references) {
    if (pages == 0 || pages > most_pages) return -EINVAL;
    struct ioctl_gntalloc_alloc_gref *request =
        calloc(1, sizeof *request + pages * sizeof request->gref_ids[0]);
    if (request == NULL) return -ENOMEM;
    request->domid = (uint16_t)remote;
    /* Without GNTALLOC_FLAG_WRITABLE: to be read only. */
    request->flags = 0;
    request->count = pages;
    int answer = ioctl(device, IOCTL_GNTALLOC_ALLOC_GREF, request) < 0 ? -errno : 0;
    if (answer == 0) {
        for (uint32_t page = 0; page < pages; page++) references[page] = request->gref_ids[page];
        void *memory = mmap(NULL, (size_t)pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                            device, (off_t)request->index);
        if (memory == MAP_FAILED) {
            answer = -errno;
        } else {
            ring = memory;
            ring_pages = pages;
        }
    }
    free(request);
    return answer;
}

int guest_ring_map(int device, uint32_t remote, uint32_t pages, int writable,
                   const uint32_t *references) {
    if (pages == 0 || pages > most_pages) return -EINVAL;
    struct ioctl_gntdev_map_grant_ref *request =
        calloc(1, sizeof *request + pages * sizeof request->refs[0]);
    if (request == NULL) return -ENOMEM;
    request->count = pages;
    for (uint32_t page = 0; page < pages; page++) {
        request->refs[page].domid = remote;
        request->refs[page].ref = references[page];
    }
    int answer = ioctl(device, IOCTL_GNTDEV_MAP_GRANT_REF, request) < 0 ? -errno : 0;
    if (answer == 0) {
        int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
        void *memory = mmap(NULL, (size_t)pages * page_size, access, MAP_SHARED, device,
                            (off_t)request->index);
        if (memory == MAP_FAILED) {
            answer = -errno;
            struct ioctl_gntdev_unmap_grant_ref undo = {.index = request->index, .count = pages};
            ioctl(device, IOCTL_GNTDEV_UNMAP_GRANT_REF, &undo);
        } else {
            ring = memory;
            ring_pages = pages;
            ring_index = request->index;
        }
    }
    free(request);
    return answer;
}

int guest_ring_unmap(int device) {
    if (ring == NULL) return -EINVAL;
    if (munmap(ring, (size_t)ring_pages * page_size) < 0) return -errno;
    struct ioctl_gntdev_unmap_grant_ref request = {.index = ring_index, .count = ring_pages};
    ring = NULL;
    return ioctl(device, IOCTL_GNTDEV_UNMAP_GRANT_REF, &request) < 0 ? -errno : 0;
}

/* Whether the word at `offset` is one of the ring's. */
static int has_word(uint32_t offset) {
    return ring != NULL && offset % 4 == 0 && offset / page_size < ring_pages;
}

uint32_t guest_ring_word(uint32_t offset) {
    return has_word(offset) ? __atomic_load_n((uint32_t *)(ring + offset), __ATOMIC_ACQUIRE) : 0;
}

void guest_ring_set_word(uint32_t offset, uint32_t value) {
    if (has_word(offset)) __atomic_store_n((uint32_t *)(ring + offset), value, __ATOMIC_RELEASE);
}
