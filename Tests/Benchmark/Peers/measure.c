/* Runs a command several times, its output thrown away, and prints for each run the wall time and
   the processor time in microseconds and the peak resident memory in KiB. Ends with 1 when a run
   ends with a status that is not the one expected. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: measure COUNT STATUS COMMAND [ARGUMENT...]\n", stderr);
        return 64;
    }
    int count = atoi(argv[1]), expected = atoi(argv[2]);
    for (int run = 0; run < count; run++) {
        struct timespec start, end;
        struct rusage usage;
        int status;
        clock_gettime(CLOCK_MONOTONIC, &start);
        pid_t child = vfork();
        if (child < 0) return 1;
        if (child == 0) {
            int null = open("/dev/null", O_WRONLY);
            dup2(null, 1);
            execvp(argv[3], argv + 3);
            _exit(127);
        }
        if (wait4(child, &status, 0, &usage) != child) return 1;
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
            fprintf(stderr, "%s ended with %d\n", argv[3], WEXITSTATUS(status));
            return 1;
        }
        printf("%ld %ld %ld\n",
               (end.tv_sec - start.tv_sec) * 1000000L + (end.tv_nsec - start.tv_nsec) / 1000,
               (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L
                   + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
               usage.ru_maxrss);
    }
    return 0;
}
