/* What compiled Swift and C call by name. There is no allocator on purpose: a reference to
 * `posix_memalign` must fail the link. */
#include "CMachine.h"

#if !defined(__linux__)

uint64_t machine_words[8 * 8] __attribute__((aligned(64)));

void *memset(void *to, int value, size_t n) {
    void *start = to;
    uint64_t word = (uint8_t)value * 0x0101010101010101ull;
    size_t words = n >> 3, bytes = n & 7;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(word) : "memory");
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

#endif
