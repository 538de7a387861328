/* Grants a page to domain 2, to read, by entry 8 of its table, and waits for ever. */
    .include "entry.S"
begin:
    show_grant_table
    testq %rax, %rax
    jnz failed
    movl $0x1a00, grant_table + 8 * 8 + 4
    movw $2, grant_table + 8 * 8 + 2
    movw $5, grant_table + 8 * 8
    movl $granted, %esi
    movl $failed_text - granted, %edx
    call say
1:  call_hypervisor 29, 1
    jmp 1b
failed:
    movl $failed_text, %esi
    movl $end - failed_text, %edx
    call say
    cli
    hlt
    .data
granted: .ascii "lender: granted\n"
failed_text: .ascii "lender: failed\n"
end:
    .text
