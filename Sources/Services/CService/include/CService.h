/* What a service compartment needs that Swift has no words for: the hypercall instruction, loads
 * and stores of pages that others write too, and the symbols of the assembly files. Nothing here
 * decides anything. On the host only an empty header is seen. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if !defined(__linux__)

extern char service_image_end[], service_fault_top[];
extern uint64_t service_gdt[], service_exception_table[32];
/* Where the arguments of hypercalls are put together, and text for the console. */
extern uint64_t service_arguments[16];
extern uint8_t service_text[4096];

/* Catches exceptions on a stack of its own. Called once, before Swift. */
void service_catch_exceptions(void);

static inline uint64_t service_image_end_address(void) { return (uint64_t)service_image_end; }

/* RAX, RDI, RSI, RDX as in Xen public `arch-x86/xen-x86_64.h`; R10 is not used by these calls. */
static inline int64_t service_hypercall(uint64_t call, uint64_t first, uint64_t second,
                                        uint64_t third) {
    int64_t result;
    register uint64_t fourth __asm__("r10") = 0;
    __asm__ volatile("vmmcall"
                     : "=a"(result), "+r"(fourth)
                     : "a"(call), "D"(first), "S"(second), "d"(third)
                     : "memory");
    return result;
}
/* A call whose argument is the structure in `service_arguments`. */
static inline int64_t service_call(uint64_t call, uint64_t operation, uint64_t third) {
    return service_hypercall(call, operation, (uint64_t)service_arguments, third);
}
static inline uint64_t service_argument_address(void) { return (uint64_t)service_arguments; }
static inline uint64_t service_text_address(void) { return (uint64_t)service_text; }

static inline uint8_t service_load8(uint64_t a) { return *(volatile uint8_t *)a; }
static inline uint32_t service_load32(uint64_t a) { return *(volatile uint32_t *)a; }
static inline uint64_t service_load64(uint64_t a) { return *(volatile uint64_t *)a; }
static inline void service_store8(uint64_t a, uint8_t v) { *(volatile uint8_t *)a = v; }
static inline void service_store16(uint64_t a, uint16_t v) { *(volatile uint16_t *)a = v; }
static inline void service_store32(uint64_t a, uint32_t v) { *(volatile uint32_t *)a = v; }
static inline void service_store64(uint64_t a, uint64_t v) { *(volatile uint64_t *)a = v; }
/* Atomic: the hypervisor sets other bits of the word meanwhile. Returns the bit's old value. */
static inline uint8_t service_take_bit(uint64_t a, uint8_t bit) {
    uint64_t mask = 1ull << (bit & 63);
    return (__atomic_fetch_and((uint64_t *)a, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}
static inline uint64_t service_exchange64(uint64_t a, uint64_t v) {
    return __atomic_exchange_n((uint64_t *)a, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t service_rdtsc(void) {
    uint32_t lo, hi; __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return ((uint64_t)hi << 32) | lo;
}
/* 64 random bits of the processor; 0 when it has none to give. */
static inline uint64_t service_rdrand(void) {
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (!(ecx & 1u << 30)) return 0;
    for (int attempt = 0; attempt < 16; attempt++) {
        uint64_t value;
        uint8_t valid;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=q"(valid));
        if (valid) return value;
    }
    return 0;
}
static inline _Noreturn void service_halt(void) { for (;;) __asm__ volatile("cli; hlt"); }

#endif
