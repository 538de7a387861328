/* Pages that two compartments share, by Debian's own drivers: gntalloc at the end that grants,
 * gntdev at the end that maps. No pointer leaves this file: the program names rings by number and
 * bytes by place. */
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

enum { page_size = 4096, most_pages = 512, most_rings = 64 };

/* The pages that this program shares. */
static struct ring {
    uint8_t *bytes;
    uint32_t pages;
    /* Where gntdev has them; only of a ring that is mapped. */
    uint64_t index;
} rings[most_rings];

/* Takes a free place for a ring; -ENOSPC when there is none. */
static int take_ring(void *bytes, uint32_t pages, uint64_t index) {
    for (int number = 0; number < most_rings; number++) {
        if (rings[number].bytes != NULL) continue;
        rings[number] = (struct ring){.bytes = bytes, .pages = pages, .index = index};
        return number;
    }
    return -ENOSPC;
}

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
        answer = memory == MAP_FAILED ? -errno : take_ring(memory, pages, 0);
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
        answer = memory == MAP_FAILED ? -errno : take_ring(memory, pages, request->index);
        if (answer < 0) {
            if (memory != MAP_FAILED) munmap(memory, (size_t)pages * page_size);
            struct ioctl_gntdev_unmap_grant_ref undo = {.index = request->index, .count = pages};
            ioctl(device, IOCTL_GNTDEV_UNMAP_GRANT_REF, &undo);
        }
    }
    free(request);
    return answer;
}

/* The ring of a number; NULL when there is none. */
static struct ring *ring_at(int number) {
    if (number < 0 || number >= most_rings || rings[number].bytes == NULL) return NULL;
    return &rings[number];
}

int guest_ring_unmap(int device, int number) {
    struct ring *ring = ring_at(number);
    if (ring == NULL) return -EINVAL;
    if (munmap(ring->bytes, (size_t)ring->pages * page_size) < 0) return -errno;
    struct ioctl_gntdev_unmap_grant_ref request = {.index = ring->index, .count = ring->pages};
    *ring = (struct ring){0};
    return ioctl(device, IOCTL_GNTDEV_UNMAP_GRANT_REF, &request) < 0 ? -errno : 0;
}

/* The word at `offset` of a ring; NULL when it is none. */
static uint32_t *word_at(int number, uint32_t offset) {
    struct ring *ring = ring_at(number);
    if (ring == NULL || offset % 4 != 0 || offset / page_size >= ring->pages) return NULL;
    return (uint32_t *)(ring->bytes + offset);
}

uint32_t guest_ring_word(int number, uint32_t offset) {
    uint32_t *word = word_at(number, offset);
    return word == NULL ? 0 : __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

void guest_ring_set_word(int number, uint32_t offset, uint32_t value) {
    uint32_t *word = word_at(number, offset);
    if (word == NULL) return;
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    /* What is written behind the word is not seen before it either. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Whether `count` bytes at `offset` are a ring's. */
static int has_bytes(const struct ring *ring, uint32_t offset, size_t count) {
    size_t size = ring == NULL ? 0 : (size_t)ring->pages * page_size;
    return offset <= size && count <= size - offset;
}

int guest_ring_read(int number, uint32_t offset, uint8_t *bytes, size_t count) {
    struct ring *ring = ring_at(number);
    if (!has_bytes(ring, offset, count)) return -EINVAL;
    memcpy(bytes, ring->bytes + offset, count);
    return 0;
}

int guest_ring_write(int number, uint32_t offset, const uint8_t *bytes, size_t count) {
    struct ring *ring = ring_at(number);
    if (!has_bytes(ring, offset, count)) return -EINVAL;
    memcpy(ring->bytes + offset, bytes, count);
    return 0;
}
