/* Reads policies, and makes labels that both have. */
#include "judge.h"

#include <stdarg.h>

struct side sides[2];
struct label *labels;
uint32_t label_count;

void *take(size_t count, size_t size) {
    void *found = calloc(count ? count : 1, size);
    if (!found) {
        fputs("policy-judge: no memory\n", stderr);
        exit(2);
    }
    return found;
}

/* Random numbers: splitmix64, by Sebastiano Vigna (public domain). */
static uint64_t state;

void seed_random(uint64_t seed) { state = seed; }

uint64_t next_random(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t below(uint32_t bound) { return bound ? (uint32_t)(next_random() >> 16) % bound : 0; }

/* What was compared. */
static uint64_t asked, telling, differing, differing_before;

void compare(const char *what, bool is_same, bool is_plain, const char *format, ...) {
    asked++;
    if (!is_plain) telling++;
    if (is_same || ++differing > 30) return;
    va_list arguments;
    va_start(arguments, format);
    printf("different %s: ", what);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void report(const char *what) {
    printf("%s: %llu compared, %llu not empty, %llu different\n", what,
           (unsigned long long)asked, (unsigned long long)telling,
           (unsigned long long)(differing - differing_before));
    asked = telling = 0;
    differing_before = differing;
}

bool has_difference(void) { return differing != 0; }

/* Reading. */

static void refuse(const char *path, const char *why) {
    fprintf(stderr, "policy-judge: %s: %s\n", path, why);
    exit(2);
}

void use(struct side *side) {
    sepol_set_policydb(&side->policy);
    sepol_set_sidtab(&side->labels);
}

static void find_members(struct side *side) {
    policydb_t *policy = &side->policy;
    uint32_t count = policy->p_types.nprim;
    side->members = take(count + 1, sizeof(struct members));
    for (uint32_t number = 1; number <= count; number++) {
        struct members *found = &side->members[number];
        type_datum_t *type = policy->type_val_to_struct[number - 1];
        if (!type) continue;
        if (type->flavor != TYPE_ATTRIB) {
            found->types = take(1, sizeof(uint32_t));
            found->types[found->count++] = number;
            continue;
        }
        ebitmap_node_t *node;
        uint32_t bit;
        ebitmap_t *map = &policy->attr_type_map[number - 1];
        found->types = take(ebitmap_length(map), sizeof(uint32_t));
        ebitmap_for_each_positive_bit(map, node, bit) {
            if (bit + 1 != number) found->types[found->count++] = bit + 1;
        }
    }
}

static void find_rules(struct side *side) {
    avtab_t *tables[] = {&side->policy.te_avtab, &side->policy.te_cond_avtab};
    side->rules = take((size_t)tables[0]->nel + tables[1]->nel, sizeof(avtab_ptr_t));
    for (int table = 0; table < 2; table++) {
        for (uint32_t slot = 0; slot < tables[table]->nslot; slot++) {
            avtab_ptr_t rule = tables[table]->htable ? tables[table]->htable[slot] : NULL;
            for (; rule; rule = rule->next) side->rules[side->rule_count++] = rule;
        }
    }
}

void load(struct side *side, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) refuse(path, "cannot be read");
    long size = ftell(file);
    rewind(file);
    char *bytes = take(size, 1);
    if (fread(bytes, 1, size, file) != (size_t)size) refuse(path, "cannot be read");
    fclose(file);
    struct policy_file source;
    policy_file_init(&source);
    source.type = PF_USE_MEMORY;
    source.data = bytes;
    source.len = size;
    if (policydb_init(&side->policy) || policydb_read(&side->policy, &source, 0)) {
        refuse(path, "is refused");
    }
    use(side);
    if (sepol_sidtab_init(&side->labels) || policydb_load_isids(&side->policy, &side->labels)) {
        refuse(path, "its initial labels are refused");
    }
    free(bytes);
    find_members(side);
    find_rules(side);
}

const char *name_of(const struct side *side, int table, uint32_t number) {
    if (!number || number > side->policy.symtab[table].nprim) return NULL;
    return side->policy.sym_val_to_name[table][number - 1];
}

uint32_t other_number(int from, int table, uint32_t number) {
    const char *name = name_of(&sides[from], table, number);
    symtab_datum_t *found =
        name ? hashtab_search(sides[1 - from].policy.symtab[table].table, name) : NULL;
    return found ? found->value : 0;
}

/* Labels. */

static uint32_t *label_heads, *label_counts;

/* Writes a random level of a user's range; the second is at least the first. */
static void write_level(char *text, size_t size, policydb_t *policy, user_datum_t *user,
                        mls_level_t *least, mls_level_t *made) {
    mls_range_t *range = &user->exp_range;
    uint32_t low = least ? least->sens : range->level[0].sens, high = range->level[1].sens;
    made->sens = low + below(high - low + 1);
    const char *mark = ":";
    snprintf(text, size, "%s", policy->p_sens_val_to_name[made->sens - 1]);
    ebitmap_node_t *node;
    uint32_t bit, chosen = below(4);
    ebitmap_for_each_positive_bit(&range->level[1].cat, node, bit) {
        bool is_needed = least ? ebitmap_get_bit(&least->cat, bit) : false;
        bool is_chosen = chosen == 1 ? below(64) == 0 : chosen == 2 ? below(2) == 0 : chosen == 3;
        if (!is_needed && !is_chosen) continue;
        ebitmap_set_bit(&made->cat, bit, 1);
        size_t length = strlen(text);
        snprintf(text + length, size - length, "%s%s", mark, policy->p_cat_val_to_name[bit]);
        mark = ",";
    }
}

/* Adds a label when both sides take it; that both do, or neither, is compared. */
static void add_label(uint32_t user, uint32_t role, uint32_t type) {
    policydb_t *policy = &sides[0].policy;
    static char text[1 << 18], level[1 << 16];
    size_t length = snprintf(text, sizeof text, "%s:%s:%s", policy->p_user_val_to_name[user - 1],
                             policy->p_role_val_to_name[role - 1],
                             policy->p_type_val_to_name[type - 1]);
    if (policy->mls) {
        mls_level_t low = {0}, high = {0};
        user_datum_t *datum = policy->user_val_to_struct[user - 1];
        write_level(level, sizeof level, policy, datum, NULL, &low);
        length += snprintf(text + length, sizeof text - length, ":%s", level);
        if (below(2)) {
            write_level(level, sizeof level, policy, datum, &low, &high);
            snprintf(text + length, sizeof text - length, "-%s", level);
        }
        mls_level_destroy(&low);
        mls_level_destroy(&high);
    }
    struct label *label = &labels[label_count];
    int status[2];
    for (int side = 0; side < 2; side++) {
        use(&sides[side]);
        status[side] = sepol_context_to_sid(text, strlen(text) + 1, &label->sid[side]);
    }
    compare("validity", !status[0] == !status[1], status[0], "%s", text);
    if (status[0] || status[1]) return;
    label->text = strdup(text);
    label->role = role;
    label->type = type;
    label_count++;
}

/* A user that has a role, searched from a random place; 0 when there is none. */
static uint32_t user_of(uint32_t role) {
    policydb_t *policy = &sides[0].policy;
    uint32_t count = policy->p_users.nprim, start = below(count);
    for (uint32_t step = 0; step < count; step++) {
        uint32_t user = (start + step) % count;
        user_datum_t *datum = policy->user_val_to_struct[user];
        if (datum && ebitmap_get_bit(&datum->roles.roles, role - 1)) return user + 1;
    }
    return 0;
}

static uint32_t role_of(uint32_t type) {
    policydb_t *policy = &sides[0].policy;
    uint32_t count = policy->p_roles.nprim, start = below(count);
    for (uint32_t step = 0; step < count; step++) {
        uint32_t role = (start + step) % count;
        role_datum_t *datum = policy->role_val_to_struct[role];
        /* Attributes have numbers too, and are not in the file. */
        if (datum && ebitmap_get_bit(&datum->types.types, type - 1) && user_of(role + 1)) {
            return role + 1;
        }
    }
    return OBJECT_R_VAL;
}

static int by_type(const void *one, const void *other) {
    const struct label *first = one, *second = other;
    return first->type < second->type ? -1 : first->type > second->type;
}

void make_labels(uint32_t count) {
    policydb_t *policy = &sides[0].policy;
    uint32_t types = policy->p_types.nprim, users = policy->p_users.nprim;
    labels = take((size_t)types + count, sizeof(struct label));
    for (uint32_t step = 0; step < types + count; step++) {
        uint32_t type = step < types ? step + 1 : below(types) + 1;
        type_datum_t *datum = policy->type_val_to_struct[type - 1];
        if (!datum || datum->flavor == TYPE_ATTRIB) continue;
        /* One in eight is of any role and user, and mostly not valid. */
        bool is_any = step >= types && below(8) == 0;
        uint32_t role = is_any ? below(policy->p_roles.nprim) + 1 : role_of(type);
        uint32_t user = is_any || role == OBJECT_R_VAL ? below(users) + 1 : user_of(role);
        if (name_of(&sides[0], SYM_ROLES, role) && name_of(&sides[0], SYM_USERS, user)) {
            add_label(user, role, type);
        }
    }
    qsort(labels, label_count, sizeof(struct label), by_type);
    label_heads = take(types + 1, sizeof(uint32_t));
    label_counts = take(types + 1, sizeof(uint32_t));
    for (uint32_t index = 0; index < label_count; index++) {
        if (!label_counts[labels[index].type]++) label_heads[labels[index].type] = index;
    }
    report("labels that are valid");
    if (label_count == 0) {
        fputs("policy-judge: the policies have no label in common\n", stderr);
        exit(1);
    }
}

struct label *label_of(uint32_t type) {
    if (type > sides[0].policy.p_types.nprim || !type || !label_counts[type]) {
        return &labels[below(label_count)];
    }
    return &labels[label_heads[type] + below(label_counts[type])];
}

bool same_label(int first, sepol_security_id_t one, int second, sepol_security_id_t other) {
    if (first || second) return !first == !second;
    char *texts[2] = {NULL, NULL};
    size_t size;
    use(&sides[0]);
    bool is_known = !sepol_sid_to_context(one, &texts[0], &size);
    use(&sides[1]);
    is_known = !sepol_sid_to_context(other, &texts[1], &size) && is_known;
    bool is_same = is_known && !strcmp(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
    return is_same;
}
