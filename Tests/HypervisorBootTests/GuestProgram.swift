import Foundation
import TestSupport

/// A guest that is a few instructions, assembled for a test: it is started as Linux is, by PVH.
struct GuestProgram {
    /// The ELF image.
    let image: [UInt8]

    /// Why a program could not be assembled.
    struct Failure: Error {
        let message: String
    }

    /// Assembles a program that begins in long mode with interrupts off, a stack, an identity map
    /// of 1 GiB and `say` to print the text at RSI, of RDX bytes, on the console.
    init(_ body: String) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let source = try folder.write(GuestProgram.prelude + body + "\n", to: "guest.S")
        let script = try folder.write(GuestProgram.script, to: "guest.ld")
        let object = folder.path("guest.o")
        let image = folder.path("guest.elf")
        try GuestProgram.run(
            "clang", ["--target=x86_64-unknown-none-elf", "-c", source, "-o", object])
        try GuestProgram.run("ld.lld", ["-T", script, object, "-o", image])
        self.image = [UInt8](try Data(contentsOf: URL(filePath: image)))
    }

    private static func run(_ tool: String, _ arguments: [String]) throws {
        let run = try ToolRun("/usr/bin/env", [tool] + arguments)
        guard run.status == 0 else { throw Failure(message: run.errors) }
    }

    private static let script = """
        ENTRY(start)
        PHDRS { text PT_LOAD FLAGS(7); note PT_NOTE; }
        SECTIONS {
            . = 0x100000;
            .text : { *(.text) *(.data) *(.bss) } :text
            .note : { *(.note) } :text :note
        }
        """

    private static let prelude = """
            .section .note, "a", @note
            .align 4
            .long 4, 8, 18
            .asciz "Xen"
            .quad start
            .text
            .code32
            .globl start
        start:
            cli
            cld
            movl $stack, %esp
            movl $tables + 0x1003, tables
            movl $tables + 0x2003, tables + 0x1000
            movl $tables + 0x2000, %edi
            movl $0x83, %eax
            movl $512, %ecx
        1:  movl %eax, (%edi)
            addl $0x200000, %eax
            addl $8, %edi
            decl %ecx
            jnz 1b
            movl $tables, %eax
            movl %eax, %cr3
            movl $0x20, %eax
            movl %eax, %cr4
            movl $0xc0000080, %ecx
            movl $0x100, %eax
            xorl %edx, %edx
            wrmsr
            movl %cr0, %eax
            orl $0x80000001, %eax
            movl %eax, %cr0
            lgdt descriptor
            ljmp $8, $long
            .data
            .align 8
        gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
        descriptor:
            .word 23
            .long gdt
            .bss
            .align 4096
        tables: .skip 0x3000
            .skip 0x4000
        stack:
            .text
            .code64
        say:
            movq %rdx, %rdi
            xchgq %rsi, %rdi
            movq %rdi, %rdx
            xorl %edi, %edi
            movl $18, %eax
            vmmcall
            ret
            /* say TEXT: prints a line. */
            .macro say text
            .data
        9:  .ascii "\\text\\n"
        8:
            .text
            movl $9b, %esi
            movl $8b - 9b, %edx
            call say
            .endm
        long:
            movw $0x10, %ax
            movw %ax, %ds
            movw %ax, %es
            movw %ax, %ss

        """

    /// Counts to `count`, says so and powers its domain off.
    static func worker(_ count: Int) throws -> GuestProgram {
        try GuestProgram(
            """
                movq $\(count), %rcx
            1:  decq %rcx
                jnz 1b
                say "work is done"
                cli
                hlt
            """)
    }

    /// Never ends and never leaves the processor.
    static func spinner() throws -> GuestProgram {
        try GuestProgram("1:  jmp 1b")
    }

    /// Never ends and asks the hypervisor for something all the time, which it gets at once.
    static func asker() throws -> GuestProgram {
        try GuestProgram(
            """
            1:  movl $17, %eax
                xorl %edi, %edi
                vmmcall
                movl $0x40000000, %eax
                cpuid
                jmp 1b
            """)
    }

    /// Touches what a guest has no business with: every port, thousands of MSRs, hypercalls with
    /// wild numbers and pointers, and at last, by triple fault, itself. After each it is still
    /// there, or it would not get to say so.
    static func hostile() throws -> GuestProgram {
        try GuestProgram(
            """
                movl $fault, %eax
                movw %ax, gate
                movw $8, gate + 2
                movw $0x8e00, gate + 4
                shrl $16, %eax
                movw %ax, gate + 6
                lidt traps
                /* Every port, written and read, PCI's configuration space and the UARTs too. */
                xorl %edx, %edx
            1:  movl $0x80000004, %eax
                outl %eax, %dx
                inl %dx, %eax
                movb $0x5a, %al
                outb %al, %dx
                inb %dx, %al
                addl $3, %edx
                cmpl $0x10000, %edx
                jb 1b
                say "ports are done"
                /* Hypercalls: numbers, sub-operations and pointers from a generator. */
                movq $20000, %rbp
                movq $0x9e3779b97f4a7c15, %rbx
            2:  movabsq $6364136223846793005, %rax
                imulq %rax, %rbx
                incq %rbx
                movq %rbx, %rax
                shrq $33, %rax
                andl $63, %eax
                movq %rbx, %rdi
                shrq $40, %rdi
                andl $31, %edi
                movq %rbx, %rsi
                testb $1, %bl           /* sometimes the pointer is good and what it names wild */
                jz 5f
                movl $wild, %esi
                movq %rbx, wild
                movq %rdi, wild + 8
            5:  movq %rsi, %rdx
                rolq $17, %rdx
                movq %rbx, %r10
                rolq $31, %r10
                cmpl $29, %eax          /* no shutdown, no console: it would be quiet or loud */
                je 3f
                cmpl $18, %eax
                je 3f
                vmmcall
            3:  decq %rbp
                jnz 2b
                say "hypercalls are done"
                /* A page of registers, read; most fault, and the handler goes on behind them. */
                movl $0xc0010000, %ebp
            4:  movl %ebp, %ecx
                rdmsr
                wrmsr
                incl %ebp
                cmpl $0xc0011400, %ebp
                jb 4b
                say "registers are done"
                lidt nothing
                ud2
            """ + survival)
    }

    /// The table of traps of the hostile guest, and what its wild pointers name.
    private static let survival = """

        /* General protection: both instructions have two bytes. */
            .align 16
        fault:
            addq $2, 8(%rsp)
            addq $8, %rsp
            iretq
            .data
            .align 16
        vectors:
            .skip 13 * 16
        gate:
            .skip 16
        traps:
            .word 14 * 16 - 1
            .quad vectors
        nothing:
            .word 0
            .quad 0
        wild: .skip 256
            .text
        """
}
