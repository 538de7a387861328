/* Requests to Linux. */
#define _GNU_SOURCE

#include "CControl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int control_random(uint8_t *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t piece = getrandom(bytes + done, count - done, 0);
        if (piece < 0 && errno != EINTR) return -errno;
        if (piece > 0) done += (size_t)piece;
    }
    return 0;
}

int control_read_file(const char *path, uint8_t *bytes, size_t capacity) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    ssize_t count = read(file, bytes, capacity);
    int answer = count < 0 ? -errno : (int)count;
    close(file);
    return answer;
}

int control_write(const uint8_t *bytes, size_t count) {
    ssize_t written = write(STDOUT_FILENO, bytes, count);
    return written < 0 ? -errno : (int)written;
}

uint64_t control_milliseconds(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void control_sleep(uint32_t milliseconds) {
    struct timespec span = {
        .tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    nanosleep(&span, NULL);
}
