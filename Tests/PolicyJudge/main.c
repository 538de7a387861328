/* policy-judge: whether two policies decide and label alike, by libsepol. */
#include "judge.h"

#include <sepol/debug.h>

static const char usage[] =
    "usage: policy-judge [--decisions N] [--seed N] FIRST SECOND\n"
    "       policy-judge --list [--decisions N] [--seed N] POLICY\n"
    "\n"
    "Reads two binary policies and asks libsepol the same of both. Exit status: 0 they answer\n"
    "alike, 1 they do not, 2 one cannot be read, 64 the command line is wrong. With --list it\n"
    "writes what libsepol decides of one.\n";

static uint64_t number(const char *text) {
    char *end;
    unsigned long long found = strtoull(text, &end, 10);
    if (*end || !*text || *text == '-') {
        fputs(usage, stderr);
        exit(64);
    }
    return found;
}

int main(int argc, char **argv) {
    uint64_t decisions = 1000000, seed = 1;
    const char *paths[2];
    int count = 0;
    bool is_list = false;
    for (int place = 1; place < argc; place++) {
        if (!strcmp(argv[place], "--decisions") && place + 1 < argc) {
            decisions = number(argv[++place]);
        } else if (!strcmp(argv[place], "--seed") && place + 1 < argc) {
            seed = number(argv[++place]);
        } else if (!strcmp(argv[place], "--list")) {
            is_list = true;
        } else if (count < 2 && argv[place][0] != '-') {
            paths[count++] = argv[place];
        } else {
            count = 3;
        }
    }
    if (is_list && count == 1) paths[count++] = paths[0];
    if (count != 2 || decisions == 0 || decisions > 1000000000) {
        fputs(usage, stderr);
        return 64;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    sepol_debug(0);
    seed_random(seed);
    for (int side = 0; side < 2; side++) load(&sides[side], paths[side]);
    uint32_t fewer = decisions / 20 < 20000 ? decisions / 20 + 1 : 20000;
    printf("seed=%llu\n", (unsigned long long)seed);
    if (is_list) {
        make_labels(200);
        list_decisions(decisions);
        return 0;
    }
    judge_symbols();
    make_labels(fewer < 5000 ? fewer + 50 : 5000);
    judge_decisions(decisions);
    judge_operations();
    judge_transitions(fewer / 4 + 100);
    judge_named_transitions();
    judge_relabelling(fewer / 10 + 1);
    judge_initial_labels();
    if (sides[0].policy.target_platform == sides[1].policy.target_platform) {
        if (sides[0].policy.target_platform == SEPOL_TARGET_XEN) {
            judge_xen_labels();
        } else {
            judge_linux_labels();
        }
    }
    puts(has_difference() ? "the policies differ" : "the policies answer alike");
    return has_difference();
}
