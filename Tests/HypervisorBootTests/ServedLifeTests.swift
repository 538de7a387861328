import Foundation
import TestSupport
import Testing
import VirtualHardware

/// What becomes of users and services when one of them fails, under the real hypervisor with
/// Debian's kernel. `hypervisor/run policy/systems/shared --prepare` has made kernel, services and
/// the initial RAM disk, to which each guest here adds what it does.
@Suite(.serialized) struct ServedLifeTests {
    private func module(_ name: String) throws -> [UInt8] {
        let folder = try #require(ProcessInfo.processInfo.environment["CASEMATE_MODULES"])
        return [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name)))
    }

    /// An initial RAM disk whose first process runs these lines of a shell.
    private func disk(_ role: String) throws -> [UInt8] {
        let start = """
            #!/bin/sh
            say() { echo "casemate-guest: $*"; }
            read_mark() { xenstore-read "$1/mark" 2>/dev/null; }
            crash() { echo c >/proc/sysrq-trigger; }

            """
        // The kernel unpacks one archive after the other, and the later file counts.
        return try module("shared-sensor.cpio")
            + NewcArchive.member("role", Array((start + role).utf8), mode: 0o100755)
            + NewcArchive.member("TRAILER!!!", [])
    }

    /// The program of a service in which a function is no instruction: who lets it be called ends
    /// the service.
    private func broken(_ product: String, at function: String) throws -> [UInt8] {
        let path = ".build-services/x86_64-unknown-none-elf/release/\(product)"
        let symbols = try ToolRun("/usr/bin/nm", [path]).output.split(separator: "\n")
        let symbol = try #require(
            symbols.first { $0.contains(function) && $0.lowercased().contains(" t ") })
        let address = try #require(Int(symbol.prefix(16), radix: 16))
        var image = [UInt8](
            try Data(contentsOf: RepositoryFiles.root.appending(path: path)))
        func number(_ offset: Int, _ size: Int) -> Int {
            (0..<size).reduce(0) { $0 | Int(image[offset + $1]) << (8 * $1) }
        }
        // ELF-64: program headers from e_phoff, e_phentsize and e_phnum; p_type, p_offset, p_vaddr
        // and p_filesz.
        let headers = (0..<number(56, 2)).map { number(32, 8) + $0 * number(54, 2) }
        let header = try #require(
            headers.first { header in
                let start = number(header + 16, 8)
                return number(header, 4) == 1
                    && (start..<start + number(header + 32, 8)).contains(address)
            })
        let place = number(header + 8, 8) + address - number(header + 16, 8)
        // UD2.
        image.replaceSubrange(place..<place + 2, with: [0x0f, 0x0b])
        return image
    }

    private func system(
        _ names: [String], _ fields: [String: String], _ channels: String,
        services: [[UInt8]], roles: [String]
    ) throws -> GuestSystem {
        let kernel = try module("debian.vmlinux")
        let guests = names.map { name in
            """
            compartment \(name) at low {
                kernel debian
                initrd "shared-sensor.cpio"
                command line "console=hvc0 quiet"
                memory 160 MiB
                vcpus 1
                uses store, console
                \(fields[name] ?? "")
            }

            """
        }
        let text = """
            system lives version 1
            target casemate

            levels low

            service store at low {
                kernel "store.elf"
                memory 64 MiB
                vcpus 1
                \(fields["store"] ?? "")
            }

            service console at low {
                kernel "console.elf"
                memory 32 MiB
                vcpus 1
                \(fields["console"] ?? "")
            }

            \(guests.joined())
            \(channels)
            """
        // The services have no disk.
        let disks: [[UInt8]?] = [nil, nil] + (try roles.map(disk))
        return try GuestSystem(text, kernels: services + names.map { _ in kernel }, initrds: disks)
    }

    private func count(_ text: String, _ console: String) -> Int {
        console.components(separatedBy: text).count - 1
    }

    /// Says what it finds of a predecessor, leaves a mark, for itself and for the other, and fails
    /// or goes on by order.
    private static let mortal = """
        say "found $(read_mark data || echo nothing)"
        mark=$(cat /proc/sys/kernel/random/uuid)
        xenstore-write data/mark "$mark" /channel/notes/mark "$mark"
        [ "$(read_mark data)" = "$mark" ] || say "my mark is lost"
        until [ "$order" = "stay $mark" ]; do
            sleep 1
            order=$(xenstore-read /channel/orders/order 2>/dev/null)
            [ "$order" != "crash $mark" ] || crash
        done
        say "served in another life"
        """

    /// Opens a transaction and a watch, has the other fail, and goes on with both after that.
    private static let witness = #"""
        exec 3<>/dev/xen/xenbus 4<>/dev/xen/xenbus
        take() { busybox dd bs=4096 count=1 2>/dev/null; }
        reply() { take <&3 | busybox tail -c +17 | busybox tr -d '\000'; }
        printf '\006\0\0\0\001\0\0\0\0\0\0\0\001\0\0\0\0' >&3
        id=$(printf '\\%03o' "$(reply)")
        printf "\013\0\0\0\002\0\0\0$id\0\0\0\020\0\0\0data/late\0lasted" >&3
        say "in a transaction: $(reply)"
        printf '\004\0\0\0\003\0\0\0\0\0\0\0\021\0\0\0/channel/notes\0t\0' >&4
        cat <&4 >/events &
        until first=$(read_mark /channel/notes); do sleep 1; done
        late=$(xenstore-read data/late 2>/dev/null || echo unseen)
        say "it has left a mark; my own change is $late"
        seen=$(busybox tr '\000' '\n' </events | busybox grep -c notes/mark)
        xenstore-write /channel/orders/order "crash $first"
        while read_mark /channel/notes >/dev/null; do sleep 1; done
        say "its mark is gone"
        until second=$(read_mark /channel/notes); do sleep 1; done
        [ "$first" = "$second" ] || say "another life has left its own"
        printf "\007\0\0\0\004\0\0\0$id\0\0\0\002\0\0\0T\0" >&3
        say "the transaction's end: $(reply), and my node has $(xenstore-read data/late)"
        sleep 2
        now=$(busybox tr '\000' '\n' </events | busybox grep -c notes/mark)
        [ "$now" -gt "$seen" ] || say "the watch has told nothing"
        say "the watch lives"
        xenstore-write /channel/orders/order "stay $second"
        """#

    @Test("a user that fails is served again and finds nothing of itself; the other lost nothing")
    func user() throws {
        let system = try system(
            ["mortal", "witness"], ["mortal": "restart 2 times"],
            """
            channel notes: mortal -> witness signal
            channel orders: witness -> mortal signal
            """,
            services: [module("store.elf"), module("console.elf")],
            roles: [ServedLifeTests.mortal, ServedLifeTests.witness])
        let expected = [
            "(store) store: ready, serves 2 rings; 0 of its own requests refused",
            "(witness) casemate-guest: in a transaction: OK",
            "(witness) casemate-guest: it has left a mark; my own change is unseen",
            "mortal failed: ",
            "(witness) casemate-guest: its mark is gone",
            "(witness) casemate-guest: another life has left its own",
            "(witness) casemate-guest: the transaction's end: OK, and my node has lasted",
            "(witness) casemate-guest: the watch lives",
            "(mortal) casemate-guest: served in another life",
        ]
        let console = try BootOutcome.boot(system.bundle, until: expected, seconds: 300).console
        for line in expected { #expect(console.contains(line), "\(line)\n\(console)") }
        #expect(count("(mortal) casemate-guest: found nothing", console) == 2)
        #expect(count("mortal failed: ", console) == 1)
        #expect(!console.contains(": denied "))
        for line in ["the watch has told nothing", "my mark is lost", "witness failed"] {
            #expect(!console.contains(line), "\(line)\n\(console)")
        }
    }

    /// Has the store run into its invalid instruction, and fails itself when it gets no answer.
    private static let breaker = #"""
        say "I am $(xenstore-read name)"
        sleep 5
        exec 3<>/dev/xen/xenbus
        printf '\026\0\0\0\001\0\0\0\0\0\0\0\007\0\0\0data\0000\0' >&3
        busybox timeout 20 busybox dd bs=16 count=1 <&3 >/dev/null 2>&1 ||
            say "no answer, but I go on"
        crash
        """#

    private static let bystander = """
        say "I am $(xenstore-read name)"
        while busybox timeout 20 xenstore-read name >/dev/null 2>&1; do sleep 1; done
        say "no store any more, but I go on"
        i=0
        while :; do sleep 3; i=$((i + 1)); say "still there, $i"; done
        """

    @Test("a store that fails ends nobody; its users have none until they are started again")
    func store() throws {
        let system = try system(
            ["breaker", "bystander"],
            ["store": "restart 1 times", "breaker": "restart 1 times"], "",
            services: [
                broken("StoreService", at: "listDirectoryPart"), module("console.elf"),
            ],
            roles: [ServedLifeTests.breaker, ServedLifeTests.bystander])
        let expected = [
            "store failed: shutdown reason 3; it is started again, 0 restarts are left",
            "(breaker) casemate-guest: no answer, but I go on",
            "breaker failed: ",
            "(bystander) casemate-guest: no store any more, but I go on",
            "store failed: shutdown reason 3; it stays down: its limit of 1 restarts is used up",
            "; it stays down: its limit of 1 restarts is used up",
        ]
        let console = try BootOutcome.boot(system.bundle, until: expected, seconds: 300).console
        for line in expected { #expect(console.contains(line), "\(line)\n\(console)") }
        // Served by the second store as by the first.
        #expect(count("(breaker) casemate-guest: I am breaker", console) == 2)
        #expect(count("(bystander) casemate-guest: I am bystander", console) == 1)
        #expect(count("store failed: ", console) == 2)
        #expect(!console.contains("bystander failed"))
    }

    /// Does what is denied, which the hypervisor tells, and ends.
    private static func silent(_ request: String) -> String {
        """
        sleep 8
        \(request) >/dev/null 2>&1
        poweroff -f
        """
    }

    @Test("a console that fails ends nobody; its users are not seen, and the store serves them")
    func console() throws {
        let system = try system(
            ["first", "second"], ["console": "restart 1 times"],
            "channel notes: first -> second signal",
            services: [module("store.elf"), broken("ConsoleService", at: "drain")],
            roles: [
                ServedLifeTests.silent("xenstore-read /channel/notes/mark"),
                ServedLifeTests.silent("xenstore-write /channel/notes/mark 1"),
            ])
        let expected = [
            "console failed: shutdown reason 3; it is started again, 0 restarts are left",
            "console failed: shutdown reason 3; it stays down: its limit of 1 restarts is used up",
            "denied xenstore { read } from first to second by the store",
            "denied xenstore { write } from second to first by the store",
            "domain 3 shut down, reason 0", "domain 4 shut down, reason 0",
        ]
        let console = try BootOutcome.boot(system.bundle, until: expected, seconds: 300).console
        for line in expected { #expect(console.contains(line), "\(line)\n\(console)") }
        #expect(!console.contains("(first)") && !console.contains("(second)"))
    }
}
