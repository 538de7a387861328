/* Makes each operation many times and prints by how much the time-stamp counter rose for a round of
   them. Under an emulator that counts instructions, the counter counts them: guest's loop, world
   switch and hypervisor together. An access to port 0xeb, which nobody has, marks in the emulator's
   record of exits where an operation's rounds begin and end. */
    .include "entry.S"

    .set rounds, 15
    .set repetitions, 64
    .set operations, 6

/* Begins operation INDEX, whose body follows, up to `measured`. */
    .macro measure index
    movl $results + \index * rounds * 8, %r14d
    movl $rounds, %r13d
    movb $\index + 1, %al
    outb %al, $0xeb
1:  rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, %r12
    movl $repetitions, %ebp
2:
    .endm

    .macro measured
    decl %ebp
    jnz 2b
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    subq %r12, %rax
    movq %rax, (%r14)
    addq $8, %r14
    decl %r13d
    jnz 1b
    xorl %eax, %eax
    outb %al, $0xeb
    .endm

/* Goes to `failed` unless the last call answered 0. */
    .macro must_succeed
    testq %rax, %rax
    jnz failed
    .endm

begin:
    /* A gate for the vector by which events come. */
    movl $event, %eax
    movw %ax, gate
    movw $8, gate + 2
    movw $0x8e00, gate + 4
    shrl $16, %eax
    movw %ax, gate + 6
    lidt vectors
    call_hypervisor 12, 7, shared_frame
    must_succeed
    call_hypervisor 34, 0, callback
    must_succeed
    call_hypervisor 32, 7, ipi
    must_succeed
    movl ipi + 4, %ebx
    movl %ebx, send
    /* The lender may not be there yet. */
3:  yield
    call_hypervisor 20, 0, map, 1
    must_succeed
    cmpw $0, map + 18
    jne 3b
    movl map + 20, %eax
    movl %eax, unmap + 16
    call_hypervisor 20, 1, unmap, 1
    must_succeed

    measure 0                       /* a hypercall that does nothing: XENVER_version */
    call_hypervisor 17, 0
    measured

    measure 1                       /* CPUID */
    xorl %ecx, %ecx
    movl $0x40000000, %eax
    cpuid
    measured

    /* Interrupts are off, and what was sent stays pending. */
    measure 2                       /* EVTCHNOP_send that changes nothing */
    call_hypervisor 32, 4, send
    measured

    sti
    movq taken, %r15
4:  cmpq $0, taken                  /* what was pending comes now */
    je 4b
    measure 3                       /* EVTCHNOP_send, until its handler has run */
    movq taken, %r15
    call_hypervisor 32, 4, send
5:  cmpq taken, %r15
    je 5b
    measured
    cli

    measure 4                       /* GNTTABOP_copy of a page */
    call_hypervisor 20, 5, copy, 1
    measured
    cmpw $0, copy + 36
    jne failed

    measure 5                       /* GNTTABOP_map_grant_ref and _unmap_grant_ref of a page */
    call_hypervisor 20, 0, map, 1
    movl map + 20, %eax
    movl %eax, unmap + 16
    call_hypervisor 20, 1, unmap, 1
    measured
    cmpw $0, map + 18
    jne failed
    cmpw $0, unmap + 20
    jne failed

    /* One line for each round: the operation, and the count. */
    xorl %ebx, %ebx
6:  xorl %ebp, %ebp
7:  leal '0'(%rbx), %eax
    movb %al, line + 12
    imull $rounds * 8, %ebx, %eax
    movq results(%rax, %rbp, 8), %rax
    movl $line + 14 + 7, %edi
    movl $8, %ecx
8:  movl %eax, %edx
    andl $15, %edx
    movb letters(%rdx), %dl
    movb %dl, (%rdi)
    shrq $4, %rax
    decq %rdi
    decl %ecx
    jnz 8b
    movl $line, %esi
    movl $done - line, %edx
    call say
    incl %ebp
    cmpl $rounds, %ebp
    jb 7b
    incl %ebx
    cmpl $operations, %ebx
    jb 6b
    movl $done, %esi
    movl $failed_text - done, %edx
    call say
    cli
    hlt
failed:
    movl $failed_text, %esi
    movl $end - failed_text, %edx
    call say
    cli
    hlt

/* Takes what is pending, as a guest of two levels does (event_channel.h). */
    .align 16
event:
    pushq %rax
    movb $0, shared_info
    xorl %eax, %eax
    xchgq %rax, shared_info + 8
    movl ipi + 4, %eax
    lock btrl %eax, shared_info + 2048
    jnc 1f
    incq taken
1:  popq %rax
    iretq

    .data
    .align 8
/* struct xen_add_to_physmap: space 0, the shared information page. */
shared_frame:
    .word 0x7ff0, 0
    .long 0
    .quad 0, shared_info >> 12
/* struct xen_hvm_param: HVM_PARAM_CALLBACK_IRQ, type 2, vector 0x40. */
callback:
    .word 0x7ff0, 0
    .long 0
    .quad 0x0200000000000040
/* struct evtchn_bind_ipi, struct evtchn_send. */
ipi:
    .long 0, 0
send:
    .long 0, 0
/* struct gnttab_map_grant_ref, read-only; struct gnttab_unmap_grant_ref. */
map:
    .quad foreign_page
    .long 6, 8
    .word 1, 1
    .long 0
    .quad 0
unmap:
    .quad foreign_page, 0
    .long 0, 0
/* struct gnttab_copy: from a reference, to a frame of its own. */
copy:
    .quad 8
    .long 1, 0
    .quad 0x1b00
    .long 0x7ff0, 0
    .word 4096, 1, 0, 0
line: .ascii "operation:  0 00000000\n"
done: .ascii "operations: done\n"
failed_text: .ascii "operations: failed\n"
end:
letters: .ascii "0123456789abcdef"
    .align 16
gates: .skip 0x40 * 16
gate: .skip 16
vectors:
    .word 0x41 * 16 - 1
    .quad gates
    .bss
    .align 8
taken: .skip 8
results: .skip operations * rounds * 8
    .text
