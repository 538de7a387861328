/// Programs that drive a timer which another chip than the processor has: memory and an interrupt.
extension GuestProgram {
    /// Owns the HPET and line 20: has its second timer ring three times, then looks at what comes
    /// when nobody serves it.
    static func timerOwner() throws -> GuestProgram { try GuestProgram(ownerText + registers) }

    /// The same, in its second life: the first ends as soon as it has left its mark in the HPET.
    static func mortalTimerOwner() throws -> GuestProgram {
        try GuestProgram(
            """
                call reach
                movl $0xfed00000, %ebx
                cmpl $0x1234, 0x148(%rbx)
                je 1f
                movl $0x1234, 0x148(%rbx)
                ud2
            1:
            """ + ownerText + registers)
    }

    /// Binds line 20, and reads the HPET until it ends.
    static func timerReader() throws -> GuestProgram {
        try GuestProgram(
            """
                call reach
                movl $0xfed00000, %ebx
                movl $32, %eax
                movl $2, %edi
                movl $bound, %esi
                vmmcall
                testq %rax, %rax
                jnz failed
                movq (%rbx), %rax
                say "the timer is there"
            1:  movq (%rbx), %rax
                jmp 1b
            """ + registers)
    }

    /// Asks for line 20, and then touches the HPET.
    static func timerIntruder() throws -> GuestProgram {
        try GuestProgram(
            """
                call reach
                movl $32, %eax
                movl $2, %edi
                movl $bound, %esi
                vmmcall
                cmpq $-1, %rax
                jne failed
                say "the interrupt is closed to me"
                movl $0xfed00000, %ebx
                movq (%rbx), %rax
                say "the timer is not closed to me"
            """ + registers)
    }

    private static let ownerText = """
            call reach
            movl $0xfed00000, %ebx
            movq (%rbx), %rax
            shrq $16, %rax
            cmpw $0x8086, %ax
            jne failed
            say "the timer is there"
            /* The shared page at 25 MiB, with the pending bits. */
            movl $12, %eax
            movl $7, %edi
            movl $place, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            movl $32, %eax
            movl $2, %edi
            movl $bound, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            movq $1, 0x10(%rbx)             /* it counts */
            movl $0x2806, 0x120(%rbx)       /* line 20, level-triggered, on */
            movl $3, %ebp
        1:  call set
            call wait
            movq $2, 0x20(%rbx)
            call done
            decl %ebp
            jnz 1b
            say "it rang three times"
            call set
            call wait
            movl $30000000, %ecx
        2:  decl %ecx
            jnz 2b
            movl bound + 8, %ecx
            btq %rcx, 0x1900800
            jc failed
            say "it rings once"
            call done
            call wait
            say "it rings again"
            movq $0, 0x10(%rbx)
            movq $2, 0x20(%rbx)
            cli
            hlt
        /* Has the timer ring in a millisecond of its own time. */
        set:
            movl 0xf0(%rbx), %eax
            addl $100000, %eax
            movl %eax, 0x128(%rbx)
            ret
        /* Waits for the port, and takes its event. */
        wait:
            movl $29, %eax
            movl $3, %edi
            movl $poll, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            movl bound + 8, %ecx
            btrq %rcx, 0x1900800
            jnc failed
            ret
        /* Says that the interrupt was dealt with. */
        done:
            movl $33, %eax
            movl $12, %edi
            movl $bound, %esi
            vmmcall
            testq %rax, %rax
            jnz failed
            ret
            .data
            .align 8
        poll:
            .quad bound + 8
            .long 1, 0
            .quad 0
        place:
            .word 0x7ff0, 0
            .long 0
            .quad 0, 0x1900
            .text

        """

    private static let registers = """

        failed:
            say "failed"
            cli
            hlt
        /* Maps the 2 MiB in which the HPET is. */
        reach:
            movl $high + 3, tables + 0x1018
            movl $0xfec00083, high + 502 * 8
            ret
            .data
            .align 8
        bound: .long 20, 0, 0
            .bss
            .align 4096
        high: .skip 4096
            .text
        """
}
