/* Entry of a service compartment by the PVH boot protocol: 32-bit protected mode, paging off,
 * EBX = start info (Xen public `arch-x86/hvm/start_info.h`). Builds an map of 4 GiB, enters
 * long mode and calls Swift. The first 4 MiB are mapped in 4 KiB pages, each with the access that
 * its section needs: code is not written, data is not executed, guards and address 0 are not
 * mapped. The linker script ends the image before 4 MiB. */
#if !defined(__linux__)

    .section .note.Xen, "a", @note
    .align 4
    .long 4, 8, 18                  /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad service_entry

/* Gives the pages of a range one access: `low` and `high` are the entry's flags. */
    .macro protect start, end, low, high
    movl $\start, %eax
1:  cmpl $\end, %eax
    jae 2f
    movl %eax, %edi
    shrl $9, %edi                   /* page number, eight bytes each */
    movl %eax, %edx
    orl $\low, %edx
    movl %edx, service_pages(%edi)
    movl $\high, service_pages + 4(%edi)
    addl $4096, %eax
    jmp 1b
2:
    .endm

    .section .text.boot, "ax", @progbits
    .code32
    .globl service_entry
service_entry:
    cli
    cld
    movl $service_stack_top, %esp
    movl %ebx, %esi                 /* start info, kept in ESI */

    /* Four page directories: 2 MiB pages for 0..4 GiB, written and not executed. */
    movl $service_directories, %edi
    movl $0x83, %eax                /* present, writable, 2 MiB */
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl $0x80000000, 4(%edi)       /* no execute */
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    movl $service_pages + 3, service_directories
    movl $0, service_directories + 4
    movl $service_pages + 4096 + 3, service_directories + 8
    movl $0, service_directories + 12

    protect 0x8000, 0x9000, 1, 0x80000000
    protect service_text_start, service_text_end, 1, 0
    protect service_rodata_start, service_rodata_end, 1, 0x80000000
    protect service_data_start, 0x400000, 3, 0x80000000
    protect service_stack_guard, service_stack_guard + 4096, 0, 0
    protect service_fault_guard, service_fault_guard + 4096, 0, 0

    movl $service_directory_pointers, %edi
    movl $service_directories + 3, %eax
    movl $4, %ecx
3:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    decl %ecx
    jnz 3b
    movl $service_directory_pointers + 3, service_root

    movl $service_root, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax                 /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx          /* EFER */
    rdmsr
    orl $0x900, %eax                /* LME, NXE */
    wrmsr
    movl %cr0, %eax
    orl $0x80010001, %eax           /* PG, WP, PE */
    movl %eax, %cr0
    lgdt service_gdt_descriptor
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
    movl $service_stack_top, %esp
    movl %esi, %ebx
    xorl %ebp, %ebp
    call service_catch_exceptions
    movl %ebx, %edi
    call service_main
4:  cli
    hlt
    jmp 4b

    .section .data
    .align 16
    .globl service_gdt
service_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        /* 0x08: 64-bit code */
    .quad 0x00cf93000000ffff        /* 0x10: data */
    .quad 0, 0                      /* 0x18: task state, written at start */
service_gdt_end:
service_gdt_descriptor:
    .word service_gdt_end - service_gdt - 1
    .quad service_gdt

    .section .bss
    .align 4096
service_root:               .skip 4096
service_directory_pointers: .skip 4096
service_directories:        .skip 4 * 4096
service_pages:              .skip 2 * 4096
service_stack_guard:        .skip 4096
service_stack:              .skip 131072
service_stack_top:
service_fault_guard:        .skip 4096
service_fault_stack:        .skip 16384
    .globl service_fault_top
service_fault_top:
    .globl service_text
service_text:               .skip 4096
    .globl service_arguments
service_arguments:          .skip 128
#endif
