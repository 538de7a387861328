/* Entry from a PVH boot protocol: 32-bit protected mode, paging off, EBX = start info
 * (Xen public `arch-x86/hvm/start_info.h`). Builds an identity map of the first 4 GiB in 2 MiB
 * pages, enters long mode and calls Swift, which then takes away what nobody needs, and adds free
 * memory above.
 *
 * The other processors start in real mode on a page below 1 MiB, to which the trampoline is copied.
 * It runs with paging off only: no page table ever makes that page executable. They are started one
 * at a time, so that the two words that say who comes next have one reader. */
#if !defined(__linux__)

    .section .note.Xen, "a", @note
    .align 4
    .long 4, 8, 18                  /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad casemate_entry_pvh

    .section .text.boot, "ax", @progbits
    .code32
    .globl casemate_entry_pvh
casemate_entry_pvh:
    cli
    cld
    movl $boot_stack_top, %esp
    movl %ebx, %esi                 /* start info, kept in ESI */

    /* Four page directories: 2 MiB pages for 0..4 GiB. */
    movl $boot_directories, %edi
    movl $0x83, %eax                /* present, writable, 2 MiB */
    xorl %edx, %edx
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $0x200000, %eax
    adcl $0, %edx
    addl $8, %edi
    decl %ecx
    jnz 1b

    movl $boot_directory_pointers, %edi
    movl $boot_directories + 3, %eax
    movl $4, %ecx
2:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    decl %ecx
    jnz 2b
    movl $boot_directory_pointers + 3, boot_root

    movl $boot_root, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x6a0, %eax                /* PAE, PGE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $0xc0000080, %ecx          /* EFER */
    rdmsr
    orl $0x900, %eax                /* LME, NXE */
    wrmsr
    movl %cr0, %eax
    andl $0x9ffffff3, %eax          /* CD, NW, EM, TS clear */
    orl $0x80010003, %eax           /* PG, WP, MP, PE */
    movl %eax, %cr0
    lgdt boot_gdt_descriptor
    ljmp $0x08, $entry_long

    .code64
entry_long:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movl $boot_stack_top, %esp
    movl %esi, %edi
    xorl %ebp, %ebp
    call casemate_start
3:  cli
    hlt
    jmp 3b

/* The rest of a processor's way from the trampoline: flat 32-bit segments, paging off. */
    .section .text.boot, "ax", @progbits
    .code32
processor_entry:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $boot_root, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x6a0, %eax                /* PAE, PGE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $0xc0000080, %ecx          /* EFER: LME, NXE before the tables that use it */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl %cr0, %eax
    andl $0x9ffffff3, %eax          /* CD, NW, EM, TS clear */
    orl $0x80010003, %eax           /* PG, WP, MP, PE */
    movl %eax, %cr0
    lgdt boot_gdt_descriptor
    ljmp $0x08, $processor_entry_long

    .code64
processor_entry_long:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq processor_stack, %rsp
    movq processor_argument, %rdi
    xorl %ebp, %ebp
    call casemate_start_processor
4:  cli
    hlt
    jmp 4b

/* Copied to TRAMPOLINE, where a startup interrupt begins in real mode. */
    .set TRAMPOLINE, 0x8000
    .section .rodata.trampoline, "a", @progbits
    .code16
    .globl processor_trampoline
processor_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdt_descriptor - processor_trampoline
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $processor_entry
    .align 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        /* 0x08: 32-bit code */
    .quad 0x00cf93000000ffff        /* 0x10: data */
trampoline_gdt_descriptor:
    .word trampoline_gdt_descriptor - trampoline_gdt - 1
    .long TRAMPOLINE + trampoline_gdt - processor_trampoline
    .globl processor_trampoline_end
processor_trampoline_end:

/* Marked as accessed already: nobody writes it. */
    .section .rodata
    .align 16
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        /* 0x08: 64-bit code */
    .quad 0x00cf93000000ffff        /* 0x10: data */
    .quad 0x00cf9b000000ffff        /* 0x18: 32-bit code, on the way from the firmware */
boot_gdt_end:
    .globl boot_gdt_descriptor
boot_gdt_descriptor:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
/* The stack of the processor that starts next, and what Swift is given then. */
    .section .bss
    .align 8
    .globl processor_stack
processor_stack:        .skip 8
    .globl processor_argument
processor_argument:       .skip 8

    .align 4096
boot_root:              .skip 4096
    .globl boot_directory_pointers
boot_directory_pointers: .skip 4096
    .globl boot_directories
boot_directories:       .skip 4 * 4096
/* The guard is taken out of the map once Swift runs: a stack that is too deep faults. */
    .globl boot_stack_guard
boot_stack_guard:       .skip 4096
boot_stack:             .skip 262144
    .globl boot_stack_top
boot_stack_top:
#endif
