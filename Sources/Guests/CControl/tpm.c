/* The compartment's TPM, as Linux has it: one command at a time, each with an opening of its own,
 * so that other programs of the compartment have their turn. */
#define _GNU_SOURCE

#include "CControl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* One command. The thread alone uses it while `state` is `running`, the caller alone otherwise. */
static struct {
    pthread_t thread;
    int device, answer;
    size_t count;
    uint8_t bytes[control_tpm_bytes];
    atomic_int state;
} job;
enum { idle, running, done };

static void *run(void *nothing) {
    (void)nothing;
    ssize_t count = write(job.device, job.bytes, job.count);
    if (count >= 0) count = read(job.device, job.bytes, sizeof job.bytes);
    /* A device that gives nothing has failed; 0 would mean that it still runs. */
    job.answer = count > 0 ? (int)count : count < 0 ? -errno : -EIO;
    close(job.device);
    atomic_store_explicit(&job.state, done, memory_order_release);
    return NULL;
}

int control_tpm_begin(const uint8_t *command, size_t count) {
    if (atomic_load_explicit(&job.state, memory_order_acquire) != idle) return -EBUSY;
    if (count > sizeof job.bytes) return -E2BIG;
    job.device = open("/dev/tpm0", O_RDWR | O_CLOEXEC);
    if (job.device < 0) return -errno;
    memcpy(job.bytes, command, count);
    job.count = count;
    atomic_store_explicit(&job.state, running, memory_order_release);
    int error = pthread_create(&job.thread, NULL, run, NULL);
    if (error == 0) return 0;
    atomic_store_explicit(&job.state, idle, memory_order_release);
    close(job.device);
    return -error;
}

int control_tpm_take(uint8_t *response, size_t capacity) {
    if (atomic_load_explicit(&job.state, memory_order_acquire) != done) return 0;
    pthread_join(job.thread, NULL);
    int answer = job.answer;
    if (answer > 0) {
        if ((size_t)answer > capacity) answer = -EMSGSIZE;
        else memcpy(response, job.bytes, (size_t)answer);
    }
    atomic_store_explicit(&job.state, idle, memory_order_release);
    return answer;
}
