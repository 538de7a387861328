/* Entry from a Multiboot2 loader that kept the firmware's boot services (Multiboot2 Specification
 * 2.0, 3.1 and 3.5): long mode, the firmware's page tables, EAX = magic, RBX = information. Swift
 * takes what it wants of the firmware, ends its services, and returns a PVH start info; then long
 * mode is left, and everything begins as if a PVH loader had loaded us. */
#if !defined(__linux__)

    .section .text.boot, "ax", @progbits
    .balign 8
multiboot2_header:
    .long 0xe85250d6, 0, multiboot2_header_end - multiboot2_header
    .long -(0xe85250d6 + multiboot2_header_end - multiboot2_header)
    .short 6, 0                     /* modules begin on pages */
    .long 8
    .short 7, 0                     /* boot services are kept */
    .long 8
    .short 9, 0                     /* entry for the firmware of AMD64 */
    .long 12, casemate_entry_efi
    .balign 8
    .short 0, 0
    .long 8
multiboot2_header_end:

    .code64
casemate_entry_efi:
    cld
    movl $boot_stack_top, %esp
    movl %eax, %edi
    movq %rbx, %rsi
    xorl %ebp, %ebp
    call casemate_start_efi
    cli
    movl %eax, %ebx
    movq %cr4, %rax                 /* PCIDE above all, which paging cannot end with */
    andl $0x1020, %eax              /* PAE and LA57 stay as long as paging does */
    movq %rax, %cr4
    lgdt boot_gdt_descriptor
    pushq $0x18
    pushq $1f
    lretq
    .code32
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr0, %eax
    andl $0x7fffffff, %eax          /* PG clear */
    movl %eax, %cr0
    movl $0xc0000080, %ecx          /* EFER: LME clear */
    rdmsr
    andl $~0x100, %eax
    wrmsr
    xorl %eax, %eax
    movl %eax, %cr4
    jmp casemate_entry_pvh

/* Words that the firmware's functions fill, and from word 8 what is handed over: address and size
 * of the log, and whether the firmware was left by us. */
    .section .bss
    .balign 16
    .globl firmware_words
firmware_words: .skip 128
#endif
