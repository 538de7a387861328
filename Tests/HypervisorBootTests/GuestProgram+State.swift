/// A program that watches its own registers: those that a hypervisor keeps by itself when the
/// processor goes to another guest.
extension GuestProgram {
    /// Looks whether the x87, SSE, AVX and debug registers are as after a reset; fills them with
    /// what only it has; looks at them all the time until it was off the processor `switches`
    /// times; and goes on with `body`.
    ///
    /// - Parameter mark: what it fills them with, 1 to 3.
    static func keeper(mark: Int, switches: Int, then body: String) throws -> GuestProgram {
        try GuestProgram(
            """
                movq %cr4, %rax
                orl $0x600, %eax        /* OSFXSR, OSXMMEXCPT */
                movq %rax, %cr4
                movl $1, %eax
                cpuid
                andl $0x14000000, %ecx  /* XSAVE, AVX */
                cmpl $0x14000000, %ecx
                jne 1f
                movq %cr4, %rax
                orl $0x40000, %eax
                movq %rax, %cr4
                xorl %ecx, %ecx
                xorl %edx, %edx
                movl $7, %eax
                xsetbv
                movl $1, has_avx
                say "there is AVX"
            1:  call clean
            """ + filling + watching(switches) + body + "\n" + cleanness + changing
                + places(mark))
    }

    /// One line for each of some registers.
    private static func each(_ count: Int, _ line: (Int) -> String) -> String {
        (0..<count).map { line($0) + "\n" }.joined()
    }

    private static let filling = """

            fldcw control
            ldmxcsr status
        """ + "\n" + each(8) { "movq wanted + \(16 * $0), %mm\($0)" }
        + each(16) { "movups wanted + \(128 + 16 * $0), %xmm\($0)" }
        + each(4) { "movq wanted + \(128 + 16 * $0), %rax\nmovq %rax, %dr\($0)" }
        + "testl $1, has_avx\njz 2f\n"
        + each(16) { "vinsertf128 $1, upper + \(16 * $0), %ymm\($0), %ymm\($0)" }
        + "2:\n"

    /// How often it was off the processor it knows from when it last came to it
    /// (`state_entry_time` of `struct vcpu_runstate_info`).
    private static func watching(_ switches: Int) -> String {
        """
            movl $24, %eax
            movl $5, %edi
            xorl %esi, %esi
            movl $request, %edx
            vmmcall
            testq %rax, %rax
            jnz changed
            movl $\(switches), %ebp
            movq runstate + 8, %rbx
        watch:
            movl $17, %eax          /* xen_version: leaves the guest and comes back at once */
            xorl %edi, %edi
            vmmcall
            call compare
            movq runstate + 8, %rax
            cmpq %rax, %rbx
            je watch
            movq %rax, %rbx
            decl %ebp
            jnz watch
            say "registers are kept"

        """
    }

    /// Compares all registers with what they were filled with.
    private static let changing = """
        compare:
            fxsave64 area
            movw area, %ax
            cmpw control, %ax
            jne changed
            movl area + 24, %eax
            cmpl status, %eax
            jne changed

        """
        + each(8) {
            "movq area + \(32 + 16 * $0), %rax\ncmpq wanted + \(16 * $0), %rax\njne changed"
        }
        + each(4) {
            "movq %dr\($0), %rax\ncmpq wanted + \(128 + 16 * $0), %rax\njne changed"
        } + """
                movl $area + 160, %esi
                movl $wanted + 128, %edi
                movl $32, %ecx
                repe cmpsq
                jne changed
                testl $1, has_avx
                jz 1f

            """ + each(16) { "vextractf128 $1, %ymm\($0), seen + \(16 * $0)" } + """
                movl $seen, %esi
                movl $upper, %edi
                movl $32, %ecx
                repe cmpsq
                jne changed
            1:  ret
            changed:
                say "a register changed"
                cli
                hlt

            """

    /// Says whether all registers are as after a reset.
    private static let cleanness = """
        clean:
            fxsave64 area
            cmpw $0x37f, area
            jne 2f
            cmpb $0, area + 4
            jne 2f
            cmpl $0x1f80, area + 24
            jne 2f
            xorl %eax, %eax
            movl $area + 32, %edi
            movl $48, %ecx
            repe scasq
            jne 2f
            testl $1, has_avx
            jz 1f

        """ + each(16) { "vextractf128 $1, %ymm\($0), seen + \(16 * $0)" } + """
                movl $seen, %edi
                movl $32, %ecx
                repe scasq
                jne 2f
            1:

            """ + each(4) { "movq %dr\($0), %rax\ntestq %rax, %rax\njnz 2f" } + """
                say "registers are clean"
                ret
            2:  say "registers are not clean"
                ret

            """

    private static func places(_ mark: Int) -> String {
        let values = each(48) { ".quad 0x5ec2e7\(mark)00000000 + \($0 + 1), \(mark << 20 + $0)" }
        return """
                .data
                .align 16
            request: .quad runstate
            control: .word \(0x37f & ~0xc00 | mark << 10)
                .word 0
            status: .long \(0x1f80 | mark << 13)
            has_avx: .long 0
                .align 16
            wanted:
            \(values)
                .equ upper, wanted + 384
                .bss
                .align 16
            area: .skip 512
            seen: .skip 256
            runstate: .skip 64
                .text
            """
    }
}
