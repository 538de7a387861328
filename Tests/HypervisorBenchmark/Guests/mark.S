/* A Linux program: one access to port 0xeb, which nobody has, so that the emulator's record of
   exits shows when it ran. */
    .text
    .globl start
start:
    movl $173, %eax                 /* ioperm(0xeb, 1, 1) */
    movl $0xeb, %edi
    movl $1, %esi
    movl $1, %edx
    syscall
    testq %rax, %rax
    jnz 1f
    movb $1, %al
    outb %al, $0xeb
1:  movq %rax, %rdi
    andl $0x7e, %edi                /* the byte that was written is no error */
    movl $60, %eax                  /* exit */
    syscall
