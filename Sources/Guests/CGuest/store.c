/* The store, as Debian's kernel serves it to programs: one request, one answer. */
#define _GNU_SOURCE

#include "CGuest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

enum { page_size = 4096 };

/* Reads exactly `count` bytes; the driver hands out an answer in pieces. */
static int read_all(int device, void *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t piece = read(device, (uint8_t *)bytes + done, count - done);
        if (piece < 0) return -errno;
        if (piece == 0) return -EIO;
        done += (size_t)piece;
    }
    return 0;
}

/* The number of an error that the store names. */
static int number_of(const char *name, size_t count) {
    static const struct {
        const char *name;
        int number;
    } known[] = {{"EACCES", EACCES}, {"ENOENT", ENOENT}, {"EINVAL", EINVAL},
                 {"ENOSPC", ENOSPC}, {"EPERM", EPERM},   {"E2BIG", E2BIG}};
    for (size_t index = 0; index < sizeof known / sizeof known[0]; index++) {
        size_t length = strlen(known[index].name);
        if (count >= length && memcmp(name, known[index].name, length) == 0) {
            return known[index].number;
        }
    }
    return EIO;
}

/* One request about the node `path`; returns the size of what was answered. */
static int ask(uint32_t type, const char *path, const uint8_t *value, size_t count,
               uint8_t *answer, size_t capacity) {
    static uint8_t bytes[sizeof(struct xsd_sockmsg) + page_size];
    size_t length = strlen(path) + 1;
    if (length + count > page_size) return -E2BIG;
    struct xsd_sockmsg message = {.type = type, .req_id = 1, .len = (uint32_t)(length + count)};
    memcpy(bytes, &message, sizeof message);
    memcpy(bytes + sizeof message, path, length);
    if (count > 0) memcpy(bytes + sizeof message + length, value, count);
    size_t size = sizeof message + length + count;

    int device = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
    if (device < 0) return -errno;
    ssize_t written = write(device, bytes, size);
    int result = written < 0 ? -errno : (size_t)written == size ? 0 : -EIO;
    if (result == 0) result = read_all(device, &message, sizeof message);
    if (result == 0 && message.len > page_size) result = -EIO;
    if (result == 0) result = read_all(device, bytes, message.len);
    close(device);
    if (result < 0) return result;
    if (message.type == XS_ERROR) return -number_of((const char *)bytes, message.len);
    if (message.len > capacity) return -E2BIG;
    if (message.len > 0 && capacity > 0) memcpy(answer, bytes, message.len);
    return (int)message.len;
}

int guest_store_read(const char *path, uint8_t *value, size_t capacity) {
    return ask(XS_READ, path, NULL, 0, value, capacity);
}

int guest_store_write(const char *path, const uint8_t *value, size_t count) {
    uint8_t answer[8];
    int result = ask(XS_WRITE, path, value, count, answer, sizeof answer);
    return result < 0 ? result : 0;
}
