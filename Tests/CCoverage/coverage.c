#include "CCoverage.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

// The section that the compiler puts the counters into. The linker makes the symbols when there is
// one.
extern uint64_t __start___llvm_prf_cnts[] __attribute__((weak));
extern uint64_t __stop___llvm_prf_cnts[] __attribute__((weak));

enum { largest_input = 1 << 20 };

static uint64_t *totals;
static uint8_t *seen;
static uint64_t work;
static uint8_t input[largest_input];
static size_t input_count;
static volatile sig_atomic_t inputs_begun;
static volatile sig_atomic_t inputs_at_last_tick;
static volatile unsigned ticks;
static unsigned most_ticks;
static char input_path[4096];

size_t coverage_count(void) {
    return (size_t)(__stop___llvm_prf_cnts - __start___llvm_prf_cnts);
}

static void put(const char *text) {
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static void give_up(const char *reason) {
    int file = open(input_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    size_t done = 0;
    while (file >= 0 && done < input_count) {
        ssize_t written = write(file, input + done, input_count - done);
        if (written <= 0) break;
        done += (size_t)written;
    }
    put(reason);
    put("; the input is in ");
    put(input_path);
    put("\n");
    _exit(1);
}

static void on_trap(int number) {
    (void)number;
    give_up("an input trapped");
}

static void on_tick(int number) {
    (void)number;
    if (inputs_at_last_tick != inputs_begun) {
        inputs_at_last_tick = inputs_begun;
        ticks = 0;
    } else if (++ticks > most_ticks) {
        give_up("an input does not end");
    }
}

void coverage_guard(const char *path, unsigned seconds) {
    strncpy(input_path, path, sizeof input_path - 1);
    most_ticks = seconds;
    const int traps[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
    for (size_t index = 0; index < sizeof traps / sizeof *traps; index++)
        signal(traps[index], on_trap);
    signal(SIGVTALRM, on_tick);
    const struct itimerval second = {{1, 0}, {1, 0}};
    setitimer(ITIMER_VIRTUAL, &second, NULL);
    const struct rlimit memory = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    setrlimit(RLIMIT_AS, &memory);
    totals = calloc(coverage_count() + 1, sizeof *totals);
    seen = calloc(coverage_count() + 1, sizeof *seen);
    if (!totals || !seen) abort();
}

void coverage_begin(const uint8_t *bytes, size_t count) {
    input_count = count < largest_input ? count : largest_input;
    memcpy(input, bytes, input_count);
    inputs_begun++;
    memset(__start___llvm_prf_cnts, 0, coverage_count() * sizeof(uint64_t));
}

// Returns one bit for how often: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more.
static uint8_t bucket(uint64_t times) {
    if (times <= 3) return (uint8_t)(1 << (times - 1));
    if (times <= 7) return 8;
    if (times <= 15) return 16;
    if (times <= 31) return 32;
    return times <= 127 ? 64 : 128;
}

size_t coverage_end(void) {
    const size_t count = coverage_count();
    size_t fresh = 0;
    work = 0;
    for (size_t index = 0; index < count; index++) {
        const uint64_t times = __start___llvm_prf_cnts[index];
        if (times == 0) continue;
        work += times;
        totals[index] += times;
        const uint8_t bit = bucket(times);
        if (seen[index] & bit) continue;
        seen[index] |= bit;
        fresh++;
    }
    return fresh;
}

uint64_t coverage_work(void) { return work; }

void coverage_finish(void) {
    const struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_VIRTUAL, &never, NULL);
    memcpy(__start___llvm_prf_cnts, totals, coverage_count() * sizeof(uint64_t));
}
