/* Exception and interrupt entry. Exceptions end in Swift and never return. Interrupts only
 * acknowledge: their purpose is to have left the guest, or HLT. The timer's also leaves word in the
 * processor's block (at GS), where the run loop sees that it has to be armed again. They come on a
 * stack of their own, because compiled code may use 128 bytes below its stack pointer. One that
 * comes while a computation runs (MachineX86, Computation.swift) pauses it. */
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
    .irp n, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31
    exception \n, 0
    .endr
    .irp n, 8,10,11,12,13,14,17,21,29,30
    exception \n, 1
    .endr

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
interrupt_end:
    cmpq $0, %gs:32
    jne computation_pause
    popq %rax
    iretq

/* Keeps a computation's registers, and returns 0 from computation_resume. On the stack: RAX, then
 * what the processor put there. The words of the processor's block at GS: 32 the run loop's stack
 * while a computation runs, else 0; 40 where its registers are kept. */
    .align 16
computation_pause:
    movq %gs:40, %rax
    movq %rbx, 8(%rax)
    movq %rcx, 16(%rax)
    movq %rdx, 24(%rax)
    movq %rsi, 32(%rax)
    movq %rdi, 40(%rax)
    movq %rbp, 48(%rax)
    movq %r8,  56(%rax)
    movq %r9,  64(%rax)
    movq %r10, 72(%rax)
    movq %r11, 80(%rax)
    movq %r12, 88(%rax)
    movq %r13, 96(%rax)
    movq %r14, 104(%rax)
    movq %r15, 112(%rax)
    popq 0(%rax)
    popq 120(%rax)                  /* RIP */
    popq %rbx                       /* CS */
    popq 128(%rax)                  /* RFLAGS */
    popq 136(%rax)                  /* RSP */
    xorl %eax, %eax
    jmp computation_leave

/* uint64_t computation_resume(registers in RDI): 1 when it has ended, 0 when it is paused. Called
 * and left with interrupts off. */
    .globl computation_resume
computation_resume:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, %gs:40
    movq %rsp, %gs:32
    pushq $0x10                     /* SS */
    pushq 136(%rdi)
    pushq 128(%rdi)
    pushq $0x08                     /* CS */
    pushq 120(%rdi)
    movq 0(%rdi), %rax
    movq 8(%rdi), %rbx
    movq 16(%rdi), %rcx
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rsi
    movq 48(%rdi), %rbp
    movq 56(%rdi), %r8
    movq 64(%rdi), %r9
    movq 72(%rdi), %r10
    movq 80(%rdi), %r11
    movq 88(%rdi), %r12
    movq 96(%rdi), %r13
    movq 104(%rdi), %r14
    movq 112(%rdi), %r15
    movq 40(%rdi), %rdi
    iretq

/* Where a computation begins, on its own stack. */
    .globl computation_entry
computation_entry:
    call casemate_compute
    cli
    movl $1, %eax
computation_leave:
    movq %gs:32, %rsp
    movq $0, %gs:32
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* A device's line has rung: its bit in a word that all processors share. The run loop shuts the
 * line and acknowledges it; until then nothing of its priority comes. 16 bytes each. */
    .align 16
    .globl interrupt_lines
interrupt_lines:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23
    .align 16
    pushq %rax
    lock btsl $\n, machine_words + 320
    jmp interrupt_end
    .endr

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
