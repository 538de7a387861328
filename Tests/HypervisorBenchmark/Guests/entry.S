/* How a measuring guest begins: by PVH (`XEN_ELFNOTE_PHYS32_ENTRY`), then in long mode with
   interrupts off, a stack and an identity map of 1 GiB. It goes on at `begin`. Nothing in it knows
   which hypervisor it runs on. */
    .section .note, "a", @note
    .align 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad start

    .text
    .code32
    .globl start
start:
    cli
    cld
    movl $stack, %esp
    movl $tables + 0x1003, tables
    movl $tables + 0x2003, tables + 0x1000
    movl $tables + 0x2000, %edi
    movl $0x83, %eax
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    movl $tables, %eax
    movl %eax, %cr3
    movl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    movl $0x100, %eax
    xorl %edx, %edx
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdt descriptor
    ljmp $8, $1f
    .code64
1:  movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    jmp begin

/* Makes the hypercall NUMBER with up to three arguments. */
    .macro call_hypervisor number, first=0, second=0, third=0
    movl $\number, %eax
    movl $\first, %edi
    movl $\second, %esi
    movl $\third, %edx
    vmmcall
    .endm

/* Maps the grant table's first frame at `grant_table`. */
    .macro show_grant_table
    call_hypervisor 12, 7, grant_frame
    .endm

/* Gives the processor to whoever wants it (`SCHEDOP_yield`). */
    .macro yield
    call_hypervisor 29, 0
    .endm

/* Prints RDX bytes at RSI: by `CONSOLEIO_write`, or, where a guest may not, through Xen's port for
   debugging, byte by byte. */
say:
    pushq %rsi
    pushq %rdx
    movq %rdx, %rdi
    xchgq %rsi, %rdi
    movq %rdi, %rdx
    xorl %edi, %edi
    movl $18, %eax
    vmmcall
    popq %rcx
    popq %rsi
    testq %rax, %rax
    jz 2f
1:  lodsb
    outb %al, $0xe9
    decl %ecx
    jnz 1b
2:  ret

    .set grant_table, 0x5100000
    .set shared_info, 0x5000000
    .set foreign_page, 0x5200000

    .data
    .align 8
gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
descriptor:
    .word 23
    .long gdt
    .align 8
/* struct xen_add_to_physmap: space 1, the grant table's frame 0. */
grant_frame:
    .word 0x7ff0, 0
    .long 1
    .quad 0, grant_table >> 12
    .bss
    .align 4096
tables: .skip 0x3000
    .skip 0x4000
stack:
    .text
