/* The peer of reading a policy: libsepol's sepol_policydb_read, from memory. Prints microseconds,
   one line for each run. */
#include <sepol/policydb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: sepol-read FILE COUNT\n", stderr);
        return 64;
    }
    FILE *file = fopen(argv[1], "rb");
    if (!file || fseek(file, 0, SEEK_END)) return 1;
    long size = ftell(file);
    rewind(file);
    char *bytes = malloc(size);
    if (!bytes || fread(bytes, 1, size, file) != (size_t)size) return 1;
    fclose(file);
    for (int run = 0; run < atoi(argv[2]); run++) {
        struct timespec start, end;
        sepol_policy_file_t *source;
        sepol_policydb_t *policy;
        if (sepol_policy_file_create(&source) || sepol_policydb_create(&policy)) return 1;
        sepol_policy_file_set_mem(source, bytes, size);
        clock_gettime(CLOCK_MONOTONIC, &start);
        if (sepol_policydb_read(policy, source)) return 1;
        clock_gettime(CLOCK_MONOTONIC, &end);
        sepol_policydb_free(policy);
        sepol_policy_file_free(source);
        printf("%ld\n",
               (end.tv_sec - start.tv_sec) * 1000000L + (end.tv_nsec - start.tv_nsec) / 1000);
    }
    return 0;
}
