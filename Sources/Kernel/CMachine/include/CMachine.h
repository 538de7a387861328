/* Instructions that Swift has no words for, and the symbols of the assembly files. Nothing here
 * decides anything. On the host, where no privileged instruction may run, only the declarations
 * that the host build needs are visible. */
#pragma once

#include <stddef.h>
#include <stdint.h>


#if !defined(__linux__)

/* Shorter than a call of it would be. */
#define machine_inline static inline __attribute__((always_inline))

extern char image_start[], rodata_start[], data_start[], image_end[];
extern char boot_stack_guard[], processor_trampoline[], processor_trampoline_end[];
extern uint64_t boot_directory_pointers[], boot_directories[], processor_stack, processor_argument;
extern uint64_t exception_table[32];
/* What all processors share: words that are accessed atomically, each in a line of its own. */
extern uint64_t machine_words[8 * 8];
extern uint64_t firmware_words[16];
void interrupt_timer(void);
void interrupt_kick(void);
extern char interrupt_lines[];
void extended_state_load(uint64_t area, uint64_t mask);
void interrupt_spurious(void);
void computation_entry(void);
uint64_t computation_resume(uint64_t registers);
void svm_run(uint64_t guest_vmcb, uint64_t registers, uint64_t host_vmcb);

static inline uint64_t machine_image_start(void) { return (uint64_t)image_start; }
static inline uint64_t machine_rodata_start(void) { return (uint64_t)rodata_start; }
static inline uint64_t machine_data_start(void) { return (uint64_t)data_start; }
static inline uint64_t machine_image_end(void) { return (uint64_t)image_end; }
static inline uint64_t machine_directories(void) { return (uint64_t)boot_directories; }
static inline uint64_t machine_directory_pointers(void) {
    return (uint64_t)boot_directory_pointers;
}
static inline uint64_t machine_stack_guard(void) { return (uint64_t)boot_stack_guard; }
static inline uint64_t machine_trampoline(void) { return (uint64_t)processor_trampoline; }
static inline uint64_t machine_trampoline_size(void) {
    return (uint64_t)(processor_trampoline_end - processor_trampoline);
}
/* The stack that the next startup interrupt begins on, and what Swift is given then. */
static inline void machine_set_next_processor(uint64_t argument, uint64_t stack) {
    *(volatile uint64_t *)&processor_argument = argument;
    *(volatile uint64_t *)&processor_stack = stack;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline uint64_t machine_word(uint32_t n) { return (uint64_t)&machine_words[(n & 7) * 8]; }
static inline uint64_t machine_firmware_word(uint32_t n) {
    return (uint64_t)&firmware_words[n & 15];
}
/* A function of the firmware (UEFI 2.10, 2.3.4.2); arguments that it has not are not looked at. */
typedef uint64_t (__attribute__((ms_abi)) *firmware_function)(uint64_t, uint64_t, uint64_t,
                                                              uint64_t, uint64_t);
static inline uint64_t machine_call_firmware(uint64_t function, uint64_t a, uint64_t b, uint64_t c,
                                             uint64_t d, uint64_t e) {
    return ((firmware_function)function)(a, b, c, d, e);
}
static inline uint64_t machine_exception_entry(uint32_t n) {
    return n < 32 ? exception_table[n] : 0;
}
static inline uint64_t machine_timer_entry(void) { return (uint64_t)&interrupt_timer; }
static inline uint64_t machine_line_entry(uint32_t n) {
    return (uint64_t)interrupt_lines + 16 * (n % 24);
}
static inline uint64_t machine_spurious_entry(void) { return (uint64_t)&interrupt_spurious; }
static inline uint64_t machine_computation_entry(void) { return (uint64_t)&computation_entry; }
static inline uint64_t machine_kick_entry(void) { return (uint64_t)&interrupt_kick; }

static inline uint8_t machine_in8(uint16_t port) {
    uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v;
}
static inline void machine_out8(uint16_t port, uint8_t v) {
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint32_t machine_in32(uint16_t port) {
    uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v;
}
static inline void machine_out32(uint16_t port, uint32_t v) {
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint64_t machine_rdmsr(uint32_t msr) {
    uint32_t lo, hi; __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((uint64_t)hi << 32) | lo;
}
static inline void machine_wrmsr(uint32_t msr, uint64_t v) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
struct machine_cpuid { uint32_t eax, ebx, ecx, edx; };
static inline struct machine_cpuid machine_cpuid(uint32_t leaf, uint32_t subleaf) {
    struct machine_cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}
machine_inline uint64_t machine_rdtsc(void) {
    uint32_t lo, hi; __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return ((uint64_t)hi << 32) | lo;
}
static inline uint64_t machine_cr3(void) {
    uint64_t v; __asm__ volatile("movq %%cr3, %0" : "=r"(v)); return v;
}
static inline void machine_set_cr3(uint64_t v) {
    __asm__ volatile("movq %0, %%cr3" : : "r"(v) : "memory");
}
static inline uint64_t machine_cr4(void) {
    uint64_t v; __asm__ volatile("movq %%cr4, %0" : "=r"(v)); return v;
}
static inline void machine_set_cr4(uint64_t v) {
    __asm__ volatile("movq %0, %%cr4" : : "r"(v) : "memory");
}
static inline uint64_t machine_xgetbv(void) {
    uint32_t lo, hi; __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return ((uint64_t)hi << 32) | lo;
}
static inline void machine_xsetbv(uint64_t v) {
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}
/* `area` is 64-byte aligned and holds what `mask` needs; both facts are the caller's. */
static inline void machine_xsave(uint64_t area, uint64_t mask) {
    __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}
struct machine_table { uint16_t limit; uint64_t base; } __attribute__((packed));
static inline void machine_lidt(uint64_t base, uint16_t limit) {
    struct machine_table t = { limit, base }; __asm__ volatile("lidt %0" : : "m"(t));
}
/* Descriptors of the same selectors and meaning follow: no segment register need be loaded. */
static inline void machine_lgdt(uint64_t base, uint16_t limit) {
    struct machine_table t = { limit, base }; __asm__ volatile("lgdt %0" : : "m"(t));
}
static inline void machine_ltr(uint16_t selector) {
    __asm__ volatile("ltr %0" : : "r"(selector));
}
static inline void machine_vmsave(uint64_t vmcb) {
    __asm__ volatile("vmsave %0" : : "a"(vmcb) : "memory");
}
/* Takes the interrupts that are pending. The NOPs matter: a PAUSE keeps the shadow of STI. */
static inline void machine_take_interrupts(void) {
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}
static inline void machine_wait_for_interrupt(void) {
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}
machine_inline void machine_pause(void) { __asm__ volatile("pause"); }
static inline _Noreturn void machine_halt(void) { for (;;) __asm__ volatile("cli; hlt"); }
machine_inline uint8_t machine_load8(uint64_t a) { return *(volatile uint8_t *)a; }
machine_inline uint32_t machine_load32(uint64_t a) { return *(volatile uint32_t *)a; }
machine_inline uint64_t machine_load64(uint64_t a) { return *(volatile uint64_t *)a; }
machine_inline void machine_store8(uint64_t a, uint8_t v) { *(volatile uint8_t *)a = v; }
machine_inline void machine_store16(uint64_t a, uint16_t v) { *(volatile uint16_t *)a = v; }
machine_inline uint16_t machine_load16(uint64_t a) { return *(volatile uint16_t *)a; }
machine_inline void machine_store32(uint64_t a, uint32_t v) { *(volatile uint32_t *)a = v; }
machine_inline void machine_store64(uint64_t a, uint64_t v) { *(volatile uint64_t *)a = v; }
/* The guest's debug address registers, which no world switch exchanges. */
static inline uint64_t machine_debug(uint32_t n) {
    uint64_t v;
    switch (n) {
    case 0: __asm__ volatile("movq %%dr0, %0" : "=r"(v)); break;
    case 1: __asm__ volatile("movq %%dr1, %0" : "=r"(v)); break;
    case 2: __asm__ volatile("movq %%dr2, %0" : "=r"(v)); break;
    default: __asm__ volatile("movq %%dr3, %0" : "=r"(v)); break;
    }
    return v;
}
static inline void machine_set_debug(uint32_t n, uint64_t v) {
    switch (n) {
    case 0: __asm__ volatile("movq %0, %%dr0" : : "r"(v)); break;
    case 1: __asm__ volatile("movq %0, %%dr1" : : "r"(v)); break;
    case 2: __asm__ volatile("movq %0, %%dr2" : : "r"(v)); break;
    default: __asm__ volatile("movq %0, %%dr3" : : "r"(v)); break;
    }
}
/* What processors tell one another. An acquiring load sees all that was stored before the releasing
 * store whose value it reads. */
static inline uint64_t machine_fetch_add(uint64_t a, uint64_t v) {
    return __atomic_fetch_add((uint64_t *)a, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t machine_exchange(uint64_t a, uint64_t v) {
    return __atomic_exchange_n((uint64_t *)a, v, __ATOMIC_SEQ_CST);
}
machine_inline uint64_t machine_acquire(uint64_t a) {
    return __atomic_load_n((uint64_t *)a, __ATOMIC_ACQUIRE);
}
machine_inline void machine_release(uint64_t a, uint64_t v) {
    __atomic_store_n((uint64_t *)a, v, __ATOMIC_RELEASE);
}
/* Atomic, because the guest changes the same word meanwhile. Returns the old value of the bit. */
static inline uint8_t machine_test_and_set_bit(uint64_t a, uint8_t bit) {
    uint64_t mask = 1ull << (bit & 63);
    return (__atomic_fetch_or((uint64_t *)a, mask, __ATOMIC_SEQ_CST) & mask) != 0;
}
static inline uint8_t machine_test_and_clear_bit(uint64_t a, uint8_t bit) {
    uint64_t mask = 1ull << (bit & 63);
    return (__atomic_fetch_and((uint64_t *)a, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}
/* Atomic, as above. Returns what the word was. */
static inline uint32_t machine_compare_exchange32(uint64_t a, uint32_t expected, uint32_t value) {
    __atomic_compare_exchange_n((uint32_t *)a, &expected, value, 0, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return expected;
}
static inline void machine_copy(uint64_t to, uint64_t from, uint64_t n) {
    __builtin_memmove((void *)to, (const void *)from, n);
}
static inline void machine_zero(uint64_t to, uint64_t n) { __builtin_memset((void *)to, 0, n); }

#endif
