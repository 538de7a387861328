/// Programs that fail, that order and that read records.
extension GuestProgram {
    /// Says whether its memory holds what an earlier life left in it, leaves something there, and
    /// goes on with `body`.
    static func witness(_ body: String) throws -> GuestProgram {
        try GuestProgram(
            """
                movabsq $0x5ec2e75ec2e7, %rax
                cmpq %rax, 0x1800000
                movq %rax, 0x1800000
                je 1f
                say "memory is fresh"
                jmp 2f
            1:  say "I was here before"
            2:
            """ + "\n" + body)
    }

    /// Asks to stop, with a reason.
    static func shutDown(_ reason: Int) -> String {
        """
            movl $29, %eax
            movl $2, %edi
            movl $9f, %esi
            vmmcall
            .data
        9:  .long \(reason)
            .text
        """
    }

    /// Faults with a table of traps that is empty: a triple fault.
    static let tripleFault = """
            lidt nothing
            ud2
            .data
        nothing:
            .word 0
            .quad 0
            .text
        """

    /// Deploys domain 2, waits until it runs, ends it, waits until it is gone; twice.
    static func controller() throws -> GuestProgram {
        try GuestProgram(
            """
                movl $2, %ebp
            again:
                movl $4, %ebx
                call order
                testq %rax, %rax
                jnz refused
                movl $0x20, %ebx
                call await
                say "it runs"
                movl $300, %ecx
            pause:
                call yield
                decl %ecx
                jnz pause
                movl $2, %ebx
                call order
                testq %rax, %rax
                jnz refused
                movl $8, %ebx
                call await
                say "it is gone"
                decl %ebp
                jnz again
                cli
                hlt
            refused:
                say "the order was refused"
                cli
                hlt
            /* domctl, command EBX. */
            order:
                movl %ebx, request
                movl $36, %eax
                movl $request, %edi
                vmmcall
                ret
            /* Until a flag of EBX is set. */
            await:
                movl $5, request
                movl $36, %eax
                movl $request, %edi
                vmmcall
                testl %ebx, request + 20
                jnz 1f
                call yield
                jmp await
            1:  ret
            yield:
                movl $29, %eax
                xorl %edi, %edi
                vmmcall
                ret
                .data
                .align 8
            request:
                .long 5, 0x15, 2, 0
                .skip 112
                .text
            """)
    }

    /// Tries to reserve a port for domain 1, with which nothing joins it.
    static func trespasser() throws -> GuestProgram {
        try GuestProgram(
            """
                movl $32, %eax
                movl $6, %edi
                movl $request, %esi
                vmmcall
                say "tried"
                cli
                hlt
                .data
            request:
                .word 0x7ff0, 1
                .long 0
                .text
            """)
    }

    /// Reads records until there is one, and prints it.
    static func recordReader() throws -> GuestProgram {
        try GuestProgram(
            """
            1:  movl $35, %eax
                movl $request, %edi
                vmmcall
                testq %rax, %rax
                jnz 3f
                movl request + 24, %edx
                testl %edx, %edx
                jnz 2f
                movl $4096, request + 24
                movl $29, %eax
                xorl %edi, %edi
                vmmcall
                jmp 1b
            2:  movl $buffer, %esi
                call say
                cli
                hlt
            3:  say "records are closed to me"
                cli
                hlt
                .data
                .align 8
            request:
                .long 1, 0x15, 0x100, 0
                .quad buffer
                .long 4096, 0
                .skip 96
                .bss
            buffer:
                .skip 4096
                .text
            """)
    }
}

/// Programs that use COM2.
extension GuestProgram {
    /// Says hello on COM2, waits for an answer, and prints it.
    static func lineOwner() throws -> GuestProgram {
        try GuestProgram(
            """
                movl $text, %esi
            1:  movw $0x2fd, %dx
                inb %dx, %al
                testb $0x20, %al
                jz 1b
                lodsb
                movw $0x2f8, %dx
                outb %al, %dx
                cmpb $0x0a, %al
                jne 1b
                movl $heard, %edi
            2:  movw $0x2fd, %dx
                inb %dx, %al
                testb $1, %al
                jz 2b
                movw $0x2f8, %dx
                inb %dx, %al
                stosb
                cmpb $0x0a, %al
                jne 2b
                movl $heard, %esi
                movl %edi, %edx
                subl %esi, %edx
                call say
                cli
                hlt
                .data
            text: .ascii "hello\\n"
                .bss
            heard: .skip 64
                .text
            """)
    }

    /// Looks at COM2's line status, and writes to it.
    static func lineIntruder() throws -> GuestProgram {
        try GuestProgram(
            """
                movw $0x2f8, %dx
                movb $0x58, %al
                outb %al, %dx
                movw $0x2fd, %dx
                inb %dx, %al
                cmpb $0xff, %al
                jne 1f
                say "the line is closed to me"
            1:  cli
                hlt
            """)
    }
}
