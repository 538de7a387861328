/* The world switch of AMD-V (AMD64 APM volume 2, chapter 15).
 *
 * void svm_run(guest_vmcb in RDI, registers in RSI, host_vmcb in RDX): machine addresses.
 * `registers` is the save area for what VMRUN does not load, 14 words:
 * RBX RCX RDX RSI RDI RBP R8 … R15.
 *
 * Called with interrupts off. CLGI holds back physical interrupts; IF = 1 at VMRUN, because with
 * V_INTR_MASKING it is the host's IF that lets one end the guest. The hypervisor has no SSE state,
 * so FPU registers stay the guest's; they change hands when the virtual CPU does. */
#if !defined(__linux__)
    .section .text
    .globl svm_run
svm_run:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx
    pushq %rsi
    pushq %rdi
    clgi
    sti
    movq %rdi, %rax
    movq 0x00(%rsi), %rbx
    movq 0x08(%rsi), %rcx
    movq 0x10(%rsi), %rdx
    movq 0x20(%rsi), %rdi
    movq 0x28(%rsi), %rbp
    movq 0x30(%rsi), %r8
    movq 0x38(%rsi), %r9
    movq 0x40(%rsi), %r10
    movq 0x48(%rsi), %r11
    movq 0x50(%rsi), %r12
    movq 0x58(%rsi), %r13
    movq 0x60(%rsi), %r14
    movq 0x68(%rsi), %r15
    movq 0x18(%rsi), %rsi
    vmload %rax
    vmrun %rax
    vmsave %rax
    movq %rdi, %rax                 /* guest RDI, while we fetch the save area */
    movq 8(%rsp), %rdi              /* RSP was restored by the exit */
    movq %rbx, 0x00(%rdi)
    movq %rcx, 0x08(%rdi)
    movq %rdx, 0x10(%rdi)
    movq %rsi, 0x18(%rdi)
    movq %rax, 0x20(%rdi)
    movq %rbp, 0x28(%rdi)
    movq %r8,  0x30(%rdi)
    movq %r9,  0x38(%rdi)
    movq %r10, 0x40(%rdi)
    movq %r11, 0x48(%rdi)
    movq %r12, 0x50(%rdi)
    movq %r13, 0x58(%rdi)
    movq %r14, 0x60(%rdi)
    movq %r15, 0x68(%rdi)
    movq 16(%rsp), %rax
    vmload %rax                     /* the host's FS, GS, TR, syscall MSRs */
    cli
    stgi
    /* No guest value may steer the hypervisor's speculation or survive in a register. */
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* void extended_state_load(area in RDI, mask in RSI): gives the x87, SSE and AVX registers a
 * guest's values. Processors of AMD leave the x87 error pointers alone when no exception is
 * pending, so they are overwritten first: nothing of the last guest stays. */
    .globl extended_state_load
extended_state_load:
    fnclex
    ffree %st(7)
    fildl scrub_word
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
    xrstor64 (%rdi)
    ret

    .section .rodata
    .align 4
scrub_word: .long 0
#endif
