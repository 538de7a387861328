#if hasFeature(Embedded)

    import BootArena
    import GuestRuntime
    import SystemManifest

    /// Where the entry code hands over: long mode, identity map, one stack, exceptions caught.
    ///
    /// - Parameter startInfo: guest-physical address of the PVH start info, whose one module is the
    ///   system manifest.
    @c public func service_main(_ startInfo: UInt64) {
        guard let memory = GuestMemory(startInfo: startInfo), memory.module.size > 0 else {
            GuestMachine.stop(ServiceText("(console) stopped: no start info with a manifest"))
        }
        guard var machine = GuestMachine() else {
            GuestMachine.stop(ServiceText("(console) stopped: no shared page"))
        }
        do throws(SystemManifestError) {
            let manifest = try SystemManifest(validating: memory.moduleBytes)
            serve(manifest, memory, &machine)
        } catch {
            GuestMachine.stop(ServiceText("(console) stopped: the manifest is refused"))
        }
    }

    /// Serves the users.
    private func serve(
        _ manifest: borrowing SystemManifest, _ memory: GuestMemory,
        _ machine: inout GuestMachine
    ) {
        guard manifest.index(of: .console) != nil, var arena = memory.takeArena() else {
            GuestMachine.stop(ServiceText("(console) stopped: the manifest names no console"))
        }
        guard machine.followUsers(of: .console, manifest), machine.followConsole()
        else {
            GuestMachine.stop(
                ServiceText("(console) stopped: the policy does not make it the console"))
        }
        do throws(BootArenaError) {
            var server = try ConsoleServer(manifest, arena: &arena)
            arena.seal()
            _ = server.serveRound(&machine)
            var text = ServiceText("(console) ready, serves ")
            text.append(UInt64(server.servedCount))
            text.append(" rings")
            GuestMachine.say(text)
            run(&server, &machine)
        } catch {
            GuestMachine.stop(ServiceText("(console) stopped: its memory is too small"))
        }
    }

    private func run(_ server: inout ConsoleServer, _ machine: inout GuestMachine) {
        // More rounds than any machine lasts.
        for _ in 0..<UInt64.max {
            let hasMoved = server.serveRound(&machine)
            if !hasMoved { machine.waitForSignals(until: server.wakeTime) }
        }
    }

#endif
