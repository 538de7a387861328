/* Asks both policies for decisions, transitions and changes of labels. */
#include "judge.h"

/* Symbols: each name of one side is one of the other's, with what belongs to it. */

struct symbol_walk {
    int from, table;
};

static bool same_permissions(class_datum_t *one, class_datum_t *other) {
    if (one->permissions.nprim != other->permissions.nprim) return false;
    if (!one->comkey != !other->comkey) return false;
    if (one->comkey && strcmp(one->comkey, other->comkey)) return false;
    hashtab_t table = one->permissions.table;
    for (uint32_t slot = 0; slot < table->size; slot++) {
        for (hashtab_ptr_t node = table->htable[slot]; node; node = node->next) {
            perm_datum_t *first = node->datum;
            perm_datum_t *second = hashtab_search(other->permissions.table, node->key);
            if (!second || first->s.value != second->s.value) return false;
        }
    }
    return true;
}

static int judge_symbol(hashtab_key_t name, hashtab_datum_t datum, void *context) {
    struct symbol_walk *walk = context;
    policydb_t *policy = &sides[walk->from].policy;
    type_datum_t *type = datum;
    /* Attributes decide nothing by themselves, and compilers leave some out. */
    if (walk->table == SYM_TYPES && type->flavor == TYPE_ATTRIB) return 0;
    void *other = hashtab_search(sides[1 - walk->from].policy.symtab[walk->table].table, name);
    bool is_same = other != NULL;
    if (other && walk->table == SYM_CLASSES) is_same = same_permissions(datum, other);
    if (other && walk->table == SYM_BOOLS) {
        is_same = ((cond_bool_datum_t *)datum)->state == ((cond_bool_datum_t *)other)->state;
    }
    if (other && walk->table == SYM_TYPES) {
        uint32_t number = other_number(walk->from, SYM_TYPES, type->s.value);
        is_same = number == ((type_datum_t *)other)->s.value
                  && ebitmap_get_bit(&policy->permissive_map, type->s.value)
                         == ebitmap_get_bit(&sides[1 - walk->from].policy.permissive_map, number);
    }
    static const char *const kinds[] = {"common", "class", "role", "type",
                                        "user", "Boolean", "sensitivity", "category"};
    compare(kinds[walk->table], is_same, false, "%s", name);
    return 0;
}

static void judge_head(void) {
    policydb_t *one = &sides[0].policy, *other = &sides[1].policy;
    compare("target", one->target_platform == other->target_platform, false, "target");
    compare("levels", one->mls == other->mls, false, "levels");
    compare("handling of the unknown", one->handle_unknown == other->handle_unknown, false, "it");
    compare("capabilities", ebitmap_cmp(&one->policycaps, &other->policycaps), false, "them");
}

static void judge_role_rules(int from) {
    policydb_t *other = &sides[1 - from].policy;
    for (role_allow_t *rule = sides[from].policy.role_allow; rule; rule = rule->next) {
        uint32_t role = other_number(from, SYM_ROLES, rule->role);
        uint32_t new = other_number(from, SYM_ROLES, rule->new_role);
        role_allow_t *found = other->role_allow;
        while (found && (found->role != role || found->new_role != new)) found = found->next;
        compare("role allow", found, false, "%s to %s",
                name_of(&sides[from], SYM_ROLES, rule->role),
                name_of(&sides[from], SYM_ROLES, rule->new_role));
    }
}

void judge_symbols(void) {
    judge_head();
    for (int from = 0; from < 2; from++) {
        for (int table = 0; table < SYM_NUM; table++) {
            struct symbol_walk walk = {from, table};
            hashtab_map(sides[from].policy.symtab[table].table, judge_symbol, &walk);
        }
        judge_role_rules(from);
    }
    report("symbols and role allows");
}

/* Decisions. */

/* A type of the first side that a type or attribute of a side stands for. */
static uint32_t member(int side, uint32_t number) {
    struct members *found = &sides[side].members[number];
    if (!found->count) return 0;
    uint32_t type = found->types[below(found->count)];
    return side == 0 ? type : other_number(1, SYM_TYPES, type);
}

static uint32_t permission_mask(uint32_t objectClass) {
    class_datum_t *found = sides[0].policy.class_val_to_struct[objectClass - 1];
    uint32_t count = found ? found->permissions.nprim : 0;
    return count >= 32 ? UINT32_MAX : (UINT32_C(1) << count) - 1;
}

static void judge_decision(struct label *source, struct label *target, uint32_t objectClass) {
    struct sepol_av_decision found[2];
    int status[2];
    uint32_t numbers[2] = {objectClass, other_number(0, SYM_CLASSES, objectClass)};
    for (int side = 0; side < 2; side++) {
        use(&sides[side]);
        memset(&found[side], 0, sizeof found[side]);
        status[side] = sepol_compute_av(source->sid[side], target->sid[side], numbers[side], 0,
                                        &found[side]);
    }
    uint32_t mask = permission_mask(objectClass);
    bool is_same = !status[0] == !status[1]
                   && !((found[0].allowed ^ found[1].allowed) & mask)
                   && !((found[0].auditallow ^ found[1].auditallow) & mask)
                   && !((found[0].auditdeny ^ found[1].auditdeny) & mask);
    compare("decision", is_same, !(found[0].allowed & mask),
            "%s %s %s: allowed %x and %x, recorded %x and %x when allowed, %x and %x when not",
            source->text, target->text, name_of(&sides[0], SYM_CLASSES, objectClass),
            found[0].allowed, found[1].allowed, found[0].auditallow, found[1].auditallow,
            found[0].auditdeny, found[1].auditdeny);
}

static void set_booleans(uint32_t round) {
    uint32_t count = sides[0].policy.p_bools.nprim;
    for (uint32_t number = 1; number <= count; number++) {
        uint32_t other = other_number(0, SYM_BOOLS, number);
        int state = round == 0 ? sides[0].policy.bool_val_to_struct[number - 1]->state
                               : (int)below(2);
        sides[0].policy.bool_val_to_struct[number - 1]->state = state;
        if (other) sides[1].policy.bool_val_to_struct[other - 1]->state = state;
    }
    for (int side = 0; side < 2; side++) {
        use(&sides[side]);
        evaluate_conds(&sides[side].policy);
    }
}

/* Half of what is asked is about a rule of either side, the other half about anything: most of the
   latter is denied. In eight rounds with other Booleans. */
void judge_decisions(uint32_t count) {
    uint32_t classes = sides[0].policy.p_classes.nprim;
    for (uint32_t step = 0; step < count; step++) {
        if (step % (count / 8 + 1) == 0) set_booleans(step / (count / 8 + 1));
        int side = step >> 1 & 1;
        struct label *source = &labels[below(label_count)], *target = &labels[below(label_count)];
        uint32_t objectClass = below(classes) + 1;
        if (step & 1 && sides[side].rule_count) {
            avtab_key_t *key = &sides[side].rules[below(sides[side].rule_count)]->key;
            uint32_t number = key->target_class;
            source = label_of(member(side, key->source_type));
            target = label_of(member(side, key->target_type));
            objectClass = side == 0 ? number : other_number(1, SYM_CLASSES, number);
        }
        if (objectClass) judge_decision(source, target, objectClass);
    }
    report("decisions, in eight settings of the Booleans");
    set_booleans(0);
}

static int write_permission(hashtab_key_t name, hashtab_datum_t datum, void *granted) {
    uint32_t bit = ((perm_datum_t *)datum)->s.value - 1;
    if (*(uint32_t *)granted >> bit & 1) printf(" %s", name);
    return 0;
}

void list_decisions(uint32_t count) {
    use(&sides[0]);
    for (uint32_t step = 0; step < count; step++) {
        struct label *source = &labels[below(label_count)], *target = &labels[below(label_count)];
        uint32_t objectClass = below(sides[0].policy.p_classes.nprim) + 1;
        if (step & 1 && sides[0].rule_count) {
            avtab_key_t *key = &sides[0].rules[below(sides[0].rule_count)]->key;
            source = label_of(member(0, key->source_type));
            target = label_of(member(0, key->target_type));
            objectClass = key->target_class;
        }
        struct sepol_av_decision found = {0};
        if (sepol_compute_av(source->sid[0], target->sid[0], objectClass, 0, &found)) continue;
        class_datum_t *holder = sides[0].policy.class_val_to_struct[objectClass - 1];
        printf("%s %s %s", source->text, target->text,
               name_of(&sides[0], SYM_CLASSES, objectClass));
        if (holder->comdatum) {
            hashtab_map(holder->comdatum->permissions.table, write_permission, &found.allowed);
        }
        hashtab_map(holder->permissions.table, write_permission, &found.allowed);
        putchar('\n');
    }
}

/* Operations: libsepol's server does not decide them, so the rules are gathered by its tables. */

static void gather(struct side *side, uint32_t source, uint32_t target, uint32_t objectClass,
                   uint16_t kind, uint8_t *found) {
    ebitmap_t *map = side->policy.type_attr_map;
    ebitmap_node_t *one, *other;
    uint32_t i, j;
    ebitmap_for_each_positive_bit(&map[source - 1], one, i) {
        ebitmap_for_each_positive_bit(&map[target - 1], other, j) {
            avtab_key_t key = {i + 1, j + 1, objectClass, kind};
            avtab_ptr_t rule = avtab_search_node(&side->policy.te_avtab, &key);
            for (; rule; rule = avtab_search_node_next(rule, kind)) {
                avtab_extended_perms_t *set = rule->datum.xperms;
                for (uint32_t bit = 0; bit < 256; bit++) {
                    if (!(set->perms[bit >> 5] >> (bit & 31) & 1)) continue;
                    if (set->specified == AVTAB_XPERMS_IOCTLDRIVER) {
                        memset(found + bit * 256, 1, 256);
                    } else {
                        found[set->driver * 256 + bit] = 1;
                    }
                }
            }
        }
    }
}

void judge_operations(void) {
    for (int from = 0; from < 2; from++) {
        for (uint32_t index = 0; index < sides[from].rule_count; index++) {
            avtab_key_t *key = &sides[from].rules[index]->key;
            uint16_t kind = key->specified & AVTAB_XPERMS;
            if (!kind) continue;
            for (int turn = 0; turn < 8; turn++) {
                uint32_t source = member(from, key->source_type);
                uint32_t target = member(from, key->target_type);
                uint32_t objectClass = from == 0 ? key->target_class
                                                 : other_number(1, SYM_CLASSES, key->target_class);
                if (!source || !target || !objectClass) continue;
                static uint8_t found[2][1 << 16];
                memset(found, 0, sizeof found);
                gather(&sides[0], source, target, objectClass, kind, found[0]);
                gather(&sides[1], other_number(0, SYM_TYPES, source),
                       other_number(0, SYM_TYPES, target),
                       other_number(0, SYM_CLASSES, objectClass), kind, found[1]);
                compare("operations", !memcmp(found[0], found[1], sizeof found[0]), false,
                        "%s %s", name_of(&sides[0], SYM_TYPES, source),
                        name_of(&sides[0], SYM_TYPES, target));
            }
        }
    }
    report("sets of operations");
}

/* Transitions. */

typedef int question(sepol_security_id_t, sepol_security_id_t, sepol_security_class_t,
                     sepol_security_id_t *);

/* `kinds`: which of the questions, as access rules have them. */
static void judge_new_label(struct label *source, struct label *target, uint32_t objectClass,
                            uint16_t kinds) {
    static question *const questions[] = {sepol_transition_sid, sepol_member_sid,
                                          sepol_change_sid};
    static const char *const names[] = {"transition", "member", "change"};
    static const uint16_t rules[] = {AVTAB_TRANSITION, AVTAB_MEMBER, AVTAB_CHANGE};
    uint32_t numbers[2] = {objectClass, other_number(0, SYM_CLASSES, objectClass)};
    if (!numbers[0] || !numbers[1]) return;
    for (int kind = 0; kind < 3; kind++) {
        if (!(kinds & rules[kind])) continue;
        sepol_security_id_t made[2] = {0, 0};
        int status[2];
        for (int side = 0; side < 2; side++) {
            use(&sides[side]);
            status[side] = questions[kind](source->sid[side], target->sid[side], numbers[side],
                                           &made[side]);
        }
        compare(names[kind], same_label(status[0], made[0], status[1], made[1]), status[0],
                "%s %s %s", source->text, target->text,
                name_of(&sides[0], SYM_CLASSES, objectClass));
    }
}

struct range_walk {
    int from;
};

static int judge_range(hashtab_key_t key, hashtab_datum_t datum, void *context) {
    struct range_walk *walk = context;
    range_trans_t *rule = (range_trans_t *)key;
    (void)datum;
    uint32_t number = rule->target_class;
    judge_new_label(label_of(member(walk->from, rule->source_type)),
                    label_of(member(walk->from, rule->target_type)),
                    walk->from == 0 ? number : other_number(1, SYM_CLASSES, number),
                    AVTAB_TRANSITION);
    return 0;
}

/* A label with a role of a side, found by chance. */
static struct label *label_with_role(int side, uint32_t role) {
    uint32_t number = side == 0 ? role : other_number(1, SYM_ROLES, role);
    struct label *found = &labels[below(label_count)];
    for (int turn = 0; turn < 4096 && found->role != number; turn++) {
        found = &labels[below(label_count)];
    }
    return found;
}

void judge_transitions(uint32_t count) {
    uint32_t classes = sides[0].policy.p_classes.nprim;
    for (int from = 0; from < 2; from++) {
        for (uint32_t index = 0; index < sides[from].rule_count; index++) {
            avtab_key_t *key = &sides[from].rules[index]->key;
            if (!(key->specified & AVTAB_TYPE)) continue;
            uint32_t number = key->target_class;
            judge_new_label(label_of(member(from, key->source_type)),
                            label_of(member(from, key->target_type)),
                            from == 0 ? number : other_number(1, SYM_CLASSES, number),
                            key->specified & AVTAB_TYPE);
        }
        struct range_walk walk = {from};
        hashtab_map(sides[from].policy.range_tr, judge_range, &walk);
        for (role_trans_t *rule = sides[from].policy.role_tr; rule; rule = rule->next) {
            judge_new_label(label_with_role(from, rule->role), label_of(member(from, rule->type)),
                            from == 0 ? rule->tclass
                                      : other_number(1, SYM_CLASSES, rule->tclass),
                            AVTAB_TRANSITION);
        }
    }
    for (uint32_t step = 0; step < count; step++) {
        judge_new_label(&labels[below(label_count)], &labels[below(label_count)],
                        below(classes) + 1, AVTAB_TYPE);
    }
    report("transitions, members and changes");
}

static int judge_named(hashtab_key_t key, hashtab_datum_t datum, void *context) {
    int from = *(int *)context;
    filename_trans_key_t *rule = (filename_trans_key_t *)key;
    filename_trans_key_t other = {other_number(from, SYM_TYPES, rule->ttype),
                                  other_number(from, SYM_CLASSES, rule->tclass), rule->name};
    for (filename_trans_datum_t *made = datum; made; made = made->next) {
        ebitmap_node_t *node;
        uint32_t bit;
        ebitmap_for_each_positive_bit(&made->stypes, node, bit) {
            uint32_t source = other_number(from, SYM_TYPES, bit + 1);
            filename_trans_datum_t *found =
                hashtab_search(sides[1 - from].policy.filename_trans, (hashtab_key_t)&other);
            while (found && (!source || !ebitmap_get_bit(&found->stypes, source - 1))) {
                found = found->next;
            }
            compare("named transition",
                    found && found->otype == other_number(from, SYM_TYPES, made->otype), false,
                    "%s of %s", rule->name, name_of(&sides[from], SYM_TYPES, bit + 1));
        }
    }
    return 0;
}

void judge_named_transitions(void) {
    for (int from = 0; from < 2; from++) {
        hashtab_map(sides[from].policy.filename_trans, judge_named, &from);
    }
    report("transitions by files' names");
}

void judge_relabelling(uint32_t count) {
    uint32_t classes = sides[0].policy.p_classes.nprim;
    for (uint32_t objectClass = 1; objectClass <= classes; objectClass++) {
        class_datum_t *found = sides[0].policy.class_val_to_struct[objectClass - 1];
        uint32_t other = other_number(0, SYM_CLASSES, objectClass);
        if (!found || !found->validatetrans || !other) continue;
        for (uint32_t step = 0; step < count; step++) {
            struct label *asked[3];
            int status[2];
            for (int part = 0; part < 3; part++) asked[part] = &labels[below(label_count)];
            for (int side = 0; side < 2; side++) {
                char *reason = NULL;
                use(&sides[side]);
                status[side] = sepol_validate_transition_reason_buffer(
                    asked[0]->sid[side], asked[1]->sid[side], asked[2]->sid[side],
                    side == 0 ? objectClass : other, &reason, 0);
                free(reason);
            }
            compare("change of a label", status[0] == status[1], status[0], "%s to %s by %s",
                    asked[0]->text, asked[1]->text, asked[2]->text);
        }
    }
    report("changes of labels");
}
