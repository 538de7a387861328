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
            GuestMachine.stop(ServiceText("store: stopped: no start info with a manifest"))
        }
        guard var machine = GuestMachine() else {
            GuestMachine.stop(ServiceText("store: stopped: no shared page"))
        }
        do throws(SystemManifestError) {
            let manifest = try SystemManifest(validating: memory.moduleBytes)
            serve(manifest, memory, &machine)
        } catch {
            GuestMachine.stop(ServiceText("store: stopped: the manifest is refused"))
        }
    }

    /// Serves the users.
    private func serve(
        _ manifest: borrowing SystemManifest, _ memory: GuestMemory,
        _ machine: inout GuestMachine
    ) {
        guard machine.followUsers(of: .store, manifest) else {
            GuestMachine.stop(ServiceText("store: stopped: the policy does not make it the store"))
        }
        guard var arena = memory.takeArena() else {
            GuestMachine.stop(ServiceText("store: stopped: no memory"))
        }
        do throws(StoreServiceError) {
            var server = try StoreServer.make(
                for: manifest, secret: GuestMachine.randomBits(), &machine, arena: &arena)
            arena.seal()
            _ = server.serveRound(manifest, &machine)
            // With `console none` the policy lets it write nowhere.
            if let own = manifest.index(of: .store), manifest.compartment(at: own).hasConsole {
                report(server)
            }
            run(&server, manifest, &machine)
        } catch {
            var text = ServiceText("store: stopped: ")
            text.append(error.reason)
            GuestMachine.stop(text)
        }
    }

    private func run(
        _ server: inout StoreServer, _ manifest: borrowing SystemManifest,
        _ machine: inout GuestMachine
    ) {
        // More rounds than any machine lasts.
        for _ in 0..<UInt64.max {
            let hasMoved = server.serveRound(manifest, &machine)
            if !hasMoved { machine.waitForSignals(until: server.wakeTime) }
        }
    }

    private func report(_ server: borrowing StoreServer) {
        var text = ServiceText("store: ready, serves ")
        text.append(UInt64(server.servedCount))
        text.append(" rings; ")
        text.append(UInt64(server.layoutRefusals))
        text.append(" of its own requests refused")
        GuestMachine.say(text)
    }

#endif
