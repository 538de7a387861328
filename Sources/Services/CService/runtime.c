/* What compiled Swift and C call by name, and the tables that catch exceptions. There is no
 * allocator on purpose: a reference to `posix_memalign` must fail the link. */
#include "CService.h"

#if !defined(__linux__)

void *memset(void *to, int value, size_t n) {
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    return start;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    void *start = to;
    size_t words = n >> 3, bytes = n & 7;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t n) {
    if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
    uint8_t *d = (uint8_t *)to + n;
    const uint8_t *s = (const uint8_t *)from + n;
    while (n--) *--d = *--s;
    return to;
}

int memcmp(const void *a, const void *b, size_t n) {
    const uint8_t *x = a, *y = b;
    for (; n--; x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

/* The 64-bit task state (AMD64 APM volume 2, 12.2.5): its stack table 1 is the fault stack. */
static struct {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed)) task_state;

static struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
} gates[32];

void service_catch_exceptions(void) {
    uint64_t base = (uint64_t)&task_state;
    task_state.ist[0] = (uint64_t)service_fault_top;
    task_state.io_map = sizeof task_state;
    service_gdt[3] = (sizeof task_state - 1) | (base & 0xffffff) << 16 | 0x89ull << 40
        | (base >> 24 & 0xff) << 56;
    service_gdt[4] = base >> 32;
    for (int number = 0; number < 32; number++) {
        uint64_t entry = service_exception_table[number];
        gates[number] = (struct gate){
            .offset_low = (uint16_t)entry, .selector = 8, .stack = 1, .type = 0x8e,
            .offset_middle = (uint16_t)(entry >> 16), .offset_high = (uint32_t)(entry >> 32),
        };
    }
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) descriptor = {
        sizeof gates - 1, (uint64_t)gates,
    };
    __asm__ volatile("lidt %0" : : "m"(descriptor));
    __asm__ volatile("ltr %0" : : "r"((uint16_t)0x18));
}

#endif
