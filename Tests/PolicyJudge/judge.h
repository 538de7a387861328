/* Compares two policies by asking libsepol's security server the same questions of both.

   For: a judge of compilers that shares no code with ours. Nothing that ships links it. */
#ifndef POLICY_JUDGE_H
#define POLICY_JUDGE_H

#include <sepol/policydb/conditional.h>
#include <sepol/policydb/policydb.h>
#include <sepol/policydb/services.h>
#include <sepol/policydb/sidtab.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libsepol asks one policy at a time; `use` says which. */
struct side {
    policydb_t policy;
    sidtab_t labels;
    /* For each type or attribute of the policy the types that it stands for. */
    struct members {
        uint32_t count;
        uint32_t *types;
    } *members;
    /* Every access rule, also those of conditionals. */
    avtab_ptr_t *rules;
    uint32_t rule_count;
};

/* A label that both policies have, by its number in each, and its type in the first. */
struct label {
    sepol_security_id_t sid[2];
    char *text;
    uint32_t role, type;
};

extern struct side sides[2];
extern struct label *labels;
extern uint32_t label_count;

void load(struct side *side, const char *path);
void use(struct side *side);
void *take(size_t count, size_t size);

/* The same number for both sides of a type, class or role of side `from`; 0 when the other has
   no such name. */
uint32_t other_number(int from, int table, uint32_t number);
const char *name_of(const struct side *side, int table, uint32_t number);

uint64_t next_random(void);
void seed_random(uint64_t seed);
uint32_t below(uint32_t bound);

/* Notes one comparison; a difference is printed, the first thirty in words. */
void compare(const char *what, bool is_same, bool is_plain, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends a part of the work with one line: how much was asked, and how much said something. */
void report(const char *what);
bool has_difference(void);

void make_labels(uint32_t count);
/* A label of a type of the first side, else any. */
struct label *label_of(uint32_t type);
/* Whether both sides answer with the same label, or neither does. `made` may be NULL. */
bool same_label(int first, sepol_security_id_t one, int second, sepol_security_id_t other);

void judge_symbols(void);
void judge_decisions(uint32_t count);
/* Writes what one policy grants: labels, class and permissions, one decision a line. */
void list_decisions(uint32_t count);
void judge_operations(void);
void judge_transitions(uint32_t count);
void judge_named_transitions(void);
void judge_relabelling(uint32_t count);
void judge_initial_labels(void);
void judge_linux_labels(void);
void judge_xen_labels(void);

#endif
