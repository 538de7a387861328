import PolicyCompiler
import Testing
import VirtualHardware

/// Memory above 4 GiB, of the machine and of a guest, on the real hypervisor.
///
/// An emulated machine of 6 GiB has 2 GiB below 4 GiB, and 4 GiB above.
@Suite(.serialized) struct MemoryTests {
    /// The machine frame that a compartment's memory begins with.
    private func firstFrame(_ name: String, _ console: String) throws -> Int {
        let line = try Regex("\\(casemate\\) \(name): .* from frame (\\d+)")
        let match = console.firstMatch(of: line)
        let number = try #require(match?.output[1].substring, "\(console)")
        return try #require(Int(number))
    }

    private func boot(
        _ system: GuestSystem, byFirmware: Bool = false, mebibytes: Int = 6144
    ) throws -> BootOutcome {
        try BootOutcome.boot(system.bundle, seconds: 400, byFirmware: byFirmware) {
            $0.memoryInMebibytes = mebibytes
            $0.commandLine = "log=debug"
        }
    }

    @Test("two guests whose memory no range has room for together: one is above 4 GiB")
    func twoRanges() throws {
        let worker = try GuestProgram.memoryWorker(mebibytes: 1200)
        let system = try GuestSystem([worker, worker], fields: ["vcpus 1", "vcpus 1"]) {
            $0.compartments[0].memoryInBytes = 1200 << 20
            $0.compartments[1].memoryInBytes = 1200 << 20
        }
        let outcome = try boot(system)
        let console = outcome.console
        #expect(console.contains("(first) memory is right"), "\(console)")
        #expect(console.contains("(second) memory is right"), "\(console)")
        #expect(try firstFrame("first", console) < 1 << 20)
        #expect(try firstFrame("second", console) >= 1 << 20)
        let small = try boot(system, mebibytes: 2048)
        #expect(
            small.reasonOnConsole == "machine: too little memory for the system", "\(small.console)"
        )
    }

    @Test("a guest of 4,000 MiB has the rest from 4 GiB on, and nothing behind it")
    func largeGuest() throws {
        let system = try GuestSystem(
            [GuestProgram.largeWorker(mebibytes: 4000), GuestProgram.worker(1000)],
            fields: ["vcpus 1", "vcpus 1"]
        ) {
            $0.compartments[0].memoryInBytes = 4000 << 20
        }
        let outcome = try boot(system)
        let console = outcome.console
        #expect(try firstFrame("first", console) >= 1 << 20)
        #expect(console.contains("(first) the map is right"), "\(console)")
        #expect(console.contains("(first) memory is right"), "\(console)")
        #expect(!console.contains("(first) there is more"))
        #expect(console.contains("domain 1 crashed: access outside its memory 0x10a000000"))
        #expect(console.contains("(second) work is done"))
    }

    @Test("a machine that UEFI started has its memory above 4 GiB, too")
    func firmware() throws {
        let worker = try GuestProgram.memoryWorker(mebibytes: 3000)
        let system = try GuestSystem([worker], fields: ["vcpus 1"]) {
            $0.compartments[0].memoryInBytes = 3000 << 20
        }
        let outcome = try boot(system, byFirmware: true)
        #expect(outcome.console.contains("(first) memory is right"), "\(outcome.console)")
    }
}

extension GuestProgram {
    /// What the guests of memory have for tables: the page at `tables` points to a directory of
    /// its own for each GiB, up to the fifth.
    private static let wideMap = """
            movl $pages, %edi
            movl $0x83, %eax
            movl $2560, %ecx
        1:  movq %rax, (%rdi)
            addq $0x200000, %rax
            addl $8, %edi
            decl %ecx
            jnz 1b
            movl $5, %ecx
            movl $tables + 0x1000, %esi
            movl $pages + 3, %eax
        1:  movq %rax, (%rsi)
            addl $0x1000, %eax
            addl $8, %esi
            decl %ecx
            jnz 1b
            movl $tables, %eax
            movq %rax, %cr3
            .bss
            .align 4096
        pages: .skip 0x5000
            .text

        """

    /// Writes its own address to each MiB of its memory, less than 4 GiB, from 2 MiB on, reads them
    /// all back and says that they are right.
    static func memoryWorker(mebibytes: Int) throws -> GuestProgram {
        try GuestProgram(
            wideMap + """
                    movl $\(mebibytes << 20), %ebp
                    movl $0x200000, %esi
                1:  movq %rsi, (%rsi)
                    addq $0x100000, %rsi
                    cmpq %rbp, %rsi
                    jb 1b
                    movl $0x200000, %esi
                1:  cmpq %rsi, (%rsi)
                    jne 2f
                    addq $0x100000, %rsi
                    cmpq %rbp, %rsi
                    jb 1b
                    say "memory is right"
                2:  cli
                    hlt
                """)
    }

    /// Looks at its memory map, which must have the memory beyond 3,840 MiB from 4 GiB on, writes
    /// to each MiB of both parts, reads all back; and then touches the MiB behind its memory.
    static func largeWorker(mebibytes: Int) throws -> GuestProgram {
        let end = UInt64(1) << 32 + UInt64(mebibytes - 3840) << 20
        return try GuestProgram(
            wideMap + """
                    movq 40(%rbx), %rax
                    cmpl $6, 48(%rbx)
                    jne 2f
                    movl $0xeff00000, %ecx
                    cmpq %rcx, 56(%rax)     /* the third: from 1 MiB to 3,840 MiB */
                    jne 2f
                    movabsq $0x100000000, %rbp
                    cmpq %rbp, 120(%rax)
                    jne 2f
                    cmpq $\((mebibytes - 3840) << 20), 128(%rax)
                    jne 2f
                    cmpl $1, 136(%rax)
                    jne 2f
                    say "the map is right"
                    movabsq $\(end), %rbx
                    movl $0xf0000000, %r8d
                    movl $0x200000, %r9d
                1:  movq %r9, (%r9)
                    addq $0x100000, %r9
                    cmpq %r8, %r9
                    cmoveq %rbp, %r9
                    cmpq %rbx, %r9
                    jb 1b
                    movl $0x200000, %r9d
                1:  cmpq %r9, (%r9)
                    jne 2f
                    addq $0x100000, %r9
                    cmpq %r8, %r9
                    cmoveq %rbp, %r9
                    cmpq %rbx, %r9
                    jb 1b
                    say "memory is right"
                    movq %rbx, (%rbx)
                    say "there is more"
                2:  cli
                    hlt
                """)
    }
}
