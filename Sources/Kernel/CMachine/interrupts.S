/* Exception and interrupt entry. Exceptions end in Swift and never return. Interrupts only
 * acknowledge: their purpose is to have left the guest, or HLT. The timer's also leaves word in the
 * processor's block (at GS), where the run loop sees that it has to be armed again. */
#if !defined(__linux__)

    .macro exception number, has_code
    .align 16
exception_\number:
    .if \has_code == 0
    pushq $0
    .endif
    pushq $\number
    jmp exception_common
    .endm

    .section .text
    exception 0, 0
    exception 1, 0
    exception 2, 0
    exception 3, 0
    exception 4, 0
    exception 5, 0
    exception 6, 0
    exception 7, 0
    exception 8, 1
    exception 9, 0
    exception 10, 1
    exception 11, 1
    exception 12, 1
    exception 13, 1
    exception 14, 1
    exception 15, 0
    exception 16, 0
    exception 17, 1
    exception 18, 0
    exception 19, 0
    exception 20, 0
    exception 21, 1
    exception 22, 0
    exception 23, 0
    exception 24, 0
    exception 25, 0
    exception 26, 0
    exception 27, 0
    exception 28, 0
    exception 29, 1
    exception 30, 1
    exception 31, 0

exception_common:
    cld
    movq 0(%rsp), %rdi              /* number */
    movq 8(%rsp), %rsi              /* error code */
    movq 16(%rsp), %rdx             /* RIP */
    movq 40(%rsp), %rcx             /* RSP */
    movq %cr2, %r8
    andq $-16, %rsp
    call casemate_exception
1:  cli
    hlt
    jmp 1b

    .align 16
    .globl interrupt_timer
interrupt_timer:
    movb $1, %gs:8
    .globl interrupt_kick
interrupt_kick:
    pushq %rax
    movl $0xfee000b0, %eax          /* local APIC, end of interrupt */
    movl $0, (%rax)
    popq %rax
    iretq

    .align 16
    .globl interrupt_spurious
interrupt_spurious:
    iretq

    .section .rodata
    .align 8
    .globl exception_table
exception_table:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    .quad exception_\n
    .endr
#endif
