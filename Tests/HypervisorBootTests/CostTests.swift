import Foundation
import Testing
import VirtualHardware

/// What a guest's requests cost, in instructions that the emulated processor counts: world switch,
/// hypervisor and the guest's own loop together. The figures do not depend on the machine's load.
@Suite(.serialized) struct CostTests {
    /// Makes each call 10,000 times and prints how much its time-stamp counter rose for one: with
    /// counted instructions the counter counts them.
    private static let program = """
            /* measure NAME: the instructions of one call of what follows, until `told`. */
            .macro measure
            rdtsc
            shlq $32, %rdx
            orq %rdx, %rax
            movq %rax, %r12
            movl $10000, %ebp
            .endm
            .macro told name
            decl %ebp
            jnz 1b
            rdtsc
            shlq $32, %rdx
            orq %rdx, %rax
            subq %r12, %rax
            xorl %edx, %edx
            movl $10000, %ecx
            divq %rcx
            call digits
            .data
        7:  .ascii "\\name "
        6:
            .text
            movl $7b, %esi
            movl $6b - 7b, %edx
            call say
            movl $number, %esi
            movl $9, %edx
            call say
            .endm
            measure
        1:  movl $17, %eax
            xorl %edi, %edi
            vmmcall
            told version
            measure
        1:  xorl %ecx, %ecx
            movl $0x40000000, %eax
            cpuid
            told cpuid
            movl $32, %eax
            movl $7, %edi
            movl $event, %esi
            vmmcall
            movl event + 4, %eax
            movl %eax, event
            measure
        1:  movl $32, %eax
            movl $4, %edi
            movl $event, %esi
            vmmcall
            told send
            cli
            hlt
        /* RAX as eight hexadecimal digits. */
        digits:
            movl $8, %ecx
            movl $number + 7, %edi
        2:  movl %eax, %edx
            andl $15, %edx
            movb letters(%rdx), %dl
            movb %dl, (%rdi)
            shrq $4, %rax
            decq %rdi
            decl %ecx
            jnz 2b
            ret
            .data
        letters: .ascii "0123456789abcdef"
        number: .ascii "00000000\\n"
            .align 8
        event: .skip 16
            .text
        """

    private func cost(_ name: String, _ console: String) throws -> Int {
        let line = console.split(whereSeparator: \.isNewline).first {
            $0.hasPrefix("(first) \(name) ")
        }
        let digits = try #require(line?.split(separator: " ").last, "\(console)")
        return try #require(Int(digits, radix: 16), "\(console)")
    }

    @Test("a hypercall, a CPUID and a signal keep their bounds of instructions")
    func bounds() throws {
        let system = try GuestSystem([GuestProgram(Self.program)], fields: ["vcpus 1"])
        let outcome = try BootOutcome.boot(system.bundle) { $0.countsInstructions = true }
        let bounds = [("version", 1_325), ("cpuid", 1_020), ("send", 2_000)]
        for (name, bound) in bounds {
            let cost = try cost(name, outcome.console)
            print("instructions of one \(name): \(cost)")
            #expect(cost > 100, "nothing was measured")
            #expect(cost <= bound, "\(name)")
        }
    }
}
