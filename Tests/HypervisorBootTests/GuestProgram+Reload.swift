/// Programs of a system whose policy is replaced while they run.
extension GuestProgram {
    /// Takes archives from COM2, each with its size before it, loads each and says what came of it;
    /// a size of 0 ends it. Reason *n* is told as the *n*th letter.
    static func loader() throws -> GuestProgram { try GuestProgram(loaderText) }

    private static let loaderText = """
        again:
            movl $size, %edi
            movl $4, %ecx
        1:  call get
            stosb
            decl %ecx
            jnz 1b
            movl size, %ecx
            testl %ecx, %ecx
            jz done
            movl $0x1800000, %edi
        2:  call get
            stosb
            decl %ecx
            jnz 2b
            movl size, %eax
            movl %eax, request + 16
            movl $0, request + 20
            movl $27, %eax
            movl $request, %edi
            vmmcall
            testq %rax, %rax
            jnz 3f
            movl $27, %eax
            movl $list, %edi
            vmmcall
            movb list + 16, %al
            addb $0x30, %al
            movb %al, number
            movl $loaded, %esi
            movl $refused - loaded, %edx
            call say
            jmp again
        3:  movb request + 20, %al
            addb $0x60, %al
            movb %al, letter
            movl $refused, %esi
            movl $texts - refused, %edx
            call say
            jmp again
        done:
            cli
            hlt
        /* The next byte of COM2, in AL. */
        get:
            movw $0x2fd, %dx
        1:  inb %dx, %al
            testb $1, %al
            jz 1b
            movw $0x2f8, %dx
            inb %dx, %al
            ret
            .data
        loaded: .ascii "loaded, took "
        number: .ascii "0\\n"
        refused: .ascii "refused, reason "
        letter: .ascii "a\\n"
        texts:
            .align 8
        request:
            .long 1, 1
            .quad 0x1800000
            .long 0, 0
        list:
            .long 0x43534d01, 1, 0, 0, 0, 0
            .skip 96
        size: .long 0
            .text
        """

    /// Grants domain 3 a page, waits for it on a port, and rings it until that is refused.
    static func sender() throws -> GuestProgram { try GuestProgram(senderText) }

    private static let senderText = """
            /* The grant table at 48 MiB, and in entry 8 the page at 26 MiB, to read. */
            movl $12, %eax
            movl $7, %edi
            movl $place, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            movl $0x5ec2e7, 0x1a00000
            movl $0x1a00, 0x3000044
            movw $3, 0x3000042
            movw $5, 0x3000040
            movl $32, %eax
            movl $6, %edi
            movl $request, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            say "granted"
        1:  movl $32, %eax
            movl $4, %edi
            movl $request + 4, %esi
            vmmcall
            testq %rax, %rax
            jnz 2f
            movl $29, %eax
            xorl %edi, %edi
            vmmcall
            jmp 1b
        2:  cmpq $-1, %rax
            jne failed
            say "ringing is refused"
            movl $32, %eax
            movl $6, %edi
            movl $request, %esi
            vmmcall
            cmpq $-1, %rax
            jne failed
            say "waiting is refused"
            cli
            hlt
        failed:
            say "failed"
            cli
            hlt
            .data
            .align 8
        place:
            .word 0x7ff0, 0
            .long 1
            .quad 0, 0x3000
        request:
            .word 0x7ff0, 3
            .long 0
            .text
        """

    /// Joins the port of domain 2, maps its page, and looks at both until they are gone.
    static func receiver() throws -> GuestProgram { try GuestProgram(receiverText) }

    private static let receiverText = """
        /* Its port is one of the first. */
        retry:
            movl $29, %eax
            xorl %edi, %edi
            vmmcall
            movl $8, remote + 4
        1:  movl $32, %eax
            xorl %edi, %edi
            movl $remote, %esi
            vmmcall
            testq %rax, %rax
            jz 2f
            decl remote + 4
            jnz 1b
            jmp retry
        2:  movl $20, %eax
            xorl %edi, %edi
            movl $map, %esi
            movl $1, %edx
            vmmcall
            cmpw $0, map + 18
            jne failed
            cmpl $0x5ec2e7, 0x4000000
            jne failed
            say "joined"
        3:  movl $29, %eax
            xorl %edi, %edi
            vmmcall
            cmpl $0x5ec2e7, 0x4000000
            je 3b
            cmpl $0, 0x4000000
            jne failed
            say "the page is blank"
            movl remote + 8, %eax
            movl %eax, status + 4
            movl $32, %eax
            movl $5, %edi
            movl $status, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            cmpl $0, status + 8
            jne failed
            say "the port is closed"
            movl $20, %eax
            xorl %edi, %edi
            movl $again, %esi
            movl $1, %edx
            vmmcall
            cmpw $0, again + 18
            je failed
            say "mapping is refused"
            cli
            hlt
        failed:
            say "failed"
            cli
            hlt
            .data
            .align 8
        remote:
            .word 2, 0
            .long 8, 0, 0
        status:
            .word 0x7ff0, 0
            .long 0, 0, 0, 0, 0
        map:
            .quad 0x4000000
            .long 6, 8
            .word 2, 1
            .long 0
            .quad 0
        again:
            .quad 0x4001000
            .long 6, 8
            .word 2, 1
            .long 0
            .quad 0
            .text
        """
}
