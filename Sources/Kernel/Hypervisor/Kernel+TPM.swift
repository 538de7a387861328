#if hasFeature(Embedded)

    import HypervisorCore
    import MachineX86
    import PolicyDatabase
    import SystemManifest
    import TPMDevice

    /// Commands of compartments that the policy lets reach the TPM. The TPM works while guests run;
    /// nothing here waits for it. What the machine itself measures goes first.
    extension Kernel {
        /// Carries out what the service `tpm` has ordered.
        ///
        /// - Returns: 0; of a response its length. Or an error: `EINVAL`, no order or command;
        ///   `EPERM`, one that is refused, of which there is a record; `EBUSY`, one runs; `ENOENT`,
        ///   there is no response; `ENOSPC`, it is longer than the room for it; `EFAULT`; `EIO`,
        ///   the TPM failed.
        mutating func carryOut(_ order: TPMOrder, for service: DomainID) -> HypercallResult {
            do throws(XenError) {
                if order.action == 3 {
                    records.recorder.device.cancelGuestCommand()
                    return .finished(0)
                }
                guard !records.recorder.device.isGuestRunning() else { throw .busy }
                switch order.action {
                case 1:
                    try submit(order, service)
                    return .finished(0)
                case 2: return .finished(try collect(order, service))
                default: throw .invalidArgument
                }
            } catch { return .finished(error.result) }
        }

        /// Copies a command, judges what was copied, and has the TPM begin with it.
        private mutating func submit(
            _ order: TPMOrder, _ service: DomainID
        ) throws(XenError) {
            var count = 0
            while count < Int(min(order.size, 3584)) {
                // WRAPS: an address; it is looked up whatever it is.
                let place = GuestVirtualAddress(order.buffer.value &+ UInt64(count))
                let bytes = try machine.copyFromGuest(
                    service, at: place, count: min(128, Int(order.size) - count))
                for index in 0..<bytes.count {
                    records.recorder.device[guest: count + index] = bytes[index]
                }
                count += bytes.count
            }
            guard let command = records.recorder.device.guestCommand(Int(order.size)) else {
                throw .invalidArgument
            }
            guard !command.reachesReservedRegister,
                manifestPlace.view().permitsTPMCommand(command.code)
            else {
                machine.audit(
                    Denial(
                        source: order.user, target: .hypervisor,
                        permission: XenPermission.firmware, operation: "the TPM's command ",
                        object: command.code))
                throw .notPermitted
            }
            do throws(TPMError) {
                try records.recorder.device.beginGuestCommand(Int(order.size))
            } catch { throw .failed }
        }

        /// Copies the response of a command that has ended.
        private func collect(
            _ order: TPMOrder, _ service: DomainID
        ) throws(XenError) -> Int64 {
            guard let size = records.recorder.device.guestResponse else { throw .notFound }
            guard size <= Int(order.size) else { throw .noSpace }
            var count = 0
            while count < size {
                var bytes = GuestBytes(count: size - count)
                for index in 0..<bytes.count {
                    bytes[index] = records.recorder.device[guest: count + index]
                }
                // WRAPS: as above.
                let place = GuestVirtualAddress(order.buffer.value &+ UInt64(count))
                try machine.copyToGuest(service, at: place, bytes)
                count += bytes.count
            }
            return Int64(size)
        }
    }

#endif
