/* Asks both policies for the labels of what no subject makes. */
#include "judge.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* What a port and a node have that no statement labels; Linux, `flask.h`. */
enum { initial_port = 9, initial_node = 12 };

void judge_initial_labels(void) {
    for (sepol_security_id_t number = 1; number < 64; number++) {
        ocontext_t *found[2];
        for (int side = 0; side < 2; side++) {
            found[side] = sides[side].policy.ocontexts[OCON_ISID];
            while (found[side] && found[side]->sid[0] != number) found[side] = found[side]->next;
        }
        compare("initial label", same_label(!found[0], number, !found[1], number), !found[0],
                "number %u", number);
    }
    report("labels of initial identifiers");
}

static void judge_ports(void) {
    static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, 33, 132};
    static sepol_security_id_t found[2][1 << 16];
    for (size_t kind = 0; kind < sizeof protocols; kind++) {
        for (int side = 0; side < 2; side++) {
            use(&sides[side]);
            for (uint32_t port = 0; port < 1 << 16; port++) {
                sepol_port_sid(AF_INET, SOCK_STREAM, protocols[kind], port, &found[side][port]);
            }
        }
        sepol_security_id_t last[2] = {0, 0};
        bool is_same = false;
        for (uint32_t port = 0; port < 1 << 16; port++) {
            if (found[0][port] != last[0] || found[1][port] != last[1]) {
                is_same = same_label(0, found[0][port], 0, found[1][port]);
            }
            last[0] = found[0][port];
            last[1] = found[1][port];
            compare("port", is_same, found[0][port] == initial_port, "%u of protocol %u", port,
                    protocols[kind]);
        }
    }
}

static void judge_node(uint16_t family, void *address, size_t size) {
    sepol_security_id_t found[2] = {0, 0};
    int status[2];
    for (int side = 0; side < 2; side++) {
        use(&sides[side]);
        status[side] = sepol_node_sid(family, address, size, &found[side]);
    }
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(family, address, text, sizeof text);
    compare("node", same_label(status[0], found[0], status[1], found[1]),
            found[0] == initial_node, "%s", text);
}

static void judge_nodes(void) {
    for (int from = 0; from < 2; from++) {
        for (ocontext_t *at = sides[from].policy.ocontexts[OCON_NODE]; at; at = at->next) {
            for (int turn = 0; turn < 4; turn++) {
                uint32_t address = at->u.node.addr ^ (turn ? (uint32_t)next_random() : 0);
                if (turn == 1) address = at->u.node.addr | (address & ~at->u.node.mask);
                judge_node(AF_INET, &address, sizeof address);
            }
        }
        for (ocontext_t *at = sides[from].policy.ocontexts[OCON_NODE6]; at; at = at->next) {
            for (int turn = 0; turn < 4; turn++) {
                uint32_t address[4];
                for (int word = 0; word < 4; word++) {
                    uint32_t free = turn == 3 ? UINT32_MAX : ~at->u.node6.mask[word];
                    address[word] = at->u.node6.addr[word];
                    if (turn) address[word] ^= (uint32_t)next_random() & free;
                }
                judge_node(AF_INET6, address, sizeof address);
            }
        }
    }
}

static void judge_name(int table, char *name) {
    sepol_security_id_t found[2] = {0, 0}, second[2] = {0, 0};
    unsigned int behaviors[2] = {0, 0};
    int status[2];
    for (int side = 0; side < 2; side++) {
        use(&sides[side]);
        switch (table) {
        case OCON_FS: status[side] = sepol_fs_sid(name, &found[side], &second[side]); break;
        case OCON_NETIF: status[side] = sepol_netif_sid(name, &found[side], &second[side]); break;
        default:
            status[side] = sepol_fs_use(name, &behaviors[side], &found[side]);
            second[side] = found[side];
        }
    }
    bool is_same = same_label(status[0], found[0], status[1], found[1])
                   && same_label(status[0], second[0], status[1], second[1])
                   && behaviors[0] == behaviors[1];
    compare(table == OCON_FS ? "file system" : table == OCON_NETIF ? "interface" : "fs_use",
            is_same, status[0], "%s", name);
}

static void judge_paths(void) {
    uint32_t classes = sides[0].policy.p_classes.nprim;
    for (int from = 0; from < 2; from++) {
        for (genfs_t *system = sides[from].policy.genfs; system; system = system->next) {
            for (ocontext_t *at = system->head; at; at = at->next) {
                for (uint32_t turn = 0; turn < 6; turn++) {
                    static const char *const ends[] = {"", "/x", "x"};
                    char path[4096];
                    snprintf(path, sizeof path, "%s%s", at->u.name, ends[turn % 3]);
                    uint32_t number = turn < 3 ? at->v.sclass : 0;
                    if (from == 1) number = other_number(1, SYM_CLASSES, number);
                    if (!number) number = below(classes) + 1;
                    sepol_security_id_t found[2] = {0, 0};
                    int status[2];
                    for (int side = 0; side < 2; side++) {
                        uint32_t own =
                            side == 0 ? number : other_number(0, SYM_CLASSES, number);
                        use(&sides[side]);
                        status[side] = sepol_genfs_sid(system->fstype, path, own, &found[side]);
                    }
                    compare("path", same_label(status[0], found[0], status[1], found[1]),
                            status[0], "%s %s %u", system->fstype, path, number);
                }
            }
        }
    }
}

static void judge_infiniband(void) {
    for (int from = 0; from < 2; from++) {
        ocontext_t **tables = sides[from].policy.ocontexts;
        for (ocontext_t *at = tables[OCON_IBPKEY]; at; at = at->next) {
            uint16_t keys[] = {at->u.ibpkey.low_pkey, at->u.ibpkey.high_pkey,
                               at->u.ibpkey.low_pkey - 1, at->u.ibpkey.high_pkey + 1};
            for (int turn = 0; turn < 4; turn++) {
                sepol_security_id_t found[2] = {0, 0};
                int status[2];
                for (int side = 0; side < 2; side++) {
                    use(&sides[side]);
                    status[side] = sepol_ibpkey_sid(at->u.ibpkey.subnet_prefix, keys[turn],
                                                    &found[side]);
                }
                compare("key", same_label(status[0], found[0], status[1], found[1]), status[0],
                        "%u", keys[turn]);
            }
        }
        for (ocontext_t *at = tables[OCON_IBENDPORT]; at; at = at->next) {
            for (int step = 0; step < 2; step++) {
                sepol_security_id_t found[2] = {0, 0};
                int status[2];
                for (int side = 0; side < 2; side++) {
                    use(&sides[side]);
                    status[side] = sepol_ibendport_sid(at->u.ibendport.dev_name,
                                                       at->u.ibendport.port + step, &found[side]);
                }
                compare("end port", same_label(status[0], found[0], status[1], found[1]),
                        status[0], "%s", at->u.ibendport.dev_name);
            }
        }
    }
}

void judge_linux_labels(void) {
    judge_ports();
    judge_nodes();
    static const int tables[] = {OCON_FS, OCON_NETIF, OCON_FSUSE};
    for (int index = 0; index < 3; index++) {
        for (int from = 0; from < 2; from++) {
            ocontext_t *at = sides[from].policy.ocontexts[tables[index]];
            for (; at; at = at->next) judge_name(tables[index], at->u.name);
        }
        judge_name(tables[index], "none");
    }
    judge_paths();
    judge_infiniband();
    report("labels of ports, nodes, interfaces and files");
}

/* Xen's devices: libsepol has no question for them, so the first entry that fits is looked up. */

static bool fits(const ocontext_t *at, int table, const ocontext_t *asked, uint64_t number) {
    switch (table) {
    case OCON_XEN_PIRQ: return at->u.pirq == number;
    case OCON_XEN_IOPORT:
        return at->u.ioport.low_ioport <= number && number <= at->u.ioport.high_ioport;
    case OCON_XEN_IOMEM:
        return at->u.iomem.low_iomem <= number && number <= at->u.iomem.high_iomem;
    case OCON_XEN_PCIDEVICE: return at->u.device == number;
    default: return !strcmp(at->u.name, asked->u.name);
    }
}

static void judge_device(int table, const ocontext_t *asked, uint64_t number) {
    char *texts[2] = {NULL, NULL};
    for (int side = 0; side < 2; side++) {
        ocontext_t *at = sides[side].policy.ocontexts[table];
        while (at && !fits(at, table, asked, number)) at = at->next;
        if (!at) continue;
        sepol_security_id_t made;
        size_t size;
        use(&sides[side]);
        if (sepol_sidtab_context_to_sid(&sides[side].labels, &at->context[0], &made)
            || sepol_sid_to_context(made, &texts[side], &size)) {
            texts[side] = NULL;
        }
    }
    bool is_same = !texts[0] == !texts[1] && (!texts[0] || !strcmp(texts[0], texts[1]));
    compare("device", is_same, !texts[0], "table %d, %llu", table, (unsigned long long)number);
    free(texts[0]);
    free(texts[1]);
}

void judge_xen_labels(void) {
    for (int from = 0; from < 2; from++) {
        for (int table = OCON_XEN_PIRQ; table <= OCON_XEN_DEVICETREE; table++) {
            ocontext_t *at = sides[from].policy.ocontexts[table];
            for (; at; at = at->next) {
                uint64_t low = table == OCON_XEN_PIRQ      ? at->u.pirq
                               : table == OCON_XEN_IOPORT  ? at->u.ioport.low_ioport
                               : table == OCON_XEN_IOMEM   ? at->u.iomem.low_iomem
                               : table == OCON_XEN_PCIDEVICE ? at->u.device
                                                             : 0;
                uint64_t high = table == OCON_XEN_IOPORT  ? at->u.ioport.high_ioport
                                : table == OCON_XEN_IOMEM ? at->u.iomem.high_iomem
                                                          : low;
                judge_device(table, at, low);
                judge_device(table, at, low - 1);
                judge_device(table, at, high);
                judge_device(table, at, high + 1);
            }
        }
    }
    report("labels of devices");
}
