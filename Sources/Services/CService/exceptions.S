/* Exceptions of a service: each ends in Swift, which says so and stops the compartment. */
#if !defined(__linux__)

    .section .text
    .altmacro
    .macro exception number
    .align 16
exception_\number:
    /* 8, 10 to 14, 17, 21, 29 and 30 push an error code; the others get a 0 in its place. */
    .if !((\number == 8) || ((\number >= 10) && (\number <= 14)) || (\number == 17) || \
          (\number == 21) || (\number == 29) || (\number == 30))
    pushq $0
    .endif
    pushq $\number
    jmp exception_common
    .endm

    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    exception \n
    .endr

exception_common:
    cld
    movq 0(%rsp), %rdi              /* number */
    movq 16(%rsp), %rsi             /* RIP */
    movq %cr2, %rdx
    andq $-16, %rsp
    call service_exception
1:  cli
    hlt
    jmp 1b

    .section .rodata
    .align 8
    .globl service_exception_table
service_exception_table:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    .quad exception_\n
    .endr
#endif
