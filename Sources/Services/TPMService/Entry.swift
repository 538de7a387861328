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
            GuestMachine.stop(ServiceText("tpm: stopped: no start info with a manifest"))
        }
        guard var machine = GuestMachine() else {
            GuestMachine.stop(ServiceText("tpm: stopped: no shared page"))
        }
        do throws(SystemManifestError) {
            let manifest = try SystemManifest(validating: memory.moduleBytes)
            serve(manifest, memory, &machine)
        } catch {
            GuestMachine.stop(ServiceText("tpm: stopped: the manifest is refused"))
        }
    }

    /// Serves the users.
    private func serve(
        _ manifest: borrowing SystemManifest, _ memory: GuestMemory,
        _ machine: inout GuestMachine
    ) {
        guard let own = manifest.index(of: .tpm), machine.followUsers(of: .tpm, manifest) else {
            GuestMachine.stop(ServiceText("tpm: stopped: the policy does not give it the TPM"))
        }
        guard let end = machine.openStore() else {
            GuestMachine.stop(ServiceText("tpm: stopped: it uses no store"))
        }
        guard var arena = memory.takeArena() else {
            GuestMachine.stop(ServiceText("tpm: stopped: no memory"))
        }
        do throws(BootArenaError) {
            var server = try TPMServer(manifest, store: end, machine, arena: &arena)
            arena.seal()
            // With `console none` the policy lets it write nowhere.
            if manifest.compartment(at: own).hasConsole {
                var text = ServiceText("tpm: ready, has ")
                text.append(UInt64(manifest.userCount(of: .tpm)))
                text.append(" users")
                GuestMachine.say(text)
            }
            run(&server, &machine)
        } catch {
            GuestMachine.stop(ServiceText("tpm: stopped: its memory is too small"))
        }
    }

    private func run(_ server: inout TPMServer, _ machine: inout GuestMachine) {
        // More rounds than any machine lasts.
        for _ in 0..<UInt64.max {
            let hasMoved = server.serveRound(&machine)
            if !hasMoved { machine.waitForSignals(until: server.wakeTime) }
        }
    }

#endif
