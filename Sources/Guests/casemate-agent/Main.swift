internal import ControlAgent
internal import PolicyAuthority

/// The program of the control compartment: serves requests that come by COM2, and passes commands
/// on to the TPM that the compartment may have.
@main
enum CasemateAgent {
    /// Where the initial RAM disk, which is measured, holds the authority's public key.
    private static let keyPath = "/etc/casemate/authority.pub"
    /// How long a frame may rest in the middle.
    private static let silenceInMilliseconds: UInt64 = 2000

    static func main() {
        do throws(MachineError) {
            try serve()
        } catch {
            LinuxMachine.report("the agent stopped: errno \(error.number)")
        }
    }

    private static func serve() throws(MachineError) {
        let text = String(decoding: try LinuxMachine.contents(of: keyPath), as: UTF8.self)
        let key: AuthorityPublicKey
        do throws(AuthorityKeyError) {
            key = try AuthorityPublicKey(pem: text)
        } catch {
            return LinuxMachine.report("the agent stopped: \(keyPath): \(error.message)")
        }
        var machine = try LinuxMachine()
        var agent = ControlAgent(authority: key)
        machine.say("ready; orders are signed by \(LinuxMachine.hexadecimal(key.id))")
        var last = machine.milliseconds
        var idleTurns = 0
        while true {
            agent.attend(&machine)
            let bytes = machine.receive()
            if !bytes.isEmpty {
                agent.take(bytes, &machine)
                last = machine.milliseconds
                idleTurns = 0
                continue
            }
            // The rest of a frame follows within microseconds; a person does not.
            idleTurns += 1
            guard idleTurns > 100 else { continue }
            LinuxMachine.sleep(milliseconds: agent.isWaiting || agent.isAttending ? 1 : 10)
            if machine.milliseconds - last > silenceInMilliseconds {
                agent.fallSilent(&machine)
                last = machine.milliseconds
            }
        }
    }
}
